"""Transfers that go on where another one stopped (RFC 9110, 13.1.5 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from bakery.http.errors import StaleError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)")


@dataclass(frozen=True)
class Resume:
    """What a transfer needs to go on where another one stopped.

    Attributes:
        offset: how many bytes are there.
        validator: the strong ETag, or the date, that the bytes belong to (RFC 9110, 8.8).

    """

    offset: int
    validator: str

    @property
    def headers(self) -> dict[str, str]:
        """What asks for the rest, or for all if the file has changed."""
        return {"Range": f"bytes={self.offset}-", "If-Range": self.validator}

    def total(self, headers: Mapping[str, str]) -> int | None:
        """Return the size of the whole file, of which an answer has the rest.

        Raises:
            StaleError: the answer has something else.

        """
        if validator(headers) not in (None, self.validator):
            raise StaleError("the file changed during the download")
        matched = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if matched is None or int(matched[1]) != self.offset:
            raise StaleError("the server sent another range of bytes than it was asked for")
        return number(matched[2])


def validator(headers: Mapping[str, str]) -> str | None:
    """Return the strong ETag, or a date that is as good as one (RFC 9110, 8.8.2.2)."""
    tag = headers.get("ETag", "")
    if tag.startswith('"'):
        return tag
    modified = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(modified)
    except (TypeError, ValueError, OverflowError):
        return None
    return modified if age.total_seconds() >= 1 else None


def number(header: str | None) -> int | None:
    """Return the number of bytes that a header tells; None where it tells none that can be."""
    return int(header) if header is not None and _NUMBER.fullmatch(header) else None
