from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bakery.cli.failures import CommandGroup


def failing(number: int) -> click.Group:
    @click.group(cls=CommandGroup)
    def group() -> None:
        pass

    @group.command()
    def work() -> None:
        raise OSError(number, os.strerror(number), "/srv/store/file")

    return group


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.ENOSPC, "make room there"), (errno.EROFS, "run it as somebody who may")],
)
def test_what_the_computer_refuses_is_explained(number: int, fix: str) -> None:
    done = CliRunner().invoke(failing(number), ["work"])
    assert done.exit_code == 1
    assert "where: /srv/store/file" in done.output
    assert f"fix:   {fix}" in done.output


def test_an_output_that_is_full_is_explained_before_commands_run() -> None:
    command = [sys.executable, "-m", "bakery", "--version"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "make room there" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_gone_is_explained(tmp_path: Path) -> None:
    program = "import os, bakery.cli; os.rmdir(os.getcwd()); bakery.cli.main(['lint'])"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "this was started in is gone" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_letters_that_an_output_lacks_are_replaced() -> None:
    program = "import sys, bakery.surroundings as it; it.prepare(); print('1 … 2')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1 ? 2\n", "")


def test_an_empty_argument_is_no_name() -> None:
    done = CliRunner().invoke(failing(errno.ENOSPC), ["work", ""])
    assert (done.exit_code, "an argument of work is empty" in done.output) == (2, True)


def test_mistakes_of_the_program_are_not_explained_away() -> None:
    done = CliRunner().invoke(failing(errno.EBADF), ["work"])
    assert isinstance(done.exception, OSError)
