"""A shared cache in a folder, laid out so that any web server can serve it: cas/DIGEST, ac/KEY."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import move, open_file, sha256
from bakery.interrupts import removing
from bakery.remote.model import LARGEST_RESULT, GoneError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from bakery.remote.model import Blob

_BLOCK = 1 << 20


@dataclass(frozen=True)
class FolderRemote:
    """A folder that several machines see.

    Attributes:
        folder: made when something is first written.

    """

    folder: Path

    @property
    def name(self) -> str:
        """The folder's own name: where it lies here is nobody else's business."""
        return f"directory:{self.folder.name}"

    def result(self, key: str) -> bytes | None:
        """Return what lies under a key; None where nothing does."""
        try:
            with open_file(self.folder / "ac" / key) as file:
                data = file.read(LARGEST_RESULT + 1)
        except FileNotFoundError:
            return None
        if len(data) > LARGEST_RESULT:
            raise RemoteError("a result is too large")
        return data

    def fetch(self, blob: Blob, target: Path, advance: Callable[[int], object]) -> None:
        """Write a blob to a file."""
        try:
            opened = open_file(self._path(blob))
        except FileNotFoundError:
            raise GoneError(blob) from None
        with opened as file, target.open("wb") as new:
            left = blob.size + 1  # one more tells that there are more
            while left and (block := file.read(min(_BLOCK, left))):
                new.write(block)
                advance(len(block))
                left -= len(block)

    def put(self, blob: Blob, content: Path | bytes, *, damaged: bool = False) -> None:  # noqa: ARG002  it looks itself
        """Bring a blob there unless it is."""
        path = self._path(blob)
        with suppress(FileNotFoundError):
            if path.is_file() and sha256(path) == blob.sha256:  # else it heals
                return
        file = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
        with file, self._new(path) as new:
            shutil.copyfileobj(file, new, _BLOCK)

    def put_result(self, key: str, data: bytes, blobs: Sequence[Blob]) -> None:  # noqa: ARG002
        """Bring there what lies under a key from now on."""
        with self._new(self.folder / "ac" / key) as new:
            new.write(data)

    def _path(self, blob: Blob) -> Path:
        return self.folder / "cas" / blob.sha256

    @contextmanager
    def _new(self, path: Path) -> Iterator[BinaryIO]:
        """Open a file that gets its name when all is written, for others to read."""
        partial = self.folder / "partial"
        for each in (path.parent, partial):
            each.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=partial)
        with removing(Path(name)):
            with os.fdopen(descriptor, "wb") as file:
                yield file
                os.fchmod(file.fileno(), 0o644)
            move(Path(name), path)
