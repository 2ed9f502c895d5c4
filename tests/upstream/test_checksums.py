from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.upstream.checksums import ChecksumError, digest_of

A, B = "a" * 64, "b" * 64
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        f"{A}  tool.tgz\n{B}  other.tgz\n",
        f"{A} *tool.tgz\r\n{B} *other.tgz\r\n",
        f"{A}  ./dist/tool.tgz\n",
        f"{A.upper()}  tool.tgz\n",
        f"{A}\n",
        f"sha256:{A}",
        f"SHA256 (tool.tgz) = {A}\nSHA256 (other.tgz) = {B}\n",
        f"SHA2-256(tool.tgz)= {A}\n",
        f'{{"tool.tgz": "{A}", "other.tgz": "{B}"}}',
        f'[{{"name": "tool.tgz", "sha256": "{A}"}}, {{"name": "o", "sha256": "{B}"}}]',
        f'{{"assets": [{{"filename": "tool.tgz", "digest": "sha256:{A}"}}]}}',
        f"# comment\n\n{A}  tool.tgz\n{A}  tool.tgz\n",
    ],
)
def test_every_dialect_is_read(text: str) -> None:
    assert digest_of("tool.tgz", text, "https://x/SUMS") == A


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{A}  other.tgz\n", "does not name it"),
        (f"{A}  tool.tgz\n{B}  tool.tgz\n", "several digests"),
        ("<!DOCTYPE html><html>", "<!DOCTYPE html>"),
        ("", "does not name it"),
        ('{"tool.tgz": "1234"}', "does not name it"),
        (f"{A[:40]}  tool.tgz\n", "does not name it"),
        (f"{EMPTY}  tool.tgz\n", "digest of an empty file"),
        (EMPTY, "digest of an empty file"),
        ("{" * 100_000, "does not name it"),
    ],
)
def test_a_file_that_does_not_tell_is_refused(text: str, says: str) -> None:
    with pytest.raises(ChecksumError, match=says):
        digest_of("tool.tgz", text, "https://x/SUMS")


@given(st.text())
def test_nothing_makes_it_stumble(text: str) -> None:
    with contextlib.suppress(ChecksumError):
        digest_of("tool.tgz", text, "https://x/SUMS")
