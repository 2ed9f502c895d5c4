"""The libraries that an image's assets hold, whether they are installed or not."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.archive.stream import readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from typing import BinaryIO

_CHUNK = 1 << 20
_LIBRARY = re.compile(r"\.so(\.[\w.-]+)?$")


@dataclass(frozen=True)
class Library:
    """A library, or a link to one, in an asset.

    Attributes:
        path: its path in the asset.
        origin: the asset's address.
        content: where its bytes lie among those of all; None for a link.
        target: where a link points, verbatim.

    """

    path: str
    origin: str
    content: range | None = None
    target: str = ""


class LibraryPool:
    """The libraries of an image's assets, filled while these are unpacked.

    Most are never shipped: their bytes share one file, since to make and remove many costs more.

    Attributes:
        paths: every path in the assets, as hosts with a merged /usr have it.
        installed: the path in the image, by the path in the asset, of all that is installed.

    """

    def __init__(self, file: BinaryIO) -> None:
        """Keep the bytes of libraries in an empty file, open to write and to read."""
        self.paths: set[str] = set()
        self.installed: dict[str, str] = {}
        self._file = file
        self._libraries: dict[str, list[Library]] = {}

    @staticmethod
    def keeps(path: str) -> bool:
        """Return whether a path of an asset may be a library that programs need."""
        return _LIBRARY.search(path) is not None

    def add_file(self, path: str, stream: BinaryIO, origin: str) -> Library:
        """Keep a library; return it."""
        start = self._file.seek(0, os.SEEK_END)
        shutil.copyfileobj(stream, self._file, _CHUNK)
        library = Library(path, origin, range(start, self._file.tell()))
        self._add(library)
        return library

    def open(self, library: Library) -> BufferedReader:
        """Open a library to read it; a link has no bytes of its own."""
        return readable(self._pieces(library.content or range(0)))

    def _pieces(self, content: range) -> Iterator[bytes]:
        for start in content[::_CHUNK]:
            self._file.seek(start)
            yield self._file.read(min(_CHUNK, content.stop - start))

    def add_link(self, path: str, target: str, origin: str) -> None:
        """Remember a link that may lead to a library."""
        self._add(Library(path, origin, target=target))

    def _add(self, library: Library) -> None:
        self._libraries.setdefault(_name(library.path), []).append(library)

    def find(self, name: str) -> Library | None:
        """Return the library of a name such as `libz.so.1`, links followed; None if there is none.

        Of several the one in the fewest folders is taken: deeper ones are a program's private ones.
        """
        seen = set()
        while name not in seen:
            seen.add(name)
            library = min(
                self._libraries.get(name, ()),
                key=lambda each: (each.content is None, each.path.count("/"), each.path),
                default=None,
            )
            if library is None or library.content is not None:
                return library
            name = _name(library.target)
        return None


def _name(path: str) -> str:
    return path.rpartition("/")[2]
