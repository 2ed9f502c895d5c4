from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.text import decoded
from bakery.upstream import digests
from bakery.upstream.checksums import ChecksumError, claims_of

if TYPE_CHECKING:
    from pathlib import Path

TOOL, OTHER = b"the tool", b"another file"


def of(algorithm: str, data: bytes = TOOL) -> str:
    return hashlib.new(algorithm, data).hexdigest()


def sri(algorithm: str, data: bytes = TOOL) -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


A, B = of("sha256"), of("sha256", OTHER)
S, T = of("sha512"), of("sha512", OTHER)
MD5, SHA1, CRC = of("md5"), of("sha1"), "1234abcd"
COLUMNS = [of(name) for name in ("md5", "sha1", "sha256", "sha3_256", "sha512", "sha3_512")]
OTHERS = [of(name, OTHER) for name in ("md5", "sha1", "sha256", "sha3_256", "sha512", "sha3_512")]
FILES: dict[str, str | bytes | tuple[str, str]] = {
    "coreutils": f"{A}  tool.tgz\n{B}  other.tgz\n",
    "coreutils, binary": f"{A} *tool.tgz\n{B} *other.tgz\n",
    "coreutils, escaped": f"\\{B}  a\\\\b\n{A}  tool.tgz\n",
    "CRLF": f"{A} *tool.tgz\r\n{B} *other.tgz\r\n",
    "folders": f"{A}  ./dist/tool.tgz\n{B}  ./dist/other.tgz\n",
    "Windows' folders": f"{A}  dist\\tool.tgz\n",
    "tabs": f"{A}\ttool.tgz\n{B}\tother.tgz\n",
    "capitals": f"{A.upper()}  tool.tgz\n",
    "no final line feed": f"{B}  other.tgz\n{A}  tool.tgz",
    "comments": f"# SHA-256\n\n{A}  tool.tgz\n{A}  tool.tgz\n",
    "alone": f"{A}\n",
    "alone, prefixed": f"sha256:{A}",
    "alone, SHA-512": f"{S}\n",
    "BSD": f"SHA256 (tool.tgz) = {A}\nSHA256 (other.tgz) = {B}\n",
    "OpenSSL": f"SHA2-256(tool.tgz)= {A}\nSHA2-256(other.tgz)= {B}\n",
    "OpenSSL, SHA-512": f"SHA2-512(tool.tgz)= {S}\n",
    "BSD, all algorithms": "".join(
        f"{label} (tool.tgz) = {digest}\n"
        for label, digest in (
            ("CRC32", CRC),
            ("MD5", MD5),
            ("SHA1", SHA1),
            ("SHA256", A),
            ("SHA3-256", of("sha3_256")),
            ("SHA512", S),
            ("BLAKE2b-512", of("blake2b")),
            ("BLAKE2s-256", of("blake2s")),
            ("WHIRLPOOL", "ab" * 64),
        )
    ),
    "rhash's table": f"other.tgz  {CRC}  {'  '.join(OTHERS)}\n"
    f"tool.tgz  {CRC}  {'  '.join(COLUMNS)}\n",
    "a table without SHA-256": f"tool.tgz  {MD5}  {SHA1}  {S}  {of('blake2b')}\n",
    "name:digest": f"tool.tgz:{A}\nother.tgz:{B}\n",
    "name: digest": f"tool.tgz: {A}\nother.tgz: {B}\n",
    "digest:name": f"{A}:tool.tgz\n{B}:other.tgz\n",
    "name, digest": f"tool.tgz  {A}\nother.tgz  {B}\n",
    "name, labelled digest": f"tool.tgz sha256:{A}\nother.tgz sha256:{B}\n",
    "labelled digest, name": f"sha256:{A}  tool.tgz\nsha256:{B}  other.tgz\n",
    "CSV": f"name,sha256\ntool.tgz,{A}\nother.tgz,{B}\n",
    "Markdown": f"| file | SHA-256 |\n|---|---|\n| tool.tgz | `{A}` |\n| other.tgz | `{B}` |\n",
    "SHA-512": f"{S}  tool.tgz\n{T}  other.tgz\n",
    "SHA-384": f"{of('sha384')}  tool.tgz\n",
    "several algorithms": f"{MD5}  tool.tgz\n{A}  tool.tgz\n{S}  tool.tgz\n{B}  other.tgz\n",
    "several, alone": f"md5: {MD5}\nsha1: {SHA1}\nsha256: {A}\nsha512: {S}\n",
    "BLAKE2b": ("tool.tgz.b2", f"{of('blake2b')}  tool.tgz\n"),
    "BLAKE2s": ("SUMS.blake2s", f"{of('blake2s')}  tool.tgz\n"),
    "SHA-3": ("tool.sha3", f"{of('sha3_512')}  tool.tgz\n"),
    "integrity": f"{sri('sha512')}\n",
    "integrity and name": f"tool.tgz {sri('sha512')}\nother.tgz {sri('sha512', OTHER)}\n",
    "clear-signed": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
    f"{A}  tool.tgz\n{B}  other.tgz\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n",
    "JSON, a map": json.dumps({"tool.tgz": A, "other.tgz": B}),
    "JSON, lists": json.dumps([{"name": "tool.tgz", "sha256": A}, {"name": "o", "sha256": B}]),
    "JSON, GitHub's": json.dumps({"assets": [{"filename": "tool.tgz", "digest": f"sha256:{A}"}]}),
    "JSON, goreleaser's": json.dumps(
        [{"name": "tool.tgz", "path": "dist/tool.tgz", "extra": {"Checksum": f"sha256:{A}"}}]
    ),
    "JSON, npm's": json.dumps({"dist": {"integrity": sri("sha512"), "shasum": SHA1}}),
    "JSON, by name": json.dumps({"tool.tgz": {"md5": MD5, "sha512": S}, "o": {"sha512": T}}),
    "JSON, by algorithm": json.dumps({"sha256": {"tool.tgz": A, "o": B}, "md5": {"tool.tgz": MD5}}),
    "JSON, SPDX": json.dumps(
        {
            "files": [
                {
                    "fileName": "./tool.tgz",
                    "checksums": [
                        {"algorithm": "SHA1", "checksumValue": SHA1},
                        {"algorithm": "SHA256", "checksumValue": A},
                    ],
                }
            ]
        }
    ),
    "JSON, in-toto": json.dumps({"subject": [{"name": "tool.tgz", "digest": {"sha256": A}}]}),
    "a byte order mark": b"\xef\xbb\xbf" + f"{A}  tool.tgz\r\n".encode(),
    "a byte order mark, BSD": b"\xef\xbb\xbf" + f"SHA256 (tool.tgz) = {A}\r\n".encode(),
    "a byte order mark, JSON": b"\xef\xbb\xbf" + json.dumps({"tool.tgz": A}).encode(),
    "UTF-16, as PowerShell has it": f"{A}  tool.tgz\r\n{B}  other.tgz\r\n".encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff" + f"{A}\r\n".encode("utf-16-be"),
}


