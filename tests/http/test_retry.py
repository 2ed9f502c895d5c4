from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from bakery.http.errors import RefusedError, TransientError
from bakery.http.retry import RETRY_AFTER_LIMIT, RetryPolicy, retry_after


class Server:
    """Fails as often as is wanted, and notes how long its client waits."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.slept: list[float] = []

    def answer(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    def policy(self, **values: Any) -> RetryPolicy:
        return replace(RetryPolicy(sleep=self.slept.append, jitter=0), **values)


def lost(wait: float | None = None) -> TransientError:
    return TransientError("lost", wait=wait)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_a_date() -> None:
    seconds = retry_after(formatdate(time() + 600))
    assert seconds is not None
    assert seconds > 0


def test_waits_double_up_to_the_longest() -> None:
    server = Server(*(lost() for _ in range(5)))
    assert server.policy(longest=5).run(server.answer) == "answer"
    assert server.slept == [1, 2, 4, 5, 5]


def test_jitter_is_added() -> None:
    server = Server(lost())
    server.policy(first=4, jitter=2).run(server.answer)
    assert 4 <= server.slept[0] <= 6


def test_the_server_may_ask_for_more_but_not_for_ever() -> None:
    server = Server(lost(0.5), lost(17.0), lost(86_400.0))
    server.policy().run(server.answer)
    assert server.slept == [1.0, 17.0, RETRY_AFTER_LIMIT]


def test_the_tries_are_told() -> None:
    server = Server(*(lost() for _ in range(9)))
    with pytest.raises(TransientError, match=r"lost \(after 3 tries\)"):
        server.policy(tries=3).run(server.answer)
    assert server.slept == [1, 2]


def test_a_refusal_ends_it() -> None:
    server = Server(RefusedError("no"))
    with pytest.raises(RefusedError):
        server.policy().run(server.answer)
    assert server.slept == []


def test_headway_counts_anew() -> None:
    server = Server(*(lost() for _ in range(9)))
    left = iter(range(0, 100, 7))
    server.policy(tries=2).run(server.answer, headway=lambda: next(left))
    assert server.slept == [1.0] * 9
