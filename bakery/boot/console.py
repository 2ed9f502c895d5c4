"""A machine's console: kept in a file, and handed to the user who asks for a shell."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import threading
import tty
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 16
_LAST_LINES = 15
# What PID 1 and the kernel say when they give up; nothing comes after it
_DEATH = re.compile(
    rb"Freezing execution|Kernel panic - not syncing|You are in (emergency|rescue) mode"
    rb"|Failed to (execute|allocate manager|mount API filesystems)[^\r\n]*"
)
_CONTROL = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-_c])|[^\n\x20-\x7e\x80-\U0010ffff]"
)


@contextmanager
def opened(log: Path) -> Iterator[tuple[Console, int]]:
    """Yield a console and the terminal that a machine is to use as its own."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (50, 200))
    console = Console(ours, log)
    try:
        yield console, theirs
    finally:
        console.close()
        os.close(theirs)
        os.close(ours)


class Console:
    """Copies everything that a terminal yields to a file, in a thread."""

    def __init__(self, descriptor: int, log: Path) -> None:
        self._descriptor = descriptor
        self._log = log
        self._shown = threading.Event()
        self._file = log.open("wb", buffering=0)
        self._thread = threading.Thread(target=self._copy, name="console", daemon=True)
        self._stop, self._wake = os.pipe()
        self._thread.start()

    def close(self) -> None:
        """Stop copying and close the file; the descriptor remains the caller's."""
        os.close(self._wake)
        self._thread.join()
        os.close(self._stop)
        self._file.close()

    def last_words(self) -> str | None:
        """Return the message with which the system gave up; None while it did not."""
        match = _DEATH.search(self._log.read_bytes())
        return match[0].decode("utf-8", "replace") if match else None

    def tail(self) -> str:
        """Return the last lines, without colours and cursor movements."""
        text = _CONTROL.sub("", self._log.read_bytes().decode("utf-8", "replace"))
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-_LAST_LINES:]) or "(nothing)"

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Connect the user's terminal with the console for a while."""
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        done, finish = os.pipe()
        keys = threading.Thread(target=self._type, args=(terminal, done), name="keys")
        try:
            tty.setraw(terminal)
            self._shown.set()
            keys.start()
            yield
        finally:
            os.close(finish)
            if keys.ident is not None:
                keys.join()
            os.close(done)
            self._shown.clear()
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

    def _copy(self) -> None:
        while True:
            ready, _, _ = select.select([self._descriptor, self._stop], [], [])
            if self._descriptor not in ready:
                return
            data = _read(self._descriptor)
            if not data:
                return
            with suppress(OSError):  # a full disk: the machine must not wait for somebody to read
                self._file.write(data)
            if self._shown.is_set():
                os.write(sys.stdout.fileno(), data)

    def _type(self, terminal: int, done: int) -> None:
        while True:
            ready, _, _ = select.select([terminal, done], [], [])
            data = _read(terminal) if terminal in ready else b""
            if not data:
                return
            os.write(self._descriptor, data)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError:  # a pseudo terminal whose other end is closed says EIO
        return b""
