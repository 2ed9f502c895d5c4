"""What differs between the versions of an extension: sizes, units, programs and other files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bakery.arch import ARCHITECTURES
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from bakery.site.published import Edition

    _Contents = Mapping[str, tuple[int, str]]  # size and digest, by path

UNITS = "/usr/lib/systemd/system/"
_MOST = 400  # lines about other files; more are told of by folder
_OTHERS = "Other files"
_KINDS = ("Images", "Units", "Programs", _OTHERS)
_PROGRAM = re.compile(r"/usr/(?:local/)?s?bin/[^/]+")


def is_unit(path: str) -> bool:
    """Return whether a path in an image is a unit's."""
    return path.startswith(UNITS) and "/" not in path.removeprefix(UNITS)


def is_program(path: str) -> bool:
    """Return whether a path in an image is a program's that people start."""
    return _PROGRAM.fullmatch(path) is not None


class Cell(NamedTuple):
    """What a version has at a path.

    Attributes:
        size: its size; empty for nothing.
        number: the same number in all versions that have the same.
        is_new: whether it is another than in the version before.

    """

    size: str
    number: int
    is_new: bool


@dataclass(frozen=True)
class Change:
    """A path that does not have the same in all versions.

    Attributes:
        path: the path; a folder's ends in a slash.
        cells: for each version what it has there.

    """

    path: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Changes:
    """What differs.

    Attributes:
        editions: the releases that are compared, the newest first.
        groups: what is about images, units, programs and other files, by these words.

    """

    editions: Sequence[Edition]
    groups: Mapping[str, Sequence[Change]]

    @classmethod
    def between(cls, editions: Sequence[Edition]) -> Changes:
        """Compare releases, by the first image of each."""
        contents = [
            {file.path: (file.size, file.sha256) for file in each.files} for each in editions
        ]
        found: dict[str, list[Change]] = {"Images": _images(editions)}
        for each in _changes(contents):
            found.setdefault(_kind(each.path), []).append(each)
        if len(found.get(_OTHERS, ())) > _MOST:
            found[_OTHERS] = _by_folder(found[_OTHERS], contents)
        groups = {name: found[name] for name in _KINDS if found.get(name)}
        return cls(editions, groups)

    def __bool__(self) -> bool:
        """Return whether anything does."""
        return bool(self.groups.keys() - {"Images"})


def _images(editions: Sequence[Edition]) -> list[Change]:
    return [
        Change(arch, tuple(Cell(format_size(size) if size else "", 0, False) for size in sizes))
        for arch in ARCHITECTURES
        if any(sizes := [_size(each, arch) for each in editions])
    ]


def _size(edition: Edition, arch: str) -> int:
    images = edition.document.images
    return next((each.size for each in images if each.arch == arch and each.sha256), 0)


def _kind(path: str) -> str:
    return "Units" if is_unit(path) else "Programs" if is_program(path) else _OTHERS


def _changes(contents: Sequence[_Contents]) -> Iterator[Change]:
    for path in sorted({path for files in contents for path in files}):
        found = [files.get(path) for files in contents]
        digests = [each and each[1] for each in found]
        if len(set(digests)) > 1:
            numbers = [digests.index(each) for each in digests]
            cells = (
                Cell(format_size(each[0]) if each else "", number, number != before)
                for each, number, before in zip(
                    found, numbers, [*numbers[1:], numbers[-1]], strict=True
                )
            )
            yield Change(path, tuple(cells))


def _by_folder(changes: Sequence[Change], contents: Sequence[_Contents]) -> list[Change]:
    """Return the changes of folders, as deep ones as leave few lines, in the place of files."""
    paths = {each.path for each in changes}
    found = [*changes]
    for depth in range(max(path.count("/") for path in paths) - 1, 1, -1):
        folded = [_folded(files, paths, depth) for files in contents]
        found = list(_changes(folded))
        if len(found) <= _MOST:
            break
    return found


def _folded(files: _Contents, paths: Collection[str], depth: int) -> _Contents:
    """Return folders of some depth with the sizes and digests of some files below them."""
    below: dict[str, list[tuple[int, str]]] = {}
    for path, file in files.items():
        if path in paths:
            steps = path.split("/")
            folder = path if len(steps) <= depth + 1 else f"{'/'.join(steps[: depth + 1])}/"
            below.setdefault(folder, []).append((file[0], f"{path} {file[1]}"))
    return {
        folder: (
            sum(size for size, _ in found),
            hashlib.sha256("\n".join(sorted(each for _, each in found)).encode()).hexdigest(),
        )
        for folder, found in below.items()
    }
