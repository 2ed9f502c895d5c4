"""An iteration that goes on in a thread of its own while what it gave is used."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_Item = TypeVar("_Item")


class _Ahead(threading.Thread, Generic[_Item]):
    """The thread; it ends with None, or with what was raised."""

    def __init__(self, items: Iterator[_Item], held: int) -> None:
        super().__init__(daemon=True)
        self._items = items
        self._room = threading.Semaphore(held)
        self._wanted = True
        self.made: SimpleQueue[_Item | BaseException | None] = SimpleQueue()

    def run(self) -> None:
        end: BaseException | None = None
        try:
            while self._wanted and (item := next(self._items, None)) is not None:
                self.made.put(item)
                self._room.acquire()
        except BaseException as error:  # noqa: BLE001  who uses the items is to get it
            end = error
        finally:
            self.made.put(end)

    def go_on(self) -> None:
        """Make one more."""
        self._room.release()

    def end(self) -> None:
        """Make no more, and wait until none is made."""
        self._wanted = False
        self._room.release()
        self.join()


def ahead(items: Iterator[_Item], held: int) -> Generator[_Item, None, None]:
    """Yield what an iteration gives, none of it None, and raise what it raises.

    From the second item on, the iteration runs in a thread; it has ended when this generator has.

    Args:
        items: the iteration.
        held: how many items it may make beforehand.

    """
    if (first := next(items, None)) is None:
        return
    yield first
    thread = _Ahead(items, held)
    thread.start()
    try:
        while (item := thread.made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            thread.go_on()
            yield item
    finally:
        thread.end()
