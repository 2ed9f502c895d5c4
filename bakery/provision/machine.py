"""What is laid onto a machine, as values: files, links and units. Every format is made of these."""

from __future__ import annotations

import msgspec

UNITS = "/etc/systemd/system"


class Remote(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Bytes that the machine downloads.

    Attributes:
        url: where they are.
        sha256: what they must hash to.

    """

    url: str
    sha256: str


class Inline(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Bytes that come with the configuration."""

    data: bytes


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file, readable by everybody.

    Attributes:
        path: where, absolute.
        contents: what is in it.
        shared: whether other extensions use it too, so that it stays when this one goes.

    """

    path: str
    contents: Remote | Inline
    shared: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A symbolic link; it takes the place of whatever file or link is there."""

    path: str
    target: str


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit, or what is added to one of the host's.

    Attributes:
        name: its full name.
        text: what it is; None for a unit of the host's.
        drop_ins: what is added to it, by file name.
        wanted_by: the target that starts it at boot; None where it is not enabled.

    """

    name: str
    text: str | None = None
    drop_ins: dict[str, str] = {}
    wanted_by: str | None = None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is laid onto a machine.

    Attributes:
        extensions: the names of the extensions, as the host sees them.
        files, links, units: what is laid.

    """

    extensions: tuple[str, ...]
    files: tuple[File, ...]
    links: tuple[Link, ...]
    units: tuple[Unit, ...]


def unit_files(machine: Machine) -> tuple[File, ...]:
    """Return the units and drop-ins as files; additions to the host's units are shared."""
    return tuple(
        File(path=f"{UNITS}/{path}", contents=Inline(data=text.encode()), shared=unit.text is None)
        for unit in machine.units
        for path, text in (
            *([(unit.name, unit.text)] if unit.text is not None else []),
            *((f"{unit.name}.d/{name}", text) for name, text in unit.drop_ins.items()),
        )
    )
