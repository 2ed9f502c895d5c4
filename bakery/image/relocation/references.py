"""Paths that binaries mention: led to where an image has what upstream has there.

A path is replaced by one of the same length, so that nothing around it moves: of several slashes
in a row all but one have no meaning (path_resolution(7)), and a path's end stays where it is, since
linkers let strings share their ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from bakery.image.paths import merged, parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PATH = re.compile(rb"/(?:usr|lib|lib64|bin|sbin|opt)/[\w.@+/-]+", re.ASCII)
_COMMON = re.compile(  # what hosts have of their own, or nobody misses
    r"usr/lib/(?:[a-z0-9_]+-linux-[a-z0-9_]+|(?:systemd|udev)(?:/[\w.]+)?|tmpfiles\.d|sysusers\.d|locale)"
    r"|usr/share/(?:doc|i18n|info|locale|man|zoneinfo)(?:/.*)?"
    r"|.*/ld-linux[^/]*|[^/]+(?:/[^/]+)?"
)


class Reference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path that a binary mentions, and that does not lead to what upstream has there.

    Attributes:
        path: the binary.
        mentions: the path, as it is on hosts with a merged /usr.
        place: where the image has it, too long a path to be written instead; None for nowhere.

    """

    path: str
    mentions: str
    place: str | None = None


class Redirection:
    """Where everything of upstream's is in an image."""

    def __init__(
        self, upstream: Iterable[str], places: Mapping[str, str], present: Iterable[str]
    ) -> None:
        """Take note of it.

        Args:
            upstream: all paths of the assets.
            places: where the image has what is installed, by its path in the assets.
            present: all paths of the image.

        """
        self._upstream = _with_folders(upstream)
        self._present = _with_folders(present)
        self._places = dict(places)
        for old, new in places.items():
            for folder in parents(old):
                rest = old.removeprefix(folder)
                if new.endswith(rest) and not _COMMON.fullmatch(folder):
                    self._places.setdefault(folder, new.removesuffix(rest))

    def apply(self, path: str, data: bytes) -> tuple[bytes, tuple[Reference, ...]]:
        """Return a binary that mentions the image's paths, and the mentions that remain."""
        left: dict[str, Reference] = {}

        def replaced(found: re.Match[bytes]) -> bytes:
            old = found[0].decode("ascii")
            mentioned = self._known(old)
            if mentioned is None:
                return found[0]
            place = self._places.get(merged(mentioned[1:]))
            if place and len(place) < len(mentioned):
                return (_padded(mentioned, f"/{place}") + old[len(mentioned) :]).encode()
            name = merged(mentioned[1:])
            left[name] = Reference(path=path, mentions=name, place=place)
            return found[0]

        data = _PATH.sub(replaced, data)
        return data, tuple(left[name] for name in sorted(left))

    def _known(self, mentioned: str) -> str | None:
        """Return how much of a path is upstream's and not in the image; None where nothing is."""
        whole = mentioned.rstrip("/.")
        for path in (whole[1:], *parents(whole[1:])):
            if path in self._present or _COMMON.fullmatch(merged(path)):
                return None
            if merged(path) in self._upstream:
                return f"/{path}"
        return None


def _padded(old: str, new: str) -> str:
    """Return `new` in the length of `old`, ending as that does."""
    same = 0
    while same < len(new) and old[-1 - same] == new[-1 - same]:
        same += 1
    end = new.find("/", len(new) - same) if same else -1
    end = end if end >= 0 else new.rfind("/")
    return new[:end] + "/" * (len(old) - len(new)) + new[end:]


def _with_folders(paths: Iterable[str]) -> set[str]:
    return {each for path in paths for each in (path, *parents(path))}
