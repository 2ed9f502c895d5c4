"""Parse sysusers.d(5) and tmpfiles.d(5)."""

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
        file: the file it is in.
        number: the line's number, from 1.
        path: the path that it makes.
        mode: the mode as written, or `-`.
        user, group: the owners as written, or `-`.

    """

    file: Node
    number: int
    path: str
    mode: str
    user: str
    group: str


def tmpfiles(subject: Subject) -> Iterator[TmpfilesLine]:
    """Yield the lines of tmpfiles.d, in the image and those that it requires.

    Malformed lines are left to systemd's own check.
    """
    for node, number, words in _lines(subject, TMPFILES):
        if len(words) > 1:
            _type, path, mode, user, group, *_ = (*words, "-", "-", "-")
            yield TmpfilesLine(node, number, path.rstrip("/"), mode, user, group)


def users(subject: Subject) -> tuple[frozenset[str], frozenset[str]]:
    """Return the users and the groups of sysusers.d, in the image and those that it requires."""
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
