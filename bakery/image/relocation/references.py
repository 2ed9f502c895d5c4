"""Rewrite the paths that binaries mention to where the image has these files.

A path is replaced by one of the same length, so that nothing around it moves: of several slashes
in a row all but one have no meaning (path_resolution(7)), and a path's end stays where it is, since
linkers let strings share their ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.image.manifest import Reference
from bakery.image.tree import merged, parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PATH = re.compile(rb"/(?:usr|lib|lib64|bin|sbin|opt)/[\w.@+/-]+", re.ASCII)
_COMMON = re.compile(  # what hosts have of their own, or nobody misses
    r"usr/lib/(?:[a-z0-9_]+-linux-[a-z0-9_]+|(?:systemd|udev)(?:/[\w.]+)?|tmpfiles\.d|sysusers\.d|locale)"
    r"|usr/share/(?:doc|i18n|info|locale|man|zoneinfo)(?:/.*)?"
    r"|.*/ld-linux[^/]*|[^/]+(?:/[^/]+)?"
)


class PathRewriter:
    """Replaces paths of upstream's packages by those of an image."""

    def __init__(
        self, upstream: Iterable[str], installed: Mapping[str, str], present: Iterable[str]
    ) -> None:
        """Prepare the rewriting for one image.

        Args:
            upstream: all paths in the assets.
            installed: the path in the image, by the path in the assets.
            present: all paths in the image.

        """
        self._upstream = _with_folders(upstream)
        self._present = _with_folders(present)
        self._installed = dict(installed)
        for old, new in installed.items():
            for folder in parents(old):
                rest = old.removeprefix(folder)
                if new.endswith(rest) and not _COMMON.fullmatch(folder):
                    self._installed.setdefault(folder, new.removesuffix(rest))

    def apply(self, path: str, data: bytes) -> tuple[bytes, tuple[Reference, ...]]:
        """Return a binary's bytes with the image's paths, and the references that remain.

        Args:
            path: of the binary.
            data: its bytes; the result has the same length.

        """
        remaining: dict[str, Reference] = {}
        pieces: list[bytes | memoryview] = []
        end = 0
        for match in _PATH.finditer(data):
            mentioned = self._known(match[0].decode("ascii"))
            if mentioned is None:
                continue
            name = merged(mentioned[1:])
            new = self._installed.get(name)
            if new and len(new) < len(mentioned):
                padded = _padded(mentioned, f"/{new}").encode()
                pieces += [memoryview(data)[end : match.start()], padded]
                end = match.start() + len(padded)
            else:
                remaining[name] = Reference(path=path, mentions=name, moved_to=new)
        if pieces:  # most stay as they are, and large ones take long to copy
            data = b"".join([*pieces, memoryview(data)[end:]])
        return data, tuple(remaining[name] for name in sorted(remaining))

    def _known(self, mentioned: str) -> str | None:
        """Return the longest part of a path that upstream has and the image lacks, or None."""
        whole = mentioned.rstrip("/.")
        for path in (whole[1:], *parents(whole[1:])):
            if path in self._present or _COMMON.fullmatch(merged(path)):
                return None
            if merged(path) in self._upstream:
                return f"/{path}"
        return None


def _padded(old: str, new: str) -> str:
    """Return `new` with slashes added to the length of `old`, before the end they share."""
    same = 0
    while same < len(new) and old[-1 - same] == new[-1 - same]:
        same += 1
    end = new.find("/", len(new) - same) if same else -1
    end = end if end >= 0 else new.rfind("/")
    return new[:end] + "/" * (len(old) - len(new)) + new[end:]


def _with_folders(paths: Iterable[str]) -> set[str]:
    return {each for path in paths for each in (path, *parents(path))}
