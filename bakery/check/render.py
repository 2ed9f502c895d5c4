"""Reports as text for people, as JSON, as SARIF 2.1.0, and as annotations for GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from bakery.check.catalogue import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.check.report import Report
    from bakery.check.rule import Finding

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_INDEX = {rule.id: index for index, rule in enumerate(RULES)}


def text(reports: Iterable[Report]) -> str:
    """Return reports for people: what, where, why, and what to do."""
    return "\n".join(line for report in reports for line in _lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    for finding in report.findings:
        yield f"{finding.severity}: {report.label}: {_sentence(finding)}"
        yield f"  why:  {finding.reason}"
        yield f"  fix:  {finding.fix}"
        yield f"  rule: {finding.rule}"
    for waived in report.waived:
        yield f"allowed: {report.label}: {_sentence(waived.finding)}"
        yield f"  why:  {waived.reason}"
    for skipped in report.not_run:
        yield f"not checked: {report.label}: {skipped.rule}: {skipped.why}"
    yield f"{report.label}: {_count(report.errors, 'error')}, {_count(report.warnings, 'warning')}"


def _sentence(finding: Finding) -> str:
    where = "the image" if finding.path == "." else finding.path
    return f"{where} {finding.message}"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def json(reports: Sequence[Report]) -> str:
    """Return reports as a JSON list, one object for each."""
    return msgspec.json.format(msgspec.json.encode(reports), indent=2).decode() + "\n"


def github(reports: Iterable[Report]) -> str:
    """Return reports as workflow commands, which GitHub shows beside the file they name."""
    return "".join(_command(report, finding) for report in reports for finding in report.findings)


def _command(report: Report, finding: Finding) -> str:
    where = f"file={_property(report.source or report.label)},title={_property(finding.rule)}"
    lines = (f"{report.label}: {_sentence(finding)}", finding.reason, f"fix: {finding.fix}")
    return f"::{finding.severity} {where}::{_data(chr(10).join(lines))}\n"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(reports: Iterable[Report]) -> str:
    """Return reports as one SARIF 2.1.0 run (OASIS standard), allowed findings as suppressed."""
    reports = tuple(reports)
    run = {
        "tool": {
            "driver": {"name": "bakery", "rules": [_sarif_rule(index) for index in _INDEX.values()]}
        },
        "results": [result for report in reports for result in _sarif_results(report)],
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {
                        "level": "note",
                        "message": {"text": f"{report.label}: not checked: {skipped.why}"},
                        "associatedRule": _reference(skipped.rule),
                    }
                    for report in reports
                    for skipped in report.not_run
                ],
            }
        ],
    }
    document = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _sarif_rule(index: int) -> dict[str, Any]:
    rule = RULES[index]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.reason},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": rule.severity},
    }


def _reference(rule: str) -> dict[str, Any]:
    return {"id": rule, "index": _INDEX[rule]}


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
