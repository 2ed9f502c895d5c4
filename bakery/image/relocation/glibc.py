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
_LISTED = rb"/(?:usr/)?lib(?:32|64|x32)?/(?:[a-z0-9_]+-linux-[a-z0-9_]+/)?\0"
_FOLDERS = re.compile(rb"%b(?:%b)+" % (_LISTED, _LISTED))  # a literal first is searched fast
_FOLDER = re.compile(rb"(/)lib(?:32|64|x32)?(?=/)")
_FILE = re.compile(rb"(\0/)etc(?=/ld\.so\.(?:cache|preload)\0)")
_GCONV = re.compile(rb"(\0/)usr/lib(?=/[a-z0-9_]+-linux-[a-z0-9_]+/gconv[/\0])")


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
    if _LOADER.fullmatch(name):
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
    return match[1].ljust(len(match[0]), b"-")  # no host has a folder of that name
