"""dm-verity's hash tree, in the format that veritysetup(8) calls 1.

A superblock, then the levels of the tree from the top down. A level has the hash of every block of
the one below, of which the lowest is the data; whoever knows the hash of the top block, the root
hash, can tell of each block whether it is the one that was signed.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK = 4096
_SUPERBLOCK = struct.Struct("<8sII16s32sIIQH6x256s168x")
_MAGIC, _VERSION, _NORMAL = b"verity\0\0", 1, 1
_SMALLEST_BLOCK, _LARGEST_BLOCK = 1 << 9, 1 << 16
_ALGORITHMS = ("sha256", "sha512", "sha1")


class HashTreeError(ValueError):
    """There is no hash tree, or one of a kind that is not known."""


@dataclass(frozen=True, kw_only=True)
class Superblock:
    """What a tree is of.

    Attributes:
        uuid: the tree's own.
        algorithm: the hash function, by hashlib's name.
        data_block, hash_block: the bytes of a block of the data, and of the tree.
        blocks: how many blocks of data it vouches for.
        salt: what is hashed before each block.

    """

    uuid: UUID
    algorithm: str = "sha256"
    data_block: int = BLOCK
    hash_block: int = BLOCK
    blocks: int
    salt: bytes

    def encode(self) -> bytes:
        """Return the block that the tree begins with."""
        packed = _SUPERBLOCK.pack(
            *(_MAGIC, _VERSION, _NORMAL, self.uuid.bytes, self.algorithm.encode()),
            *(self.data_block, self.hash_block, self.blocks, len(self.salt), self.salt),
        )
        return packed.ljust(self.hash_block, b"\0")

    @classmethod
    def decode(cls, data: bytes) -> Superblock:
        """Return what a superblock says.

        Raises:
            HashTreeError: it is none, or of a kind that hosts don't know either.

        """
        if len(data) < _SUPERBLOCK.size or not data.startswith(_MAGIC):
            raise HashTreeError("it begins with no superblock of dm-verity")
        fields = _SUPERBLOCK.unpack_from(data)
        version, kind, uuid, algorithm, data_block, hash_block, blocks, salt_size, salt = fields[1:]
        name = algorithm.rstrip(b"\0").decode("ascii", "replace")
        if (version, kind) != (_VERSION, _NORMAL) or name not in _ALGORITHMS:
            raise HashTreeError(f"it is of version {version}, kind {kind} and hash {name[:32]}")
        sizes = (data_block, hash_block)
        if any(not _SMALLEST_BLOCK <= n <= _LARGEST_BLOCK or n & (n - 1) for n in sizes):
            raise HashTreeError(f"its blocks have {data_block} and {hash_block} bytes")
        if not blocks or salt_size > len(salt):
            raise HashTreeError(f"it is of {blocks} blocks, with a salt of {salt_size} bytes")
        return cls(
            uuid=UUID(bytes=uuid),
            algorithm=name,
            data_block=data_block,
            hash_block=hash_block,
            blocks=blocks,
            salt=salt[:salt_size],
        )

    @cached_property
    def digest_size(self) -> int:
        """The bytes of a hash."""
        return hashlib.new(self.algorithm).digest_size

    @property
    def slot(self) -> int:
        """The bytes that a hash takes in the tree: a power of two."""
        return 1 << (self.digest_size - 1).bit_length()

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """The blocks of each level, the top one first; none where the data is one block."""
        per_block = self.hash_block // self.slot
        found, below = [], self.blocks
        while below > 1:
            below = -(-below // per_block)
            found.append(below)
        return tuple(reversed(found))

    @property
    def data_size(self) -> int:
        """The bytes of data."""
        return self.blocks * self.data_block

    @property
    def size(self) -> int:
        """The bytes of superblock and tree."""
        return (1 + sum(self.levels)) * self.hash_block

    def hashes(self, chunks: Iterable[bytes | bytearray], block: int) -> bytearray:
        """Return the hashes of blocks, as a level of the tree has them.

        Args:
            chunks: the blocks; each chunk is of whole ones.
            block: the bytes of a block.

        """
        fresh = hashlib.new(self.algorithm, self.salt).copy
        padding = bytes(self.slot - self.digest_size)
        level = bytearray()
        for data in chunks:
            chunk = memoryview(data)
            for start in range(0, len(chunk), block):
                digest = fresh()
                digest.update(chunk[start : start + block])
                level += digest.digest() + padding
        return level

    def tree(self, lowest: bytearray) -> tuple[bytes, bytes]:
        """Return the tree and its root hash.

        Args:
            lowest: the hashes of all blocks of data.

        """
        level, levels = lowest, []
        for blocks in reversed(self.levels):
            level = level.ljust(blocks * self.hash_block, b"\0")
            levels.append(level)
            level = self.hashes([level], self.hash_block)
        return b"".join(reversed(levels)), bytes(level[: self.digest_size])
