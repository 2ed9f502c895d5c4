"""Parse what systemd's helpers read below usr/lib: sysusers.d(5), tmpfiles.d(5)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node

SYSUSERS = "usr/lib/sysusers.d"
TMPFILES = "usr/lib/tmpfiles.d"


@dataclass(frozen=True)
class TmpfilesLine:
    """One line of tmpfiles.d.

    Attributes:
        file: the snippet it stands in.
        number: the line, counted from 1.
        path: what it makes.
        mode: its mode as written, or `-`.
        user, group: its owners as written, or `-`.

    """

    file: Node
    number: int
    path: str
    mode: str
    user: str
    group: str


def tmpfiles(subject: Subject) -> Iterator[TmpfilesLine]:
    """Yield the lines of all tmpfiles.d snippets; systemd's verdict is about malformed ones."""
    for node, number, words in _lines(subject, TMPFILES):
        if len(words) > 1:
            _type, path, mode, user, group, *_ = (*words, "-", "-", "-")
            yield TmpfilesLine(node, number, path.rstrip("/"), mode, user, group)


def users(subject: Subject) -> tuple[frozenset[str], frozenset[str]]:
    """Return the users and the groups that sysusers.d makes, in the image and those beside it."""
    people: set[str] = set()
    groups: set[str] = set()
    for _node, _number, words in _lines(subject, SYSUSERS):
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


def _lines(subject: Subject, folder: str) -> Iterator[tuple[Node, int, list[str]]]:
    for tree in subject.providers:
        for node in tree.below(folder, ".conf"):
            for number, line in enumerate((node.text or "").splitlines(), 1):
                if line.strip() and not line.lstrip().startswith("#"):
                    yield node, number, _words(line)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
