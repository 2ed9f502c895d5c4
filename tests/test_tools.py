from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from harness.processes import running, until

from bakery import tools
from bakery.errors import MissingToolError
from bakery.tools import Tool, ToolFailedError, ToolHungError, run


def test_a_missing_program_names_its_package_for_every_manager() -> None:
    tool = Tool(program="no-such-program", apt="a", dnf="d", zypper="z", brew="b")
    with pytest.raises(MissingToolError) as caught:
        tool.require()
    assert caught.value.render() == (
        "the program no-such-program is not installed\n"
        "  fix:   apt install a\n"
        "         dnf install d\n"
        "         zypper install z\n"
        "         brew install b"
    )


def test_a_failure_shows_the_command_its_status_and_its_last_words() -> None:
    with pytest.raises(ToolFailedError) as caught:
        run(["sh", "-c", "echo one; echo two words >&2; exit 3"], what="it failed", fix="try")
    assert caught.value.render() == (
        "it failed\n"
        "  where: sh -c 'echo one; echo two words >&2; exit 3'\n"
        "  why:   exit status 3\n"
        "         two words\n"
        "  fix:   try"
    )


def test_output_is_in_the_c_locale_and_utc() -> None:
    assert run(["sh", "-c", "echo $LC_ALL $TZ $X"], what="", env={"X": "1"}) == "C UTC 1\n"


def test_a_program_that_can_not_start_is_explained() -> None:
    with pytest.raises(ToolFailedError, match="No such file"):
        run(["/no/such/program"], what="it failed")


def test_a_program_is_told_no_more_variables_than_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = ("BAKERY_SIGNING_KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANYTHING")
    for name in (*secrets, "https_proxy"):
        monkeypatch.setenv(name, "a secret")

    def told(*, network: bool) -> set[str]:
        said = run(["env", "-0"], what="", env={"OWN": "1"}, network=network)
        return {variable.partition("=")[0] for variable in said.split("\0") if variable}

    most = {"PATH", "HOME", "TMPDIR", "LC_ALL", "TZ", "OWN"}
    assert {"PATH", "OWN"} <= told(network=False) <= most
    assert "https_proxy" in told(network=True)
    assert not told(network=True) & set(secrets)


def test_input_of_any_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 4096
    monkeypatch.setattr(tools, "_TICK", 0.001)  # so that it is waited for more than once
    said = run(["sha256sum"], what="", stdin=data)
    assert said.split()[0] == hashlib.sha256(data).hexdigest()


def test_a_program_need_not_read_its_input() -> None:
    assert run(["true"], what="", stdin=bytes(1 << 20)) == ""


def alive(folder: Path) -> set[str]:
    """Return the names of the programs that run in a folder."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (place / "cwd").readlink() == folder:
                found.add((place / "comm").read_text().strip())
    return found


HANGING = {
    "sleeps": "exec sleep 1000",
    "three wait for one another": """
        mkfifo a b c
        (exec cat a >b) & (exec cat b >c) & exec cat c >a
    """,
    "reads a fifo nobody writes": "mkfifo a; exec cat <>a",
    "its child hangs": "sleep 1000; true",
    "is over, and its child holds the output": "sleep 1000 &",
    "its child has a session of its own": "setsid sleep 1000 & wait",
    "ignores what asks it to end": "trap '' TERM; sleep 1000; sleep 1000",
    "wakes up and does nothing": "exec python3 -c 'import time\nwhile True: time.sleep(.1)'",
}


@pytest.mark.parametrize("script", HANGING.values(), ids=HANGING.keys())
def test_a_program_that_hangs_is_ended_with_all_it_started(tmp_path: Path, script: str) -> None:
    with pytest.raises(ToolHungError) as caught:
        run(["sh", "-c", script], what="it failed", cwd=tmp_path, patience=1)
    until(lambda: not alive(tmp_path))
    assert "neither read nor wrote nor computed for 1 seconds" in (caught.value.why or "")
    assert "run the same command again" in (caught.value.fix or "")


def test_what_hung_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ToolHungError) as caught:
        run(
            ["sh", "-c", "echo at the end >&2; sleep 1000; true"],
            what="it failed",
            cwd=tmp_path,
            fix="make room",
            patience=0.5,
        )
    assert caught.value.render().splitlines() == [
        "it failed",
        "  where: sh -c 'echo at the end >&2; sleep 1000; true'",
        "  why:   sh, sleep neither read nor wrote nor computed for 0.5 seconds, and was ended",
        "         at the end",
        "  fix:   make room",
    ]


# each goes on until three times the patience is over, by its own clock
BUSY = {
    "computes": "while time.monotonic() < end: pass",
    "reads": "while time.monotonic() < end: os.pread(file, 1, 0); time.sleep(.05)",
    "writes": "while time.monotonic() < end: os.pwrite(file, b'x', 0); time.sleep(.05)",
    "has children that compute": """
while time.monotonic() < end:
    subprocess.run(['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'])
""",
    "says something": "while time.monotonic() < end: print(1, flush=True); time.sleep(.05)",
}


@pytest.mark.parametrize("body", BUSY.values(), ids=BUSY.keys())
def test_a_program_that_is_at_work_is_left_alone(tmp_path: Path, body: str) -> None:
    start = (
        "import os, subprocess, time; file = os.open('file', os.O_RDWR | os.O_CREAT);"
        "os.write(file, b'x'); end = time.monotonic() + 3\n"
    )
    run([sys.executable, "-c", start + body], what="it failed", cwd=tmp_path, patience=1)


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    """In the main thread, and in another while the main thread goes."""
    for body in ("work()", "threading.Thread(target=work, daemon=True).start(); time.sleep(1000)"):
        program = f"""
import pathlib, threading, time
from bakery.tools import run
def work(): run(["sh", "-c", "setsid sleep 1000 & touch here; sleep 1000; true"],
                what="", cwd=pathlib.Path("{tmp_path}"))
{body}
"""
        command = [sys.executable, "-c", program]
        with running(subprocess.Popen(command, stderr=subprocess.PIPE)) as process:
            until(lambda: len(alive(tmp_path)) >= 2 and (tmp_path / "here").exists())
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
        assert b"KeyboardInterrupt" in said
        until(lambda: not alive(tmp_path))
        (tmp_path / "here").unlink()


def test_a_program_does_not_outlive_a_killed_bakery(tmp_path: Path) -> None:
    program = f"""
import pathlib
from bakery.tools import run
run(["sleep", "1000"], what="", cwd=pathlib.Path("{tmp_path}"))
"""
    with running(subprocess.Popen([sys.executable, "-c", program])) as process:
        until(lambda: alive(tmp_path) == {"sleep"})
        process.kill()
    until(lambda: not alive(tmp_path))
