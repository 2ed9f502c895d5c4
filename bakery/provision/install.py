"""Extensions in a root file system that is mounted somewhere: golden images, other disks."""

from __future__ import annotations

import errno
import hashlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bakery.http.retry import Patience
from bakery.http.transport import SourceError, request
from bakery.provision.machine import UNITS, Remote, unit_files
from bakery.provision.place import ProvisionError
from bakery.provision.plan import IMAGES, KEYRING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bakery.provision.extension import Extension
    from bakery.provision.machine import File, Machine

_RECORD = "installed"
_MODE = 0o644
_CHUNK = 1 << 20
_MAX_LINKS = 40


def install(extension: Extension, machine: Machine, root: Path) -> list[str]:
    """Lay one extension into a root file system, and return the paths that are its own.

    They are recorded beside the image, for `uninstall`. Nothing is started or loaded.

    Args:
        extension: what is installed.
        machine: what a machine needs for it, and for nothing else.
        root: the root of the file system.

    Raises:
        ProvisionError: the root is none or can't be written, the image is not as it should be, or
            an extension that it requires is not there.

    """
    _refuse_no_root(root)
    _refuse_alone(extension, root)
    enabled = [
        (f"{UNITS}/{unit.wanted_by}.wants/{unit.name}", _home(unit.name, own=unit.text is not None))
        for unit in machine.units
        if unit.wanted_by
    ]
    links = [*((link.path, link.target) for link in machine.links), *enabled]
    files = (*machine.files, *unit_files(machine))
    record = _inside(root, _record(extension.name))
    with _writing(root):
        for file in files:
            _lay(file, extension.local, root)
        for path, target in links:
            place = _placed(root, path)
            place.unlink(missing_ok=True)
            place.symlink_to(target)
        shared = {file.path for file in files if file.shared}
        shared |= {path for path, target in enabled if not target.startswith(UNITS)}
        laid = (*(file.path for file in files), *(path for path, _ in links))
        own = [path for path in laid if path not in shared]
        _remove(root, set(_recorded(record)) - {*own, *shared})
        record.write_text("\n".join(own) + "\n", "utf-8")
    return own


def uninstall(name: str, root: Path) -> list[str]:
    """Take what `install` laid for an extension out of a root file system; return its paths.

    Raises:
        ProvisionError: there is no record of it, or it can't be removed.

    """
    _refuse_no_root(root)
    record = _inside(root, _record(name))
    if not record.is_file():
        raise ProvisionError(
            f"{name} was not installed here with `bakery install`",
            where=str(root),
            fix=f"there are: {', '.join(_installed(root)) or 'none'}",
        )
    with _writing(root):
        own = _recorded(record)
        _remove(root, own)
        shutil.rmtree(record.parent)
    return own


def _recorded(record: Path) -> list[str]:
    return record.read_text("utf-8").splitlines() if record.is_file() else []


def _remove(root: Path, paths: Iterable[str]) -> None:
    for path in paths:
        place = _inside(root, path)
        place.unlink(missing_ok=True)
        if place.parent.name.startswith("sysupdate.") and not any(place.parent.iterdir()):
            place.parent.rmdir()


def _installed(root: Path) -> list[str]:
    records = _inside(root, f"{IMAGES}/NAME").parent.glob(f"*/{_RECORD}")
    return sorted(record.parent.name for record in records)


def _record(name: str) -> str:
    return f"{IMAGES}/{name}/{_RECORD}"


def _home(unit: str, *, own: bool) -> str:
    return f"{UNITS if own else '/usr/lib/systemd/system'}/{unit}"


def _lay(file: File, local: Path | None, root: Path) -> None:
    place = _placed(root, file.path)
    partial = place.with_name(f".{place.name}.part")
    try:
        if isinstance(file.contents, Remote):
            source = local.absolute().as_uri() if local else file.contents.url
            _copy(source, partial, file.contents.sha256)
        else:
            there = _others(place) if file.path == KEYRING else b""
            data = file.contents.data
            partial.write_bytes(there if data in there else there + data)
        partial.chmod(_MODE)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def _others(keyring: Path) -> bytes:
    """Return the keys that are there already, and stay: other publishers' perhaps."""
    return keyring.read_bytes() if keyring.is_file() and not keyring.is_symlink() else b""


def _copy(source: str, target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    try:
        with request(source, None, Patience()) as answer, target.open("wb") as file:
            while chunk := answer.read():
                digest.update(chunk)
                file.write(chunk)
    except SourceError as error:
        raise ProvisionError(
            "the image can't be read", where=source, why=str(error), fix="try again, or build it"
        ) from None
    if digest.hexdigest() != sha256:
        raise ProvisionError(
            f"{source.rpartition('/')[2]} is not the file it should be",
            where=source,
            why=f"its SHA-256 is {digest.hexdigest()}\nthe release has {sha256}",
            fix="build or publish it again",
        )


def _placed(root: Path, path: str) -> Path:
    """Return a place below the root, in a folder that is there."""
    place = _inside(root, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _inside(root: Path, path: str) -> Path:
    """Return where a path of the system lies, following its folders' links as the system does."""
    todo, here, followed = path.strip("/").split("/"), root, 0
    while len(todo) > 1:
        step = todo.pop(0)
        place = here / step
        if step == "..":
            here = here if here == root else here.parent
        elif place.is_symlink() and followed < _MAX_LINKS:
            followed += 1
            target = str(place.readlink())
            here = root if target.startswith("/") else here
            todo = [*(part for part in target.split("/") if part not in ("", ".")), *todo]
        else:
            here = place
    return here / todo[0]


def _refuse_no_root(root: Path) -> None:
    if not (root / "etc").is_dir() or not (root / "usr").is_dir():
        raise ProvisionError(
            "there is no root file system",
            where=str(root),
            why="it has no folders etc and usr",
            fix="mount one there: systemd-dissect --mount DISK.img DIR",
        )


def _refuse_alone(extension: Extension, root: Path) -> None:
    missing = [name for name in extension.requires if not _is_there(name, root)]
    if missing:
        raise ProvisionError(
            f"{extension.name} needs {' and '.join(missing)} beside it",
            where=str(root),
            fix="\n".join(f"bakery install {name} --root {root}" for name in missing),
        )


def _is_there(name: str, root: Path) -> bool:
    places = (
        _inside(root, f"{folder}/extensions/{name}{ending}")
        for folder in ("etc", "var/lib", "usr/lib")
        for ending in (".raw", ".raw.v", "")
    )
    return any(place.is_symlink() or place.exists() for place in places)


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProvisionError(
            "the root file system can't be written",
            where=str(error.filename or root),
            why=error.strerror,
            fix="make room on it"
            if error.errno == errno.ENOSPC
            else "mount it for writing, and run this as root",
        ) from None
