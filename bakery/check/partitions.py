"""What an image file has besides its file system: partitions, or files beside it, for dm-verity.

A host takes from a table the partitions for its own architecture, pairs file system and hash tree
by their UUIDs, and from beside NAME.raw the files NAME.verity, NAME.roothash and
NAME.roothash.p7s; see systemd-dissect(1) and the section on side files in systemd.exec(5).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bakery.image.verity import gpt
from bakery.image.verity.comparison import Comparison, compare
from bakery.image.verity.hash_tree import Superblock
from bakery.image.verity.signature import PARTITION, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bakery.image.verity.gpt import Partition, Role, Table

_LARGEST = 1 << 20  # bytes of a root hash or signature


@dataclass(frozen=True)
class Extent:
    """Bytes of a file.

    Attributes:
        path: the file.
        offset: the first.
        size: how many.

    """

    path: Path
    offset: int
    size: int

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the first ones, in chunks of whole blocks.

        Raises:
            ValueError: the file ends before.
            OSError: it can't be read.

        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while size:
                chunk = file.read(min(size, 1 << 20))
                if not chunk:
                    raise ValueError("the file ends early")
                yield chunk
                size -= len(chunk)

    def read(self, size: int, skip: int = 0) -> bytes:
        """Return some of them; fewer where the file ends."""
        with self.path.open("rb") as file:
            file.seek(self.offset + skip)
            return file.read(min(size, max(self.size - skip, 0)))


@dataclass(frozen=True, kw_only=True)
class Verity:
    """What vouches for a file system.

    Attributes:
        data: the file system.
        hashes: its hash tree.
        root_hash: the root hash that hosts go by, in hexadecimal; None where nothing names one.
        signature: the bytes of a partition's JSON, or the PKCS#7 beside an image; None for neither.
        label: what messages call the whole.

    """

    data: Extent
    hashes: Extent
    root_hash: str | None
    signature: bytes | None
    label: str

    @cached_property
    def comparison(self) -> Comparison:
        """What came of comparing the hash tree with the file system, block by block.

        Raises:
            OSError: a file can't be read.

        """
        try:
            superblock = Superblock.decode(self.hashes.read(_SUPERBLOCK))
            if superblock.size > self.hashes.size or superblock.data_size > self.data.size:
                return Comparison(problem="is of more than there is")
            tree_size = superblock.size - superblock.hash_block
            tree = self.hashes.read(superblock.size, superblock.hash_block)[:tree_size]
            chunks = self.data.chunks(superblock.data_size)
            return compare(superblock, chunks, tree, _bytes(self.root_hash))
        except ValueError as error:
            return Comparison(problem=str(error))

    def signed(self) -> Signature | None:
        """Return the signature.

        Raises:
            ValueError: it is none.

        """
        if self.signature is None:
            return None
        if self.label == "partitions":
            return Signature.decode(self.signature)
        return Signature(root_hash=self.root_hash or "", fingerprint="", pkcs7=self.signature)


def table(path: Path) -> Table:
    """Return an image's partition table.

    Raises:
        ValueError: it is damaged.

    """
    with path.open("rb") as file:
        return gpt.read(file)


def file_system(path: Path) -> Extent:
    """Return where in an image with partitions the file system is.

    Raises:
        ValueError: the table is damaged, or no partition has one.

    """
    partitions = table(path).partitions
    systems = [each for each in partitions if each.purpose and each.purpose.role == "data"]
    found = [each for each in systems if each.purpose and each.purpose.place == "root"]
    if systems and not found:
        raise ValueError("its file system is one for /usr, where only those for / are read")
    if not found and len(partitions) == 1:
        found = [*partitions]
    if not found:
        raise ValueError("no partition is one for a file system that hosts merge")
    return _extent(path, found[0])


def of_partitions(path: Path, arch: str | None) -> Verity | None:
    """Return what an image's own partitions say; None where there is no hash tree.

    Args:
        path: the image.
        arch: the architecture whose partitions count; None for all.

    Raises:
        ValueError: the table is damaged.

    """
    found: dict[Role, Partition] = {}
    for each in table(path).partitions:
        if each.purpose and arch in {None, each.purpose.arch}:
            found.setdefault(each.purpose.role, each)
    if not {"data", "hash"} <= found.keys():
        return None
    data, hashes, signature = found["data"], found["hash"], found.get("signature")
    return Verity(
        data=_extent(path, data),
        hashes=_extent(path, hashes),
        root_hash=(data.uuid.bytes + hashes.uuid.bytes).hex(),
        signature=_extent(path, signature).read(PARTITION) if signature else None,
        label="partitions",
    )


def mistakes(partitions: Iterable[Partition], arch: str | None) -> Iterator[str]:
    """Yield what is wrong with what partitions are for, as the rest of a sentence on the image."""
    found = [partition.purpose for partition in partitions if partition.purpose]
    arches = sorted({each.arch for each in found})
    if arch and arches and arch not in arches:
        yield f"has partitions for {', '.join(arches)}, and is for {arch}"
    for purpose, count in Counter(found).items():
        if count > 1:
            what = f"{purpose.place} {purpose.role} for {purpose.arch}"
            yield f"has {count} partitions of the type {what}"
    whole = {(each.place, each.arch) for each in found if each.role == "data"}
    for each in found:
        if (each.place, each.arch) not in whole:
            yield f"has a {each.role} partition for {each.place}, and no file system for it"


def beside(path: Path) -> Verity | None:
    """Return what the files beside an image say; None where there are not enough of them."""
    tree, root_hash, signature = (side_file(path, kind) for kind in ("verity", *_SIGNED))
    if not tree.is_file() or not root_hash.is_file():
        return None
    return Verity(
        data=Extent(path, 0, path.stat().st_size),
        hashes=Extent(tree, 0, tree.stat().st_size),
        root_hash=root_hash.read_bytes()[:_LARGEST].decode("ascii", "replace").strip().lower(),
        signature=signature.read_bytes()[:_LARGEST] if signature.is_file() else None,
        label="files beside it",
    )


def _bytes(root_hash: str | None) -> bytes | None:
    try:
        return bytes.fromhex(root_hash or "") or None
    except ValueError:
        return None


_SUPERBLOCK = 512
_SIGNED = ("roothash", "roothash.p7s")
KINDS = ("verity", *_SIGNED, "usrhash", "usrhash.p7s")
"""The endings that hosts look for beside an image, where its name has `.raw`."""


def side_file(path: Path, kind: str) -> Path:
    """Return where hosts look for a file beside an image."""
    return path.with_name(f"{path.name.removesuffix('.raw')}.{kind}")


def _extent(path: Path, partition: Partition) -> Extent:
    return Extent(path, partition.offset, partition.size)
