"""Wrong options of doit: one message, which says what is meant, and nothing of doit's inside."""

from __future__ import annotations

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
        (["dumpdb"], ["recorded beside the outputs"]),
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


def test_a_full_output_is_explained() -> None:
    command = [sys.executable, "-m", "doit", "list"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, "make room there" in done.stderr) == (3, True)
    assert "Traceback" not in done.stderr
