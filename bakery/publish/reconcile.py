"""Looking, doing, and looking again: what is published settles after any failure at any request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.publish.model import PublishError, UnsettledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bakery.http.retry import RetryPolicy
    from bakery.publish.model import Publisher, RemoteRelease

    Action = Callable[[Publisher], None]
    Look = Callable[[], Sequence[RemoteRelease]]
    Plan = Callable[[Sequence[RemoteRelease]], list[Action]]

_ROUNDS = 40  # of looking and doing; a handful is usual


def reconcile(
    what: str,
    publisher: Publisher,
    retry: RetryPolicy,
    *,
    look: Look,
    plan: Plan,
    known: Sequence[RemoteRelease] | None = None,
) -> bool:
    """Look, and take the steps that are planned, until there are none; return whether any were.

    Args:
        what: what is published, for messages.
        publisher: where.
        retry: how often a failure is met with another look.
        look: returns the releases concerned as they are now.
        plan: returns the next steps for what `look` returned.
        known: what `look` returned a while ago; None to look.

    Raises:
        PublishError: a step is refused, or fails again and again.

    """
    rounds = _Rounds(publisher, look, plan, known)
    try:
        done = retry.run(rounds.run, error=UnsettledError, headway=lambda: rounds.shorter)
    except UnsettledError as error:
        raise PublishError(
            f"{what} is not published yet: {error.what}",
            where=error.where,
            why=f"{error.why or error.what} (after {error.tries} tries)",
            fix=error.fix,
        ) from error
    if done:
        return rounds.taken > 1
    raise PublishError(
        f"{what} does not settle",
        why="what is uploaded is not what is listed afterwards, or others change it all the time",
        fix="see that nobody else publishes it, and run it again",
    )


@dataclass
class _Rounds:
    """Looks and does, round by round.

    Attributes:
        publisher, look, plan: as `reconcile` has them.
        known: what was seen, and need not be looked for in the next round.
        taken: how many rounds have begun.
        shorter: how many of them had less to do than the one before.
        left: how much the last one had to do.

    """

    publisher: Publisher
    look: Look
    plan: Plan
    known: Sequence[RemoteRelease] | None
    taken: int = 0
    shorter: int = 0
    left: int = 0

    def run(self) -> bool:
        """Go on until nothing is left to do; tell whether that came within the limit of rounds."""
        while self.taken < _ROUNDS:
            self.taken += 1
            remote = self.look() if self.known is None else self.known
            planned, self.known = self.plan(remote), None
            if not planned:
                return True
            self.shorter += len(planned) < self.left
            self.left = len(planned)
            for step in planned:
                step(self.publisher)
        return False
