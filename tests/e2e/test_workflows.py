"""The release workflows themselves, from the plan to the channels, run by act."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.act import Runner
from harness.debian import store
from harness.github import REPOSITORY, TOKEN, GitHub
from harness.mirror import Mirror
from harness.project import REPOSITORY as SOURCE

from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.openpgp import Person

pytestmark = [
    pytest.mark.e2e,
    needs.ROOT,
    needs.programs("strace", "systemd-nspawn"),
]

NAMES = ("hello", "greeter", "server")
URL = "https://example.com/{name}-1.0"
RECIPE = """\
summary: says {name}, for tests
homepage: https://example.com/
license: MIT
build: ["1.0"]
arch: {{x86-64: x86_64}}
assets:
  - url: https://example.com/{{name}}-{{version}}
    install: usr/bin/{name}
"""
KEY_JOBS = {"sign", "sign-channels"}
COMMIT = ["commit", "--quiet", "--message", "three recipes"]


@pytest.fixture(scope="module")
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


@pytest.fixture(scope="module")
def secret(person: Person) -> str:
    return person.gpg("--armor", "--export-secret-keys", person.key("releases")).decode()


@pytest.fixture(scope="module")
def runner(
    github: GitHub, secret: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("workflows")
    (folder / "mirror").mkdir()
    with Mirror(folder / "mirror") as mirror:
        yield Runner(
            source=repository(folder, mirror),
            folder=folder,
            variables={"BAKERY_PUBLISHER": f"github:{REPOSITORY}", "BAKERY_MACHINES": MACHINE},
            secrets={"GITHUB_TOKEN": TOKEN, "BAKERY_SIGNING_KEY": secret},
            environment={
                "GITHUB_API_URL": github.shown,
                "BAKERY_MIRROR": mirror.url,
                "BAKERY_STORE": str(store()),  # where Debian systems are kept, too
            },
        )


MACHINE = "nspawn:bookworm"


def repository(folder: Path, mirror: Mirror) -> Path:
    """Return a fork of this repository with three recipes of its own."""
    root = folder / "repository"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        if not name.startswith(("recipes/", "tests/")) and (SOURCE / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCE / name, root / name)
    for name in NAMES:
        recipe = root / "recipes" / name
        recipe.mkdir(parents=True)
        (recipe / "recipe.yaml").write_text(RECIPE.format(name=name))
        (recipe / "check.yaml").write_text(f"commands: [{{run: {name}, stdout: {{equals: hi}}}}]\n")
        (recipe / "README.md").write_text(f"# {name}\n\nSays hi.\n")
        data = b"#!/bin/sh\necho hi\n"
        url = URL.format(name=name)
        mirror.place(url).write_bytes(data)
        asset = LockedAsset(
            url=url, sha256=hashlib.sha256(data).hexdigest(), size=len(data), trust="first-use"
        )
        lock = Lock(versions={"1.0": LockedVersion(assets=(asset,))})
        (recipe / "lock.json").write_bytes(lockfile.encode(lock))
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.com"]
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "."], COMMIT):
        subprocess.run([*git, *words], cwd=root, check=True)
    return root


@pytest.fixture(scope="module")
def released(runner: Runner) -> str:
    return runner.run("release.yaml")


def test_three_recipes_are_baked_booted_signed_published_and_followed(
    released: str, github: GitHub, runner: Runner
) -> None:
    tags = {release.tag for release in github.public}
    assert tags >= {f"{name}-1.0" for name in NAMES} | set(NAMES), released[-5000:]
    for name in NAMES:
        (release,) = [each for each in github.public if each.tag == f"{name}-1.0"]
        document = json.loads(release.files["release.json"])
        (image,) = document["images"]
        assert image["boots"]
        assert f"{name}-1.0-x86-64.raw" in release.files
        assert "SHA256SUMS.gpg" in release.files
        digest = hashlib.sha256(release.files[f"{name}-1.0-x86-64.raw"]).hexdigest()
        assert digest in " ".join(runner.attested)


def test_the_key_reaches_only_what_signs(released: str, runner: Runner, secret: str) -> None:
    assert released
    line = secret.splitlines()[3]
    with_key = [
        each
        for each in runner.processes()
        if any(line in value for value in each.environment.values())
    ]
    assert {process.job for process in with_key} == KEY_JOBS
    allowed = {"bakery", "bash", "doit", "python3", "sh", "xargs"}  # gpg reads it
    assert {process.program for process in with_key} <= allowed


def test_nothing_is_built_or_booted_where_things_are_signed(released: str, runner: Runner) -> None:
    assert released
    started = [*runner.processes()]
    squashed = [p for p in started if p.program == "mksquashfs" and "-comp" in p.command]
    assert len(squashed) == 2 * len(NAMES)  # built, and built again
    booted = [p for p in started if p.program == "systemd-nspawn" and "--version" not in p.command]
    assert len(booted) == len(NAMES)
    assert "gpg" in {process.program for process in started}
