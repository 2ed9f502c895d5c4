"""Locks as they were before a change, from git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.recipe import lock
from bakery.recipe.folder import LOCK
from bakery.recipe.lock import Lock
from bakery.tools import Tool, ToolFailedError, run

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.settings import Settings

_GIT = Tool(program="git", apt="git", brew="git")


class HistoryError(BakeryError):
    """Git does not tell how something was before."""


def git(settings: Settings, *words: str) -> str:
    """Return what git says in the project's folder.

    Raises:
        HistoryError: it fails.

    """
    try:
        return run([_GIT.require(), *words], what="git can't tell what changed", cwd=settings.root)
    except ToolFailedError as error:
        raise HistoryError(
            error.what,
            where=error.where,
            why=error.why,
            fix="name a commit that is here; `git fetch --unshallow` brings those that are not",
        ) from error


def left(settings: Settings, since: str) -> str:
    """Return the commit at which a change left another commit's history.

    Raises:
        HistoryError: git knows none.

    """
    return git(settings, "merge-base", since, "HEAD").strip()


def lock_before(recipe: Path, settings: Settings, since: str) -> Lock:
    """Return a recipe's lock as it was where a change left a commit's history; empty for none.

    Args:
        recipe: the recipe's folder.
        settings: for the project's folder.
        since: the commit that the change is for, such as `origin/main`.

    Raises:
        HistoryError: git does not know the commit, or the recipe is not in the project.
        LockError: the lock was damaged.

    """
    path = recipe / LOCK
    if not path.is_relative_to(settings.root):
        raise HistoryError("the recipes are not below the project's folder", where=str(recipe))
    path = path.relative_to(settings.root)
    base = left(settings, since)
    if not git(settings, "ls-tree", "--name-only", base, f"./{path}"):
        return Lock()
    return lock.decode(git(settings, "show", f"{base}:./{path}").encode(), path)
