"""The record of what was laid on a host for one extension: /opt/extensions/NAME/installed.

One line for each thing, words separated by a space, for programs in POSIX sh as for this one:

    file PATH SHA256     a file with these bytes; for * instead, with any
    shared PATH SHA256   likewise, but used by other extensions too, also by foreign ones: it stays
    link PATH PATTERN    a symbolic link whose target matches a pattern as sh has them
    images PATTERN       the images of the channel that is followed, whichever versions come
    conflicts PATH       what must not be there

A thing is ours as long as it is what its line says, and nothing else is ever changed or removed.
"""

from __future__ import annotations

import functools
import hashlib
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bakery.decoding import from_data
from bakery.provision.host_config import UNITS, HostFile, HostLink, Laid, RemoteContents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.provision.host_config import HostConfig, HostUnit

FOLDER = "/opt/extensions"
_LINE = re.compile(
    r"(?P<kind>file|shared|link|images|conflicts) (?P<path>(?:/[^/\s]+)+)(?: (?P<proof>\S+))?",
    re.ASCII,
)


def path(name: str) -> str:
    """Return where the record of an extension is."""
    return f"{FOLDER}/{name}/installed"


def planned(
    files: Iterable[HostFile],
    links: Iterable[HostLink],
    units: Iterable[HostUnit],
    images: str | None,
    conflicts: Iterable[str] = (),
) -> tuple[Laid, ...]:
    """Return what is laid for one extension, in the order in which it is taken away.

    Args:
        files: its files, units included.
        links: its links.
        units: its units, of which some are started at boot.
        images: the pattern of the images' paths, if a channel is followed.
        conflicts: the paths of what it can't run beside.

    """
    started = [
        Laid(kind="link", path=link.path, proof=f"*/{unit.name}")
        for unit in units
        if unit.text is not None and not unit.shared and (link := wanted_link(unit))
    ]
    followed = [Laid(kind="images", path=images)] if images else []
    return (
        *started,
        *(_link(link, images) for link in links),
        *(_file(file) for file in files),
        *followed,
        *(Laid(kind="conflicts", path=path) for path in conflicts),
    )


def files(config: HostConfig) -> Iterator[HostFile]:
    """Yield a configuration's records as files, for machines that are new."""
    for name, laid in config.records.items():
        yield HostFile(path=path(name), contents=encode(laid))


def wanted_link(unit: HostUnit) -> HostLink | None:
    """Return the link by which a target starts a unit, as `systemctl enable` makes it."""
    if unit.wanted_by is None:
        return None
    folder = UNITS if unit.text is not None else "/usr/lib/systemd/system"
    return HostLink(
        path=f"{UNITS}/{unit.wanted_by}.wants/{unit.name}", target=f"{folder}/{unit.name}"
    )


def encode(laid: Iterable[Laid]) -> bytes:
    """Return a record's bytes."""
    lines = (" ".join(filter(None, (each.kind, each.path, each.proof))) for each in laid)
    return "".join(f"{line}\n" for line in lines).encode()


def decode(data: bytes) -> tuple[Laid, ...]:
    """Return what a record says.

    Raises:
        ValueError: it is damaged.

    """
    found = []
    for line in data.decode().splitlines():
        match = _LINE.fullmatch(line)
        if match is None or not line.isprintable() or ".." in match["path"].split("/"):
            raise ValueError(line)
        found.append(from_data(match.groupdict(default=""), Laid))
    return tuple(found)


def _link(link: HostLink, images: str | None) -> Laid:
    """Return a link's line: updates let the one that is followed lead to other images.

    systemd-sysupdate writes relative targets.
    """
    followed = images is not None and fnmatchcase(link.target, images)
    return Laid(kind="link", path=link.path, proof=f"*{images}" if followed else link.target)


def _file(file: HostFile) -> Laid:
    contents = file.contents
    if file.changes:
        return Laid(kind="file", path=file.path, proof="*")
    digest = contents.sha256 if isinstance(contents, RemoteContents) else _digest(contents)
    return Laid(kind="shared" if file.shared else "file", path=file.path, proof=digest)


@functools.lru_cache(maxsize=16)
def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
