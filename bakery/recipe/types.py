"""Words of the recipe language: texts of a known shape, and what all its types share."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from bakery.arch import Arch
from bakery.recipe.condition import Condition
from bakery.recipe.names import NAME
from bakery.recipe.template import ADDRESS, STEP, ImagePath, Template
from bakery.yaml.grammar import GrammarError


def _form(pattern: str, title: str) -> Meta:
    """Return what a text must look like, and how messages and editors call that."""
    return Meta(pattern=pattern, title=title)


def about(description: str) -> Meta:
    """Return the meaning of a key: what the reference, editors and messages say of it."""
    return Meta(description=description)


When = Annotated[Condition | None, about("the versions that it counts for, if not all")]
Format = Literal["squashfs", "erofs", "ext4", "btrfs", "folder"]
Kind = Literal[Format, "verity"]
Archive = Literal["tar", "zip", "deb", "compressed", "plain"]
Tier = Literal["core", "supported", "community"]
Trust = Literal["first-use", "cited", "checksum", "signature"]
Name = Annotated[str, _form(f"^{NAME}$", "the name of a recipe: lower-case letters, digits and -")]
Address = Annotated[
    str, _form(f"^https?://{ADDRESS}$", "an address that begins with https:// or http://")
]
Repository = Annotated[str, _form(r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", "OWNER/REPO on GitHub")]
Project = Annotated[
    str,
    _form(
        r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "the name of a project on the package index",
    ),
]
Unit = Annotated[
    str,
    _form(
        r"^(?!.*@\.)[A-Za-z0-9:_.\\@-]+"
        r"\.(?:service|socket|timer|path|target|mount|automount|swap|device|slice|scope)$",
        "the full name of a unit, such as docker.service or getty@tty2.service",
    ),
]
Label = Annotated[
    str,
    _form(
        r"^(?:[A-Za-z][\w.]*|\w+:\w+:[A-Za-z][\w.]*(?::s\d[\w.,:-]*)?)$",
        "a type of SELinux such as bin_t, or a whole label: system_u:object_r:bin_t:s0",
    ),
]
Mode = Annotated[str, _form(r"^[0-7]{4}$", 'four octal digits in quotes, such as "4755"')]
Paths = Annotated[
    str,
    _form(
        rf"^(?=usr/|opt/|\*){STEP}(?:/{STEP})*/?$",
        "a glob of paths in the image, such as usr/share/doc/**",
    ),
]
Text = Annotated[str, Meta(min_length=1, title="a text, which may have several lines")]
OneLine = Annotated[str, _form(r"^\S.*$", "one line of text")]
License = Annotated[
    str, _form(r"^[A-Za-z0-9.+() -]+$", "SPDX expression, such as Apache-2.0 OR MIT")
]
Placeholder = Annotated[
    str,
    _form(
        r"^[A-Za-z][A-Za-z0-9_-]*$", "a name of letters, digits, - and _ that begins with a letter"
    ),
]
EXTENSION_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
ExtensionName = Annotated[
    str, _form(f"^{EXTENSION_NAME}$", "the name of an extension, such as docker-flatcar")
]
OsField = Annotated[
    str, _form(r"^[A-Za-z0-9][A-Za-z0-9._~^+-]*$", "a word of os-release, such as flatcar or 1.0")
]
KeyFile = Annotated[str, _form(r"^\./[^/]+$", "a file in the recipe's folder, such as ./key.asc")]
MinisignKey = Annotated[
    str,
    _form(
        r"^(?:\./[^/]+|RW[A-Za-z0-9+/]{54})$",
        "a file in the recipe's folder, such as ./minisign.pub, or the key: RW…",
    ),
]
Words = Annotated[
    dict[Arch, Annotated[str, _form(r"^\S*$", "a word without blanks")]],
    Meta(min_length=1, title="{architecture: upstream's word}"),
]
Members = Annotated[
    dict[Template, ImagePath], Meta(min_length=1, title="{glob of archive members: path}")
]
Suite = Annotated[str, _form(r"^[a-z][a-z0-9-]*$", "a release of Debian by its name: trixie")]
HostFolder = Literal[
    "dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "var"
]
RootedPath = Annotated[
    str, _form(rf"^(?:/{STEP})+$", "an absolute path in the private root, such as /usr/bin/gdb")
]
Package = Annotated[str, _form(r"^[a-z0-9][a-z0-9.+-]*[a-z0-9.+]$", "the name of a Debian package")]


AccountName = Annotated[
    str,
    _form(
        r"^[a-z_][a-z0-9_-]{0,30}$",
        "the name of a user or group: lower-case letters, digits, _ and -",
    ),
]
GroupNames = tuple[AccountName, ...]
HostPath = Annotated[
    str,
    _form(
        r"^/(?:[\w.+@-]+(?:/[\w.+@-]+)*)?$", "an absolute path on the host, such as /var/lib/app"
    ),
]
AccountTitle = Annotated[str, _form(r'^[^\s:"\\%][^:"\\%\n]*$', 'one line without : " \\ and %')]
ConfigPath = Annotated[
    str,
    _form(r"^etc(?:/(?!\.{1,2}(?:/|$))[\w.+@-]+)+$", "a path below etc/, such as etc/app/app.conf"),
]
DefaultPath = Annotated[
    str,
    _form(
        r"^(?:(?!\.{1,2}(?:/|$))[\w.+@-]+)(?:/(?!\.{1,2}(?:/|$))[\w.+@-]+)*$",
        "a path below usr/share/NAME, such as app.conf",
    ),
]


@dataclass(frozen=True)
class Pattern:
    """A regular expression of Python's, found anywhere in the text."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern that `text` spells.

        Raises:
            GrammarError: it is not a regular expression.

        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of what is to mean something else one day
                re.compile(text)
        except (re.error, RecursionError, OverflowError, Warning) as error:
            at = getattr(error, "pos", None)
            raise GrammarError(
                f"this is not a regular expression: {error}",
                fix="write it as for Python's re; a sign that stands for itself has a \\ before it",
                span=None if at is None else (at, at + 1),
            ) from None
        return cls(text)

    def matches(self, text: str) -> bool:
        """Return whether the text has a part that fits; `^` and `$` fit at every line."""
        return re.search(self.text, text, re.MULTILINE) is not None

    def __str__(self) -> str:
        return self.text


class VersionPattern(Pattern):
    """A regular expression of Python's with a group named version."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern that `text` spells.

        Raises:
            GrammarError: it is not a regular expression, or has no such group.

        """
        pattern = super().parse(text)
        if "version" not in re.compile(text).groupindex:
            raise GrammarError(
                "the pattern has no group named version", fix="mark it with (?P<version>…)"
            )
        return pattern


class Decoded(Struct, frozen=True, kw_only=True):
    """What is decoded from JSON of others."""


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all types of the language share."""
