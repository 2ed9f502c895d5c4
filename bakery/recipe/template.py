"""Texts with placeholders: `docker-{version}.tgz`. A brace itself is written twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z][\w-]*(?:\.bare)?)\}|[{}]")


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
    """A text with placeholders, parsed.

    Attributes:
        text: the template as it is written.
        parts: literal text and placeholders in turn.

    """

    text: str
    parts: tuple[str | Field, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the template that `text` spells.

        Raises:
            ValueError: a brace stands alone, or a placeholder's name is malformed.

        """
        parts: list[str | Field] = []
        end = 0
        for token in _TOKEN.finditer(text):
            parts.append(text[end : token.start()])
            end = token.end()
            if token[1]:
                parts.append(Field(token[1]))
            elif len(token[0]) == 1:
                raise ValueError(
                    f"the brace at character {token.start() + 1} belongs to no placeholder; "
                    f"write {token[0] * 2} for a brace itself"
                )
            else:
                parts.append(token[0][0])
        parts.append(text[end:])
        return cls(text, tuple(part for part in parts if part != ""))

    @property
    def names(self) -> frozenset[str]:
        """The names of the placeholders in it."""
        return frozenset(part.name for part in self.parts if isinstance(part, Field))

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


class Place(Template):
    """A path in an image, below usr/ or opt/; a trailing slash means: into that folder."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the path that `text` spells.

        Raises:
            ValueError: it is absolute, not normalised, or outside of usr/ and opt/.

        """
        place = super().parse(text)
        steps = text.rstrip("/").split("/")
        if text.startswith("/"):
            raise ValueError(f"a path in the image has no leading slash: {text.lstrip('/')}")
        if any(step in {"", ".", ".."} for step in steps):
            raise ValueError("a path in the image has no empty, '.' or '..' steps")
        if steps[0] not in {"usr", "opt"} or (len(steps) == 1 and not text.endswith("/")):
            raise ValueError("only usr/ and opt/ reach the host; put it below one of them")
        return place
