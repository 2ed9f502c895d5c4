"""How long work tells whoever watches that it moves."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one task, counted in bytes; called from any thread."""

    def expect(self, total: int | None) -> None:
        """Announce how many bytes are to come in all; None where nobody knows."""

    def advance(self, count: int) -> None:
        """Report `count` more bytes done."""

    def restart(self, done: int = 0) -> None:
        """Report that the work begins again with `done` bytes already there."""

    def tell(self, step: str, *, of: str = "", lasting: bool = False) -> None:
        """Report in words what is being done.

        Args:
            step: the words.
            of: which of several parts of the task does it, such as a machine.
            lasting: whether it takes minutes.

        """


class Silent:
    """Progress that nobody reads."""

    def expect(self, total: int | None) -> None:
        """Ignore the total."""

    def advance(self, count: int) -> None:
        """Ignore the progress."""

    def restart(self, done: int = 0) -> None:
        """Ignore the restart."""

    def tell(self, step: str, *, of: str = "", lasting: bool = False) -> None:
        """Ignore the step."""


class Tell(Protocol):
    """Receives in words what is being done; called from any thread."""

    def __call__(self, step: str, *, lasting: bool = False) -> None:
        """Report a step; `lasting` where it takes minutes."""


class TellPart(Protocol):
    """Receives what a part of some work does, such as a machine; called from any thread."""

    def __call__(self, part: str, step: str, *, lasting: bool = False) -> None:
        """Report a part's step; `lasting` where it takes minutes."""
