from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from bakery.archive.unpack import Member, members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Contents = dict[str, tuple[Member, bytes | None]]


@pytest.fixture(scope="session")
def unpack() -> Callable[..., Contents]:
    """Returns a function that unpacks into memory, and checks what every consumer relies on."""

    def unpack(archive: Path, filename: str | None = None, **options: Any) -> Contents:
        found: Contents = {}
        wanted = options.pop("wanted", lambda _: True)
        for member, stream in members(archive, filename or archive.name, wanted, **options):
            assert member.path not in found or member.type == "directory"
            assert (stream is None) == (member.type != "file")
            assert (member.target is None) == (member.type != "link")
            found[member.path] = member, None if stream is None else stream.read()
        return found

    return unpack


@pytest.fixture(scope="session")
def tool() -> Callable[..., None]:
    """Returns a function that runs a program of the system."""

    def run(*command: str | Path, cwd: Path) -> None:
        if shutil.which(str(command[0])) is None:
            pytest.skip(f"{command[0]} is not installed")
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)

    return run


@pytest.fixture
def tar_of(tmp_path: Path) -> Callable[..., Path]:
    """Returns a function that packs headers, each with its data, as they are."""

    def pack(*entries: tuple[dict[str, Any], bytes], mode: Any = "w:gz") -> Path:
        path = tmp_path / "asset.tar.gz"
        with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as archive:
            for fields, data in entries:
                info = tarfile.TarInfo()
                info.size = len(data)
                for name, value in fields.items():
                    setattr(info, name, value)
                archive.addfile(info, io.BytesIO(data))
        return path

    return pack
