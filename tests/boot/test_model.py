from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.boot import model
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


def read(tmp_path: Path, text: str) -> model.Expectations:
    path = tmp_path / "check.yaml"
    path.write_text(text, "utf-8")
    return load(path, model.Expectations)


def test_everything_can_be_said(tmp_path: Path) -> None:
    said = read(tmp_path, EXAMPLE)
    assert said.units[0] == "caddy.service"
    assert isinstance(said.units[1], model.Unit)
    assert said.units[1].timeout == 60
    assert said.listen[0] == model.Socket("tcp", "80")
    assert said.listen[1] == model.Listener(
        socket=model.Socket("unix", "/run/caddy.sock"), timeout=5
    )
    assert said.files == ("/usr/bin/caddy", model.File(path="/etc/none", exists=False))
    assert said.commands[0].stdout.contains == "It works"
    assert said.commands[1].run == ("caddy", "validate")
    assert said.journal.ignore == (model.Pattern("sync .* clock"),)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("unit: [a.service]", ":1:1", "units"),
        ("units: [docker]", ":1:9", "docker"),
        ("listen: [tcp/99999]", ":1:10", "write tcp/80"),
        ("commands: [{status: 1}]", ":1:12", "run"),
        ("journal: {ignore: ['(']}", ":1:20", "no regular expression"),
        ("files: [etc/passwd]", ":1:9", "etc/passwd"),
        ("units: [{name: a.service, timeout: 0}]", ":1:36", "at least 1"),
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
    assert str(model.Socket.parse(text)) == text


@pytest.mark.parametrize(
    ("wanted", "text", "complaint"),
    [
        (model.Text(), "anything", None),
        (model.Text(equals="pong"), "pong\n", None),
        (model.Text(equals="pong"), "ping pong", "is not 'pong'"),
        (model.Text(contains="b"), "abc", None),
        (model.Text(contains="x"), "abc", "does not contain 'x'"),
        (model.Text(matches=model.Pattern(r"^v\d+$")), "a\nv12\nb", None),
        (model.Text(matches=model.Pattern(r"^v\d+$")), "a v12", r"does not match '^v\\d+$'"),
        (model.Text(contains="a", equals="abc"), "ab", "is not 'abc'"),
    ],
)
def test_texts_are_judged(wanted: model.Text, text: str, complaint: str | None) -> None:
    assert wanted.complaint(text) == complaint
