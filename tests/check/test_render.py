from __future__ import annotations

import json

from bakery.check import render
from bakery.check.catalogue import RULES
from bakery.check.report import NotRun, Report, make_report
from bakery.check.rule import Rule, Violation
from bakery.recipe.model import Waiver

BY_ID = {rule.id: rule for rule in RULES}


def rule(name: str) -> Rule:
    return BY_ID[name]


REPORT = make_report(
    "demo.raw",
    [
        rule("elf-relro").finding(Violation("usr/bin/b", "is soft")),
        rule("setuid").finding(Violation("usr/bin/a,b:c%", "runs as root\nor so")),
        rule("owner").finding(Violation(".", "belongs to 1:1")),
        rule("capabilities").finding(Violation("usr/bin/ping", "can ping")),
    ],
    [Waiver(rule="capabilities", path="usr/bin/ping", reason="ping needs it")],
    not_run=[NotRun(rule="udev-syntax", why="udevadm is not installed")],
)


def test_text_for_people() -> None:
    text = render.text([REPORT])
    assert "error: demo.raw: the image belongs to 1:1\n  why:  " in text
    assert "  fix:  make root the owner" in text
    assert "allowed: demo.raw: usr/bin/ping can ping\n  why:  ping needs it\n" in text
    assert "not checked: demo.raw: udev-syntax: udevadm is not installed\n" in text
    assert text.endswith("demo.raw: 2 errors, 1 warning\n")
    assert render.text([Report(label="a")]) == "a: no errors, no warnings\n"


def test_json() -> None:
    (report,) = json.loads(render.json([REPORT]))
    assert report["findings"][0]["rule"] == "owner"
    assert report["waived"][0]["reason"] == "ping needs it"
    assert report["not_run"] == [{"rule": "udev-syntax", "why": "udevadm is not installed"}]


def test_github_annotations_can_t_be_forged() -> None:
    lines = render.github([REPORT]).splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["::error", "::error", "::warning"]
    assert lines[1].startswith("::error file=demo.raw,title=setuid::demo.raw: usr/bin/a,b:c%25 ")
    assert "%0Afix: " in lines[1]


def test_github_annotations_stand_beside_the_recipe() -> None:
    source = "recipes/a,b/recipe.yaml"
    report = make_report("demo.raw", [rule("owner").finding(Violation("usr", "x"))], source=source)
    assert "file=recipes/a%2Cb/recipe.yaml," in render.github([report])


def test_sarif() -> None:
    document = json.loads(render.sarif([REPORT]))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in RULES]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning")
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "demo.raw"
    (waived,) = [result for result in run["results"] if "suppressions" in result]
    assert waived["suppressions"] == [{"kind": "inSource", "justification": "ping needs it"}]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["associatedRule"]["id"] == "udev-syntax"


def test_the_list_of_rules() -> None:
    text = render.rules()
    assert all(f"{rule.id} ({rule.severity})\n  {rule.reason}\n" in text for rule in RULES)
