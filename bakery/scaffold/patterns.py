"""From what one release's files are called to what every release's are: placeholders, globs."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import quote

from bakery.scaffold.filenames import PROCESSORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.arch import Arch
    from bakery.recipe.version import Version

_SEPARATOR = re.compile(r"[-_./]")


def versioned(text: str, version: Version) -> str:
    """Return a text with `{version}`, or `{bare}`, where it has the version, and braces doubled."""
    text = text.replace("{", "{{").replace("}", "}}")
    for spelt, placeholder in ((version.tag, "{version}"), (version.bare, "{bare}")):
        for word in {spelt, quote(spelt, safe="")}:
            alone = rf"(?<![0-9])(?<![0-9]\.){re.escape(word)}(?!\.?[0-9])"
            text = re.sub(alone, placeholder, text)
    return text


def worded(texts: Mapping[Arch, str]) -> tuple[str, dict[Arch, str]]:
    """Return what texts for several processors have in common, and the word for each, `{arch}`."""
    words = {arch: PROCESSORS[arch].search(text) for arch, text in texts.items()}
    named = {arch: word[0] for arch, word in words.items() if word}
    if len(named) == len(texts):
        common = {_put(text, named[arch]) for arch, text in texts.items()}
        if len(common) == 1:
            return common.pop(), named
    if len(texts) == 1:
        return next(iter(texts.values())), {arch: str(arch) for arch in texts}
    before, behind = _around(list(texts.values()))
    end = -len(behind) or None
    return f"{before}{{arch}}{behind}", {a: text[len(before) : end] for a, text in texts.items()}


def with_words(texts: Mapping[Arch, str], words: Mapping[Arch, str]) -> str | None:
    """Return what texts have in common that differ in their processor's word; None if in more."""
    if len(set(texts.values())) == 1 and len(texts) > 1:
        return next(iter(texts.values()))
    common = {_put(text, words[arch]) for arch, text in texts.items()}
    return common.pop() if len(common) == 1 else None


def glob(texts: Mapping[Arch, str], words: Mapping[Arch, str]) -> str:
    """Return a pattern for paths that differ by processor, with `*` where words don't explain."""
    exact = with_words(texts, words)
    if exact is not None:
        return exact
    steps = zip(*(text.split("/") for text in texts.values()), strict=True)
    return "/".join(_starred(step) for step in steps)


def _starred(step: tuple[str, ...]) -> str:
    if len(set(step)) == 1:
        return step[0]
    before, behind = _around(list(step))
    return f"{before}*{behind}"


def _put(text: str, word: str) -> str:
    """Return a text with `{arch}` for a word, where that stands alone."""
    if not word:
        return text
    return re.sub(rf"(?<![0-9A-Za-z]){re.escape(word)}(?![0-9A-Za-z])", "{arch}", text)


def _around(texts: list[str]) -> tuple[str, str]:
    """Return how all texts begin and end: whole words of them, so that what differs is readable."""
    before = common_start(texts)
    rests = [text[len(before) :] for text in texts]
    behind = common_start([rest[::-1] for rest in rests])[::-1]
    if all(len(rest) > len(behind) for rest in rests):
        before = before[: max((m.end() for m in _SEPARATOR.finditer(before)), default=0)]
        first = _SEPARATOR.search(behind)
        behind = behind[first.start() :] if first else ""
    return before, behind


def common_start(texts: list[str]) -> str:
    """Return how all texts begin."""
    alike = takewhile(lambda each: len(set(each)) == 1, zip(*texts, strict=False))
    return "".join(each[0] for each in alike)
