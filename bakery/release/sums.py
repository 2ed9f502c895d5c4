"""SHA256SUMS, as `sha256sum --check` and systemd-sysupdate read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "SHA256SUMS"


def encode(digests: Mapping[str, str]) -> bytes:
    """Return the text for files and their digests, sorted by name (man sha256sum)."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
