"""Memory that a download takes, measured in a process of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

BLOCK = bytes(1 << 20)
CLIENT = """
import sys
from pathlib import Path
from types import SimpleNamespace
from bakery import settings
from bakery.store.download import fetch
from bakery.store.folder import Store

root, url, sha256 = sys.argv[1:]
fetch(Store(Path(root)), SimpleNamespace(url=url, sha256=sha256, size=None),
      settings=settings.load(Path(root), {}))
print(int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) * 1024)
"""


def peak(upstream: Any, folder: Path, blocks: int) -> int:
    """Return the most memory, in bytes, that fetching so many blocks took."""

    def behave(handler: Any) -> None:
        handler.answer(200, {"Content-Length": blocks * len(BLOCK)})
        for _ in range(blocks):
            handler.wfile.write(BLOCK)

    digest = hashlib.sha256()
    for _ in range(blocks):
        digest.update(BLOCK)
    folder.mkdir()
    command = [
        sys.executable,
        "-c",
        CLIENT,
        folder,
        upstream.offer("/a", behave),
        digest.hexdigest(),
    ]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_memory_does_not_grow_with_the_asset(upstream: Any, tmp_path: Path) -> None:
    small = peak(upstream, tmp_path / "small", 20)
    large = peak(upstream, tmp_path / "large", 200)
    assert large - small < 8 * len(BLOCK)
