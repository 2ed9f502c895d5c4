"""Files with holes in tar: GNU's own format, and 0.0, 0.1 and 1.0 in pax headers.

The formats are described in GNU tar's manual, "Storing Sparse Files". A rule that is broken raises
ValueError; its text says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.archive.tar_header import BLOCK, LONGEST, decimal, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.archive.model import Piece
    from bakery.archive.stream import Blocks
    from bakery.archive.tar_header import Header, Segment

_FIELD = 12  # bytes of a number in GNU's own format
_ZEROS = memoryview(bytes(1 << 20))


def layout(
    header: Header, records: Mapping[bytes, bytes], stored: int, blocks: Blocks
) -> tuple[int, int, list[Segment]] | None:
    """Return a sparse file's size, the bytes still stored, and its segments; None for no such file.

    Maps that stand between header and data are read from `blocks`.

    Args:
        header: the member's header.
        records: its pax records.
        stored: the bytes that follow the header.
        blocks: stands behind the header.

    """
    if header.kind == b"S":
        size, segments = _gnu(header.block, blocks)
    elif records.get(b"GNU.sparse.major") == b"1":
        size = decimal(records.get(b"GNU.sparse.realsize", b""))
        segments, used = _map(stored, blocks)
        stored -= used
    elif b"GNU.sparse.map" in records:
        size = decimal(records.get(b"GNU.sparse.size", b""))
        segments = _pairs([decimal(n) for n in records[b"GNU.sparse.map"].split(b",")])
    else:
        return None
    _check(segments, size, stored)
    return size, stored, segments


def expanded(blocks: Blocks, segments: list[Segment], size: int) -> Iterator[Piece]:
    """Yield a sparse file's content, holes filled with zeros."""
    end = 0
    for offset, length in segments:
        yield from _hole(offset - end)
        yield from blocks.pieces(length)
        end = offset + length
    yield from _hole(size - end)


def _hole(size: int) -> Iterator[Piece]:
    while size:
        piece = _ZEROS[:size]
        size -= len(piece)
        yield piece


def _gnu(block: bytes, blocks: Blocks) -> tuple[int, list[Segment]]:
    size = number(block[483:495])
    fields, more = [block[386:482]], block[482]
    while more:
        _limit(len(fields) * BLOCK)
        block = blocks.exactly(BLOCK)
        fields.append(block[:504])
        more = block[504]
    table = b"".join(fields)
    pairs = (table[i : i + 2 * _FIELD] for i in range(0, len(table), 2 * _FIELD))
    return size, [
        (number(pair[:_FIELD]), number(pair[_FIELD:])) for pair in pairs if pair[_FIELD] != 0
    ]


def _map(stored: int, blocks: Blocks) -> tuple[list[Segment], int]:
    lines = [b""]
    used = 0
    while len(lines) == 1 or len(lines) - 1 < 1 + 2 * decimal(lines[0]):
        _limit(used)
        if used >= stored or len(lines[-1]) > BLOCK:
            raise ValueError("a sparse file's map is malformed")
        first, *others = blocks.exactly(BLOCK).split(b"\n")
        lines[-1] += first
        lines += others
        used += BLOCK
    count = 2 * decimal(lines[0])
    return _pairs([decimal(line) for line in lines[1 : count + 1]]), used


def _pairs(numbers: list[int]) -> list[Segment]:
    if len(numbers) % 2:
        raise ValueError("a sparse file's map lacks a number")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _check(segments: list[Segment], size: int, stored: int) -> None:
    end = 0
    for offset, length in segments:
        if offset < end:
            raise ValueError("a sparse file's segments overlap")
        end = offset + length
    if end > size:
        raise ValueError("a sparse file's segments lie outside it")
    if sum(length for _, length in segments) != stored:
        raise ValueError("a sparse file's segments are not what is stored")


def _limit(length: int) -> None:
    if length > LONGEST:
        raise ValueError("a sparse file's map is too long")
