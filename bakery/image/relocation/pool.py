"""The libraries that an image's assets hold, whether they are installed or not."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_LIBRARY = re.compile(r"\.so(\.[\w.-]+)?$")


@dataclass(frozen=True)
class Library:
    """A library, or a link to one, in an asset.

    Attributes:
        path: its path in the asset.
        origin: the asset's address.
        file: a copy of it; None for a link.
        target: where a link points, verbatim.

    """

    path: str
    origin: str
    file: Path | None = None
    target: str = ""


class LibraryPool:
    """The libraries of an image's assets, filled while these are unpacked.

    Attributes:
        paths: every path in the assets, as hosts with a merged /usr have it.
        installed: the path in the image, by the path in the asset, of all that is installed.

    """

    def __init__(self, folder: Path) -> None:
        """Keep libraries in an empty folder."""
        self.paths: set[str] = set()
        self.installed: dict[str, str] = {}
        self._folder = folder
        self._libraries: dict[str, list[Library]] = {}
        self._count = 0

    @staticmethod
    def keeps(path: str) -> bool:
        """Return whether a path of an asset may be a library that programs need."""
        return _LIBRARY.search(path) is not None

    def add_file(self, path: str, stream: BinaryIO, origin: str) -> Path:
        """Keep a library; return the copy."""
        self._count += 1
        copy = self._folder / str(self._count)
        with copy.open("xb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        self._add(Library(path, origin, file=copy))
        return copy

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
                key=lambda each: (each.file is None, each.path.count("/"), each.path),
                default=None,
            )
            if library is None or library.file is not None:
                return library
            name = _name(library.target)
        return None


def _name(path: str) -> str:
    return path.rpartition("/")[2]
