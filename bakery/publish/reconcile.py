"""Looking, doing, and looking again: what is published settles after any failure at any request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.publish.model import PublishError, UnsettledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bakery.http.retry import Patience
    from bakery.publish.model import Posted, Publisher

    Step = Callable[[Publisher], None]

_ROUNDS = 40  # of looking and doing; a handful is usual


def settle(
    what: str,
    publisher: Publisher,
    patience: Patience,
    *,
    look: Callable[[], Sequence[Posted]],
    plan: Callable[[Sequence[Posted]], list[Step]],
    known: Sequence[Posted] | None = None,
) -> bool:
    """Look, and take the steps that are planned, until there are none; return whether any were.

    Args:
        what: what is published, for messages.
        publisher: where.
        patience: how often a failure is met with another try.
        look: returns the releases concerned as they are now.
        plan: returns the next steps for what `look` found.
        known: what `look` found a while ago; None to look.

    Raises:
        PublishError: a step is refused, or fails again and again.

    """
    failures = 0
    left = 0
    for number in range(_ROUNDS):
        try:
            found = look() if known is None else known
            planned, known = plan(found), None
            if not planned:
                return number > 0
            if len(planned) < left:
                failures = 0
            left = len(planned)
            for step in planned:
                step(publisher)
        except UnsettledError as error:
            failures += 1
            if failures >= patience.tries:
                raise PublishError(
                    f"{what} is not published yet: {error.what}",
                    where=error.where,
                    why=f"{error.why or error.what} (after {failures} tries)",
                    fix=error.fix,
                ) from error
            patience.wait(failures, error.wait)
    raise PublishError(
        f"{what} does not settle",
        why="what is uploaded is not what is listed afterwards, or others change it all the time",
        fix="see that nobody else publishes it, and run it again",
    )
