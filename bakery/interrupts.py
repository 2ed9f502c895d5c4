"""Ctrl-C, and the other signals that ask a program to end: signal(7).

The first one ends programs that run for us, has every thread unwind, and then this program, by the
same signal, so that a shell sees why. What threads can't tidy up in time is removed for them. The
second one kills at once.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bakery.files import remove

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType
    from typing import TextIO

    End = Callable[[signal.Signals], object]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE = 3.0  # seconds that all may take to unwind
_START = 1.0  # seconds that starting a program may take
_LOOK = 0.01  # seconds between looks at them
_ECHO = 0.2  # seconds in which a signal may reach us twice: from a terminal, and from our parent


class Interrupted(BaseException):
    """A signal asks the program to end; nobody catches it but to tidy up."""


class _Interrupts:
    """What is to be done when a signal comes; there is one for the process."""

    def __init__(self) -> None:
        self.number: signal.Signals | None = None
        self.ends: list[End] = []
        self.starting: list[int] = []
        self.leftovers: list[Path] = []
        self.displays: list[Callable[[], object]] = []
        self.deputies: list[End] = []
        self.waking: threading.Thread | None = None
        self._came = 0.0
        self._held = 0.0
        self._advice = ""
        self._stream: TextIO | None = None

    def install(self, advice: str, stream: TextIO | None) -> None:
        self._advice, self._stream = advice, stream
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._handle)
        self._begin_to_wake()
        sys.excepthook = self._uncaught
        sys.unraisablehook = self._quiet(sys.unraisablehook)
        threading.excepthook = self._quiet(threading.excepthook)

    def _begin_to_wake(self) -> None:
        """Have a thread wake the main one for a signal.

        One that comes just before the main thread waits for a lock would be handled after that.
        """
        if self.waking is not None:
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.waking = threading.Thread(target=self._wake, args=(reader,), daemon=True)
        self.waking.start()

    def _wake(self, reader: int) -> None:
        main = threading.main_thread().ident or 0
        number = 0
        while number not in SIGNALS:
            number = os.read(reader, 1)[0]
        while self.number is None:
            time.sleep(_LOOK)
            if self.number is None:
                signal.pthread_kill(main, number)
        while True:
            time.sleep(_GRACE + _LOOK)
            signal.pthread_kill(main, signal.SIGALRM)

    def _quiet(self, hook: Callable[[Any], object]) -> Callable[[Any], None]:
        """Return what shows mistakes as `hook` does, but those that come of unwinding."""

        def show(arguments: Any) -> None:
            if self.number is None:
                hook(arguments)

        return show

    def _handle(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self.number is None and self._starts_here(now):
            return  # `_wake` sends it again
        if self.number is not None:
            if now - self._came > _ECHO:
                self.end(signal.SIGKILL)
                _die(self.number)
            return
        self.number, self._came = signal.Signals(number), now
        signal.signal(signal.SIGALRM, self._finish)
        signal.setitimer(signal.ITIMER_REAL, _GRACE)
        for close in self.displays:
            close()
        _unwind_threads()
        self.end(signal.SIGTERM)
        for each in self.deputies:
            each(self.number)
        if not self.deputies:
            self._tell()
        raise Interrupted

    def _starts_here(self, now: float) -> bool:
        """Return whether this thread starts a program just now, which nobody could end yet."""
        self._held = self._held or now
        return threading.get_ident() in self.starting and now < self._held + _START

    def end(self, number: signal.Signals) -> None:
        if number == signal.SIGKILL:
            self._let_start()
        for each in reversed([*self.ends]):
            with suppress(Exception):  # the others must end all the same
                each(number)

    def _let_start(self) -> None:
        """Wait for programs that other threads start just now: nobody could end them yet."""
        until, own = time.monotonic() + _START, threading.get_ident()
        while any(each != own for each in self.starting) and time.monotonic() < until:
            time.sleep(_LOOK)

    def _tell(self) -> None:
        name = "interrupted" if self.number == signal.SIGINT else f"ended by {self.number.name}"  # type: ignore[union-attr]
        stream = self._stream or sys.stderr
        with suppress(OSError, ValueError):  # the terminal is gone
            echoed = stream.isatty() and self.number == signal.SIGINT  # as ^C
            clear = "\n" if os.environ.get("TERM") == "dumb" else "\r\x1b[K"
            line = f"{name}: {self._advice}" if self._advice else name
            with suppress(RuntimeError):  # it was being written to when the signal came
                stream.flush()
            os.write(stream.fileno(), f"{clear if echoed else ''}{line}\n".encode())

    def _uncaught(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if self.number is None:
            sys.__excepthook__(kind, error, trace)
        else:
            self._finish()

    def _finish(self, *_: object) -> NoReturn:
        """End the program by the signal, once its threads have unwound."""
        number = self.number or signal.SIGTERM
        while _busy() and time.monotonic() < self._came + _GRACE:
            time.sleep(_LOOK)
        self.end(signal.SIGKILL)
        self.tidy()
        _die(number)

    def tidy(self) -> None:
        for path in self.leftovers:
            with suppress(OSError):  # a thread may still write there; the next run removes it
                remove(path)


_process = _Interrupts()


def install(advice: str = "", stream: TextIO | None = None) -> None:
    """Handle signals from now on; those that are ignored stay so.

    Args:
        advice: what the one line says that is shown when a signal comes, besides that it did.
        stream: where that line goes; None for standard error.

    """
    _process.install(advice, stream)


def happened() -> bool:
    """Return whether a signal has come."""
    return _process.number is not None


def at_end(end: End) -> None:
    """Have `end` called when the program ends.

    It is told how: SIGTERM, then SIGKILL. It must not wait.
    """
    _process.ends.append(end)


def close_first(close: Callable[[], object]) -> None:
    """Have a display closed when a signal comes, before threads unwind that may draw on it."""
    _process.displays.append(close)


@contextmanager
def ended_with(end: End) -> Iterator[None]:
    """Have `end` called if the program ends within the block; see `at_end`."""
    at_end(end)
    try:
        yield
    finally:
        _process.ends.remove(end)


@contextmanager
def starting() -> Iterator[None]:
    """Start a program within the block, and say with `at_end` how it is ended."""
    own = threading.get_ident()
    _process.starting.append(own)
    try:
        yield
    finally:
        _process.starting.remove(own)


@contextmanager
def handed_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave it to another program to say that a signal has come, and wait for its end."""
    _process.deputies.append(process.send_signal)
    try:
        yield
    finally:
        process.wait()
        _process.deputies.remove(process.send_signal)


