from __future__ import annotations

import threading

import pytest
from harness.processes import until

from bakery.processors import Processors, add_waited, lent, waited


def test_no_more_than_all_are_granted() -> None:
    with Processors(2).take(8) as granted:
        assert granted == 2


def test_never_more_are_in_use_than_there_are() -> None:
    processors = Processors(3)
    lock = threading.Lock()
    in_use = peak = 0

    def work(wanted: int) -> None:
        nonlocal in_use, peak
        for _ in range(50):
            with processors.take(wanted) as granted:
                with lock:
                    in_use += granted
                    peak = max(peak, in_use)
                with lock:
                    in_use -= granted

    threads = [threading.Thread(target=work, args=(1 + i % 3,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert 0 < peak <= 3


def test_who_wants_all_is_not_overtaken_for_ever() -> None:
    processors = Processors(2)
    order: list[str] = []
    first_in, wide_waits = threading.Event(), threading.Event()

    def wide() -> None:
        wide_waits.set()
        with processors.take(2):
            order.append("wide")

    def narrow() -> None:
        with processors.take(1):
            order.append("narrow")

    with processors.take(1):
        first_in.set()
        threads = [threading.Thread(target=wide)]
        threads[0].start()
        wide_waits.wait(10)
        until(lambda: processors._queue)
        threads.append(threading.Thread(target=narrow))
        threads[1].start()
    for thread in threads:
        thread.join(timeout=30)
    assert order == ["wide", "narrow"]


def test_who_only_waits_leaves_them_to_others_and_has_them_again_first() -> None:
    processors = Processors(1)
    order: list[str] = []
    lending, over = threading.Event(), threading.Event()

    def boot() -> None:
        with processors.take(1):
            with lent():
                lending.set()
                assert over.wait(30)
            order.append("boot")

    def build(name: str) -> None:
        with processors.take(1):
            order.append(name)
            if name == "one":
                over.set()
                until(lambda: len(processors._queue) == 2)

    threads = [threading.Thread(target=boot)]
    threads[0].start()
    assert lending.wait(30)
    for name in ("one", "two"):
        threads.append(threading.Thread(target=build, args=(name,)))
        threads[-1].start()
        until(lambda: order)
    for thread in threads:
        thread.join(30)
    assert order == ["one", "boot", "two"]


def test_there_is_nothing_to_leave_to_others_where_nothing_is_held() -> None:
    with lent():
        pass


def test_they_come_back_after_a_failure() -> None:
    processors = Processors(1)

    def fail() -> None:
        with processors.take(1):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with processors.take(1) as granted:
        assert granted == 1


def test_each_thread_knows_how_long_it_has_waited() -> None:
    processors = Processors(1)
    seconds: list[float] = []

    def work() -> None:
        with processors.take(1):
            seconds.append(waited())

    with processors.take(1):
        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: processors._queue)
    thread.join(30)
    assert seconds[0] > 0


def test_what_others_waited_for_is_counted() -> None:
    before = waited()
    add_waited(5)
    assert waited() == pytest.approx(before + 5)
