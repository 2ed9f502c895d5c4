from __future__ import annotations

import pytest

from bakery.http.retry import RETRY_AFTER_LIMIT, Patience, retry_after

NOON = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=NOON) == seconds


def test_waits_double_up_to_the_longest() -> None:
    slept: list[float] = []
    patience = Patience(sleep=slept.append, jitter=lambda: 1.0, first=1, longest=5)
    for failures in range(1, 6):
        patience.wait(failures, None)
    assert slept == [1, 2, 4, 5, 5]


def test_jitter_takes_up_to_half() -> None:
    slept: list[float] = []
    Patience(sleep=slept.append, jitter=lambda: 0.0).wait(3, None)
    assert slept == [2.0]


def test_the_server_may_ask_for_more_but_not_for_ever() -> None:
    slept: list[float] = []
    patience = Patience(sleep=slept.append, jitter=lambda: 1.0)
    for asked in (0.5, 17.0, 86_400.0):
        patience.wait(1, asked)
    assert slept == [1.0, 17.0, RETRY_AFTER_LIMIT]
