"""Apply the rules to an image, and report what they find."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from bakery import trace
from bakery.check.catalogue import RULES, unused_waiver
from bakery.check.rule import Finding, Skip, Violation
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.check.subject import Subject
    from bakery.recipe.model import Waiver


class Waived(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that a waiver allows, with the waiver's reason."""

    finding: Finding
    reason: str


class NotRun(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that could not run, why, and what would make it run."""

    rule: str
    why: str
    fix: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The findings about one image, or about several together.

    Attributes:
        label: the name of what was checked.
        findings: errors first, then by path.
        waived: the findings that are allowed.
        not_run: the rules that could not run.
        source: the file at which reviews show findings, such as the recipe.

    """

    label: str
    findings: tuple[Finding, ...] = ()
    waived: tuple[Waived, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    source: str | None = None

    @property
    def broken(self) -> frozenset[str]:
        """The rules that fail a build."""
        return frozenset(each.rule for each in self.findings if each.severity == "error")

    @property
    def errors(self) -> int:
        """The number of findings that fail a build."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """The number of findings that don't."""
        return len(self.findings) - self.errors


def check_subject(subject: Subject, waivers: Sequence[Waiver] = ()) -> Report:
    """Apply every rule to an image."""
    findings: list[Finding] = []
    not_run: list[NotRun] = []
    for rule in RULES:
        with trace.span(f"rule {rule.id}"):
            for outcome in rule.look(subject) if rule.look else ():
                if isinstance(outcome, Skip):
                    not_run.append(NotRun(rule=rule.id, why=outcome.why, fix=outcome.fix))
                else:
                    findings.append(rule.finding(outcome))
    return make_report(
        subject.label, findings, waivers, not_run=not_run, source=subject.context.source
    )


def make_report(
    label: str,
    findings: Iterable[Finding],
    waivers: Sequence[Waiver] = (),
    *,
    not_run: Iterable[NotRun] = (),
    source: str | None = None,
) -> Report:
    """Make a report of findings: allowed ones apart, and a finding for each unused waiver."""
    kept: list[Finding] = []
    waived: list[Waived] = []
    used: set[Waiver] = set()
    for finding in findings:
        waiver = next((waiver for waiver in waivers if covers(waiver, finding)), None)
        if waiver is None:
            kept.append(finding)
        else:
            used.add(waiver)
            waived.append(Waived(finding=finding, reason=waiver.reason))
    skipped = {skip.rule for skip in not_run}
    kept.extend(_unused(w for w in waivers if w not in used and w.rule not in skipped))
    return Report(
        label=label,
        findings=tuple(sorted(kept, key=lambda f: (f.severity, f.path, f.rule))),
        waived=tuple(waived),
        not_run=tuple(not_run),
        source=source,
    )


def covers(waiver: Waiver, finding: Finding) -> bool:
    """Return whether a waiver allows a finding; `*` in its path matches slashes too."""
    return waiver.rule == finding.rule and fnmatchcase(finding.path, waiver.path)


def _unused(waivers: Iterable[Waiver]) -> Iterator[Finding]:
    known = [rule.id for rule in RULES]
    for waiver in waivers:
        mistake = ", and does not"
        if waiver.rule not in known:
            meant = nearest(waiver.rule, known)
            hint = f"did you mean {meant}?" if meant else "`bakery rules` lists them"
            mistake = f": no such rule, {hint}"
        message = f"is allowed to break {waiver.rule}{mistake}"
        yield unused_waiver.finding(Violation(waiver.path, message))
