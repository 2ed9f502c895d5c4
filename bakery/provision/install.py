"""Install extensions into a mounted root file system, such as a golden image's."""

from __future__ import annotations

import errno
import hashlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from bakery.http.errors import RequestError
from bakery.http.limits import ASSET
from bakery.provision import keys, ownership, record, verity
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import RemoteContents, unit_files
from bakery.provision.host_root import HostRoot
from bakery.provision.plan import IMAGES
from bakery.recipe.names import release_name
from bakery.recipe.version import Version
from bakery.registry.files import Files
from bakery.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bakery.provision.extension import Extension
    from bakery.provision.host_config import HostConfig, HostFile, HostLink, Laid

_MODE = 0o644
_ENGINES = ("/usr/lib/systemd/systemd-sysupdate", "/usr/bin/systemd-sysupdate")
_WAYS_OUT = {
    errno.ENOSPC: "make room on it",
    errno.ELOOP: "mend the links on the way there: they lead in a circle, or through too many",
}


def install(extension: Extension, config: HostConfig, root: Path) -> list[str]:
    """Install one extension into a root file system, and return the paths that are its own.

    They are recorded beside the image (see `record`). Nothing is started or loaded. What is refused
    is refused before anything changes.

    Args:
        extension: the extension.
        config: what a host gets for it, and for nothing else.
        root: the root of the file system.

    Raises:
        ProvisionError: `root` is no root file system or can't be written, it can't follow a
            channel, the image has another digest, an extension that it requires is not
            installed, or something of others is in the way.

    """
    host = HostRoot(root)
    with _explaining_failure(root):
        _refuse_other_folder(host)
        _refuse_missing_requirements(extension, host)
        _refuse_without_engine(extension, host)
        verity.refuse_beside(host, config)
        return _install(extension, config, host)


def _install(extension: Extension, config: HostConfig, host: HostRoot) -> list[str]:
    name = extension.name
    before = ownership.recorded(host, name) or ()
    _refuse_older(extension, before, host)
    new = ownership.claim(host, name, config.records[name])
    trusted = keys.changes(host, _keys(extension))
    for file in (*config.files, *unit_files(config.units)):
        _write_file(file, extension.local, host)
        if isinstance(file.contents, RemoteContents):  # all that may fail has not
            ownership.write(host, name, {*before, *new})
    _apply(trusted, host)
    for link in (*config.links, *_enabled_units(config)):
        host.link(link.path, link.target)
    ownership.take_away(host, name, before, new)
    ownership.write(host, name, new)
    return [each.path for each in new if each.kind in ("file", "link")]


def _refuse_without_engine(extension: Extension, host: HostRoot) -> None:
    if extension.component and not any(host.exists(path) for path in _ENGINES):
        raise ProvisionError(
            f"{extension.name} is to follow a channel, and this system has no systemd-sysupdate",
            where=str(host.path),
            fix="install it there (Debian 13 and newer: systemd-container), or name a release: "
            f"{release_name(extension.name, extension.version or 'VERSION')}",
        )


def _refuse_older(extension: Extension, before: Iterable[Laid], host: HostRoot) -> None:
    """Refuse a channel that has gone back: whoever serves an old list hides what was mended since.

    The version that is installed is told as systemd-sysupdate does it, by what the names of the two
    images have in common.
    """
    if extension.component is None or extension.version is None:
        return
    start, end = f"{IMAGES}/{extension.name}/{extension.name}-", extension.host_file
    end = end.removeprefix(f"{extension.name}-{extension.version}")
    installed = [path for each in before for path in ownership.found(host, each)]
    for path in installed:
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
    return [link for unit in config.units if (link := record.wanted_link(unit))]


def uninstall(name: str, root: Path) -> list[str]:
    """Remove an extension from a root file system; return the paths that were removed.

    What has become something else than was laid stays.

    Raises:
        ProvisionError: it is not recorded there, or can't be removed.

    """
    host = HostRoot(root)
    with _explaining_failure(root):
        _refuse_other_folder(host)
        own = ownership.recorded(host, name)
        if own is None:
            known = ownership.installed(host)
            raise ProvisionError(
                f"{name} was not installed here with `bakery install`",
                where=str(root),
                fix=did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}",
            )
        removed = ownership.take_away(host, name, own, ())
        if keys.path(name) in removed:
            _apply(keys.changes(host), host)
        return removed


def _write_file(file: HostFile, local: Path | None, host: HostRoot) -> None:
    with host.writing(file.path, file.mode) as target:
        if isinstance(file.contents, RemoteContents):
            source = local.absolute().as_uri() if local else file.contents.url
            _copy(source, target, file.contents)
        else:
            target.write(file.contents)


def _keys(extension: Extension) -> list[bytes]:
    followed = extension.component
    return [followed.keyring] if followed and followed.keyring else []


def _apply(changes: Mapping[str, bytes | None], host: HostRoot) -> None:
    for path, data in changes.items():
        if data is None:
            host.unlink(path)
            continue
        with host.writing(path, _MODE) as file:
            file.write(data)


def _copy(source: str, target: IO[bytes], expected: RemoteContents) -> None:
    digest = hashlib.sha256()

    def write(chunk: bytes) -> None:
        digest.update(chunk)
        target.write(chunk)

    try:
        size = Files().copy(source, write, size=ASSET if expected.size is None else expected.size)
    except RequestError as error:
        raise ProvisionError(
            "the image can't be read",
            where=source,
            why=str(error),
            fix="try again, or build it",
        ) from None
    if digest.hexdigest() != expected.sha256 or expected.size not in (None, size):
        raise ProvisionError(
            f"{source.rpartition('/')[2]} is not the file it should be",
            where=source,
            why=f"its SHA-256 is {digest.hexdigest()}, of {size} bytes\n"
            f"the release has {expected.sha256}, of {expected.size or 'any number of'}",
            fix="build or publish it again",
        )


def _refuse_other_folder(host: HostRoot) -> None:
    if not host.path.is_dir() or not host.has_folder("/etc") or not host.has_folder("/usr"):
        raise ProvisionError(
            "there is no root file system",
            where=str(host.path),
            why="it has no folders etc and usr",
            fix="mount a disk's root there, and its /usr if that is a partition of its own",
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