@contextmanager
def removing(path: Path) -> Iterator[None]:
    """Remove a file or folder after the block, or when the program ends within it.

    What can't be removed stays.
    """
    _process.leftovers.append(path)
    try:
        yield
    finally:
        with suppress(OSError):
            remove(path)
        _process.leftovers.remove(path)


@contextmanager
def temporary_folder(prefix: str, parent: Path | str | None = None) -> Iterator[Path]:
    """Make a folder that is removed after the block, or when the program ends within it."""
    from tempfile import TemporaryDirectory

    temporary = TemporaryDirectory(prefix=prefix, dir=parent)
    with removing(Path(temporary.name)), temporary as folder:
        yield Path(folder)


def remove_at_end(path: Path) -> None:
    """Remove a file or folder when the program ends, by itself or by a signal."""
    _process.leftovers.append(path)


@atexit.register
def _end_all() -> None:
    """End what threads still run when the program ends otherwise than by a signal."""
    _process.end(signal.SIGKILL)
    _process.tidy()


def _busy() -> list[int]:
    """Return the other threads that are in code of ours, by their numbers.

    The others wait for work, perhaps for ever. No lock is taken for this: in a signal's handler,
    it may be our own.
    """
    here = {each.ident for each in (threading.main_thread(), _process.waking) if each}
    frames = sys._current_frames()  # noqa: SLF001  documented, and there is no other way
    return [number for number, frame in frames.items() if number not in here and _is_ours(frame)]


def _is_ours(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in ("bakery", "__main__"):
            return True
        frame = frame.f_back
    return False


def _unwind_threads() -> None:
    """Raise SystemExit, which ends a thread in silence, wherever other threads are."""
    for number in set(_busy()).difference(_process.starting):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(number), ctypes.py_object(SystemExit)
        )


def _die(number: signal.Signals) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # signals don't end the first process of a container
