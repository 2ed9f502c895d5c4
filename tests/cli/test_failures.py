from __future__ import annotations

import errno
import os

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


def test_mistakes_of_the_program_are_not_explained_away() -> None:
    done = CliRunner().invoke(failing(errno.EBADF), ["work"])
    assert isinstance(done.exception, OSError)
