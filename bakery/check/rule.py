"""Rules, their violations, and the findings that are reported of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from bakery.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node

    Look = Callable[[Subject], Iterable["Violation | Skip"]]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Violation:
    """One path at which an image breaks a rule.

    Attributes:
        path: inside the image; `.` is its root.
        message: what is wrong, as the rest of a sentence that begins with the path, without a stop.
        fix: what to do at this path; None for the rule's own advice.
        severity: how bad it is at this path; None for the rule's own.
        line: the line of the file, from 1, where it is known.

    """

    path: str
    message: str
    fix: str | None = None
    severity: Severity | None = None
    line: int | None = None


@dataclass(frozen=True)
class Skip:
    """A rule, or a part of it, could not run.

    Attributes:
        why: what was missing.
        fix: what would make it run.

    """

    why: str
    fix: str


BUILT_ELSEWHERE = Skip(
    "nothing is known of its recipe, and of the tree that it was made of",
    fix="`doit check:NAME` applies it to images of this project's recipes",
)


@dataclass(frozen=True)
class Rule:
    """One thing that must hold in an image.

    Attributes:
        id: its name in kebab-case, as `allow:` and every output use it.
        severity: an error fails a build, a warning does not.
        reason: one line: what goes wrong on a host where the rule is broken.
        fix: what to do, unless a violation says something better.
        look: yields the violations of an image; None for rules that need more than one image.

    """

    id: str
    severity: Severity
    reason: str
    fix: str
    look: Look | None = None

    def finding(self, violation: Violation) -> Finding:
        """Return what is reported of a violation, without control characters for the terminal."""
        return Finding(
            rule=self.id,
            severity=violation.severity or self.severity,
            path=printable(violation.path),
            message=printable(violation.message),
            fix=printable(violation.fix or self.fix),
            reason=self.reason,
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A violation as it is reported, complete in itself.

    Attributes:
        rule: the rule's id.
        severity: an error fails a build, a warning does not.
        path: inside the image; `.` is its root.
        message: what is wrong there.
        fix: what to do about it.
        reason: what goes wrong on a host otherwise.

    """

    rule: str
    severity: Severity
    path: str
    message: str
    fix: str
    reason: str


def rule(name: str, severity: Severity, *, reason: str, fix: str) -> Callable[[Look], Rule]:
    """Make a rule called `name` of a function that yields an image's violations."""
    return partial(Rule, name, severity, reason, fix)


def path_rule(
    name: str,
    severity: Severity,
    *,
    where: Callable[[Node], object],
    says: str,
    reason: str,
    fix: str,
) -> Rule:
    """Make a rule called `name` that the paths for which `where` is true break, each by itself.

    `says` is what is wrong there, with `{node.mode}` and the like for what is known of the path.
    """

    def look(subject: Subject) -> Iterator[Violation]:
        for node in subject.tree:
            if where(node):
                yield Violation(node.path, says.format(node=node))

    return Rule(name, severity, reason, fix, look)
