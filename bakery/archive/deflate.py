"""Deflate and its checksum: by Intel's library where it is installed, else by zlib, half as fast.

The package isal has the names of the standard library, and wheels for most systems.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def _library() -> Any:
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        return import_module("zlib")


library = _library()
decompressobj = library.decompressobj
crc32 = library.crc32
error: type[Exception] = library.error
MAX_WBITS = 15
