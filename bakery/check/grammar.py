"""What is no line of a file that systemd parses, in any version: alike on every build machine.

Only the form is looked at: which keys and values are known differs between versions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMMENT = re.compile(r"\s*[#;]")
_UDEV_TOKEN = r'[A-Z_]+(?:\{[^}"]*\})?\s*(?:==|!=|\+=|-=|:=|=)\s*[ei]{0,2}"(?:\\"|[^"])*"'  # noqa: S105  the word is systemd's
_UDEV_LINE = re.compile(rf"[\s,]*(?:{_UDEV_TOKEN}[\s,]*)+")
_SYSUSERS_TYPE = re.compile(r"[ugmr]!?")
_TMPFILES_TYPE = re.compile(r"[a-zA-Z][-+!=~^$?]*")
_SYSCTL = re.compile(r"-?\s*[^\s=]+\s*=.*|-\s*[^\s=]+")
_MODULE = re.compile(r"[\w-]+")
_TMPFILES_PATH = re.compile(r"[/%\"']")


class Fault(NamedTuple):
    """A malformed line: its number, counted from 1, and what it is not."""

    number: int
    message: str


def unit(text: str) -> Iterator[Fault]:
    """Yield lines that are neither a section nor an assignment in one: systemd.syntax(7)."""
    section = False
    for number, line in _logical(text):
        if line.startswith("[") and line.endswith("]"):
            section = True
        elif "=" not in line.lstrip("="):
            yield Fault(number, f"is neither a section nor an assignment: {line}")
        elif not section:
            yield Fault(number, "stands before the first section")


def udev(text: str) -> Iterator[Fault]:
    """Yield lines that are neither matches nor assignments, as udev.rules(5) calls them."""
    for number, line in _logical(text, comment=re.compile(r"\s*#")):
        if not _UDEV_LINE.fullmatch(line):
            yield Fault(number, f'is no list of KEY=="value" and KEY="value": {line}')


def sysusers(text: str) -> Iterator[Fault]:
    """Yield lines that have no type of sysusers.d(5), or no name."""
    return _columns(text, lambda kind, _name: bool(_SYSUSERS_TYPE.fullmatch(kind)))


def tmpfiles(text: str) -> Iterator[Fault]:
    """Yield lines that do not begin with a letter and a path, as tmpfiles.d(5) has it."""
    return _columns(
        text,
        lambda kind, path: bool(_TMPFILES_TYPE.fullmatch(kind) and _TMPFILES_PATH.match(path)),
    )


def sysctl(text: str) -> Iterator[Fault]:
    """Yield lines that assign nothing, as sysctl.d(5) has it."""
    for number, line in _single(text):
        if not _SYSCTL.fullmatch(line):
            yield Fault(number, f"is no NAME=VALUE: {line}")


def modules(text: str) -> Iterator[Fault]:
    """Yield lines that are not the name of one module: modules-load.d(5)."""
    for number, line in _single(text):
        if not _MODULE.fullmatch(line):
            yield Fault(number, f"is not the name of one module: {line}")


def binfmt(text: str) -> Iterator[Fault]:
    """Yield lines that the kernel takes for no format: binfmt.d(5)."""
    for number, line in _single(text):
        if _interpreter(line) is None:
            yield Fault(number, f"is no :name:type:offset:magic:mask:interpreter:flags: {line}")


def interpreters(text: str) -> Iterator[str]:
    """Yield the programs that lines of binfmt.d(5) give files to, as far as their form is right."""
    return filter(None, (_interpreter(line) for _, line in _single(text)))


def _interpreter(line: str) -> str | None:
    """Return the program that a line gives files to; None where the kernel does not take it."""
    fields = line[1:].split(line[0])
    name, kind, offset, magic, _mask, interpreter, *flags = (*fields, *[""] * 6)
    right = name and kind in ("E", "M") and magic and interpreter.startswith("/")
    places = not offset or (offset.isdecimal() and kind == "M")
    fits = right and places and len(fields) == 7 and set(flags[0]) <= set("POCF")  # noqa: PLR2004  as the kernel has it
    return interpreter if fits else None


def _single(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, blanks and comments left out."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not _COMMENT.match(line):
            yield number, line.strip()


def _columns(text: str, fits: Callable[[str, str], bool]) -> Iterator[Fault]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            first, second, *_ = (*line.split(), "", "")
            if not second or not fits(first.strip("\"'"), second):
                yield Fault(number, f"does not begin with a type and a name: {line.strip()}")


def _logical(text: str, comment: re.Pattern[str] = _COMMENT) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers: continued ones joined, blanks and comments left out."""
    start, parts = 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if comment.match(line):
            continue
        start = start if parts else number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        whole, parts = " ".join([*parts, line]).strip(), []
        if whole:
            yield start, whole
