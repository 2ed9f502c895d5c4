"""Parse sysusers.d(5) and tmpfiles.d(5)."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node

SYSUSERS = "usr/lib/sysusers.d"
TMPFILES = "usr/lib/tmpfiles.d"
_TMPFILES = re.compile(rf"{TMPFILES}/[^/]+\.conf|usr/share/[^/]+/tmpfiles\.conf")
_FILE_TYPES = "fFwCL"  # what may result in a file, see tmpfiles.d(5)


def is_tmpfiles(path: str) -> bool:
    """Return whether a path is of a file with lines of tmpfiles.d.

    Those in usr/share/NAME are applied by a unit of the image alone, see `bakery.image.setup`.
    """
    return bool(_TMPFILES.fullmatch(path))


@dataclass(frozen=True, kw_only=True)
class TmpfilesLine:
    """One line of tmpfiles.d.

    Attributes:
        file: the file it is in.
        number: the line's number, from 1.
        type: the letter that says what it does, without modifiers.
        modifiers: what follows the letter.
        path: the path that it makes.
        argument: what it copies, links to or writes; empty without one.
        mode: the mode as written, or `-`.
        user, group: the owners as written, or `-`.

    """

    file: Node
    number: int
    type: str
    modifiers: str
    path: str
    argument: str
    mode: str
    user: str
    group: str


def tmpfiles(subject: Subject) -> Iterator[TmpfilesLine]:
    """Yield the lines of tmpfiles.d, in the image and those that it requires.

    Malformed lines are left to systemd's own check.
    """
    nodes = (node for tree in subject.providers for node in tree if is_tmpfiles(node.path))
    for node, number, words in _lines(nodes):
        if len(words) > 1:
            kind, path, mode, user, group, _age, *argument = (*words, *"-" * (6 - len(words)))
            yield TmpfilesLine(
                file=node,
                number=number,
                type=kind[0],
                modifiers=kind[1:],
                path=path.rstrip("/"),
                argument=" ".join(argument).removeprefix("-"),
                mode=mode,
                user=user,
                group=group,
            )


def own_tmpfiles(subject: Subject) -> Iterator[TmpfilesLine]:
    """Yield the lines of tmpfiles.d in the image itself."""
    for line in tmpfiles(subject):
        if subject.tree.get(line.file.path) is line.file:
            yield line


def source(line: TmpfilesLine) -> str | None:
    """Return the absolute path that a line copies or links to; None if only a host knows it."""
    if line.type not in "CL" or set(line.modifiers) & set("?^~") or "%" in line.argument:
        return None
    return _source(line)


def makes(subject: Subject, path: str) -> bool:
    """Return whether a line of tmpfiles.d makes a file at an absolute path of the host."""
    return any(
        _makes(subject, line, path) for line in tmpfiles(subject) if line.type in _FILE_TYPES
    )


def makes_match(subject: Subject, pattern: str) -> bool:
    """Return whether a file that matches a pattern of glob(7) is in the image, or made by it."""
    paths = [line.path for line in tmpfiles(subject) if line.type in _FILE_TYPES]
    paths += [f"/{node.path}" for tree in subject.providers for node in tree]
    return any(fnmatchcase(path, pattern) for path in paths)


def _makes(subject: Subject, line: TmpfilesLine, path: str) -> bool:
    """Return whether one line makes a file, or a folder that it copies or links to has it."""
    if line.path == path:
        return True
    rest = path.removeprefix(f"{line.path}/")
    return rest != path and subject.exists(subject.roots[0], f"{_source(line)}/{rest}")


def _source(line: TmpfilesLine) -> str:
    default = f"/usr/share/factory{line.path}"
    return posixpath.join(posixpath.dirname(line.path), line.argument or default)


def users(subject: Subject) -> tuple[frozenset[str], frozenset[str]]:
    """Return the users and the groups of sysusers.d, in the image and those that it requires."""
    people: set[str] = set()
    groups: set[str] = set()
    nodes = (node for tree in subject.providers for node in tree.below(SYSUSERS, ".conf"))
    for _node, _number, words in _lines(nodes):
        match words:
            case [kind, name, *_] if kind.rstrip("!") == "u":
                people.add(name)
                groups.add(name)
            case ["g", name, *_]:
                groups.add(name)
            case ["m", user, group, *_]:
                people.add(user)
                groups.add(group)
            case _:
                pass
    return frozenset(people), frozenset(groups)


def _lines(nodes: Iterable[Node]) -> Iterator[tuple[Node, int, list[str]]]:
    for node in nodes:
        for number, line in enumerate((node.text or "").splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield node, number, _words(line)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
