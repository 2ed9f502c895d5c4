"""Reports as text for people, as JSON, as SARIF 2.1.0, and as annotations for GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from bakery.characters import visible
from bakery.check import image_name
from bakery.check.catalogue import RULES
from bakery.check.report import NotRun
from bakery.check.rule import Finding
from bakery.errors import BakeryError
from bakery.text import counted
from bakery.workflow_commands import annotation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.check.report import Report
    from bakery.check.rule import Rule

_Told = TypeVar("_Told", Finding, NotRun)

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_INDEX = {rule.id: index for index, rule in enumerate(RULES)}


def text(reports: Iterable[Report]) -> str:
    """Return reports for people: what, where, why, and what to do.

    What several architectures of an image have in common is said once.
    """
    lines = (line for same in _by_image(reports) for line in _lines(same))
    return visible("\n".join(lines), allowed="\n") + "\n"


def _by_image(reports: Iterable[Report]) -> Iterable[list[Report]]:
    """Return reports in groups: the architectures of one image together."""
    groups: dict[str, list[Report]] = {}
    for report in reports:
        groups.setdefault(_without_arch(report.label), []).append(report)
    return groups.values()


def _without_arch(label: str) -> str:
    arch = image_name.architecture(label)
    return image_name.stem(label)[: -len(arch) - 1] if arch else label


def _lines(reports: Sequence[Report]) -> Iterator[str]:
    for finding, label in _shared([(each, r.label) for r in reports for each in r.findings]):
        yield f"{finding.severity}: {label}: {_sentence(finding)}"
        yield from _details(finding)
    yield from _skipped(reports)
    label = _together([report.label for report in reports])
    yield f"{label}: {_counts(reports)}"


def _skipped(reports: Sequence[Report]) -> Iterator[str]:
    """Yield which rules could not run, those of one cause together."""
    causes: dict[tuple[str, str, str], list[str]] = {}
    for skipped, label in _shared([(each, r.label) for r in reports for each in r.not_run]):
        causes.setdefault((label, skipped.why, skipped.fix), []).append(skipped.rule)
    for (label, why, fix), rules in causes.items():
        yield f"not checked: {label}: {', '.join(rules)}: {why}"
        yield f"  fix:  {fix}"


def _shared(labelled: Sequence[tuple[_Told, str]]) -> Iterator[tuple[_Told, str]]:
    """Yield equal things once, each with the name of all images that it is about."""
    labels: dict[_Told, list[str]] = {}
    for each, label in labelled:
        labels.setdefault(each, []).append(label)
    for each, names in labels.items():
        yield each, _together(names)


def _together(labels: Sequence[str]) -> str:
    """Return one name for architectures of an image: `docker-1.0 (x86-64, arm64)`."""
    names = list(dict.fromkeys(labels))
    if len(names) == 1:
        return names[0]
    return f"{_without_arch(names[0])} ({', '.join(map(str, map(image_name.architecture, names)))})"


def _counts(reports: Sequence[Report]) -> str:
    findings = {finding for report in reports for finding in report.findings}
    errors = sum(finding.severity == "error" for finding in findings)
    allowed = len({waived for report in reports for waived in report.waived})
    counts = [counted(errors, "error"), counted(len(findings) - errors, "warning")]
    return ", ".join(counts + ([f"{allowed} allowed"] if allowed else []))


def _details(finding: Finding) -> Iterator[str]:
    yield f"  why:  {finding.reason}"
    yield f"  fix:  {finding.fix}"
    yield f"  rule: {finding.rule}"


def _sentence(finding: Finding) -> str:
    where = "the image" if finding.path == "." else finding.path
    return visible(f"{where} {finding.message}")


class BrokenRulesError(BakeryError):
    """An image breaks rules whose severity is error; rendered with all findings about it."""

    def __init__(self, report: Report) -> None:
        """Take the report of an image."""
        super().__init__(
            f"{report.label} breaks {counted(len(report.broken), 'rule')}",
            fix="mend the recipe, or accept a finding with `allow:`, its path and a reason",
        )
        self._findings = report.findings

    def render(self) -> str:
        """Return the error: the sentence, the findings with their own advice, and the way out."""
        lines = [self.what]
        for finding in self._findings:
            lines += [f"{finding.severity}: {_sentence(finding)}", *_details(finding)]
        return visible("\n".join([*lines, str(self.fix)]), allowed="\n")


def json(reports: Sequence[Report]) -> str:
    """Return reports as a JSON list, one object for each."""
    return msgspec.json.format(msgspec.json.encode(reports), indent=2).decode() + "\n"


def github(reports: Iterable[Report]) -> str:
    """Return reports as workflow commands, which GitHub shows beside the file they name."""
    return "".join(
        _annotation(finding, label, same[0].source or label)
        for same in _by_image(reports)
        for finding, label in _shared([(each, r.label) for r in same for each in r.findings])
    )


def _annotation(finding: Finding, label: str, source: str) -> str:
    lines = (f"{label}: {_sentence(finding)}", finding.reason, f"fix: {finding.fix}")
    message = "\n".join(lines)
    return f"{annotation(finding.severity, message, file=source, title=finding.rule)}\n"


def sarif(reports: Iterable[Report]) -> str:
    """Return reports as one SARIF 2.1.0 run (OASIS standard), allowed findings as suppressed."""
    reports = tuple(reports)
    run = {
        "tool": {"driver": {"name": "bakery", "rules": [_sarif_rule(rule) for rule in RULES]}},
        "results": [result for report in reports for result in _sarif_results(report)],
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {
                        "level": "note",
                        "message": {
                            "text": f"{report.label}: not checked: {skipped.why}; {skipped.fix}"
                        },
                        "associatedRule": {"id": skipped.rule, "index": _INDEX[skipped.rule]},
                    }
                    for report in reports
                    for skipped in report.not_run
                ],
            }
        ],
    }
    document = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.reason},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": rule.severity},
    }


def _sarif_results(report: Report) -> Iterator[dict[str, Any]]:
    for finding in report.findings:
        yield _sarif_result(report, finding)
    for waived in report.waived:
        result = _sarif_result(report, waived.finding)
        yield {**result, "suppressions": [{"kind": "inSource", "justification": waived.reason}]}


def _sarif_result(report: Report, finding: Finding) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": _INDEX[finding.rule],
        "level": finding.severity,
        "message": {"text": f"{_sentence(finding)}. Fix: {finding.fix}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(report.source or report.label)}
                },
                "logicalLocations": [{"fullyQualifiedName": f"{report.label}/{finding.path}"}],
            }
        ],
    }


def rules() -> str:
    """Return the list of all rules for people."""
    return "".join(
        f"{rule.id} ({rule.severity})\n  {rule.reason}\n  fix: {rule.fix}\n" for rule in RULES
    )
