"""Patterns for paths: `*` and `?` stay within one step, `**` spans any number of steps.

`!(a|b*)` stands for what is neither, within one step, as in bash's extglob. All other characters
stand for themselves, brackets too.
"""

from __future__ import annotations

import functools
import re

_TOKEN = re.compile(r"/\*\*$|\*\*/|\*\*|\*|\?|!\((?P<others>[^()/]*)\)")
_MEANING = {"/**": "/.+", "**/": "(?:[^/]+/)*", "**": ".+", "*": "[^/]*", "?": "[^/]"}


@functools.lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(_translated(pattern), re.DOTALL)


def _translated(pattern: str) -> str:
    parts = []
    end = 0
    for token in _TOKEN.finditer(pattern):
        parts.append(re.escape(pattern[end : token.start()]))
        end = token.end()
        if token["others"] is None:
            parts.append(_MEANING[token[0]])
        else:
            others = "|".join(map(_translated, token["others"].split("|")))
            rest = _translated(pattern[end:].partition("/")[0])
            parts.append(rf"(?!(?:{others}){rest}(?:/|\Z))[^/]*")
    parts.append(re.escape(pattern[end:]))
    return "".join(parts)


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
