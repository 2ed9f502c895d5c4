"""Which Debian packages have the libraries that programs from elsewhere need, as names tell.

Packages of shared libraries are called after the SONAME (Debian Policy Manual, chapter 8.1). What
has another name for its history, or several libraries, is listed here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SUITE = "trixie"
"""The release of Debian that drafts take packages of."""

_GLIBC = re.compile(
    r"(?:ld-linux[\w-]*|lib(?:anl|c|dl|m|mvec|pthread|resolv|rt|thread_db|util))\.so\.\d+"
)
_SONAME = re.compile(r"(?P<name>.+?)(?:\.so\.(?P<number>\d[\d.]*)|-(?P<release>\d[\d.]*)\.so)")
_OTHERS = {
    "libz.so.1": "zlib1g",
    "libcrypto.so.3": "libssl3t64",
    "libssl.so.3": "libssl3t64",
}


def packages(needed: Iterable[str]) -> tuple[str, ...]:
    """Return the packages that should have libraries and loaders, by their SONAMEs."""
    return tuple(dict.fromkeys(map(_package, sorted(needed, key=_glibc_first))))


def _glibc_first(soname: str) -> tuple[bool, str]:
    return _GLIBC.fullmatch(soname) is None, soname


def _package(soname: str) -> str:
    if _GLIBC.fullmatch(soname):
        return "libc6"
    match = _SONAME.fullmatch(soname)
    if soname in _OTHERS or match is None:
        return _OTHERS.get(soname, soname.lower())
    name = match["name"].lower().replace("_", "-")
    number = match["number"] or match["release"]
    apart = "-" if name[-1].isdigit() or match["release"] else ""
    return f"{name}{apart}{number}"
