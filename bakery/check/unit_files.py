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
    *("automount", "device", "mount", "path", "scope", "service", "slice", "socket", "swap"),
    *("target", "timer"),
)
COMMANDS = tuple(
    f"Exec{when}"
    for when in (
        *("Condition", "StartPre", "Start", "StartPost"),
        *("Reload", "Stop", "StopPre", "StopPost"),
    )
)
_SUFFIXES = tuple(f".{kind}" for kind in TYPES)
_DROP_IN_FOLDER = re.compile(rf"(.+\.)?({'|'.join(TYPES)})\.d")
PREFIXES = "@-:+!|"


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


@dataclass(frozen=True)
class Unit:
    """A unit and its drop-ins, as systemd reads them together.

    Attributes:
        name: its name, with its type.
        file: the unit file; None where only drop-ins are in the image.
        settings: all settings in the order in which systemd reads them.

    """

    name: str
    file: Node | None
    settings: tuple[Setting, ...]

    def values(self, *keys: str) -> tuple[Setting, ...]:
        """Return the settings that add to a list; an empty one removes those before it."""
        lists: dict[str, list[Setting]] = {key: [] for key in keys}
        for setting in self.settings:
            if setting.key in lists:
                if setting.value:
                    lists[setting.key].append(setting)
                else:
                    lists[setting.key].clear()
        return tuple(setting for each in lists.values() for setting in each)

    def last(self, key: str) -> Setting | None:
        """Return the setting of a key that has one value: the last one that systemd reads."""
        return next((each for each in reversed(self.settings) if each.key == key), None)


def is_drop_in_folder(name: str) -> bool:
    """Return whether a folder of that name holds a unit's drop-ins."""
    return bool(_DROP_IN_FOLDER.fullmatch(name))


def units(tree: Tree, folder: str = SYSTEM) -> Iterator[Node]:
    """Yield the unit files in a folder, and the links that are aliases."""
    for node in tree.below(folder, *_SUFFIXES):
        if node.folder == folder and node.type in ("file", "link"):
            yield node


def with_drop_ins(tree: Tree, folder: str = SYSTEM) -> Iterator[Unit]:
    """Yield a folder's units, each with all drop-ins that apply to it (systemd.unit(5)).

    Drop-ins for units that are not in the tree make a unit of their own, without a file.
    """
    drop_ins = _drop_ins(tree, folder)
    applied: set[str] = set()
    for node in units(tree, folder):
        if node.type == "file":
            names = [name for name in _drop_in_folders(node.name) if name in drop_ins]
            applied.update(names)
            # of several of one name the most specific counts; names decide on the order
            chosen = {file.name: file for name in names for file in drop_ins[name]}
            files = (node, *(chosen[name] for name in sorted(chosen)))
            yield Unit(node.name, node, tuple(each for file in files for each in parse(file)))
    for name in drop_ins.keys() - applied:
        yield Unit(name, None, tuple(each for file in drop_ins[name] for each in parse(file)))


def _drop_ins(tree: Tree, folder: str) -> dict[str, list[Node]]:
    """Return the drop-ins of a folder, by the name of their own folder without `.d`."""
    by_name: dict[str, list[Node]] = {}
    for node in tree.below(folder, ".conf"):
        parent, _, name = node.folder.rpartition("/")
        if node.type == "file" and parent == folder and is_drop_in_folder(name):
            by_name.setdefault(name.removesuffix(".d"), []).append(node)
    return by_name


def _drop_in_folders(unit: str) -> Iterator[str]:
    """Yield the names whose drop-ins apply to a unit, the most general first."""
    stem, _, kind = unit.rpartition(".")
    yield kind
    for match in re.finditer("-", stem):
        yield f"{stem[: match.end()]}.{kind}"
    if template(unit) != unit:
        yield template(unit)
    yield unit


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
    rest = command.lstrip(PREFIXES)
    prefixes = command[: len(command) - len(rest)]
    quoted = re.match(r"""(["'])(.*?)\1""", rest)
    first = quoted[2] if quoted else rest.split(maxsplit=1)[0] if rest else ""
    return first, "-" in prefixes


def is_true(value: str) -> bool:
    """Return whether a value means yes (systemd.syntax(7))."""
    return value.lower() in ("1", "yes", "true", "on", "y", "t")


def template(name: str) -> str:
    """Return the name of the file that defines a unit: `a@.service` for `a@b.service`."""
    return re.sub(r"@[^.]+(?=\.[a-z]+$)", "@", name)


def provides(tree: Tree, name: str) -> bool:
    """Return whether a tree has a unit, or its template."""
    return any(tree.get(f"{SYSTEM}/{file}") is not None for file in (name, template(name)))
