"""How often a request is repeated, and how long that waits."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from bakery.http.errors import RetriableError, StaleError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from tenacity import RetryCallState

RETRY_AFTER_LIMIT = 120.0
"""Seconds; nobody waits longer for one answer because a server says so."""

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When to try again, and when to give up. All times are in seconds.

    Attributes:
        tries: how many failures in a row, without headway between them, end it.
        first: the wait after the first failure; it doubles with each further one.
        longest: the most that doubling leads to.
        jitter: at most this is added to each wait, so that clients don't come in step.
        sleep: the clock; tests put their own here.

    """

    tries: int = 6
    first: float = 1.0
    longest: float = 30.0
    jitter: float = 1.0
    sleep: Callable[[float], None] = time.sleep

    def run(
        self,
        attempt: Callable[[], _T],
        *,
        error: type[RetriableError] = TransientError,
        headway: Callable[[], int] = int,
    ) -> _T:
        """Return what `attempt` returns, in as many tries as are allowed.

        Args:
            attempt: called again after each `error`, not before its `wait` is over.
            error: what another try may mend.
            headway: a number that grows when a try that failed has still achieved something;
                then the tries are counted anew.

        Raises:
            RetriableError: the last `error`, which knows the number of tries.

        """
        import tenacity

        best = headway()

        def is_retriable(state: RetryCallState) -> bool:
            nonlocal best
            if (reached := headway()) > best:
                best, state.attempt_number = reached, 1
            return state.outcome is not None and isinstance(state.outcome.exception(), error)

        def delay(state: RetryCallState) -> float:
            failure = _failure(state)
            if isinstance(failure, StaleError):
                return 0.0
            return max(backoff(state), min(failure.wait or 0.0, RETRY_AFTER_LIMIT))

        def give_up(state: RetryCallState) -> NoReturn:
            failure = _failure(state)
            failure.tries = state.attempt_number
            raise failure

        doubling = tenacity.wait_exponential(multiplier=self.first, max=self.longest)
        backoff = doubling + tenacity.wait_random(0, self.jitter)
        retrying = tenacity.Retrying(
            retry=is_retriable,
            wait=delay,
            stop=tenacity.stop_after_attempt(self.tries),
            sleep=self.sleep,
            retry_error_callback=give_up,
        )
        return retrying(attempt)


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header (RFC 9110, 10.2.3) asks for, if it says any."""
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    with suppress(InvalidHeader, ValueError, OverflowError):
        return None if header is None else float(Retry().parse_retry_after(header))
    return None


def _failure(state: RetryCallState) -> RetriableError:
    failure = state.outcome and state.outcome.exception()
    assert isinstance(failure, RetriableError)  # noqa: S101  asked for by `retry`
    return failure
