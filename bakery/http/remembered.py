"""A session that keeps answers from run to run, and asks by their ETags whether they still hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from requests_cache import EXPIRE_IMMEDIATELY, CachedSession
from requests_cache.backends.sqlite import SQLiteCache
from requests_cache.models.response import CachedResponse
from requests_cache.serializers import SerializerPipeline, json_serializer

from bakery.http.session import shared

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


class _Serializer(SerializerPipeline):
    """JSON, of which whatever is no answer counts as not there."""

    def copy(self) -> Self:
        return self

    def loads(self, value: str) -> CachedResponse:
        try:
            answer = super().loads(value)
        except Exception as error:  # a damaged file may hold anything
            raise ValueError(str(error)) from error
        if not isinstance(answer, CachedResponse):
            raise ValueError(f"a {type(answer).__name__} is no answer")  # noqa: TRY004  as its caller expects
        return answer


def session(answers: Path) -> CachedSession:
    """Return a session with the connections of the process, and a file that keeps answers.

    Answers are kept if they have an ETag or a date. Only the session's cache must be closed.

    Raises:
        OSError, sqlite3.Error: the file can't be read or written.

    """
    remembering = CachedSession(
        backend=SQLiteCache(answers, serializer=_Serializer(json_serializer.stages)),
        allowable_methods=("GET",),
        expire_after=EXPIRE_IMMEDIATELY,
    )
    remembering.cookies = shared().cookies
    remembering.adapters = shared().adapters
    return remembering
