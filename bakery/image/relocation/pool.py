"""What an image's assets hold besides what is installed: libraries, and who lies where."""

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
    """A library that an asset holds.

    Attributes:
        path: its path in the asset.
        origin: the asset's address.
        file: where its bytes are kept; None for a link.
        target: where a link points.

    """

    path: str
    origin: str
    file: Path | None = None
    target: str = ""


class Pool:
    """What assets hold, as they are unpacked.

    Attributes:
        paths: every path in the assets, as hosts with a merged /usr have it.
        places: for every installed path of an asset, where it is in the image.

    """

    def __init__(self, folder: Path) -> None:
        """Keep libraries in an empty folder."""
        self.paths: set[str] = set()
        self.places: dict[str, str] = {}
        self._folder = folder
        self._libraries: dict[str, list[Library]] = {}
        self._count = 0

    @staticmethod
    def keeps(path: str) -> bool:
        """Return whether a path of an asset may be a library that programs need."""
        return _LIBRARY.search(path) is not None

    def add_file(self, path: str, stream: BinaryIO, origin: str) -> Path:
        """Keep a library; return where its bytes are."""
        self._count += 1
        place = self._folder / str(self._count)
        with place.open("xb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        self._add(Library(path, origin, file=place))
        return place

    def add_link(self, path: str, target: str, origin: str) -> None:
        """Remember a link that may lead to a library."""
        self._add(Library(path, origin, target=target))

    def _add(self, library: Library) -> None:
        self._libraries.setdefault(_name(library.path), []).append(library)

    def find(self, name: str) -> Library | None:
        """Return the file that a library's name, such as `libz.so.1`, leads to.

        Of several, the one that the fewest folders are around: others are somebody's private ones.
        """
        seen = set()
        while name not in seen:
            seen.add(name)
            found = min(
                self._libraries.get(name, ()),
                key=lambda each: (each.file is None, each.path.count("/"), each.path),
                default=None,
            )
            if found is None or found.file is not None:
                return found
            name = _name(found.target)
        return None


def _name(path: str) -> str:
    return path.rpartition("/")[2]
