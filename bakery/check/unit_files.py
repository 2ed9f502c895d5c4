"""Parse unit files and their drop-ins: systemd.syntax(7), command lines of systemd.service(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.tree import Node, Tree

SYSTEM = "usr/lib/systemd/system"
USER = "usr/lib/systemd/user"
TYPES = (
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
)
_SUFFIXES = tuple(f".{kind}" for kind in TYPES)
_DROP_IN_FOLDER = re.compile(rf"(.+\.)?({'|'.join(TYPES)})\.d")
_SPECIAL_PREFIXES = "@-:+!|"


@dataclass(frozen=True)
class Setting:
    """One setting of a unit.

    Attributes:
        file: the unit or drop-in.
        section: its section, without brackets.
        key: the text before `=`.
        value: the text after it, continued lines joined.

    """

    file: Node
    section: str
    key: str
    value: str


def is_drop_in_folder(name: str) -> bool:
    """Return whether a folder of that name holds a unit's drop-ins."""
    return bool(_DROP_IN_FOLDER.fullmatch(name))


def units(tree: Tree, folder: str = SYSTEM) -> Iterator[Node]:
    """Yield the unit files in a folder, and the links that are aliases."""
    for node in tree.below(folder, *_SUFFIXES):
        if node.folder == folder and node.type in ("file", "link"):
            yield node


def settings(tree: Tree, folder: str = SYSTEM) -> Iterator[Setting]:
    """Yield the settings of a folder's units and their drop-ins."""
    for node in tree.below(folder, *_SUFFIXES, ".conf"):
        drop_in = is_drop_in_folder(node.folder.rpartition("/")[2]) and node.name.endswith(".conf")
        if node.type == "file" and (node.folder == folder or drop_in):
            yield from parse(node)


def parse(node: Node) -> Iterator[Setting]:
    """Yield the settings of one file; other lines are left to systemd's own check."""
    section = ""
    lines = (
        line for line in (node.text or "").splitlines() if not line.lstrip().startswith(("#", ";"))
    )
    for raw in "\n".join(lines).replace("\\\n", " ").splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line:
            key, _, value = line.partition("=")
            yield Setting(node, section, key.strip(), value.strip())


def program(command: str) -> tuple[str, bool]:
    """Return a command line's program as written, and whether `-` ignores its failure."""
    rest = command.lstrip(_SPECIAL_PREFIXES)
    prefixes = command[: len(command) - len(rest)]
    quoted = re.match(r"""(["'])(.*?)\1""", rest)
    first = quoted[2] if quoted else rest.split(maxsplit=1)[0] if rest else ""
    return first, "-" in prefixes


def template(name: str) -> str:
    """Return the name of the file that defines a unit: `a@.service` for `a@b.service`."""
    return re.sub(r"@[^.]+(?=\.[a-z]+$)", "@", name)


def provides(tree: Tree, name: str) -> bool:
    """Return whether a tree has a unit, or its template."""
    return any(tree.get(f"{SYSTEM}/{file}") is not None for file in (name, template(name)))
