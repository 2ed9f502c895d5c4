"""What `bakery boot` shows while machines boot."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status


class Steps:
    """One live line with each machine's step on a terminal; elsewhere only what lasts."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(emoji=False, highlight=False, soft_wrap=True, stderr=True)
        self._status: Status | None = None
        self._steps: dict[str, str] = {}
        self._lock = threading.Lock()

    @contextmanager
    def shown(self, *, live: bool) -> Iterator[None]:
        """Show what is told for a while; without `live`, the terminal is somebody else's."""
        if not (live and self._console.is_terminal):
            yield
            return
        with self._console.status("") as self._status:
            yield

    def tell(self, machine: str, step: str, *, lasting: bool = False) -> None:
        """Show what a machine does now."""
        with self._lock:
            self._steps[machine] = step
            if lasting:
                self._console.print(f"{machine}: {step}", markup=False)
            elif self._status is not None:
                text = " · ".join(f"{name}: {each}" for name, each in self._steps.items())
                self._status.update(text.replace("[", r"\["))
