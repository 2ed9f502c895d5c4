"""Checksum files as upstreams publish them, in all their dialects.

`HASH  NAME` and `HASH *NAME` (man sha256sum), `SHA512 (NAME) = HASH` (BSD's tools), `NAME:HASH`,
`HASH:NAME`, `ALGORITHM:HASH  NAME`, tables with columns for many algorithms (rhash), digests alone,
subresource integrity (`sha512-BASE64`, as npm has it), and JSON in which names and digests meet.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from bakery.errors import BakeryError
from bakery.upstream import digests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EMPTY = {f"{name}:{hashlib.new(name).hexdigest()}" for name in ("sha256", "sha384", "sha512")}
_LABEL = r"(?:sha|blake|b2|b3|md|crc|ripemd|rmd|whirlpool|tiger)[\w-]*(?:/\d+)?"
_DIGEST = re.compile(
    rf"(?<![^\s:=,;|`'\"(\\])(?:(?P<label>{_LABEL})\s?[:=]\s?)?(?P<hex>[0-9a-f]{{32,128}})"
    r"(?![^\s:=,;|`'\")])|(?<!\S)(?P<sri>sha(?:256|384|512))-(?P<base64>[0-9a-z+/]{43,86}={0,2})",
    re.IGNORECASE,
)
_GNU = re.compile(r"(\\?)([0-9a-fA-F]{32,128})[ \t]+[ *]?(\S.*)")
_BSD = re.compile(r"([A-Za-z][\w/-]*) ?\((.+)\) ?= ?(\S+)")
_NAMES = ("name", "filename", "fileName", "file", "path")
_CONTAINERS = {"digest", "digests", "hash", "hashes", "checksum", "checksums", "extra", "dist"}
_VALUES = _CONTAINERS | {"value", "content", "checksumvalue", "integrity", "sum"}
_OTHERS = re.compile(r"(?<![a-z0-9])(?:sha-?3|blake[23][bs]?|b[23](?:sums?)?)(?![a-z0-9])")


class ChecksumError(BakeryError):
    """A checksum file does not say what an asset's digest is."""


class _Entry(msgspec.Struct, frozen=True):
    """What an entry of a checksum file says: of a file, or of the only one, its possible digests.

    Attributes:
        name: the file's name without folders; None where there is none.
        digests: of which one is the file's; empty where none of them is evidence.
        labels: what the algorithms are called that don't count.

    """

    name: str | None
    digests: frozenset[str]
    labels: frozenset[str] = frozenset()


def claims_of(filename: str, text: str, where: str) -> list[frozenset[str]]:
    """Return what a checksum file says about a file.

    Args:
        filename: the asset's name, without folders.
        text: the checksum file.
        where: its address, whose end may tell the algorithm; for messages too.

    Returns:
        Claims; of each, one of the digests must be the file's. Mostly one claim of one digest.

    Raises:
        ChecksumError: it gives none that counts, several that differ, or that of an empty file.

    """
    entries = list(_entries(text, where.rpartition("/")[2].lower()))
    about = [entry for entry in entries if entry.name == filename]
    if not about and all(entry.name is None for entry in entries):
        about = entries
    claims = sorted({entry.digests for entry in about if entry.digests}, key=sorted)
    single = [digest for claim in claims if len(claim) == 1 for digest in claim]
    reason = ""
    if not about:
        reason = "it does not name it"
    elif not claims:
        labels = ", ".join(sorted(set[str]().union(*(entry.labels for entry in about))))
        reason = f"it gives only {labels}, which is no evidence; SHA-256 or SHA-512 would be"
    elif len(digests.algorithms_of(single)) < len(single):
        reason = "it names several digests for it"
    elif _EMPTY.intersection(single):
        reason = "it gives the digest of an empty file"
    if reason:
        raise ChecksumError(
            f"upstream's checksum file does not tell the digest of {filename}",
            where=where,
            why=f"{reason}; it begins with {text[:80]!r}",
            fix="look at the file, and correct the recipe's checksum:",
        )
    return claims


def _entries(text: str, address: str) -> Iterator[_Entry]:
    if text.lstrip().startswith(("{", "[")):
        try:
            yield from _json_entries(json.loads(text), None, "")
        except (ValueError, RecursionError):
            return
        return
    hint = match[0] if (match := _OTHERS.search(address)) else ""
    for line in map(str.strip, text.splitlines()):
        if bsd := _BSD.fullmatch(line):
            yield from _entry(bsd[2], [(bsd[1], bsd[3])], hint)
        elif (gnu := _GNU.fullmatch(line)) and not _DIGEST.search(gnu[3]):
            name = gnu[3].replace(r"\\", "\\").replace(r"\n", "\n") if gnu[1] else gnu[3]
            yield from _entry(name, [("", gnu[2])], hint)
        elif tokens := list(_DIGEST.finditer(line)):
            name = _DIGEST.sub(" ", line).strip(" \t:=,;|`'\"*()\\")
            if len(tokens) > 1:  # other columns, such as CRC32, are left
                name = re.split(r"[\s:=,;|]", name)[0 if tokens[0].start() else -1]
            pairs = [
                (each["label"] or "", each["hex"]) if each["hex"] else ("", each[0])
                for each in tokens
            ]
            yield from _entry(name, pairs, hint)


def _json_entries(value: Any, name: str | None, label: str) -> Iterator[_Entry]:
    """Yield what JSON says; `name` and `label` are what the levels above tell."""
    if isinstance(value, list):
        for item in value:
            yield from _json_entries(item, name, label)
    elif isinstance(value, dict):
        own = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
        label = next((str(value[key]) for key in ("algorithm", "alg") if key in value), label)
        for key, item in value.items():
            known = digests.family(key) or re.fullmatch(_LABEL, key, re.IGNORECASE)
            says_nothing = bool(known) or key.lower() in _VALUES
            about = own or (name if says_nothing else key)
            says = key if known else label
            if isinstance(item, str) and _DIGEST.fullmatch(item):
                yield from _entry(about or "", [(says, item)], "")
            else:
                yield from _json_entries(item, about, says)


def _entry(name: str, pairs: Iterable[tuple[str, str]], hint: str) -> Iterator[_Entry]:
    """Yield what pairs of a label and a digest say about a file, each where it has a label."""
    base = name.strip().replace("\\", "/").rpartition("/")[2] or None
    read = [_read(label, digest, hint) for label, digest in pairs]
    if len(read) > 1 and not any(label for label, _ in pairs):  # columns: nobody says of what
        lengths = [(len(digest), digest.lower()) for _, digest in pairs]
        possible = {f"{each}:{hex_}" for n, hex_ in lengths for each in digests.candidates(n)}
        yield _Entry(base, frozenset(possible), frozenset(label for label, _ in read))
        return
    for label, digest in read:
        yield _Entry(base, frozenset([digest] if digest else []), frozenset([label]))


def _read(label: str, digest: str, hint: str) -> tuple[str, str | None]:
    """Return what an algorithm is called, and the digest if it counts."""
    match = _DIGEST.fullmatch(digest)
    if match is None:
        return label or "something else", None
    if match["sri"]:
        try:
            hex_ = base64.b64decode(match["base64"], validate=True).hex()
        except binascii.Error:
            return match["sri"], None
        label = match["sri"]
    else:
        hex_ = match["hex"].lower()
        label = match["label"] or label or hint
    possible = digests.candidates(len(hex_), label)
    digest_ = f"{possible[0]}:{hex_}" if possible else None
    return label or f"digests of {4 * len(hex_)} bits", digest_
