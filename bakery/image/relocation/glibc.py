"""Confine the GNU C library to the image: overwrite the host's paths that it loads code from.

A loader asks the host's /etc/ld.so.cache and folders for what its program's own path lacks, and the
C library asks for character sets: both could load libraries that belong to the host's C library.
The paths are constants whose lengths other constants hold, so they are overwritten in place
(elf/dl-load.c, elf/dl-cache.c and iconv/gconv_conf.c of glibc).
"""

from __future__ import annotations

import re

from bakery.image.errors import ImageError

_LOADER = re.compile(r"ld-linux[\w-]*\.so\.\d+")
# Each begins with plain bytes, which a search finds many times faster than anything else
_ONE = rb"/(?:usr/)?lib(?:32|64|x32)?/(?:[a-z0-9_]+-linux-[a-z0-9_]+/)?\0"
_FOLDERS = re.compile(_ONE + rb"(?:" + _ONE + rb")+")
_FOLDER = re.compile(rb"(?<=/)lib(?:32|64|x32)?(?=/)")
_FILE = re.compile(rb"etc(?<=\0/etc)(?=/ld\.so\.(?:cache|preload)\0)")
_GCONV = re.compile(rb"usr/lib(?<=\0/usr/lib)(?=/[a-z0-9_]+-linux-[a-z0-9_]+/gconv[/\0])")


def is_loader(name: str) -> bool:
    """Return whether a file's name is that of a loader, such as ld-linux-x86-64.so.2."""
    return _LOADER.fullmatch(name) is not None


def confine(name: str, data: bytes) -> bytes:
    """Return the C library's file without paths to the host's code; other files as they are.

    The loader then searches its program's RPATH alone, and the C library finds character set
    modules only where a path was rewritten before.

    Args:
        name: the file's name.
        data: its content.

    Raises:
        ImageError: it is a loader in which these paths can't be found.

    """
    if is_loader(name):
        data, folders = _FOLDERS.subn(lambda match: _FOLDER.sub(_nowhere, match[0]), data)
        data, files = _FILE.subn(_nowhere, data)
        if not folders or not files:
            raise ImageError(
                f"{name} is no loader of the GNU C library as it is known here",
                why="where it looks for the host's libraries can't be found in it",
                fix="take libc6 from a stable release of Debian",
            )
    return _GCONV.sub(_nowhere, data) if name == "libc.so.6" else data


def _nowhere(match: re.Match[bytes]) -> bytes:
    return b"-" * len(match[0])  # no host has a folder of that name
