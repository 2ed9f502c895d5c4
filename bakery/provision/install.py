"""Install extensions into a mounted root file system, such as a golden image's."""

from __future__ import annotations

import errno
import hashlib
import re
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from bakery.http.client import Client
from bakery.http.errors import RequestError
from bakery.http.limits import ASSET
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import UNITS, HostLink, RemoteContents, unit_files
from bakery.provision.host_root import HostRoot
from bakery.provision.plan import IMAGES, KEYRING
from bakery.recipe.names import release_name
from bakery.recipe.types import EXTENSION_NAME
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bakery.provision.extension import Extension
    from bakery.provision.host_config import HostConfig, HostFile

_HOST_UNITS = "/usr/lib/systemd/system"
_RECORD = "installed"
_MODE = 0o644
_WAYS_OUT = {
    errno.ENOSPC: "make room on it",
    errno.ELOOP: "mend the links on the way there: they lead in a circle, or through too many",
}


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
    host = HostRoot(root)
    with _explaining_failure(root):
        _refuse_other_folder(host)
        _refuse_missing_requirements(extension, host)
        return _install(extension, config, host)


def _install(extension: Extension, config: HostConfig, host: HostRoot) -> list[str]:
    enabled = _enabled_units(config)
    links = [*config.links, *enabled]
    files = (*config.files, *unit_files(config))
    before = _recorded(host, extension.name) or []
    _refuse_older(extension, before)
    for file in files:
        _write_file(file, extension.local, host)
    for link in links:
        host.link(link.path, link.target)
    shared = {file.path for file in files if file.shared}
    shared |= {link.path for link in enabled if not link.target.startswith(UNITS)}
    installed = (*(file.path for file in files), *(link.path for link in links))
    own = [path for path in installed if path not in shared]
    _remove(host, set(before) - {*own, *shared})
    with host.writing(_record(extension.name), _MODE) as record:
        record.write(("\n".join(own) + "\n").encode())
    return own


def _refuse_older(extension: Extension, before: Iterable[str]) -> None:
    """Refuse a channel that has gone back: whoever serves an old list hides what was mended since.

    The version that is installed is told as systemd-sysupdate does it, by what the names of the two
    images have in common.
    """
    if extension.component is None or extension.version is None:
        return
    start, end = f"{IMAGES}/{extension.name}/{extension.name}-", extension.file
    end = end.removeprefix(f"{extension.name}-{extension.version}")
    for path in before:
        version = path.removeprefix(start).removesuffix(end)
        if path != f"{start}{version}{end}" or not Version.is_written(version):
            continue
        if Version.parse(version) > Version.parse(extension.version):
            raise ProvisionError(
                f"the channel offers {extension.name} {extension.version}, and {version} is "
                "installed",
                why="channels do not go back: its list may be an old one",
                fix="to go back, name the release: "
                f"{release_name(extension.name, extension.version)}",
            )


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
    host = HostRoot(root)
    with _explaining_failure(root):
        _refuse_other_folder(host)
        own = _recorded(host, name)
        if own is None:
            raise ProvisionError(
                f"{name} was not installed here with `bakery install`",
                where=str(root),
                fix=f"there are: {', '.join(_installed(host)) or 'none'}",
            )
        _remove(host, own)
        host.remove(f"{IMAGES}/{name}")
    return own


def _recorded(host: HostRoot, name: str) -> list[str] | None:
    """Return what was recorded for an extension; None if nothing was."""
    record = host.read(_record(name)) if re.fullmatch(EXTENSION_NAME, name) else None
    if record is None:
        return None
    paths = record.decode("utf-8", "replace").splitlines()
    if not all(path.isprintable() and re.fullmatch("(?:/[^/]+)+", path) for path in paths):
        raise ProvisionError(
            f"the record of {name} is damaged",
            where=f"{host.path}{_record(name)}",
            why="its lines are not all absolute paths",
            fix=f"remove what belongs to {name} yourself, and this file",
        )
    return paths


def _remove(host: HostRoot, paths: Iterable[str]) -> None:
    for path in paths:
        host.unlink(path)
        folder = path.rpartition("/")[0]
        if folder.startswith("/etc/sysupdate."):
            host.prune(folder)


def _installed(host: HostRoot) -> list[str]:
    return [name for name in host.names(IMAGES) if host.exists(_record(name))]


def _record(name: str) -> str:
    return f"{IMAGES}/{name}/{_RECORD}"


def _write_file(file: HostFile, local: Path | None, host: HostRoot) -> None:
    existing = (host.read(file.path) or b"") if file.path == KEYRING else b""
    with host.writing(file.path, _MODE) as target:
        if isinstance(file.contents, RemoteContents):
            source = local.absolute().as_uri() if local else file.contents.url
            _copy(source, target, file.contents)
        else:
            data = file.contents.data  # beside keys that the host trusts already: other publishers'
            target.write(existing if data in existing else existing + data)


def _copy(source: str, target: IO[bytes], expected: RemoteContents) -> None:
    digest = hashlib.sha256()

    def write(chunk: bytes) -> None:
        digest.update(chunk)
        target.write(chunk)

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


def _refuse_other_folder(host: HostRoot) -> None:
    if not host.path.is_dir() or not host.has_folder("/etc") or not host.has_folder("/usr"):
        raise ProvisionError(
            "there is no root file system",
            where=str(host.path),
            why="it has no folders etc and usr",
            fix="mount one there: systemd-dissect --mount DISK.img DIR",
        )


def _refuse_missing_requirements(extension: Extension, host: HostRoot) -> None:
    missing = [name for name in extension.requires if not _is_installed(name, host)]
    if missing:
        raise ProvisionError(
            f"{extension.name} needs {' and '.join(missing)} beside it",
            where=str(host.path),
            fix="\n".join(f"bakery install {name} --root {host.path}" for name in missing),
        )


def _is_installed(name: str, host: HostRoot) -> bool:
    return any(
        host.exists(f"{folder}/extensions/{name}{ending}")
        for folder in ("/etc", "/var/lib", "/usr/lib")
        for ending in (".raw", ".raw.v", "")
    )


@contextmanager
def _explaining_failure(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProvisionError(
            "the root file system can't be read or written",
            where=str(error.filename or root),
            why=error.strerror,
            fix=_WAYS_OUT.get(error.errno or 0, "mount it for writing, and run this as root"),
        ) from None
