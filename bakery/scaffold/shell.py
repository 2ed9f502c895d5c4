"""Syntax errors of the shell scripts in recipes: a shell reads them, and runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery import tools
from bakery.recipe.folder import CHECK
from bakery.yaml.location import error, error_at, locate
from bakery.yaml.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bakery.errors import BakeryError
    from bakery.recipe.load import Source
    from bakery.yaml.location import Step

_SHELLS = {"sh": "sh", "dash": "sh", "bash": "bash"}  # who reads what says that it is for it
_LOOP = """\
while [ $# -gt 0 ]; do
  ! command -v "$1" >/dev/null || "$1" -n "$2" "$3" 2>&1
  printf '\\0%s\\0' $?
  shift 3
done
"""
_AT_ONCE = 200  # scripts: as many words of a command line as every system takes
_SAID = re.compile(r"(?:line |: )(?P<line>[0-9]+): (?:[Ss]yntax error:? ?)?(?P<message>.*)")
_FIX = "correct it; `sh -n` tells whether a shell can read it"


@dataclass(frozen=True, kw_only=True)
class _Script:
    """A script of a recipe.

    Attributes:
        reader: the shell that reads it.
        text: what it is; None for a file.
        file: where it is: the script itself, or check.yaml.
        place: where in check.yaml.

    """

    reader: str
    text: str | None = None
    file: Path
    place: tuple[Step, ...] = ()

    @property
    def words(self) -> tuple[str, str, str]:
        """The shell, and how it is given the script."""
        if self.text is None:
            return self.reader, "--", str(self.file.absolute())
        return self.reader, "-c", self.text

    def error(self, line: int, message: str) -> BakeryError:
        """Return the error that shows a line, from 1."""
        what = f"no shell can read this: {message}"
        if self.text is None:
            return error_at(self.file, line - 1, 0, what, _FIX)
        lines = self.text.splitlines()
        index = min(line, len(lines)) - 1
        begin = sum(len(each) + 1 for each in lines[:index])
        indent = len(lines[index]) - len(lines[index].lstrip())
        span = (begin + indent, begin + len(lines[index]))
        return error(locate(read(self.file), self.place), what, _FIX, span=span)


def faults(sources: Iterable[Source]) -> Iterator[BakeryError]:
    """Yield what no shell can read of commands in check.yaml, and of scripts in files/.

    Raises:
        ToolFailedError: there is no shell here.

    """
    scripts = [script for source in sources for script in (*_commands(source), *_files(source))]
    for first in range(0, len(scripts), _AT_ONCE):
        yield from _read(scripts[first : first + _AT_ONCE])


def _read(scripts: Sequence[_Script]) -> Iterator[BakeryError]:
    words = (word for script in scripts for word in script.words)
    said = tools.run(["sh", "-c", _LOOP, "sh", *words], what="scripts can't be parsed")
    answers = said.split("\0")
    for script, message, status in zip(scripts, answers[::2], answers[1::2], strict=False):
        if status != "0":
            first = message.strip().partition("\n")[0]
            match = _SAID.search(first)
            yield script.error(*(int(match["line"]), match["message"]) if match else (1, first))


def _commands(source: Source) -> Iterator[_Script]:
    file = source.folder / CHECK
    for index, command in enumerate(source.expected.commands):
        place = ("commands", index, "run")
        match command.run:
            case str(text):
                yield _Script(reader="sh", text=text, file=file, place=place)
            case [program, option, text, *_] if re.fullmatch("-[a-z]*c", option):
                if reader := _SHELLS.get(program.rpartition("/")[2]):
                    yield _Script(reader=reader, text=text, file=file, place=(*place, 2))


def _files(source: Source) -> Iterator[_Script]:
    for path in source.origins.values():
        with path.open("rb") as file:
            first = file.readline(200).decode(errors="replace")
        names = [word.rpartition("/")[2] for word in first.removeprefix("#!").split()]
        name = next((each for each in names if each not in ("env", "-S")), "")
        if first.startswith("#!") and (reader := _SHELLS.get(name)):
            yield _Script(reader=reader, file=path)
