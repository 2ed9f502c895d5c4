"""Texts with placeholders: `docker-{version}.tgz`. A brace itself is written twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bakery.characters import hidden_at, visible
from bakery.recipe.host_folders import HOST_FOLDERS
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

VERSION_PLACEHOLDERS = ("version", "bare", "major", "minor", "name")
_NAME = r"[A-Za-z][A-Za-z0-9_-]*(?:\.bare)?"
PLACEHOLDER = r"\{" + _NAME + r"\}"
_TOKEN = re.compile(r"\{\{|\}\}|\{(" + _NAME + r")\}|[{}]")
_FOREIGN = re.compile(r"\$\{(?P<name>\w+)\}|\{\{ *(?P<other>\w+) *\}\}")
_GRAMMAR = r"(?:[^{}]|\{\{|\}\}|\{" + _NAME + r"\})*"
_BELOW_USR = ("bin", "lib", "libexec", "share")
STEP = r"(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+"
ADDRESS = r"(?:(?!%(?:[01][0-9A-Fa-f]|7[Ff]))\S)+"
"""An address behind its scheme: no blanks, and no control characters in disguise (%0a, %1b)."""


class UnknownPlaceholderError(ValueError):
    """A template names a placeholder that has no value here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown placeholder {{{name}}}")
        self.name = name


@dataclass(frozen=True)
class Field:
    """A placeholder."""

    name: str


