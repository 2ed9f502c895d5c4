from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from bakery.boot import console
from bakery.boot.guest import AGENT, Answer, Guest
from bakery.boot.process import Child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("timeout"), reason="the agent needs coreutils")


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    """The agent that guests have, as a process of this computer."""
    channel = [tmp_path / "requests", tmp_path / "answers"]
    for fifo in channel:
        os.mkfifo(fifo)
    requests, answers = (os.open(fifo, os.O_RDWR) for fifo in channel)
    command = ["sh", "-c", AGENT, "agent", *map(str, channel)]
    with (
        console.opened(tmp_path / "console") as (shown, _),
        subprocess.Popen(command, cwd=tmp_path) as process,
    ):
        guest = Guest(child=Child(process), console=shown, reader=answers, writer=requests)
        guest.wait_ready()
        yield guest
        guest.child.end()
    os.close(requests)
    os.close(answers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two\nlines\n",
        "no end of line",
        r"back\\slashes \n \0101 \c %s %%",
        " \t blanks \t ",
        "\n\n",
        "'quotes' \"too\" $HOME `id`",
        "Grüße",
        "0123456789abcdef" * 20_000,
    ],
)
def test_scripts_and_outputs_arrive_as_they_are(guest: Guest, text: str) -> None:
    quoted = shlex.quote(text)
    answer = guest.ask(f"printf %s {quoted}; printf %s {quoted} >&2; exit 3")
    assert answer == Answer(3, text, text)
    assert guest.ask("echo next") == Answer(0, "next\n", "")


def test_outputs_that_are_no_text_are_answers_too(guest: Guest) -> None:
    assert guest.ask(r"printf '\0\377\n'") == Answer(0, "\0\N{REPLACEMENT CHARACTER}\n", "")


def test_scripts_that_take_too_long_end(guest: Guest) -> None:
    assert guest.ask("echo begun; exec sleep 60", limit=1) == Answer(124, "begun\n", "")


def test_scripts_begin_in_the_root_with_nothing_to_read(guest: Guest) -> None:
    assert guest.ask("pwd; cat").stdout == "/\n"
