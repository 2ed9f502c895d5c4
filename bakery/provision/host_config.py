"""What is installed on a host, as values: files, links and units. Each format is made of these."""

from __future__ import annotations

import functools
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

UNITS = "/etc/systemd/system"


class RemoteContents(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file that the host downloads.

    Attributes:
        url: its address.
        sha256: its digest, in hexadecimal.
        size: its bytes; None if nobody knows.

    """

    url: str
    sha256: str
    size: int | None = None


class HostFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file.

    Attributes:
        path: absolute, on the host.
        contents: its content, if that is part of the configuration, or where it is.
        mode: its permissions.
        shared: whether other extensions use it too, so that it stays when this one is removed.
        changes: whether it may be changed by the host's administrator.

    """

    path: str
    contents: RemoteContents | bytes
    mode: int = 0o644
    shared: bool = False
    changes: bool = False


class HostLink(msgspec.Struct, frozen=True, kw_only=True):
    """A symbolic link; it replaces a file or link of that path."""

    path: str
    target: str


class HostUnit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit, or drop-ins for one of the host's.

    Attributes:
        name: its name, with its type.
        text: its unit file; None for a unit of the host's.
        drop_ins: the text of drop-ins, by file name.
        wanted_by: the target that starts it at boot; None if it is not enabled.
        shared: whether other extensions use it too; so are drop-ins for the host's units.

    """

    name: str
    text: str | None = None
    drop_ins: dict[str, str] = {}
    wanted_by: str | None = None
    shared: bool = False


class Laid(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on a host, as records have it; see `record`.

    Attributes:
        kind: what it is.
        path: absolute; of images, a pattern.
        proof: a file's SHA-256, or a pattern of a link's target; else empty.

    """

    kind: Literal["file", "shared", "link", "images", "conflicts"]
    path: str
    proof: str = ""

    def names(self, path: str) -> bool:
        """Return whether this is about what has a path."""
        if self.kind == "conflicts":
            return False
        return fnmatchcase(path, self.path) if self.kind == "images" else path == self.path


class HostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a host gets.

    Attributes:
        extensions: the names of the extensions.
        files: the images, and the configuration of updates.
        links: what makes the images extensions.
        units: what merges and updates them.
        records: what of all this is laid for each extension, by its name (see `record`).
        systems: the ID of the only system that an extension fits, by its name.
        proxy: what the host downloads with; None for nothing.

    """

    extensions: tuple[str, ...]
    files: tuple[HostFile, ...]
    links: tuple[HostLink, ...]
    units: tuple[HostUnit, ...]
    records: dict[str, tuple[Laid, ...]] = {}
    systems: dict[str, str] = {}
    proxy: str | None = None


@functools.cache
def shipped_unit(name: str) -> HostUnit:
    """Return a unit that all extensions share, as it lies in the folder `units`."""
    text = (Path(__file__).parent / "units" / name).read_text("utf-8")
    target = re.search(r"^WantedBy=(.+)$", text, re.MULTILINE)
    return HostUnit(name=name, text=text, wanted_by=target and target[1], shared=True)


def unit_files(units: Iterable[HostUnit]) -> tuple[HostFile, ...]:
    """Return the units and drop-ins as files; additions to the host's units are shared."""
    return tuple(
        HostFile(
            path=f"{UNITS}/{path}",
            contents=text.encode(),
            shared=unit.shared or unit.text is None,
        )
        for unit in units
        for path, text in (
            *([(unit.name, unit.text)] if unit.text is not None else []),
            *((f"{unit.name}.d/{name}", text) for name, text in unit.drop_ins.items()),
        )
    )
