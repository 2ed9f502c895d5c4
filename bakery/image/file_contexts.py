"""Policies' own tables of labels: the file `file_contexts`, see selabel_file(5).

Each line is a regular expression of whole paths, perhaps a kind of file, and the label; the last
line that matches counts, but those without a metacharacter before all others. Beside it may stand
`.local`, with lines of the host's own, and `.subs` and `.subs_dist`, with folders whose content is
labelled as another's.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from bakery.image.errors import ImageError
from bakery.text import show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NONE = "<<none>>"
_KINDS = {"--": "file", "-d": "directory", "-l": "link"}
_OTHERS = ("-b", "-c", "-p", "-s")  # devices, pipes, sockets: no image has any
_META = re.compile(r"[.^$?*+|\[({]")
_FIX = "give the file_contexts of a policy, such as /etc/selinux/targeted/contexts/files"


@dataclass(frozen=True)
class _Line:
    """One line; `begin` is what every path that it matches begins with."""

    where: str
    pattern: str
    kind: str | None
    label: str

    @cached_property
    def begin(self) -> str:
        meta = _META.search(self.pattern)
        begin = self.pattern[: meta.start()] if meta else self.pattern
        if "|" in self.pattern or begin.endswith("\\"):
            return ""
        if meta and meta[0] in "?*{":  # it is about the character before
            begin = begin[:-2] if begin[-2:-1] == "\\" else begin[:-1]
        return re.sub(r"\\(.)", r"\1", begin)

    @property
    def is_exact(self) -> bool:
        return not _META.search(re.sub(r"\\.", "", self.pattern))

    def matches(self, path: str, kind: str) -> bool:
        if self.kind not in (None, kind) or not path.startswith(self.begin):
            return False
        try:
            return bool(_compiled(self.pattern).fullmatch(path))
        except re.error as error:
            raise _unreadable(self.where, str(error)) from None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


@dataclass(frozen=True, eq=False)
class FileContexts:
    """One policy's table."""

    _lines: tuple[_Line, ...]
    _aliases: tuple[tuple[str, str], ...]

    def label(self, path: str, kind: str) -> str | None:
        """Return the label of a path, relative to `/`; None where the policy names none.

        Raises:
            ImageError: a line is no regular expression.

        """
        full = self._aliased(f"/{path}" if path != "." else "/")
        top = "/".join(full.split("/")[:3])
        for line in self._about(top):
            if line.matches(full, kind):
                return None if line.label == NONE else line.label
        return None

    def has_type(self, label: str) -> bool:
        """Return whether the policy gives any file the type that a label has."""
        return label.split(":")[2] in self._types

    @cached_property
    def _types(self) -> frozenset[str]:
        return frozenset(line.label.split(":")[2] for line in self._lines if line.label != NONE)

    @cache  # noqa: B019  one table for the whole run
    def _about(self, top: str) -> tuple[_Line, ...]:
        """Return the lines that may match what is at a path, or below it."""
        return tuple(
            line for line in self._lines if line.begin.startswith(top) or top.startswith(line.begin)
        )

    def _aliased(self, path: str) -> str:
        for alias, original in self._aliases:
            if path == alias or path.startswith(f"{alias}/"):
                return original + path[len(alias) :]
        return path


@cache
def digest(path: Path) -> str:
    """Return the digest of a table and of what stands beside it.

    Raises:
        ImageError: it can't be read.

    """
    return hashlib.sha256(b"\0".join(_read(each) for each in _files(path))).hexdigest()


@cache
def read(path: Path) -> FileContexts:
    """Return the table in a file.

    Raises:
        ImageError: it can't be read, or a line of it.

    """
    main, local, *aliases = _files(path)
    lines = [*_lines(main), *_lines(local)]
    lines.reverse()
    lines.sort(key=lambda line: not line.is_exact)
    pairs = [(words[0], words[1]) for file in aliases for _, words in _words(file)]
    return FileContexts(tuple(lines), tuple(pairs))


def _files(path: Path) -> tuple[Path, ...]:
    beside = (path.with_name(path.name + end) for end in (".local", ".subs", ".subs_dist"))
    return (path, *beside)


def _read(path: Path) -> bytes:
    optional = path.suffix in (".local", ".subs", ".subs_dist")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if optional:
            return b""
        raise ImageError("there is no such file_contexts", where=show(path), fix=_FIX) from None
    except OSError as error:
        raise ImageError(
            "the file_contexts can't be read", where=show(path), why=error.strerror, fix=_FIX
        ) from error


def _words(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield what is in a file, line by line, and where that stands."""
    for number, line in enumerate(_read(path).decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            yield f"{show(path)}:{number}", words


def _lines(path: Path) -> Iterator[_Line]:
    for where, (pattern, *rest) in _words(path):
        label = rest[-1] if rest else ""
        kind = rest[0] if len(rest) > 1 else ""
        is_label = label == NONE or label.count(":") >= 2  # noqa: PLR2004  user:role:type
        if not is_label or kind not in ("", *_KINDS, *_OTHERS):
            raise _unreadable(where, "it is not `REGULAR-EXPRESSION [-KIND] LABEL`")
        if kind not in _OTHERS:
            yield _Line(where, pattern, _KINDS.get(kind), label)


def _unreadable(where: str, why: str) -> ImageError:
    return ImageError("a line of the file_contexts can't be read", where=where, why=why, fix=_FIX)
