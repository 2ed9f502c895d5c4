"""GitHub's API as GitHub itself describes it: served, and every request held to it, by Prism."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from filelock import FileLock

from harness.debian import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOCK = Path(__file__).parents[2] / ".locks" / "prism"
_DESCRIPTION = "node_modules/@octokit/openapi/generated/api.github.com.deref.json"
_ASSET = "/repos/{owner}/{repo}/releases/assets/{asset_id}"
_TIMEOUT = 300


class _Description(msgspec.Struct):
    openapi: str
    info: msgspec.Raw
    paths: dict[str, msgspec.Raw]


@contextmanager
def github(folder: Path, paths: Iterable[str], *, before: str | None = None) -> Iterator[str]:
    """Serve some paths of GitHub's API, with the description's own examples; yield the address.

    A request that the description doesn't allow is answered with an error, as are other paths.

    Args:
        folder: where to put files.
        paths: the paths, as the description spells them.
        before: a server to stand before, whose answers are then held to the description too.

    """
    packages = _installed()
    description = folder / "github.json"
    description.write_bytes(_excerpt(packages / _DESCRIPTION, paths))
    answers = ["mock", str(description)] if before is None else ["proxy", str(description), before]
    prism = subprocess.Popen(
        [packages / "node_modules/.bin/prism", *answers, "--port=0", "--errors"],
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield _address(prism)
    finally:
        prism.terminate()
        prism.communicate(timeout=_TIMEOUT)


def _installed() -> Path:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    lock = (LOCK / "package-lock.json").read_bytes()
    folder = CACHE / f"prism-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(LOCK, partial)
            try:
                subprocess.run(
                    [npm, "ci", f"--prefix={partial}"],
                    check=True,
                    capture_output=True,
                    timeout=_TIMEOUT,
                )
            except subprocess.SubprocessError as error:
                pytest.skip(f"npm can't install what {LOCK} names: {error}")
            partial.rename(folder)
    return folder


def _excerpt(path: Path, wanted: Iterable[str]) -> bytes:
    """Return a description with some paths alone, which Prism reads in a second."""
    whole = msgspec.json.decode(path.read_bytes(), type=_Description)
    paths: dict[str, Any] = {name: msgspec.json.decode(whole.paths[name]) for name in wanted}
    for operations in paths.values():
        for operation in operations.values():
            for response in operation["responses"].values():
                response.pop("headers", None)  # the example of a Link leads to the real GitHub
    if download := paths.get(_ASSET):  # its text tells of these bytes, its schema does not
        download["get"]["responses"]["200"]["content"]["application/octet-stream"] = {}
    return msgspec.json.encode({"openapi": whole.openapi, "info": whole.info, "paths": paths})


def _address(prism: subprocess.Popen[str]) -> str:
    said = []
    for line in prism.stdout or ():
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1]
    raise AssertionError("".join(said))
