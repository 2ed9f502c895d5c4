"""A place that can't be reached any more is asked for nothing else.

Each request is tried again for half a minute, which nobody can wait for each of a thousand releases
once the network is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

from bakery.errors import BakeryError
from bakery.http.causes import is_unreachable
from bakery.http.errors import RetriableError, TransientError
from bakery.http.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _T = TypeVar("_T")

_LIMIT = 3
"""Requests in a row that find no connection, however often each is tried."""
_NAMED = 5  # in one message


class GivenUpError(BakeryError):
    """A place can't be reached any more."""

    def __init__(self, where: str, last: BaseException) -> None:
        super().__init__(
            "this can't be reached any more, and is asked for nothing else",
            where=where,
            why=(last.why or last.what) if isinstance(last, BakeryError) else str(last),
            fix="run it again when it can be: it goes on from here",
        )

    def about(self, names: Sequence[str]) -> GivenUpError:
        """Return this error with what is not done for it."""
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        self.why = f"{self.why}\nleft out: {', '.join(names[:_NAMED])}{more}"
        return self


@dataclass(frozen=True, kw_only=True)
class Breaker(RetryPolicy):
    """How often a place's failures are met with another try, until it is given up.

    Attributes:
        where: the place, for people.

    """

    where: str
    _lost: list[Exception] = field(default_factory=list, compare=False)

    @classmethod
    def of(cls, where: str, retry: RetryPolicy) -> Breaker:
        """Return one for a place, which tries as often as another policy."""
        same = {each.name: getattr(retry, each.name) for each in fields(RetryPolicy)}
        return cls(where=where, **same)

    def run(
        self,
        attempt: Callable[[], _T],
        *,
        error: type[RetriableError] = TransientError,
        headway: Callable[[], int] = int,
    ) -> _T:
        """Return what `attempt` returns; see `RetryPolicy.run`.

        Raises:
            GivenUpError: the place was not to be reached several times before.

        """
        if len(self._lost) >= _LIMIT:
            raise GivenUpError(self.where, self._lost[-1])
        before = headway()
        try:
            result = super().run(attempt, error=error, headway=headway)
        except Exception as failure:
            if headway() > before or not is_unreachable(failure):
                self._lost.clear()
            else:
                self._lost.append(failure)
            raise
        self._lost.clear()
        return result
