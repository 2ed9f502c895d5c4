"""What must hold in a booted host: the language of check.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from bakery.arch import Arch
from bakery.recipe.condition import Condition
from bakery.recipe.types import Model, Pattern, Unit, about
from bakery.yaml.grammar import GrammarError

UserName = Annotated[
    str, Meta(pattern=r"^[a-z_][a-z0-9_-]*$", title="the name of a user, such as nobody")
]
Device = Literal["disk", "network", "nvme"]
GuestPath = Annotated[str, Meta(pattern="^/", title="an absolute path in the booted system")]


@dataclass(frozen=True)
class Socket:
    """A socket that is listened on: `tcp/80`, `udp/53`, or the path of a Unix socket."""

    kind: Literal["tcp", "udp", "unix"]
    address: str

    @classmethod
    def parse(cls, text: str) -> Socket:
        """Return the socket that `text` spells.

        Raises:
            GrammarError: it is not a socket.

        """
        if text.startswith("/"):
            return cls("unix", text)
        match = re.fullmatch(r"(tcp|udp)/([0-9]{1,5})", text)
        if match is None or not 0 < int(match[2]) < 65536:  # noqa: PLR2004  ports have 16 bits
            raise GrammarError(
                f'"{text}" is not a socket', fix="write tcp/80, udp/53 or /run/name.sock"
            )
        return cls("tcp" if match[1] == "tcp" else "udp", str(int(match[2])))

    def __str__(self) -> str:
        return self.address if self.kind == "unix" else f"{self.kind}/{self.address}"


class Text(Model, frozen=True):
    """What a text must be like; every key that is given must hold.

    ```yaml
    commands:
      - {run: app status, stdout: {equals: ready}, stderr: {contains: "port 80"}}
      - {run: app version, stdout: {matches: "^app [0-9.]+$"}}
    ```
    """

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


class _Expectation(Model, frozen=True):
    """What every expectation may say.

    The build compiles what is `on: host` into `usr/lib/NAME/health.sh` of the image, which
    [hosts ask](updates.md) after an update; where it fails, they go back. A shell does it: no
    `matches`, `once` or `systemd`.

    ```yaml
    commands:
      - {run: app ping, on: host}
      - {run: app migrate, timeout: 120, systemd: ">= 257", arch: x86-64}
    ```
    """

    timeout: Annotated[int, Meta(ge=1), about("seconds until it must hold")] = 30
    systemd: Annotated[Condition | None, about("the versions of systemd it is expected on")] = None
    arch: Annotated[Arch | None, about("the architecture it is expected on")] = None
    on: Annotated[
        Literal["host"] | None,
        about("`host` if it holds on any host that has merged the image, whatever its settings"),
    ] = None


class UnitExpectation(_Expectation, frozen=True, kw_only=True):
    """A unit in a state.

    ```yaml
    units: [{name: app.service, window: 30}, {name: app-debug.service, state: inactive}]
    ```
    """

    name: Annotated[Unit, about("the unit")]
    state: Annotated[
        Literal["active", "inactive", "failed"], about("the state it must come to")
    ] = "active"
    window: Annotated[
        int, Meta(ge=1), about("seconds for which an active unit must stay so, in the same run")
    ] = 5


class ListenExpectation(_Expectation, frozen=True, kw_only=True):
    """A socket that somebody listens on.

    ```yaml
    listen: [{socket: tcp/8080, timeout: 60}]
    ```
    """

    socket: Annotated[Socket, about("the socket")]


class CommandExpectation(_Expectation, frozen=True, kw_only=True):
    """A command that ends as expected.

    Commands run in turn, with `BAKERY_VERSION` set to the version.

    ```yaml
    commands:
      - run: app version | grep --fixed-strings "$BAKERY_VERSION"
      - run: [app, fetch, http://127.0.0.1/]
        status: 1
        stdout: {equals: ""}
        stderr: {matches: "^error: .*refused"}
      - {run: app create site, once: true, user: nobody}
    ```
    """

    run: Annotated[str | tuple[str, ...], about("a text for sh, or a list without a shell")]
    status: Annotated[int, Meta(ge=0, le=255), about("its exit status")] = 0
    stdout: Annotated[Text, about("what it prints")] = Text()
    stderr: Annotated[Text, about("what it prints as errors")] = Text()
    once: Annotated[bool, about("run it a single time: a second one would not do the same")] = False
    user: Annotated[UserName | None, about("who runs it, if not root")] = None


class FileExpectation(_Expectation, frozen=True, kw_only=True):
    """A path that exists, or must not; links are followed.

    ```yaml
    files:
      - {path: /etc/app/app.conf, mode: "0644", content: {contains: "port ="}}
      - {path: /etc/app/old.conf, exists: false}
    ```
    """

    path: Annotated[GuestPath, about("the path")]
    exists: Annotated[bool, about("whether there is one")] = True
    mode: Annotated[
        str | None,
        Meta(pattern="^[0-7]{4}$", title='four octal digits in quotes, such as "0755"'),
        about("its permissions"),
    ] = None
    content: Annotated[Text, about("what is in the file")] = Text()


HostExpectation = UnitExpectation | ListenExpectation | FileExpectation | CommandExpectation


class Journal(Model, frozen=True):
    """The journal, which must have no entry of priority err or worse.

    ```yaml
    journal: {ignore: ["app: failed to sync the clock"]}
    ```
    """

    ignore: Annotated[
        tuple[Pattern, ...], about("entries, as `program: message`, that are no matter")
    ] = ()


class Expectations(Model, frozen=True):
    """What a booted host must show.

    Everything is tried again until it holds or its `timeout` is over. Even if nothing is said here,
    units of `start:` must be active, every other unit of the image that anything starts must run,
    no unit of the host may be stopped or fail, what the image ships in sysctl.d must be set, udev
    must understand its rules, and the journal must have no errors. An active unit stays so for its
    `window`: systemd may not restart it. Where the image takes the place of a service of the host,
    that one is `state: inactive`.

    ```yaml
    machine: vm
    devices: [disk, network, nvme]
    units: [app.service]
    listen: [tcp/80, udp/443, /run/app.sock]
    files: [/usr/bin/app]
    commands:
      - run: app version | grep --fixed-strings "$BAKERY_VERSION"
    journal: {ignore: ["app: failed to sync the clock"]}
    ```
    """

    machine: Annotated[
        Literal["container", "vm"],
        about(
            "a container shares this computer's kernel in a user namespace: it loads no module and"
            " has no udev; a virtual machine has a kernel, udev and devices of its own"
        ),
    ] = "container"
    devices: Annotated[
        tuple[Device, ...], about("what a virtual machine has beside its system disk, empty")
    ] = ()
    units: Annotated[
        tuple[Unit | UnitExpectation, ...], about("units, active or as they must be")
    ] = ()
    listen: Annotated[
        tuple[Socket | ListenExpectation, ...], about("sockets that somebody listens on")
    ] = ()
    files: Annotated[
        tuple[GuestPath | FileExpectation, ...], about("paths that exist, or as they must be")
    ] = ()
    commands: Annotated[tuple[CommandExpectation, ...], about("what is run, and how it ends")] = ()
    journal: Annotated[Journal, about("the journal of the boot")] = Journal()

    def health(self, arch: Arch) -> tuple[HostExpectation, ...]:
        """Return what must hold on any host of an architecture."""
        everything = (*self.units, *self.listen, *self.files, *self.commands)
        return tuple(
            each
            for each in everything
            if isinstance(each, _Expectation) and each.on == "host" and each.arch in (None, arch)
        )
