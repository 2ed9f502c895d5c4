"""What `bakery lint` finds in a recipe's folder, and where it says that it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bakery.recipe.load import Recipes
from bakery.scaffold import lint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Found = Callable[[Mapping[str, str | None]], list[str]]

RECIPE = """# yaml-language-server: $schema=https://example.org/recipe.schema.json
summary: An app
homepage: https://example.org/
license: MIT
build: ["1.0"]
arch: {x86-64: amd64}
assets: [{url: https://example.org/app, install: usr/bin/app}]
"""
LOCK = """{"versions": {
"1.0": {"assets": [
{"url": "https://example.org/app", "sha256": "%s", "size": 1, "trust": "first-use"}
]}}}
""" % ("0" * 64)
RIGHT = {
    "recipe.yaml": RECIPE,
    "lock.json": LOCK,
    "check.yaml": "commands: [{run: app work}]\n",
    "README.md": "# app\n\n## Licence\n\nMIT\n",
}
UNIT = "files/usr/lib/systemd/system/app.service"
SERVICE = "[Service]\nDynamicUser=yes\nExecStart=/usr/bin/app\n"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    monkeypatch.chdir(tmp_path)

    def lint_with(files: Mapping[str, str | None]) -> list[str]:
        for path, text in {**RIGHT, **files}.items():
            place = tmp_path / "app" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                place.write_text(text)
        problems = lint.lint(Recipes(tmp_path), ["app"])
        return lint.gcc(problems).replace("app/", "", 1).splitlines()

    return lint_with


def test_a_recipe_that_is_right(found: Found) -> None:
    assert found({UNIT: SERVICE}) == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"recipe.yaml": RECIPE + "strat: []\n"}, r"recipe.yaml:8:1: error: .*strat.*\[recipe\]"),
        ({"recipe.yaml": RECIPE.replace("$schema=", "")}, "recipe.yaml:1:1: error: .*schema"),
        ({"recipe.yaml": RECIPE.replace("MIT", "LicenseRef-Unknown")}, "yaml:4:10: .*licence"),
        ({"recipe.yaml": RECIPE.replace("An app", "An app.")}, "yaml:2:10: .*full stop"),
        ({"recipe.yaml": RECIPE.replace("An app", "A  # REVIEW: say it")}, "yaml:2:15: .*say it"),
        (
            {"recipe.yaml": RECIPE.replace("/app,", "/b,")},
            r"lock.json:2:1: error: .*not fit.*lock\]",
        ),
        ({"recipe.yaml": RECIPE + "start: [b.service]\n"}, "yaml:8:9: .*brings b.service"),
        ({"recipe.yaml": RECIPE + "write: {usr/lib64/x: y}\n"}, "yaml:8:9: error: usr/lib64"),
        ({"recipe.yaml": RECIPE + "write: {opt/x: y}\n"}, "yaml:8:9: warning: .*opt-shipped"),
        (
            {"recipe.yaml": RECIPE + "allow: [{rule: optship, path: opt, reason: x}]\n"},
            "yaml:8:16: error: no rule is optship",
        ),
        ({"lock.json": "{"}, "lock.json:1:.*recipe"),
        ({"lock.json": LOCK.replace('"size": 1, ', "")}, "lock.json:3:1: .*size"),
        ({"check.yaml": None}, "check.yaml:1:1: error: there is no"),
        ({"check.yaml": "listen: [tcp/80]\n"}, "check.yaml:1:1: error: no command"),
        ({"check.yaml": "commands: [{run: app version}]\n"}, "check.yaml:1:1: warning: .*version"),
        ({"check.yaml": "commands:\n- {rum: x}\n"}, r"check.yaml:2:4: error: .*\[recipe\]"),
        ({"README.md": None}, "README.md:1:1: error: there is no"),
        ({"README.md": "app\n## Licence\n"}, "README.md:1:1: error: .*title"),
        (
            {"README.md": "# app\n<!-- REVIEW: write -->\n## Licence\n"},
            "README.md:2:6: .*: write .rev",
        ),
        ({"README.md": "# app\n"}, "README.md:1:1: error: .*licence"),
        ({UNIT: f"{SERVICE}[Install]\nWantedBy=a.target\n"}, "service:4:1: .*install-section"),
        ({UNIT: f"{SERVICE}RootDirectory=/{{version}}\n"}, "service:4:1: .*placeholder-left"),
        ({UNIT: f"{SERVICE}nonsense\n"}, "service:4:1: .*neither a section.*unit-verify"),
        ({UNIT: "[Service]\nExecStart=/usr/bin/app\n"}, "service:1:1: warning: .*root"),
        ({"files/usr/lib/tmpfiles.d/a.conf": "d /run/a - a a\n"}, "a.conf:1:1: .*tmpfiles-user"),
        ({"files/usr/lib/sysusers.d/a.conf": "u a\nhuh\n"}, "a.conf:2:1: .*sysusers-syntax"),
    ],
)
def test_a_mistake_is_found_where_it_stands(
    found: Found,
    files: dict[str, str | None],
    problem: str,
) -> None:
    (line,) = found(files)
    assert re.search(problem, line)


def test_a_waiver_holds_here_too(found: Found) -> None:
    allow = "allow: [{rule: opt-shipped, path: opt, reason: it has to}]\n"
    assert found({"recipe.yaml": RECIPE + "write: {opt/x: y}\n" + allow}) == []


def test_a_template_may_have_placeholders(found: Found) -> None:
    recipe = RECIPE + "files: {usr/lib/systemd/**: {template: true}}\n"
    assert found({"recipe.yaml": recipe, UNIT: f"{SERVICE}# {{version}}\n"}) == []


def test_people_and_github_are_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/recipe.yaml").write_text(RECIPE + "strat: []\n")
    problems = list(lint.lint(Recipes(tmp_path), ["app"]))
    assert "    8 | strat: []\n      | ^^^^^\n  did you mean start?" in lint.text(problems)
    assert re.match(
        r"::error title=recipe,file=.*/recipe.yaml,line=8,col=1::", lint.github(problems)
    )


@pytest.mark.parametrize(
    ("check", "place"),
    [
        ("commands: [{run: app work}, {run: 'echo (a)'}]", "1:36"),
        ("commands:\n  - run: |\n      app work\n      if true; then (\n      fi\n", "5:7"),
        (
            "commands:\n  - run: >-\n      app\n      'work\n",
            "2:10",
        ),  # folded: the shell sees one line
        ('commands: [{run: [sh, -ec, "app work )"]}]', "1:29"),
        ("commands: [{run: [/bin/bash, -c, 'app <(work']}]", "1:35"),
    ],
)
def test_a_command_that_no_shell_can_read(found: Found, check: str, place: str) -> None:
    (problem,) = found({"check.yaml": check})
    where = f"check.yaml:{place}: error: no shell can read this: "
    assert problem.startswith(where)
    assert problem.endswith("[shell-syntax]")
    assert len(problem) > len(f"{where} [shell-syntax]")


@pytest.mark.parametrize(
    "check",
    [
        "commands: [{run: touch ran && false}, {run: '${x?}; exit 3'}]",  # nothing is run
        "commands: [{run: [app, -c, '(']}, {run: [sh, work.sh, '(']}]",
        "commands: [{run: [bash, -c, 'app <(work)']}]",
        "commands:\n  - run: |\n      cat <<END\n      (\n      END\n",
    ],
)
def test_commands_that_shells_can_read(found: Found, check: str, tmp_path: Path) -> None:
    assert found({"check.yaml": check}) == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/usr/bin/env bash", "#! /bin/sh -e"])
def test_a_script_that_no_shell_can_read(found: Found, first: str) -> None:
    path = "files/usr/libexec/app/go"
    (problem,) = found({path: f"{first}\necho one\necho two)\n"})
    assert problem.startswith(f"{path}:3:1: error: no shell can read this: ")
    assert found({path: f"{first}\necho one\n"}) == []


def test_what_is_for_another_program_is_no_shells_business(found: Found) -> None:
    assert found({"files/usr/libexec/app/go": "#!/usr/bin/python3\nprint('sh')\n"}) == []
