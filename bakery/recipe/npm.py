"""npm packages as a recipe asks for them, and the addresses that a lock gives them.

`npm:@esbuild/linux-x64/linux-x64-0.28.2.tgz` is the file of a package's version, called as npm
calls it (npm-pack(1)), wherever a registry keeps that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from bakery.recipe.template import PLACEHOLDER, Line
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from typing import Self

SCHEME = "npm:"

_FIRST, _MORE = "[A-Za-z0-9]", "[A-Za-z0-9._~-]"
_STEP = f"{_FIRST}{_MORE}*"
_STEP_TEMPLATE = f"(?:{_FIRST}|{PLACEHOLDER})(?:{_MORE}|{PLACEHOLDER})*"
_ADDRESS = re.compile(
    rf"npm:(?P<name>(?:@{_STEP}/)?(?P<base>{_STEP}))/(?P=base)-(?P<version>[0-9A-Za-z.+-]+)\.tgz"
)
_EXPECTED = "the name of an npm package, such as esbuild or @esbuild/linux-x64"
NpmPackage = Annotated[str, msgspec.Meta(pattern=f"^(?:@{_STEP}/)?{_STEP}$", title=_EXPECTED)]


class NpmName(Line):
    """The name of a package, with placeholders: `@esbuild/linux-{arch}`."""

    PATTERN = f"^(?:@{_STEP_TEMPLATE}/)?{_STEP_TEMPLATE}$"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the name that `text` spells.

        Raises:
            GrammarError: it is no name of a package.

        """
        template = super().parse(text)
        if not re.fullmatch(cls.PATTERN, text):
            fix = "put its version into version:" if "@" in text[1:] else None
            raise GrammarError(f"this is not {_EXPECTED}", fix=fix, span=(0, len(text)))
        return template


class NpmVersion(msgspec.Struct, frozen=True):
    """A version of a package."""

    name: str
    version: str

    @property
    def address(self) -> str:
        """How locks call its file."""
        base = self.name.rpartition("/")[2]
        return f"{SCHEME}{self.name}/{base}-{self.version}.tgz"


def parse(address: str) -> NpmVersion | None:
    """Return what the address of an npm package says, or None where it is another address."""
    match = _ADDRESS.fullmatch(address)
    return NpmVersion(match["name"], match["version"]) if match else None
