"""Install extensions into a mounted root file system, such as a golden image's."""

from __future__ import annotations

import errno
import hashlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bakery.files import move
from bakery.http.client import Client
from bakery.http.errors import RequestError
from bakery.http.limits import ASSET
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import UNITS, HostLink, RemoteContents, unit_files
from bakery.provision.plan import IMAGES, KEYRING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bakery.provision.extension import Extension
    from bakery.provision.host_config import HostConfig, HostFile

_HOST_UNITS = "/usr/lib/systemd/system"
_RECORD = "installed"
_MODE = 0o644
_MAX_LINKS = 40


def install(extension: Extension, config: HostConfig, root: Path) -> list[str]:
    """Install one extension into a root file system, and return the paths that are its own.

    They are recorded beside the image, for `uninstall`. Nothing is started or loaded.

    Args:
        extension: the extension.
        config: what a host gets for it, and for nothing else.
        root: the root of the file system.

    Raises:
        ProvisionError: `root` is no root file system or can't be written, the image has another
            digest, or an extension that it requires is not installed.

    """
    _refuse_other_folder(root)
    _refuse_missing_requirements(extension, root)
    enabled = _enabled_units(config)
    links = [*config.links, *enabled]
    files = (*config.files, *unit_files(config))
    record = _resolve(root, _record(extension.name))
    with _explaining_failure(root):
        for file in files:
            _write_file(file, extension.local, root)
        for link in links:
            path = _with_parents(root, link.path)
            path.unlink(missing_ok=True)
            path.symlink_to(link.target)
        shared = {file.path for file in files if file.shared}
        shared |= {link.path for link in enabled if not link.target.startswith(UNITS)}
        installed = (*(file.path for file in files), *(link.path for link in links))
        own = [path for path in installed if path not in shared]
        _remove(root, set(_recorded(record)) - {*own, *shared})
        record.write_text("\n".join(own) + "\n", "utf-8")
    return own


def _enabled_units(config: HostConfig) -> list[HostLink]:
    """Return the links by which targets start units, as `systemctl enable` makes them."""
    return [
        HostLink(
            path=f"{UNITS}/{unit.wanted_by}.wants/{unit.name}",
            target=f"{UNITS if unit.text is not None else _HOST_UNITS}/{unit.name}",
        )
        for unit in config.units
        if unit.wanted_by
    ]


def uninstall(name: str, root: Path) -> list[str]:
    """Remove an extension from a root file system; return the paths that `install` recorded.

    Raises:
        ProvisionError: it is not recorded there, or can't be removed.

    """
    _refuse_other_folder(root)
    record = _resolve(root, _record(name))
    if not record.is_file():
        raise ProvisionError(
            f"{name} was not installed here with `bakery install`",
            where=str(root),
            fix=f"there are: {', '.join(_installed(root)) or 'none'}",
        )
    with _explaining_failure(root):
        own = _recorded(record)
        _remove(root, own)
        shutil.rmtree(record.parent)
    return own


def _recorded(record: Path) -> list[str]:
    return record.read_text("utf-8").splitlines() if record.is_file() else []


def _remove(root: Path, paths: Iterable[str]) -> None:
    for path in paths:
        file = _resolve(root, path)
        file.unlink(missing_ok=True)
        if file.parent.name.startswith("sysupdate.") and not any(file.parent.iterdir()):
            file.parent.rmdir()


def _installed(root: Path) -> list[str]:
    records = _resolve(root, f"{IMAGES}/NAME").parent.glob(f"*/{_RECORD}")
    return sorted(record.parent.name for record in records)


def _record(name: str) -> str:
    return f"{IMAGES}/{name}/{_RECORD}"


def _write_file(file: HostFile, local: Path | None, root: Path) -> None:
    path = _with_parents(root, file.path)
    partial = path.with_name(f".{path.name}.part")
    try:
        if isinstance(file.contents, RemoteContents):
            source = local.absolute().as_uri() if local else file.contents.url
            _copy(source, partial, file.contents)
        else:
            existing = _existing_keys(path) if file.path == KEYRING else b""
            data = file.contents.data
            partial.write_bytes(existing if data in existing else existing + data)
        partial.chmod(_MODE)
        move(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _existing_keys(keyring: Path) -> bytes:
    """Return the keys that the host trusts already, which may be other publishers'."""
    return keyring.read_bytes() if keyring.is_file() and not keyring.is_symlink() else b""


def _copy(source: str, target: Path, expected: RemoteContents) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as file:

        def write(chunk: bytes) -> None:
            digest.update(chunk)
            file.write(chunk)

        try:
            Client().copy(source, write, size=ASSET if expected.size is None else expected.size)
        except RequestError as error:
            raise ProvisionError(
                "the image can't be read",
                where=source,
                why=str(error),
                fix="try again, or build it",
            ) from None
    if digest.hexdigest() != expected.sha256:
        raise ProvisionError(
            f"{source.rpartition('/')[2]} is not the file it should be",
            where=source,
            why=f"its SHA-256 is {digest.hexdigest()}\nthe release has {expected.sha256}",
            fix="build or publish it again",
        )


def _with_parents(root: Path, path: str) -> Path:
    """Return a path of the system as it is on this computer, and make the folders around it."""
    resolved = _resolve(root, path)
    resolved.parent.mkdir(parents=True, exist_ok=True)
    return resolved


def _resolve(root: Path, path: str) -> Path:
    """Return a path of the system as it is on this computer, its folders' links followed."""
    parts, here, followed = path.strip("/").split("/"), root, 0
    while len(parts) > 1:
        part = parts.pop(0)
        folder = here / part
        if part == "..":
            here = here if here == root else here.parent
        elif folder.is_symlink() and followed < _MAX_LINKS:
            followed += 1
            target = str(folder.readlink())
            here = root if target.startswith("/") else here
            parts = [*(step for step in target.split("/") if step not in ("", ".")), *parts]
        else:
            here = folder
    return here / parts[0]


def _refuse_other_folder(root: Path) -> None:
    if not (root / "etc").is_dir() or not (root / "usr").is_dir():
        raise ProvisionError(
            "there is no root file system",
            where=str(root),
            why="it has no folders etc and usr",
            fix="mount one there: systemd-dissect --mount DISK.img DIR",
        )


def _refuse_missing_requirements(extension: Extension, root: Path) -> None:
    missing = [name for name in extension.requires if not _is_installed(name, root)]
    if missing:
        raise ProvisionError(
            f"{extension.name} needs {' and '.join(missing)} beside it",
            where=str(root),
            fix="\n".join(f"bakery install {name} --root {root}" for name in missing),
        )


def _is_installed(name: str, root: Path) -> bool:
    paths = (
        _resolve(root, f"{folder}/extensions/{name}{ending}")
        for folder in ("etc", "var/lib", "usr/lib")
        for ending in (".raw", ".raw.v", "")
    )
    return any(path.is_symlink() or path.exists() for path in paths)


@contextmanager
def _explaining_failure(root: Path) -> Iterator[None]:
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
