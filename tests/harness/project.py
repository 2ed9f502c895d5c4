"""A project of its own: the repository's dodo.py over other recipes, store and output."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakery.recipe import debian
from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from harness.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).parents[2]
TOOL = """summary: a tool
homepage: https://example.com
license: MIT
build: ['1.0']
arch: {x86-64: x86_64}
assets: [{url: 'https://example.com/tool-{version}', install: usr/bin/tool}]
"""
TOOL_URL = "https://example.com/tool-1.0"


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Project:
    """A project of its own: dodo.py, some of the repository's recipes, an empty store and dist."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.recipes = root / "recipes"
        self.recipes.mkdir(parents=True)
        shutil.copy(REPOSITORY / "dodo.py", root)
        self.dist = root / "dist"
        self.store = root / "store"
        self.environment = {
            **{name: value for name, value in os.environ.items() if "BAKERY" not in name},
            "BAKERY_STORE": str(self.store),
            "NO_COLOR": "1",
            **(environment or {}),
        }
        self.environment.pop("GITHUB_ACTIONS", None)

    def add(self, name: str, **files: str) -> Path:
        """Copy one of the repository's recipes and write files over it; return its folder."""
        folder = self.recipes / name
        if (REPOSITORY / "recipes" / name).is_dir():
            shutil.copytree(REPOSITORY / "recipes" / name, folder)
        texts = {"README.md": f"# {name}\n", "check.yaml": 'commands: [{run: "true"}]\n'}
        missing = {path: text for path, text in texts.items() if not (folder / path).exists()}
        for path, text in {**missing, **files}.items():
            target = folder / path.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return folder

    def lock(self, name: str, version: str, assets: Mapping[str, str], **parts: str) -> None:
        """Write the lock of one version: addresses and digests."""
        debs = filter(None, map(debian.parse, assets))
        locked = LockedVersion(
            parts=parts,
            packages={deb.suite: deb.name for deb in debs},
            assets=tuple(
                LockedAsset(url=url, sha256=digest, trust="first-use")
                for url, digest in assets.items()
            ),
        )
        path = self.recipes / name / "lock.json"
        path.write_bytes(lockfile.encode(Lock(versions={version: locked})))

    def command(self, *words: str) -> list[str]:
        """Return the command line of doit or bakery."""
        return [sys.executable, "-m", *words]

    @contextmanager
    def start(self, *words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """Run doit or bakery beside the block; into pipes, unless `options` say otherwise."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": self.environment}
        started = subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            text=True,
            **{**pipes, **options},
        )
        with running(started) as process:
            yield process

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run doit or bakery to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def doit(self, *words: str, **environment: str) -> str:
        """Run doit, which must succeed; return what it wrote."""
        done = self.run("doit", *words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
