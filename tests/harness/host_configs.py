"""Files in Ignition, Butane and Container Linux Config, as hosts read them."""

from __future__ import annotations

import base64
import gzip
from typing import Any
from urllib.parse import unquote_to_bytes


def contents(found: dict[str, Any]) -> bytes | str:
    """Return a file's bytes; or its address and digest, where the host downloads it."""
    if "inline" in found:
        return str(found["inline"]).encode()
    source = found["source"]
    if not source.startswith("data:"):
        return f"{source} {found['verification']['hash']}"
    head, _, data = source.partition(",")
    plain = base64.b64decode(data) if head.endswith("base64") else unquote_to_bytes(data)
    return gzip.decompress(plain) if found.get("compression") == "gzip" else plain
