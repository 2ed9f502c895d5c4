from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe.expectations import (
    Expectations,
    FileExpectation,
    ListenExpectation,
    Socket,
    Text,
    UnitExpectation,
)
from bakery.recipe.types import Pattern
from bakery.yaml.convert import load
from bakery.yaml.location import DocumentError

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = """\
units: [caddy.service, {name: caddy-api.socket, timeout: 60, systemd: ">= 257"}]
listen: [tcp/80, {socket: /run/caddy.sock, timeout: 5}]
files: [/usr/bin/caddy, {path: /etc/none, exists: false}]
commands:
  - run: curl --silent http://localhost/
    stdout: {contains: It works}
  - run: [caddy, validate]
    status: 1
journal: {ignore: ["sync .* clock"]}
"""


def read(tmp_path: Path, text: str) -> Expectations:
    path = tmp_path / "check.yaml"
    path.write_text(text, "utf-8")
    return load(path, Expectations)


def test_everything_can_be_said(tmp_path: Path) -> None:
    said = read(tmp_path, EXAMPLE)
    assert said.units[0] == "caddy.service"
    assert read(tmp_path, "units: [dev-zram0.swap, dev-kvm.device]").units
    assert isinstance(said.units[1], UnitExpectation)
    assert said.units[1].timeout == 60
    assert said.listen[0] == Socket("tcp", "80")
    assert said.listen[1] == ListenExpectation(socket=Socket("unix", "/run/caddy.sock"), timeout=5)
    assert said.files == (
        "/usr/bin/caddy",
        FileExpectation(path="/etc/none", exists=False),
    )
    assert said.commands[0].stdout.contains == "It works"
    assert said.commands[1].run == ("caddy", "validate")
    assert said.journal.ignore == (Pattern("sync .* clock"),)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("unit: [a.service]", ":1:1", "units"),
        ("units: [docker]", ":1:9", "docker"),
        ("listen: [tcp/99999]", ":1:10", "write tcp/80"),
        ("commands: [{status: 1}]", ":1:12", "run"),
        ("journal: {ignore: ['(']}", ":1:21", "not a regular expression"),
        ("files: [etc/passwd]", ":1:9", "etc/passwd"),
        ("units: [{name: a.service, timeout: 0}]", ":1:36", "at least 1"),
        ("files: [{path: /a, on: boot}]", ":1:24", "not possible here"),
        ("units: [app@.service]", ":1:9", "getty@tty2.service"),
        ("commands: [{run: a, status: 256}]", ":1:29", "255"),
        ("commands: [{run: a, status: -1}]", ":1:29", "0"),
    ],
)
def test_mistakes_are_shown_where_they_stand(
    tmp_path: Path, text: str, place: str, message: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, text)
    assert f"check.yaml{place}" in caught.value.render()
    assert message in caught.value.render()


@given(st.integers(1, 65535), st.sampled_from(["tcp", "udp"]))
def test_a_socket_is_written_as_it_is_read(port: int, kind: str) -> None:
    text = f"{kind}/{port}"
    assert str(Socket.parse(text)) == text


@pytest.mark.parametrize(
    ("wanted", "text", "complaint"),
    [
        (Text(), "anything", None),
        (Text(equals="pong"), "pong\n", None),
        (Text(equals="pong"), "ping pong", "is not 'pong'"),
        (Text(contains="b"), "abc", None),
        (Text(contains="x"), "abc", "does not contain 'x'"),
        (Text(matches=Pattern(r"^v\d+$")), "a\nv12\nb", None),
        (
            Text(matches=Pattern(r"^v\d+$")),
            "a v12",
            r"does not match '^v\\d+$'",
        ),
        (Text(contains="a", equals="abc"), "ab", "is not 'abc'"),
    ],
)
def test_texts_are_judged(wanted: Text, text: str, complaint: str | None) -> None:
    assert wanted.mismatch(text) == complaint
