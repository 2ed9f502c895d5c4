from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bakery.archive.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


def counted(made: list[int], count: int = 1000) -> Iterator[int]:
    for number in range(count):
        made.append(number)
        yield number


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000])
def test_all_of_it_in_order(count: int) -> None:
    assert [*ahead(counted([], count), 3)] == [*range(count)]


def test_no_more_is_made_beforehand_than_may_be_held() -> None:
    made: list[int] = []
    with closing(ahead(counted(made), 3)) as numbers:
        for number in numbers:
            assert len(made) <= number + 1 + 3 + 1


def test_items_are_made_in_one_other_thread_from_the_second_on() -> None:
    def threads() -> Iterator[threading.Thread]:
        for _ in range(4):
            yield threading.current_thread()

    first, second, *others = ahead(threads(), 1)
    assert first is threading.current_thread()
    assert second is not first
    assert {*others} == {second}
    assert not second.is_alive()


def test_the_thread_has_ended_once_nobody_asks_any_more() -> None:
    before = threading.active_count()
    numbers = ahead(counted([]), 3)
    assert [next(numbers), next(numbers)] == [0, 1]
    assert threading.active_count() == before + 1
    numbers.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_what_is_raised_there_is_raised_here(kind: type[BaseException]) -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)
        raise kind("here")

    made = ahead(numbers(), 8)
    assert [next(made), next(made), next(made)] == [0, 1, 2]
    with pytest.raises(kind, match="here"):
        next(made)
