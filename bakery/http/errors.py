"""Why a request brought no answer, as far as another one may help."""

from __future__ import annotations


class RetriableError(Exception):
    """A failure that another try may mend.

    Attributes:
        wait: how many seconds the other side asks to wait; None where it asks nothing.
        tries: how many there have been.

    """

    wait: float | None = None
    tries: int = 1


class RequestError(Exception):
    """A request failed; the text says why, without addresses, since those can hold secrets.

    Attributes:
        status: the HTTP status, where there was one.
        codes: what the API calls the reasons, such as GitHub's `already_exists`.
        challenge: how the server wants to be told who asks (RFC 9110, 11.6.1).

    """

    def __init__(
        self,
        why: str,
        *,
        status: int | None = None,
        wait: float | None = None,
        codes: tuple[str, ...] = (),
        challenge: str | None = None,
    ) -> None:
        super().__init__(why)
        self.status = status
        self.wait = wait
        self.codes = codes
        self.challenge = challenge


class TransientError(RequestError, RetriableError):
    """Another try may well succeed."""

    def __str__(self) -> str:
        """Return the reason, and how often it has been met."""
        again = f" (after {self.tries} tries)" if self.tries > 1 else ""
        return f"{super().__str__()}{again}"


class StaleError(TransientError):
    """The bytes that are there can't be continued; a new start can succeed."""


class RefusedError(RequestError):
    """Another try would end the same."""


class UntrustedError(RefusedError):
    """The server's certificate is not trusted here."""


class RateLimitedError(RefusedError):
    """The server wants no request for longer than anybody waits; `wait` says how long."""


class TooLargeError(RefusedError):
    """The answer is larger than it may be."""
