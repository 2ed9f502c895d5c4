"""The algorithms of digests that count as evidence, by their many names, and files hashed by them.

A digest is written ALGORITHM:HEX, in lower case: `sha512:cf83e1…`.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_NEW: dict[str, Callable[[], Any]] = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha3-256": hashlib.sha3_256,
    "sha3-384": hashlib.sha3_384,
    "sha3-512": hashlib.sha3_512,
    "blake2s": hashlib.blake2s,
    "blake2b": hashlib.blake2b,
    "blake2b-256": partial(hashlib.blake2b, digest_size=32),
}
_DIGITS = {name: 2 * new().digest_size for name, new in _NEW.items()}
_FAMILIES = [  # what the names of algorithms begin with, by how labels spell them
    (re.compile(r"sha-?3[-_]?(256|384|512)?(?:sums?)?"), r"sha3-\1"),
    (re.compile(r"sha(?:2?[-_])?(256|384|512)(?:sums?)?"), r"sha\1"),
    (re.compile(r"(?:blake2|b2)s(?:[-_]256)?"), "blake2s"),
    (re.compile(r"blake2b?[-_](256)|(?:blake2b|b2b?)(?:[-_]512)?(?:sums?)?"), "blake2b"),
    (re.compile(r"blake2"), "blake2"),
]
_CHUNK = 1 << 20


def family(label: str) -> str | None:
    """Return what the algorithms that a label such as `SHA2-256` can mean begin with.

    None for those that don't count. MD5 and SHA-1 are among these: who wants to can make two files
    with one digest.
    """
    for pattern, name in _FAMILIES:
        match = pattern.fullmatch(label.lower())
        if match:
            return match.expand(name)
    return None


def candidates(digits: int, label: str = "") -> list[str]:
    """Return the algorithms whose digests have so many hexadecimal digits, the usual one first.

    With a label, of those that it can mean.
    """
    start = family(label) if label else ""
    fitting = [name for name, length in _DIGITS.items() if length == digits]
    return [] if start is None else [name for name in fitting if name.startswith(start)]


def of_file(path: Path, algorithms: Iterable[str]) -> set[str]:
    """Return a file's digests by several algorithms, all of the same bytes in one pass."""
    hashes = {name: _NEW[name]() for name in algorithms}
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for each in hashes.values():
                each.update(chunk)
    return {f"{name}:{each.hexdigest()}" for name, each in hashes.items()}


def algorithms_of(digests: Iterable[str]) -> set[str]:
    """Return the algorithms that digests name."""
    return {digest.partition(":")[0] for digest in digests}
