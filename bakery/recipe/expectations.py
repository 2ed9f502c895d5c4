"""What must hold in a booted host: the language of check.yaml.

```yaml
machine: vm
devices: [disk]
units: [caddy.service, {name: caddy-api.socket, state: active, timeout: 60, window: 30}]
listen: [tcp/80, udp/443, /run/caddy.sock]
files: [/usr/bin/caddy, {path: /etc/caddy/Caddyfile, mode: "0644", content: {contains: admin}}]
commands:
  - {run: curl --silent http://localhost/, stdout: {contains: It works}, user: nobody}
  - {run: caddy create site, once: true, arch: x86-64}
  - run: [caddy, validate, --config, /nowhere]
    status: 1
journal: {ignore: ["failed to sync clock"]}
```
Everything is tried again until it holds or its `timeout` is over. Every unit that the images start
must run, and stay so for its `window`, and the journal must be free of errors, with or without this
file. Commands run as root unless they name a `user`, in the order in which they are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bakery.arch import Arch  # noqa: TC001  msgspec reads it at run time
from bakery.recipe.condition import Condition  # noqa: TC001  msgspec reads it at run time
from bakery.recipe.types import about

Seconds = Annotated[int, Meta(ge=1, description="how long to wait until it holds")]
UnitName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9:_.\\@-]+\.(service|socket|target|timer|path|mount|automount|slice)$",
        description="with its suffix, such as docker.service",
    ),
]
UserName = Annotated[
    str, Meta(pattern=r"^[a-z_][a-z0-9_-]*$", description="the name of a user, such as nobody")
]
Device = Literal["disk", "network", "nvme"]
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

    equals: Annotated[str | None, about("the whole text, less white space at its ends")] = None
    contains: Annotated[str | None, about("a part of the text")] = None
    matches: Annotated[
        Pattern | None, about("a regular expression that fits a part of the text")
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
        arch: the architecture it is expected on; None for all.
        on: `host` if it holds wherever the image is merged, and so tells whether an update does;
            None if it holds on the machines that the bakery boots.

    """

    timeout: Seconds = 30
    systemd: Condition | None = None
    arch: Arch | None = None
    on: Annotated[
        Literal["host"] | None, Meta(description="`host`: it holds on any host, after any update")
    ] = None


class UnitExpectation(_Expectation, frozen=True, kw_only=True):
    """A unit in a state.

    Attributes:
        name: the unit's.
        state: the state it must come to.
        window: seconds for which an active unit must stay so, and not be restarted.

    """

    name: UnitName
    state: Literal["active", "inactive", "failed"] = "active"
    window: Annotated[int, Meta(ge=1, description="seconds for which it must stay active")] = 5


class ListenExpectation(_Expectation, frozen=True, kw_only=True):
    """A socket that somebody listens on."""

    socket: Socket


class CommandExpectation(_Expectation, frozen=True, kw_only=True):
    """A command that ends as expected; a text is run by sh, a list without a shell.

    Attributes:
        run: what is run.
        status: its exit status.
        stdout, stderr: what it writes.
        once: whether it is run a single time, since a second one would not do the same.
        user: who runs it; None for root.

    """

    run: str | tuple[str, ...]
    status: int = 0
    stdout: Text = Text()
    stderr: Text = Text()
    once: bool = False
    user: UserName | None = None


class FileExpectation(_Expectation, frozen=True, kw_only=True):
    """A path that exists, or must not; links are followed."""

    path: GuestPath
    exists: bool = True
    mode: Annotated[
        str | None, Meta(pattern="^[0-7]{4}$", description='permissions, such as "0755"')
    ] = None
    content: Text = Text()


HostExpectation = UnitExpectation | ListenExpectation | FileExpectation | CommandExpectation


class Journal(_Model, frozen=True, kw_only=True):
    """The journal, which must have no entry of priority err or worse."""

    ignore: Annotated[
        tuple[Pattern, ...], about("entries, as `program: message`, that are no matter")
    ] = ()


class Expectations(_Model, frozen=True, kw_only=True):
    """Everything that check.yaml says.

    Attributes:
        machine: `container` shares this computer's kernel, and is in a user namespace, so it loads
            no module and has no udev; `vm` has a kernel, udev and devices of its own.
        devices: what a virtual machine has beside its system disk.
        units, listen, files, commands: what must hold.
        journal: which errors in it are expected.

    """

    machine: Literal["container", "vm"] = "container"
    devices: tuple[Device, ...] = ()
    units: tuple[UnitName | UnitExpectation, ...] = ()
    listen: tuple[Socket | ListenExpectation, ...] = ()
    files: tuple[GuestPath | FileExpectation, ...] = ()
    commands: tuple[CommandExpectation, ...] = ()
    journal: Journal = Journal()

    def health(self, arch: Arch) -> tuple[HostExpectation, ...]:
        """Return what must hold on any host of an architecture."""
        everything = (*self.units, *self.listen, *self.files, *self.commands)
        return tuple(
            each
            for each in everything
            if isinstance(each, _Expectation) and each.on == "host" and each.arch in (None, arch)
        )
