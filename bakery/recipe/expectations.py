"""What must hold in a booted host: the language of check.yaml.

```yaml
units: [caddy.service, {name: caddy-api.socket, state: active, timeout: 60}]
listen: [tcp/80, udp/443, /run/caddy.sock]
files: [/usr/bin/caddy, {path: /etc/caddy/Caddyfile, mode: "0644", content: {contains: admin}}]
commands:
  - {run: curl --silent http://localhost/, stdout: {contains: It works}}
  - run: [caddy, validate, --config, /nowhere]
    status: 1
journal: {ignore: ["failed to sync clock"]}
```
Everything is tried again until it holds or its `timeout` is over. The units of the recipe's
`start:` must always be active, and the journal free of errors, with or without this file. Commands
run as root, in the order in which they are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bakery.recipe.condition import Condition  # noqa: TC001  msgspec reads it at run time

Seconds = Annotated[int, Meta(ge=1, description="how long to wait until it holds")]
UnitName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9:_.\\@-]+\.(service|socket|target|timer|path|mount|automount|slice)$",
        description="with its suffix, such as docker.service",
    ),
]
GuestPath = Annotated[str, Meta(pattern="^/", description="an absolute path in the booted system")]


@dataclass(frozen=True)
class Pattern:
    """A regular expression of Python's, found anywhere in the text."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Return the pattern that `text` spells.

        Raises:
            ValueError: it is not a regular expression.

        """
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"{text!r} is not a regular expression: {error}") from None
        return cls(text)

    def matches(self, text: str) -> bool:
        """Return whether the text has a part that fits; `^` and `$` fit at every line."""
        return re.search(self.text, text, re.MULTILINE) is not None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Socket:
    """A socket that is listened on: `tcp/80`, `udp/53`, or the path of a Unix socket."""

    kind: Literal["tcp", "udp", "unix"]
    address: str

    @classmethod
    def parse(cls, text: str) -> Socket:
        """Return the socket that `text` spells.

        Raises:
            ValueError: it is not a socket.

        """
        if text.startswith("/"):
            return cls("unix", text)
        match = re.fullmatch(r"(tcp|udp)/(\d{1,5})", text)
        if match is None or not 0 < int(match[2]) < 65536:  # noqa: PLR2004  ports have 16 bits
            raise ValueError(f"{text!r} is not a socket: write tcp/80, udp/53 or /run/name.sock")
        return cls("tcp" if match[1] == "tcp" else "udp", str(int(match[2])))

    def __str__(self) -> str:
        return self.address if self.kind == "unix" else f"{self.kind}/{self.address}"


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Strict and unchangeable."""


class Text(_Model, frozen=True, kw_only=True):
    """What a text must be like; every key that is given must hold."""

    equals: Annotated[
        str | None, Meta(description="the whole text, less white space at its ends")
    ] = None
    contains: Annotated[str | None, Meta(description="a part of the text")] = None
    matches: Annotated[
        Pattern | None, Meta(description="a regular expression that fits a part of the text")
    ] = None

    def mismatch(self, text: str) -> str | None:
        """Return what is wrong with a text, or None when it is as it must be."""
        if self.equals is not None and text.strip() != self.equals.strip():
            return f"is not {self.equals.strip()!r}"
        if self.contains is not None and self.contains not in text:
            return f"does not contain {self.contains!r}"
        if self.matches is not None and not self.matches.matches(text):
            return f"does not match {str(self.matches)!r}"
        return None


class _Expectation(_Model, frozen=True, kw_only=True):
    """What every expectation may say.

    Attributes:
        timeout: seconds until it must hold.
        systemd: the versions of systemd it is expected on, such as `>= 257`; None for all.

    """

    timeout: Seconds = 30
    systemd: Condition | None = None


class UnitExpectation(_Expectation, frozen=True, kw_only=True):
    """A unit in a state; an active one must stay so."""

    name: UnitName
    state: Literal["active", "inactive", "failed"] = "active"


class ListenExpectation(_Expectation, frozen=True, kw_only=True):
    """A socket that somebody listens on."""

    socket: Socket


class CommandExpectation(_Expectation, frozen=True, kw_only=True):
    """A command that ends as expected; a text is run by sh, a list without a shell."""

    run: str | tuple[str, ...]
    status: int = 0
    stdout: Text = Text()
    stderr: Text = Text()


class FileExpectation(_Expectation, frozen=True, kw_only=True):
    """A path that exists, or must not; links are followed."""

    path: GuestPath
    exists: bool = True
    mode: Annotated[
        str | None, Meta(pattern="^[0-7]{4}$", description='permissions, such as "0755"')
    ] = None
    content: Text = Text()


class Journal(_Model, frozen=True, kw_only=True):
    """The journal, which must have no entry of priority err or worse."""

    ignore: Annotated[
        tuple[Pattern, ...], Meta(description="entries, as `program: message`, that are no matter")
    ] = ()


class Expectations(_Model, frozen=True, kw_only=True):
    """Everything that check.yaml says."""

    units: tuple[UnitName | UnitExpectation, ...] = ()
    listen: tuple[Socket | ListenExpectation, ...] = ()
    files: tuple[GuestPath | FileExpectation, ...] = ()
    commands: tuple[CommandExpectation, ...] = ()
    journal: Journal = Journal()