def test_the_table_is_a_large_one() -> None:
    assert len(FILES) >= 40


@pytest.mark.parametrize("dialect", FILES)
def test_every_dialect_is_read(dialect: str, tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(TOOL)
    (tmp_path / "other").write_bytes(OTHER)
    content = FILES[dialect]
    address, text = content if isinstance(content, tuple) else ("SUMS", content)
    text = decoded(text) if isinstance(text, bytes) else text
    claims = claims_of("tool.tgz", text, f"https://x/{address}")
    algorithms = digests.algorithms_of(digest for claim in claims for digest in claim)
    known = digests.of_file(tmp_path / "tool", algorithms)
    assert claims
    assert all(claim & known for claim in claims)
    assert not any(claim & digests.of_file(tmp_path / "other", algorithms) for claim in claims)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{A}  other.tgz\n", "does not name it"),
        (f"{A}  tool.tgz\n{B}  tool.tgz\n", "several digests"),
        (f"{S}  tool.tgz\n{T}  tool.tgz\n", "several digests"),
        (f"{A}\n{B}\n", "several digests"),
        ("<!DOCTYPE html><html>", "<!DOCTYPE html>"),
        ("", "does not name it"),
        ('{"tool.tgz": "1234"}', "does not name it"),
        (f"{MD5}  tool.tgz\n", "only digests of 128 bits"),
        (f"MD5 (tool.tgz) = {MD5}\nSHA1 (tool.tgz) = {SHA1}\n", "only MD5, SHA1, which is no evi"),
        (f"BLAKE3 (tool.tgz) = {A}\n", "only BLAKE3"),
        (f"blake3:{A}  tool.tgz\n", "only blake3"),
        (f"SHA256 (tool.tgz) = {S}\n", "only SHA256"),
        (json.dumps({"tool.tgz": {"md5": MD5}}), "only md5"),
        (f"{of('sha256', b'')}  tool.tgz\n", "digest of an empty file"),
        (of("sha512", b""), "digest of an empty file"),
        ("{" * 100_000, "does not name it"),
    ],
)
def test_a_file_that_does_not_tell_is_refused(text: str, says: str) -> None:
    with pytest.raises(ChecksumError) as caught:
        claims_of("tool.tgz", text, "https://x/SUMS")
    assert says in caught.value.render()


def test_the_name_of_the_file_may_tell_the_algorithm() -> None:
    with pytest.raises(ChecksumError, match="b3sums"):
        claims_of("tool.tgz", f"{A}  tool.tgz\n", "https://x/b3sums")


@given(st.text())
def test_nothing_makes_it_stumble(text: str) -> None:
    with contextlib.suppress(ChecksumError):
        claims_of("tool.tgz", text, "https://x/SUMS")