@dataclass(frozen=True)
class Template:
    """A text with placeholders. A brace itself is written twice.

    | written | means |
    |---|---|
    | `{version}` | the version as upstream tags it: `v1.32.2` |
    | `{bare}`, `{version.bare}` | without a leading v: `1.32.2` |
    | `{major}`, `{minor}` | `v1`, `v1.32` |
    | `{arch}` | upstream's word for the architecture |
    | `{name}` | the recipe's name |
    | `{file}` | in an asset with `files`: each of them |
    | `{url}` | in `checksum` and `signature`: the address of what they are about |
    | `{PART}`, `{PART.bare}` | the version of a part |

    Attributes:
        text: the template as it is written.
        parts: literal text and placeholders in turn.

    """

    PATTERN: ClassVar[str] = f"^{_GRAMMAR}$"

    text: str
    parts: tuple[str | Field, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the template that `text` spells.

        Raises:
            GrammarError: a brace stands alone, a placeholder's name is malformed, or it has not the
                form that the class is for.

        """
        cls._check(text)
        parts: list[str | Field] = []
        end = 0
        for token in _TOKEN.finditer(text):
            parts.append(text[end : token.start()])
            end = token.end()
            if token[1]:
                parts.append(Field(token[1]))
            elif len(token[0]) == 1:
                raise _lone_brace(text, token.start())
            else:
                parts.append(token[0][0])
        parts.append(text[end:])
        return cls(text, tuple(part for part in parts if part != ""))

    @classmethod
    def _check(cls, text: str) -> None:
        """Refuse what has not the form that the class is for."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the placeholders in it."""
        return frozenset(part.name for part in self.parts if isinstance(part, Field))

    def span(self, name: str) -> tuple[int, int]:
        """Return where in the text a placeholder stands first."""
        return next(token.span() for token in _TOKEN.finditer(self.text) if token[1] == name)

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the text with every placeholder replaced by its value.

        Raises:
            UnknownPlaceholderError: `values` lacks one.

        """
        try:
            return "".join(
                part if isinstance(part, str) else values[part.name] for part in self.parts
            )
        except KeyError as error:
            raise UnknownPlaceholderError(error.args[0]) from None

    def __str__(self) -> str:
        return self.text


def _lone_brace(text: str, start: int) -> GrammarError:
    brace = text[start]
    close = text.find("}", start)
    span = (start, close + 1) if brace == "{" and close > start else (start, start + 1)
    return GrammarError(
        "this is no placeholder" if span[1] > start + 1 else f"the brace {brace} stands alone",
        fix=f"placeholders are written {{version}}; write {brace * 2} for a brace itself",
        span=span,
    )


class Line(Template):
    """A text with placeholders on one line."""

    PATTERN = rf"^(?=.)(?!.*[\n\t]){_GRAMMAR}$"

    @classmethod
    def _check(cls, text: str) -> None:
        if not text:
            raise GrammarError("this can't be empty", fix="give it a value, or remove the key")
        at = hidden_at(text)
        if at is not None:
            raise GrammarError(
                f"this can't hold {visible(text[at])}", fix="write one line", span=(at, at + 1)
            )


class Url(Line):
    """An address: https, http or file; `{url}` stands for another one."""

    PATTERN = rf"^(?={ADDRESS}$)(?:https?://|file://|\{{url\}}){_GRAMMAR}$"

    @classmethod
    def _check(cls, text: str) -> None:
        if not text.startswith(("https://", "http://", "file://", "{url}")):
            raise GrammarError(
                "an address begins with https://, http:// or file://",
                fix="write the whole address, as a browser shows it",
                span=(0, len(text.partition("://")[0])),
            )
        foreign = _FOREIGN.search(text)
        if foreign:
            raise GrammarError(
                "this is the placeholder of another language",
                fix=f"write {{{foreign['name'] or foreign['other']}}}",
                span=foreign.span(),
            )
        good = re.match(ADDRESS, text)
        end = good.end() if good else 0
        if end < len(text):
            raise GrammarError(
                "an address has no blanks, and no control characters such as %0a or %1b",
                fix="remove it; a blank that belongs there is written %20",
                span=(end, end + (3 if text[end] == "%" else 1)),
            )
        super()._check(text)


class ImagePath(Template):
    """A path in an image, below usr/ or opt/; a trailing slash means: into that folder."""

    PATTERN = rf"^(?={_GRAMMAR}$)(?:usr|opt)/(?:{STEP}(?:/{STEP})*/?)?$"

    @classmethod
    def _check(cls, text: str) -> None:
        relative = text.lstrip("/")
        if relative in HOST_FOLDERS:
            raise GrammarError(
                f"hosts have a folder {relative}, and a file in its place would hide all that is "
                "in it",
                fix=f"write {relative}/ to install into the folder, or name the file in it",
            )
        if relative.partition("/")[0] in _BELOW_USR:
            raise GrammarError(
                "only usr/ and opt/ reach the host",
                fix=f"write usr/{relative}",
                span=(0, len(text) - len(relative) + len(relative.partition("/")[0])),
            )
        if not relative.startswith(("usr/", "opt/")):
            raise GrammarError(
                "only usr/ and opt/ reach the host",
                fix="ship defaults below usr/share/{name}/ and copy them with `config:`",
                span=(0, len(text) - len(relative) + len(relative.partition("/")[0])),
            )
        if text != relative:
            raise GrammarError(
                "a path in the image has no leading slash", fix=f"write {relative}", span=(0, 1)
            )
        start = 0
        for step in text.removesuffix("/").split("/"):
            if step in {"", ".", ".."}:
                raise GrammarError(
                    f'a path in the image has no step "{step}"',
                    fix="write the path without detours",
                    span=(start, start + max(len(step), 1)),
                )
            start += len(step) + 1
        control = hidden_at(text)
        if control is not None:
            raise GrammarError("a path can't hold a control character", span=(control, control + 1))

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the path with every placeholder replaced by its value.

        Raises:
            UnknownPlaceholderError: `values` lacks one.
            GrammarError: a value makes it a path that `parse` refuses.

        """
        path = super().expand(values)
        if len(self.parts) > 1:
            try:
                self._check(path)
            except GrammarError as error:
                raise GrammarError(f"{self} becomes {path}: {error.what}", fix=error.fix) from None
        return path


class FilePath(ImagePath):
    """The path of one file in an image, below usr/ or opt/."""

    PATTERN = rf"^(?={_GRAMMAR}$)(?:usr|opt)/{STEP}(?:/{STEP})*$"

    @classmethod
    def _check(cls, text: str) -> None:
        if text.endswith("/"):
            raise GrammarError(
                "this is the path of a folder", fix="name the file: remove the slash at its end"
            )
        super()._check(text)
