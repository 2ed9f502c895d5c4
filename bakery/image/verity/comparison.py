"""A hash tree beside what it must be for its data: which blocks differ, of the tree or the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.image.verity.hash_tree import Superblock


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of it.

    Attributes:
        problem: why they can't be compared; None where they were.
        root: the root hash of the data.
        tree: the blocks of the tree that are damaged.
        data: the blocks of data that are damaged, as far as the tree can be believed.

    """

    problem: str | None = None
    root: bytes = b""
    tree: tuple[int, ...] = ()
    data: tuple[int, ...] = ()


def compare(
    superblock: Superblock, chunks: Iterable[bytes], tree: bytes, expected: bytes | None
) -> Comparison:
    """Compare a tree with its data.

    Args:
        superblock: the tree's.
        chunks: the data.
        tree: what follows the superblock.
        expected: the root hash that hosts go by; None where nothing names one.

    Raises:
        ValueError: there is less data than the tree is of.

    """
    lowest = superblock.hashes(chunks, superblock.data_block)
    computed, root = superblock.tree(bytearray(lowest))
    if tree == computed:
        return Comparison(root=root)
    if root == expected:
        return Comparison(root=root, tree=_differing(tree, computed, superblock.hash_block))
    damaged, known = _walk(superblock, tree, expected)
    size = superblock.slot
    wrong = [number for number, digest in known.items() if digest != lowest[number * size :][:size]]
    return Comparison(root=root, tree=damaged, data=tuple(wrong))


def _differing(one: bytes, other: bytes, block: int) -> tuple[int, ...]:
    starts = range(0, len(other), block)
    return tuple(at // block for at in starts if one[at : at + block] != other[at : at + block])


def _walk(
    superblock: Superblock, tree: bytes, root: bytes | None
) -> tuple[tuple[int, ...], dict[int, bytes]]:
    """Return the blocks that those above don't vouch for, and what the others say of the data.

    Nothing is asked of what stands below a damaged block.
    """
    block, size = superblock.hash_block, superblock.slot
    damaged, first = [], 0
    known = {0: root.ljust(size, b"\0")} if root else None
    for blocks in superblock.levels:
        level = tree[first * block : (first + blocks) * block]
        hashes = superblock.hashes([level], block)
        asked = range(blocks) if known is None else [n for n in range(blocks) if n in known]
        wrong = [n for n in asked if known and known[n] != hashes[n * size :][:size]]
        damaged += [first + number for number in wrong]
        fine = sorted({*asked} - {*wrong})
        known = {at // size: level[at : at + size] for n in fine for at in _slots(n, block, size)}
        first += blocks
    return tuple(damaged), {
        n: digest for n, digest in (known or {}).items() if n < superblock.blocks
    }


def _slots(number: int, block: int, size: int) -> range:
    """Return where in a level the hashes of one of its blocks are."""
    return range(number * block, (number + 1) * block, size)
