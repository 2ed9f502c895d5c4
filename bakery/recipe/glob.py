"""Patterns for paths: `*` and `?` stay within one step, `**` spans any number of steps.

All other characters stand for themselves, brackets too.
"""

from __future__ import annotations

import functools
import re

_TOKEN = re.compile(r"/\*\*$|\*\*/|\*\*|\*|\?")
_MEANING = {"/**": "/.+", "**/": "(?:[^/]+/)*", "**": ".+", "*": "[^/]*", "?": "[^/]"}


@functools.lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = []
    end = 0
    for token in _TOKEN.finditer(pattern):
        parts.append(re.escape(pattern[end : token.start()]))
        parts.append(_MEANING[token[0]])
        end = token.end()
    parts.append(re.escape(pattern[end:]))
    return re.compile("".join(parts), re.DOTALL)


def matches(pattern: str, path: str) -> bool:
    """Return whether the whole path fits the pattern."""
    return _regex(pattern).fullmatch(path) is not None


def below(pattern: str, path: str) -> str:
    """Return what of a matching path is kept when it is installed into a folder.

    The file's name; or, of a pattern with `**`, the steps that it spans and those after them.
    """
    steps = pattern.split("/")
    fixed = next((i for i, step in enumerate(steps) if "**" in step), len(steps) - 1)
    return "/".join(path.split("/")[fixed:])
