"""What to say where a command line names a task that is not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.arch import systemd_name
from bakery.errors import BakeryError
from bakery.recipe.lock import LockError
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LISTED = 6  # names in one message
_WILD = re.compile(r"[*?[]")


def no_task(word: str, tasks: Sequence[str], recipe: str, locked: Sequence[str]) -> BakeryError:
    """Return the error about a task that is not there, with the one that was meant.

    Args:
        word: what the command line names, such as `build:docker-20.10.31`.
        tasks: all tasks there are.
        recipe: the recipe whose name it begins with; empty if there is none.
        locked: the versions of it that are locked.

    """
    kind, _, name = word.partition(":")
    alike = [each for each in tasks if each.startswith(f"{kind}:")]
    if _WILD.search(word):
        return BakeryError(f"no task is called like {word}", fix=_examples(alike, recipe, word))
    begun = [each for each in alike if each.startswith(f"{word}-")]
    if begun:
        return BakeryError(
            f"there is no task {word}", why="it is not the whole name", fix=_any_of(begun)
        )
    meant = _otherwise(word, alike)
    if kind == "build" and recipe and not meant:
        return _not_locked(recipe, name.removeprefix(f"{recipe}-"), locked)
    meant = meant or _near(name, alike) or (None if alike else nearest(word, tasks))
    fix = f"did you mean {meant}?" if meant else "`doit list --all` shows every task"
    return BakeryError(f"there is no task {word}", fix=fix)


def no_command(word: str, known: Sequence[str]) -> BakeryError:
    """Return the error about a first word that is none of the commands and kinds of tasks."""
    near = nearest(word, known)
    fix = f"did you mean {near}?" if near else "`doit help` lists commands, `doit list` tasks"
    return BakeryError(f"there is no command or task {word}", fix=fix)


def _near(name: str, tasks: Sequence[str]) -> str | None:
    by_name = {_plain(each.partition(":")[2]): each for each in tasks}
    return by_name.get(nearest(_plain(name), by_name) or "")


def _not_locked(recipe: str, version: str, locked: Sequence[str]) -> LockError:
    lock, near = f"bakery lock {recipe} {version}", nearest(version, locked)
    meant = f"did you mean build:{recipe}-{near}? To lock another version: {lock}"
    return LockError(
        f"{recipe} {version} is not locked",
        why=f"locked: {', '.join(locked) or 'nothing yet'}",
        fix=meant if near else lock,
    )


def _otherwise(word: str, tasks: Sequence[str]) -> str | None:
    """Return the task whose version, with or without a v, or processor is written otherwise."""
    return next((each for each in tasks if _plain(each) == _plain(word)), None)


def _plain(task: str) -> str:
    start, _, arch = task.rpartition("-")
    known = systemd_name(arch)
    return re.sub(r"-v(?=\d)", "-", f"{start}-{known}" if known else task)


def _of(task: str, recipe: str) -> bool:
    return task.partition(":")[2].startswith(f"{recipe}-")


def _examples(tasks: Sequence[str], recipe: str, word: str) -> str:
    near = [each for each in tasks if recipe and _of(each, recipe)]
    start = _WILD.split(word)[0]
    near = near or [each for each in tasks if each.startswith(start)]
    return _any_of(near) if near else "`doit list --all` shows every task"


def _any_of(tasks: Iterable[str]) -> str:
    names = [*tasks]
    more = f" or {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"take {' or '.join(names[:_LISTED])}{more}"
