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


def base(pattern: str) -> str:
    """Return the folder that all matches lie in: the steps before the first wildcard step.

    A pattern without wildcards names one file, so its own folder is returned. The result is empty
    or ends with a slash.
    """
    first = _TOKEN.search(pattern)
    literal = pattern if first is None else pattern[: first.start() + (first[0] == "/**")]
    return literal[: literal.rfind("/") + 1]
