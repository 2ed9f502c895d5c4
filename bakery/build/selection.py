"""Which tasks a command line names, and so which recipes must be read."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.recipe.load import Recipes

PROFILE_TRACE = "--profile-trace"
DEFAULT = ("build", "check")
"""What is done where no task is named."""

COMMANDS = (
    *("auto", "clean", "dumpdb", "forget", "help", "ignore", "info", "list", "reset-dep"),
    *("run", "strace", "tabcompletion"),
)
_WILD = re.compile(r"[*?[]")


class Selection:
    """The tasks that a command line names.

    Attributes:
        command: doit's command; `run` where none is given.
        words: what is named: tasks, groups of them such as `build`, or patterns of names.
        dry_run: whether something is only to be said, not done.
        profile_trace: the file that a trace of the run is written to; None for no trace.

    """

    def __init__(self, arguments: Sequence[str], kinds: Sequence[str]) -> None:
        given = arguments[0] if arguments else ""
        self.command = given if given in COMMANDS else "run"
        self.dry_run = "--dry-run" in arguments
        self.arguments = arguments
        words, self.profile_trace = _without_trace(arguments)
        self.words = tuple(
            word
            for word in words
            if word in kinds or (":" in word and "{" not in word and word[0] not in "-/.")
        )
        self._exact = frozenset(self.words)
        self._patterns = [word for word in self.words if _WILD.search(word)]

    def names(self, task: str) -> bool:
        """Return whether a task is named, alone, by a pattern, or with its whole group."""
        return (
            task in self._exact
            or task.partition(":")[0] in self._exact
            or any(fnmatchcase(task, pattern) for pattern in self._patterns)
        )

    def recipes(self, recipes: Recipes) -> list[str] | None:
        """Return the recipes that the named tasks are about; None for all."""
        named: dict[str, None] = {}
        for word in self.words:
            kind, _, name = word.partition(":")
            about = [] if kind == "fetch" else _about(name, recipes)
            if not about:
                return None
            named.update(dict.fromkeys(about))
        return [*named] or None


def _without_trace(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Return arguments without `--profile-trace FILE`, and the file.

    Raises:
        BakeryError: no file follows.

    """
    words: list[str] = []
    path = None
    rest = iter(arguments)
    for word in rest:
        option, _, value = word.partition("=")
        if option == PROFILE_TRACE:
            value = value or next(rest, "")
            if not value or value.startswith("-"):
                raise BakeryError(
                    f"{PROFILE_TRACE} takes a file", fix=f"{PROFILE_TRACE} trace.json"
                )
            path = Path(value).absolute()
        else:
            words.append(word)
    return words, path


def _about(name: str, recipes: Recipes) -> list[str]:
    """Return the recipes whose tasks can have a name, or match a pattern of names."""
    start, *wild = _WILD.split(name, maxsplit=1)
    words = start.split("-")
    about = ["-".join(words[:end]) for end in range(1, len(words) + 1)]
    about = [each for each in about if each in recipes]
    if wild:
        about += [each for each in recipes if each.startswith(start) and each not in about]
    return about
