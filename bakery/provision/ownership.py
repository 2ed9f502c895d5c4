"""What in a root file system was laid there, by the records of it, and what belongs to others."""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.provision import record
from bakery.provision.errors import ProvisionError
from bakery.recipe.types import EXTENSION_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.provision.host_config import Laid
    from bakery.provision.host_root import HostRoot

_MODE = 0o644
_FOLDERS = ("/etc/extensions", "/run/extensions", "/var/lib/extensions")  # systemd-sysext(8)


def recorded(host: HostRoot, name: str) -> tuple[Laid, ...] | None:
    """Return what was recorded for an extension; None if nothing was.

    Raises:
        ProvisionError: the record is damaged.

    """
    written = host.read(record.path(name)) if re.fullmatch(EXTENSION_NAME, name) else None
    if written is None:
        return None
    try:
        return record.decode(written)
    except ValueError:
        raise ProvisionError(
            f"the record of {name} is damaged",
            where=f"{host.path}{record.path(name)}",
            why="its lines are not as they were written",
            fix=f"remove what belongs to {name} yourself, and this file",
        ) from None


def installed(host: HostRoot) -> list[str]:
    """Return the names of the extensions that have a record."""
    return [name for name in host.names(record.FOLDER) if host.exists(record.path(name))]


def write(host: HostRoot, name: str, laid: Iterable[Laid]) -> None:
    """Write the record of an extension."""
    with host.writing(record.path(name), _MODE) as file:
        file.write(record.encode(dict.fromkeys(laid)))


def claim(host: HostRoot, name: str, planned: tuple[Laid, ...]) -> tuple[Laid, ...]:
    """Return what will be an extension's own once it is laid as planned.

    That is all but what is there already, just as planned, and is no extension's.

    Raises:
        ProvisionError: something else is there that is no extension's, or an extension that this
            one can't run beside.

    """
    records = _refuse_conflicts(host, name, planned)
    paths = {each.path for each in planned}
    same_name = (f"{folder}/{name}{end}" for folder in _FOLDERS for end in ("", ".raw"))
    in_the_way = [path for path in same_name if path not in paths and host.exists(path)]
    own = []
    for each in planned:
        there = each.kind not in ("images", "conflicts") and host.exists(each.path)
        if not there or any(is_laid(host, laid, each.path) for laid in records):
            own.append(each)
        elif not is_laid(host, each, each.path):
            in_the_way.append(each.path)
    if in_the_way:
        raise ProvisionError(
            f"{name} was not laid: somebody else's files are in its place",
            where="\n".join(f"{host.path}{path}" for path in in_the_way),
            why="no record in /opt/extensions says that they were laid by the bakery, or they have "
            "been changed since",
            fix="see whose they are, and move them away if nobody needs them there",
        )
    return tuple(own)


def _refuse_conflicts(host: HostRoot, name: str, planned: tuple[Laid, ...]) -> list[Laid]:
    """Refuse what can't run beside what is there; return what all records say."""
    link = f"{_FOLDERS[0]}/{name}.raw"
    records = {each: recorded(host, each) or () for each in installed(host)}
    with_it = [
        each.path
        for each in planned
        for there in (each.path, each.path.removesuffix(".raw"))
        if each.kind == "conflicts" and host.exists(there)
    ]
    with_it += [
        f"{_FOLDERS[0]}/{other}.raw"
        for other, lines in records.items()
        if any(line.kind == "conflicts" and line.path == link for line in lines)
    ]
    if with_it:
        raise ProvisionError(
            f"{name} can't run beside {', '.join(Path(path).stem for path in with_it)}",
            where=str(host.path),
            fix="uninstall one of the two first",
        )
    return [line for lines in records.values() for line in lines]


def take_away(
    host: HostRoot, name: str, before: Iterable[Laid], after: Iterable[Laid]
) -> list[str]:
    """Remove what was laid for an extension, but for what is laid for it now, or for others.

    Without anything now, its record goes, too. Returns the removed paths.
    """
    after = tuple(after)
    others = [other for other in installed(host) if other != name]
    kept = [*after, *(laid for other in others for laid in recorded(host, other) or ())]
    removed = []
    for laid in before:
        for path in found(host, laid) if laid.kind != "shared" else ():
            if not any(each.names(path) for each in kept):
                host.unlink(path)
                removed.append(path)
                if path.startswith("/etc/sysupdate."):
                    host.prune(posixpath.dirname(path))
    if not after:
        host.unlink(record.path(name))
        host.prune(posixpath.dirname(record.path(name)))
    return removed


def found(host: HostRoot, laid: Laid) -> Iterator[str]:
    """Yield the paths that a line is about and that still are what it says."""
    folder, _, pattern = laid.path.rpartition("/")
    if laid.kind == "images":
        paths = [f"{folder}/{each}" for each in host.names(folder) if fnmatchcase(each, pattern)]
    else:
        paths = [laid.path]
    yield from (path for path in paths if is_laid(host, laid, path))


def is_laid(host: HostRoot, laid: Laid, path: str) -> bool:
    """Return whether a line is about a path, and what is there is what the line says."""
    if not laid.names(path):
        return False
    match laid.kind:
        case "link":
            target = host.target(path)
            return target is not None and fnmatchcase(target, laid.proof)
        case "images":
            return host.is_file(path)
        case "conflicts":
            return False
        case _:
            return host.is_file(path) and laid.proof in ("*", host.digest(path))
