"""An iteration that goes on in a thread of its own while what it gave is used."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_Item = TypeVar("_Item")


def ahead(items: Iterator[_Item], held: int) -> Generator[_Item, None, None]:
    """Yield what an iteration gives, none of it None, and raise what it raises.

    From the second item on, the iteration runs in a thread; it has ended when this generator has.

    Args:
        items: the iteration.
        held: how many items it may make beforehand.

    """
    made: SimpleQueue[_Item | BaseException | None] = SimpleQueue()
    room = threading.Semaphore(held)
    over = threading.Event()

    def make() -> None:
        end: BaseException | None = None
        try:
            while not over.is_set() and (item := next(items, None)) is not None:
                made.put(item)
                room.acquire()
        except BaseException as error:  # noqa: BLE001  who uses the items is to get it
            end = error
        finally:
            made.put(end)

    if (first := next(items, None)) is None:
        return
    yield first
    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            room.release()
            yield item
    finally:
        over.set()
        room.release()
        thread.join()
