"""The words every rule speaks: what it looks for, what it hits, and what comes of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bakery.check.subject import Subject

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Hit:
    """A rule is broken here.

    Attributes:
        path: inside the image; `.` is its root.
        message: what is wrong, as a sentence's end after the path, without a full stop.
        fix: what to do about this very place; the rule's own advice when None.
        severity: how bad this very place is; the rule's own word when None.

    """

    path: str
    message: str
    fix: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True)
class Skip:
    """A rule, or a part of it, could not look.

    Attributes:
        why: what was missing.

    """

    why: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that must hold in an image.

    Attributes:
        id: its name in kebab-case, as `allow:` and every output use it.
        severity: an error fails a build, a warning does not.
        reason: one line: what goes wrong on a host where the rule is broken.
        fix: what to do, unless the place itself knows better.
        look: finds the places; None where they are found outside of one subject.

    """

    id: str
    severity: Severity
    reason: str
    fix: str
    look: Callable[[Subject], Iterable[Hit | Skip]] | None = None

    def finding(self, hit: Hit) -> Finding:
        """Return what is reported for a hit; nothing in it can reach a terminal as control code."""
        return Finding(
            rule=self.id,
            severity=hit.severity or self.severity,
            path=printable(hit.path),
            message=printable(hit.message),
            fix=printable(hit.fix or self.fix),
            reason=self.reason,
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A broken rule, ready to be shown.

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


def rule(
    name: str, severity: Severity, *, reason: str, fix: str
) -> Callable[[Callable[[Subject], Iterable[Hit | Skip]]], Rule]:
    """Turn a function that finds places into a rule named `name`."""

    def register(look: Callable[[Subject], Iterable[Hit | Skip]]) -> Rule:
        return Rule(id=name, severity=severity, reason=reason, fix=fix, look=look)

    return register


def printable(text: str) -> str:
    """Return text with control characters and undecodable bytes as backslash escapes."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in whole
    )
