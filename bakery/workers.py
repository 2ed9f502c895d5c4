"""Threads for calls that wait, as for servers."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from bakery import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Workers(ThreadPoolExecutor):
    """Threads that begin nothing more once their block has failed, or a signal has come."""

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Have a function called by one of the threads."""

        def call() -> _T:
            if interrupts.happened():
                raise SystemExit
            return fn(*args, **kwargs)

        return super().submit(call)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for what runs."""
        self.shutdown(cancel_futures=kind is not None)
