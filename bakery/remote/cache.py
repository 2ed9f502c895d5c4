"""A shared cache, used with care: what fails is missing, and is asked a few times at most."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from bakery.characters import visible
from bakery.errors import BakeryError
from bakery.files import sha256
from bakery.http.errors import RequestError
from bakery.remote.model import LARGEST_RESULT, GoneError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bakery.progress import Progress
    from bakery.remote.model import Blob, Remote

FOLDER = "directory:"
"""How the address of a folder begins."""

_T = TypeVar("_T")
_Use = Literal["read", "write"]

_PATIENCE = 3
"""Failures, after which a cache is left alone for the rest of the run."""
_LINES: dict[_Use, str] = {
    "read": "the shared cache {name} is left aside: {why}",
    "write": "the shared cache {name} does not take what is made here: {why}",
}


class Cache:
    """A remote of which nothing is expected, and nothing believed; safe for several threads.

    Every failure counts as if there were nothing. The first of a kind is told, and after a few the
    remote is not asked any more. What was removed there is no failure.
    """

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._failures: Counter[_Use] = Counter()
        self._complaints: dict[str, str] = {}
        self._told: set[str] = set()
        self._damaged: set[Blob] = set()
        self._guard = threading.Lock()

    @classmethod
    def at(cls, address: str) -> Cache:
        """Return the shared cache at an address, as the setting `remote` has it.

        Raises:
            SettingsError: it is none.

        """
        if address.startswith(FOLDER):
            from bakery.remote.folder import FolderRemote

            return cls(FolderRemote(Path(address.removeprefix(FOLDER))))
        if address.startswith("oci:"):
            from bakery.remote.registry import RegistryRemote

            return cls(RegistryRemote.at(address))
        from bakery.remote.http import HttpRemote

        return cls(HttpRemote(address))

    @property
    def name(self) -> str:
        """What people call it."""
        return visible(self._remote.name)

    def complain(self, text: str, why: str | None = None) -> None:
        """Have something told, once for each reason; unless given, the text is its own."""
        text = visible(" ".join(text.split()))
        with self._guard:
            self._complaints.setdefault(why or text, text)

    def complaints(self) -> list[str]:
        """Return what is to be told since this was last asked."""
        with self._guard:
            new = [text for why, text in self._complaints.items() if why not in self._told]
            self._told.update(self._complaints)
            return new

    def result(self, key: str) -> bytes | None:
        """Return what lies under a key; None where nothing does, or where it can't be had."""
        return self._tried("read", lambda: self._remote.result(key))

    def fetch(self, blob: Blob, target: Path, progress: Progress) -> bool:
        """Write a blob to a file; return whether that has worked, and it is the right one."""

        def work() -> bool:
            self._remote.fetch(blob, target, progress.advance)
            if (sha256(target), target.stat().st_size) != (blob.sha256, blob.size):
                self._damaged.add(blob)
                raise RemoteError(f"the blob {blob.sha256} has other bytes")
            return True

        return self._tried("read", work) or False

    def put(self, blob: Blob, content: Path | bytes) -> bool:
        """Bring a blob there unless it is; return whether it is there now."""

        def work() -> bool:
            self._remote.put(blob, content, damaged=blob in self._damaged)
            return True

        return self._tried("write", work) or False

    def put_result(self, key: str, data: bytes, blobs: Sequence[Blob]) -> bool:
        """Bring a result there, once its blobs are; return whether that has worked."""

        def work() -> bool:
            if len(data) > LARGEST_RESULT:
                raise RemoteError("a result is too large")
            self._remote.put_result(key, data, blobs)
            return True

        return self._tried("write", work) or False

    def _tried(self, use: _Use, work: Callable[[], _T]) -> _T | None:
        if self._failures[use] >= _PATIENCE:
            return None
        try:
            return work()
        except GoneError as error:
            self.complain(f"the shared cache {self.name} lacks files of results: {error}", "gone")
        except BakeryError as error:
            self._failed(use, error.what)
        except (RemoteError, RequestError, OSError) as error:
            self._failed(use, str(error))
        return None

    def _failed(self, use: _Use, why: str) -> None:
        with self._guard:
            self._failures[use] += 1
            first = self._failures[use] == 1
        if first:
            self.complain(_LINES[use].format(name=self.name, why=why))
