"""What check.yaml says of any host is compiled to a script that says the same."""

from __future__ import annotations

import pwd
import shlex
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from harness import needs
from harness.contents import contents
from harness.shells import SHELLS

from bakery.image import health
from bakery.recipe.expectations import (
    CommandExpectation,
    Expectations,
    FileExpectation,
    ListenExpectation,
    Socket,
    Text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.expectations import HostExpectation


def script(*expected: HostExpectation) -> str:
    return health.script(contents("tool", "1.0", health=expected))


def verdict(shell: str, *expected: HostExpectation) -> str:
    """Return what does not hold; nothing if all does."""
    command = [*shlex.split(shell), "-c", script(*expected)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr.strip()


def command(run: str | tuple[str, ...], **more: Any) -> CommandExpectation:
    return CommandExpectation(run=run, on="host", **more)


def test_only_what_holds_on_any_host_is_in_it() -> None:
    here = command("true")
    said = Expectations(
        files=("/usr/bin/tool", FileExpectation(path="/etc/tool", on="host")),
        commands=(CommandExpectation(run="false"), here, command("false", arch="arm64")),
    )
    assert said.health("x86-64") == (said.files[1], here)
    assert script() == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_end_as_expected(shell: str) -> None:
    assert verdict(shell, command('[ "$BAKERY_VERSION" = 1.0 ]')) == ""
    assert verdict(shell, command(("sh", "-c", "exit 3"), status=3)) == ""
    assert verdict(shell, command("echo it\\'s; echo why >&2; exit 3")).endswith(": status 3, why")
    lines = command("printf 'a b \\nc\\n'", stdout=Text(equals="a b\nc\n"))
    assert verdict(shell, lines) == ""
    assert verdict(shell, command("echo abc", stdout=Text(contains="*b"))) == (
        "echo abc: output is not as it must be"
    )
    assert verdict(shell, command("echo 'a*b' >&2", stderr=Text(contains="*b"))) == ""


@needs.ROOT
def test_a_command_runs_as_a_user_whose_group_has_another_name() -> None:
    user = pwd.getpwnam("nobody")
    says = Text(equals=f"{user.pw_uid} {user.pw_gid}")
    assert verdict("sh", command('echo "$(id -u) $(id -g)"', user="nobody", stdout=says)) == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_files_are_as_expected(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "a file"
    assert verdict(shell, FileExpectation(path=str(path), exists=False)) == ""
    assert verdict(shell, FileExpectation(path=str(path))) == f"there is no {path}"
    path.write_text("one\n")
    path.chmod(0o640)
    right = FileExpectation(path=str(path), mode="0640", content=Text(equals="one"))
    assert verdict(shell, right) == ""
    assert "the mode" in verdict(shell, FileExpectation(path=str(path), mode="0644"))


@pytest.mark.parametrize("shell", SHELLS)
def test_sockets_are_listened_on(shell: str, tmp_path: Path) -> None:
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as local:
        listener.bind(("127.0.0.1", 0))
        tcp = ListenExpectation(socket=Socket.parse(f"tcp/{listener.getsockname()[1]}"))
        assert verdict(shell, tcp) == f"nobody listens on {tcp.socket}"
        listener.listen()
        assert verdict(shell, tcp) == ""
        path = tmp_path / "sock"
        local.bind(str(path))
        unix = ListenExpectation(socket=Socket.parse(str(path)))
        assert verdict(shell, unix) == f"nobody listens on {path}"
        local.listen()
        assert verdict(shell, unix) == ""


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
def test_shellcheck_has_nothing_to_say() -> None:
    text = script(
        command("echo 'a'", stdout=Text(contains="a")),
        FileExpectation(path="/etc/passwd", mode="0644", content=Text(equals="x")),
        ListenExpectation(socket=Socket.parse("udp/53")),
        ListenExpectation(socket=Socket.parse("/run/x.sock")),
    )
    done = subprocess.run(
        ["shellcheck", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
