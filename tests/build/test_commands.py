"""Wrong options of doit: one message, which says what is meant, and nothing of doit's inside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.project import REPOSITORY


def said(*words: str) -> str:
    command = [sys.executable, "-m", "doit", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--jobs", "x"], ["doit run has no option --jobs", "BAKERY_JOBS=VALUE"]),
        (["--procces", "3"], ["has no option --procces", "did you mean --process?"]),
        (["build:age", "--nonsense"], ["has no option --nonsense"]),
        (["-n", "x"], ["--process: takes a number, not 'x'"]),
        (["-n"], ["option -n requires argument", "doit help run"]),
        (["list", "-z"], ["doit list has no option -z", "doit help list"]),
        (["clean", "--everything"], ["doit clean has no option --everything"]),
        (["info", "--all"], ["doit info has no option --all"]),
        (["--profile-trace", "t.json", "build"], ["doit build --profile-trace FILE"]),
        ([""], ["an argument is empty"]),
        (["list", ""], ["an argument is empty"]),
        (["info", "nosuch"], ["nosuch"]),
        (["lst"], ["there is no command or task lst", "did you mean list?"]),
        (["biuld"], ["there is no command or task biuld", "did you mean build?"]),
        (["nosuch"], ["there is no command or task nosuch", "`doit help` lists"]),
        (["dumpdb"], ["recorded beside the outputs"]),
        (["list", "--template", "{x}"], ["--template can't be '{x}'", "it may have {name}, {doc}"]),
        (["list", "--template", "{name"], ["--template can't be '{name'", "expected '}'"]),
        (["list", "--template", "{0}{name.x}"], ["--template can't be"]),
        (["list", "--template", "{name:%}"], ["--template can't be '{name:%}'", "format code"]),
        (["list", "--template", "{status}"], ["it may have {name}, {doc}"]),
        (["tabcompletion", "--shell", "x"], ["--shell: provided 'x'"]),
        (["publish:age", "build:age", "--dry-run"], ["would be done: it has no --dry-run"]),
        (["site", "channel:index", "--dry-run"], ["site would be done: it has no --dry-run"]),
    ],
)
def test_a_wrong_option_is_explained(words: list[str], parts: list[str]) -> None:
    text = said(*words)
    for part in parts:
        assert part in text
    for inside in ("CmdOption", "parsing options", "Traceback", "class"):
        assert inside not in text
    assert len(text.splitlines()) <= 3


@pytest.mark.parametrize(
    "words",
    ["list", "help", "help list", "help build:age", "tabcompletion", "--help", "--version"],
)
def test_a_full_output_is_explained(words: str) -> None:
    command = [sys.executable, "-m", "doit", *words.split()]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert (done.returncode != 0, "make room there" in done.stderr) == (True, True)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["", "list", "build:age", "clean", "help build:age", "info x"])
def test_a_folder_that_is_gone_is_explained(tmp_path: Path, words: str) -> None:
    script = f'rmdir "$PWD"; exec {sys.executable} -m doit {words}'
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "ERROR: the folder that this was started in is gone",
        "  fix:   change to one that is there",
    ]
