"""Programs that run beside a test: what they do is waited for, and none outlives it."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import AnyStr

_PATIENCE = 600.0


def until(holds: Callable[[], object], beside: subprocess.Popen[Any] | None = None) -> None:
    """Wait until something holds; fail in the end, or at once where a program has ended before."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert beside is None or beside.poll() is None, beside.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def running(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Wait for a program at the end of the block; where that fails, the program is ended."""
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


@contextmanager
def free_port() -> Iterator[int]:
    """Keep a port of 127.0.0.1 from all but a server that sets SO_REUSEADDR, as they do."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def served(command: Sequence[str | Path], port: int, folder: Path) -> Iterator[None]:
    """Run a server for the block, from when it listens at a port."""

    def listens() -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return True
        assert process.poll() is None, f"{command[0]} does not start:\n{log_file.read_text()}"
        return False

    log_file = folder / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder)})
    with process:
        try:
            until(listens)
            yield
        finally:
            process.kill()
