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
    not_run=[NotRun(rule="udev-syntax", why="udevadm is not installed", fix="apt install udev")],
)


def test_text_for_people() -> None:
    text = render.text([REPORT])
    assert "error: demo.raw: the image belongs to 1:1\n  why:  " in text
    assert "  fix:  make root the owner" in text
    assert "ping" not in text
    assert (
        "not checked: demo.raw: udev-syntax: udevadm is not installed\n  fix:  apt install udev\n"
    ) in text
    assert text.endswith("demo.raw: 2 errors, 1 warning, 1 allowed\n")
    assert render.text([Report(label="a")]) == "a: no errors, no warnings\n"


def broken(label: str, *violations: Violation) -> Report:
    return make_report(label, [rule("setuid").finding(violation) for violation in violations])


def test_what_two_architectures_have_in_common_is_said_once() -> None:
    both, one = Violation("usr/bin/a", "is setuid"), Violation("usr/bin/b", "is setuid")
    first, second = broken("demo-1.0-x86-64", both), broken("demo-1.0-arm64", both, one)
    text = render.text([first, broken("other-1-arm64", both), second])
    assert [line for line in text.splitlines() if not line.startswith("  ")] == [
        "error: demo-1.0 (x86-64, arm64): usr/bin/a is setuid",
        "error: demo-1.0-arm64: usr/bin/b is setuid",
        "demo-1.0 (x86-64, arm64): 2 errors, no warnings",
        "error: other-1-arm64: usr/bin/a is setuid",
        "other-1-arm64: 1 error, no warnings",
    ]
    assert len(render.github([first, second]).splitlines()) == 2


def test_rules_that_one_cause_kept_from_running_are_told_together() -> None:
    skipped = [NotRun(rule=name, why="it is blind", fix="look") for name in ("owner", "setuid")]
    skipped.append(NotRun(rule="time", why="it is late", fix="hurry"))
    text = render.text([make_report("demo", [], not_run=skipped)])
    assert "not checked: demo: owner, setuid: it is blind\n  fix:  look\n" in text
    assert "not checked: demo: time: it is late\n  fix:  hurry\n" in text


def test_an_error_that_ends_a_build_nests_nothing() -> None:
    error = render.BrokenRulesError(broken("demo-1.0-x86-64", Violation("usr/bin/a", "is setuid")))
    assert error.what == "demo-1.0-x86-64 breaks 1 rule"
    text = error.render()
    assert text.splitlines()[1] == "error: usr/bin/a is setuid"
    assert text.count("why:") == text.count("fix:") == 1
    more = [rule(name).finding(Violation(".", "x")) for name in ("setuid", "setuid", "owner")]
    assert render.BrokenRulesError(make_report("demo", more)).what == "demo breaks 2 rules"


def test_json_has_findings_waivers_and_rules_that_did_not_run() -> None:
    (report,) = json.loads(render.json([REPORT]))
    assert report["findings"][0]["rule"] == "owner"
    assert report["waived"][0]["reason"] == "ping needs it"
    assert report["not_run"] == [
        {"rule": "udev-syntax", "why": "udevadm is not installed", "fix": "apt install udev"}
    ]


def test_github_annotations_can_t_be_forged() -> None:
    lines = render.github([REPORT]).splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["::error", "::error", "::warning"]
    assert lines[1].startswith("::error file=demo.raw,title=setuid::demo.raw: usr/bin/a,b:c%25 ")
    assert "%0Afix: " in lines[1]


def test_github_annotations_stand_beside_the_recipe() -> None:
    source = "recipes/a,b/recipe.yaml"
    report = make_report("demo.raw", [rule("owner").finding(Violation("usr", "x"))], source=source)
    assert "file=recipes/a%2Cb/recipe.yaml," in render.github([report])


def test_sarif_names_the_rule_of_each_result() -> None:
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


def test_names_in_images_reach_neither_terminals_nor_workflows() -> None:
    hostile = Violation("usr/\x1b[2J\nerror: all: is well\r::warning::x", "is\u202e odd")
    report = broken("demo", hostile)
    for text in (render.text([report]), render.BrokenRulesError(report).render()):
        assert text.replace("\n", "").isprintable()
        assert not [line for line in text.splitlines() if line.startswith("error: all")]
    annotated = render.github([report])
    assert annotated.endswith("\n")
    assert annotated[:-1].isprintable()
