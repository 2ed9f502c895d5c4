"""Real signals to real programs; what they have begun is gone afterwards."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING

import pytest
from harness.processes import running, until
from harness.server import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEGIN = """
import sys, threading
from pathlib import Path
from bakery import interrupts

interrupts.install("the same command continues", sys.stdout)
folder = Path(sys.argv[1])
ready = threading.Barrier(2)

def in_thread(work):
    threading.Thread(target=work, daemon=True).start()
    ready.wait()

def begun():
    print("begun", flush=True)
"""
COMPUTES = """
def compute():
    with interrupts.removing(folder / "scratch"):
        (folder / "scratch").mkdir()
        ready.wait()
        number = 0
        while True:
            number += 1
            (folder / "scratch" / str(number % 100)).touch()

in_thread(compute)
begun()
threading.Event().wait()
"""
RUNS = """
from bakery.tools import run

def program():
    run(["sh", "-c", "setsid sleep 1000 & echo $$ $! >ids; mv ids started; sleep 1000; true"],
        what="it failed", cwd=folder)
"""
IN_MAIN = "program()"
IN_THREAD = """
threading.Thread(target=program, daemon=True).start()
while not interrupts._process.ends:
    threading.Event().wait(0.01)
threading.Event().wait()
"""
DOWNLOADS = """
from bakery.http.client import Client
from bakery.workers import Workers

with Workers(2) as pool:
    asked = [pool.submit(Client().read, sys.argv[2]) for _ in range(20)]
    [each.result() for each in asked]
"""


def started(program: str, *words: Path | str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BEGIN + program, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def interrupted(
    program: str, *words: Path | str, number: signal.Signals, when: Callable[[IO[str]], None]
) -> str:
    """Send a program a signal, which must end it by just that; return what it said."""
    with running(started(program, *words)) as process:
        assert process.stdout
        when(process.stdout)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == -number
    return said


def read(said: IO[str]) -> None:
    assert said.readline() == "begun\n"


def opened(started: Path) -> list[int]:
    """Return descriptors of the programs that a file names, whatever their numbers are next."""
    until(started.exists)
    return [os.pidfd_open(int(number)) for number in started.read_text().split()]


def has_ended(program: int) -> bool:
    """Return whether a program ends, though nobody may have asked how."""
    ended, _, _ = select.select([program], [], [], 60)
    os.close(program)
    return bool(ended)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (signal.SIGINT, "interrupted: the same command continues\n"),
        (signal.SIGTERM, "ended by SIGTERM: the same command continues\n"),
        (signal.SIGHUP, "ended by SIGHUP: the same command continues\n"),
    ],
)
def test_threads_unwind_and_one_line_is_all_that_is_said(
    tmp_path: Path, number: signal.Signals, says: str
) -> None:
    assert interrupted(COMPUTES, tmp_path, number=number, when=read) == says
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", [IN_MAIN, IN_THREAD], ids=["main", "thread"])
def test_programs_end_with_all_that_they_started(tmp_path: Path, where: str) -> None:
    programs: list[int] = []
    said = interrupted(
        RUNS + where,
        tmp_path,
        number=signal.SIGTERM,
        when=lambda _: programs.extend(opened(tmp_path / "started")),
    )
    assert said == "ended by SIGTERM: the same command continues\n"
    assert all(map(has_ended, programs))


STARTS = """
import os, signal, subprocess

class Popen(subprocess.Popen):
    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        while not (folder / "seen").exists():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

subprocess.Popen = Popen
"""
HANDED = """
from types import SimpleNamespace
from bakery.scaffold.attempt import Attempt

(folder / "child.py").write_text('''
import os, time
with open("ids", "w") as file:
    file.write(str(os.getpid()))
os.rename("ids", "started")
time.sleep(1000)
''')
Attempt._call(SimpleNamespace(settings=SimpleNamespace(root=folder)), ["child"], {})
"""


@pytest.mark.parametrize("program", [RUNS + STARTS + IN_MAIN, STARTS + HANDED], ids=["run", "hand"])
def test_a_program_that_starts_just_now_ends_too(tmp_path: Path, program: str) -> None:
    programs: list[int] = []

    def see(_: object) -> None:
        programs.extend(opened(tmp_path / "started"))
        (tmp_path / "seen").touch()

    interrupted(program, tmp_path, number=signal.SIGTERM, when=see)
    assert all(map(has_ended, programs))


class Silent(Server):
    """Takes requests, and answers none before it is released."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.asked = threading.Semaphore(0)
        self.released = threading.Event()
        self.requests = 0


class _Handler(Handler):
    server: Silent

    def get(self) -> None:
        self.server.requests += 1
        self.server.asked.release()
        self.server.released.wait(60)


def test_nobody_waits_for_servers_and_nothing_more_is_asked(tmp_path: Path) -> None:
    def both(_: object) -> None:
        assert all(server.asked.acquire(timeout=60) for _ in range(2))

    with Silent() as server:
        said = interrupted(DOWNLOADS, tmp_path, server.url, number=signal.SIGINT, when=both)
        server.released.set()
    assert said == "interrupted: the same command continues\n"
    assert server.requests == 2


def test_a_thread_that_hangs_is_left_behind_and_its_files_removed(tmp_path: Path) -> None:
    program = """
interrupts._GRACE = 0.1
def hang():
    with interrupts.removing(folder / "scratch"):
        (folder / "scratch").mkdir()
        ready.wait()
        threading.Event().wait()

in_thread(hang)
begun()
threading.Event().wait()
"""
    said = interrupted(program, tmp_path, number=signal.SIGINT, when=read)
    assert said == "interrupted: the same command continues\n"
    assert list(tmp_path.iterdir()) == []


def test_what_serves_until_the_end_is_removed_then(tmp_path: Path) -> None:
    program = """
interrupts.remove_at_end(folder / "index")
(folder / "index").mkdir()
(folder / "index" / "lists").touch()
"""
    waits = "begun()\nthreading.Event().wait()\n"
    interrupted(program + waits, tmp_path, number=signal.SIGTERM, when=read)
    assert list(tmp_path.iterdir()) == []
    subprocess.run([sys.executable, "-c", BEGIN + program, tmp_path], check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    program = """
interrupts._GRACE = 1000
from bakery.tools import run

def stubborn():
    ready.wait()
    run(["sh", "-c", "trap '' TERM; setsid sleep 1000 & echo $$ $! >ids; mv ids started; "
         "while true; do sleep 1; done"], what="it failed", cwd=folder)

in_thread(stubborn)
try:
    threading.Event().wait()
finally:
    threading.Event().wait()
"""
    with running(started(program, tmp_path)) as process:
        programs = opened(tmp_path / "started")

        def asked() -> bool:
            process.send_signal(signal.SIGINT)
            return process.poll() is not None

        until(asked)
        assert process.returncode == -signal.SIGINT
    assert all(map(has_ended, programs))


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    program = BEGIN + "import signal; print(signal.getsignal(signal.SIGHUP))"
    done = subprocess.run(
        ["nohup", sys.executable, "-c", program, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"
