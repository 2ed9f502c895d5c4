from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from bakery.decoding import from_json

PROGRAM = """\
import sys, threading
import msgspec
from bakery.decoding import from_json

sys.setswitchinterval(1e-6)
for _ in range(300):
    inner = msgspec.defstruct("Inner", [("x", int), ("y", str | None, None)])
    outer = msgspec.defstruct("Outer", [("a", tuple[inner, ...]), ("b", dict[str, inner])])
    ready, found = threading.Barrier(8), []

    def decode():
        ready.wait()
        found.append(from_json(b'{"a": [{"x": 1}], "b": {"k": {"x": 2, "y": "z"}}}', outer))

    threads = [threading.Thread(target=decode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(each.b["k"].y == "z" for each in found)
"""


def test_what_is_nested_too_deeply_can_not_be_decoded() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        from_json(b'{"more": ' + deep + b"}", msgspec.Struct)


def test_threads_may_decode_a_type_at_once() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
