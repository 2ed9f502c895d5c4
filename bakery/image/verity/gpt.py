"""Partition tables: GPT (UEFI 2.10, section 5) with the types of UAPI.2.

UAPI.2 is the Discoverable Partitions Specification. A host takes the partitions of its own
architecture alone. Sectors have 512 bytes, as in any image file.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Literal
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

SECTOR = 512
READ_ONLY = 1 << 60

Place = Literal["root", "usr"]
Role = Literal["data", "hash", "signature"]


@dataclass(frozen=True)
class PartitionType:
    """What a partition is for.

    Attributes:
        place: where hosts mount the file system.
        role: what of it the partition holds.
        arch: the architecture, in systemd's words.

    """

    place: Place
    role: Role
    arch: str


_TYPES = """
root data x86-64 4f68bce3-e8cd-4db1-96e7-fbcaf984b709
root hash x86-64 2c7357ed-ebd2-46d9-aec1-23d437ec2bf5
root signature x86-64 41092b05-9fc8-4523-994f-2def0408b176
root data arm64 b921b045-1df0-41c3-af44-4c6f280d3fae
root hash arm64 df3300ce-d69f-4c92-978c-9bfb0f38d820
root signature arm64 6db69de6-29f4-4758-a7a5-962190f00ce3
usr data x86-64 8484680c-9521-48c6-9c11-b0720656f69e
usr hash x86-64 77ff5f63-e7b6-4633-acf4-1565b864c0e6
usr signature x86-64 e7bb33fb-06cf-4e81-8273-e543b413e2e2
usr data arm64 b0e01050-ee5f-4390-949a-9101b17104e9
usr hash arm64 6e11a4e7-fbca-4ded-b9e9-e1a512bb664e
usr signature arm64 c23ce4ff-44bd-4b00-b2d4-b41b3419e02a
"""
TYPES = {
    UUID(line.split()[3]): PartitionType(*line.split()[:3])  # type: ignore[arg-type]
    for line in _TYPES.strip().splitlines()
}
UUIDS = {type_: uuid for uuid, type_ in TYPES.items()}
_SUFFIXES: dict[Role, str] = {"data": "", "hash": "-verity", "signature": "-verity-sig"}

_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MAGIC, _REVISION = b"EFI PART", 0x10000
_COUNT = 128  # entries
_TABLE = _COUNT * _ENTRY.size // SECTOR  # sectors
_LARGEST = 1 << 20  # bytes of entries: eight thousand of them
_PROTECTIVE = struct.Struct("<B3sB3sII")


class TableError(ValueError):
    """There is no partition table, or one that contradicts itself."""


@dataclass(frozen=True)
class Partition:
    """One partition.

    Attributes:
        type: its type's UUID.
        uuid: its own.
        name: its label.
        first: its first sector.
        sectors: how many it has.
        attributes: its flags; `READ_ONLY` is one.

    """

    type: UUID
    uuid: UUID
    name: str
    first: int
    sectors: int
    attributes: int = 0

    @property
    def purpose(self) -> PartitionType | None:
        """What hosts take it for; None if that is nothing they look for in an image."""
        return TYPES.get(self.type)

    @property
    def offset(self) -> int:
        """The byte of the file that it begins with."""
        return self.first * SECTOR

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.sectors * SECTOR


@dataclass(frozen=True)
class Table:
    """A partition table.

    Attributes:
        disk: the UUID of the whole.
        sectors: how many the disk has.
        first_usable: the first sector that partitions may have.
        partitions: in the order of their entries.

    """

    disk: UUID
    sectors: int
    first_usable: int
    partitions: tuple[Partition, ...]

    def encode(self) -> tuple[bytes, bytes]:
        """Return what the file begins with, and what it ends with: the table is there twice."""
        entries = b"".join(map(_entry, self.partitions)).ljust(_TABLE * SECTOR, b"\0")
        last = self.sectors - 1
        head = [
            _protective(last),
            self._header(entries, own=1, other=last, table=2),
            entries,
        ]
        tail = [entries, self._header(entries, own=last, other=1, table=last - _TABLE)]
        return b"".join(head), b"".join(tail)

    def _header(self, entries: bytes, *, own: int, other: int, table: int) -> bytes:
        def packed(checksum: int) -> bytes:
            return _HEADER.pack(
                *(_MAGIC, _REVISION, _HEADER.size, checksum, 0, own, other),
                *(self.first_usable, self.sectors - _TABLE - 2, self.disk.bytes_le),
                *(table, _COUNT, _ENTRY.size, zlib.crc32(entries)),
            )

        return packed(zlib.crc32(packed(0))).ljust(SECTOR, b"\0")


def label(purpose: PartitionType) -> str:
    """Return the name that systemd-repart gives a partition."""
    return f"{purpose.place}-{purpose.arch}{_SUFFIXES[purpose.role]}"


def _entry(partition: Partition) -> bytes:
    return _ENTRY.pack(
        *(partition.type.bytes_le, partition.uuid.bytes_le),
        *(partition.first, partition.first + partition.sectors - 1, partition.attributes),
        partition.name.encode("utf-16-le"),
    )


def _protective(last: int) -> bytes:
    """Return the sector that has older tools see a full disk."""
    chs_first, chs_last = b"\x00\x02\x00", b"\xff\xff\xff"
    entry = _PROTECTIVE.pack(0, chs_first, 0xEE, chs_last, 1, min(last, 0xFFFFFFFF))
    return b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa"


def read(file: IO[bytes]) -> Table:
    """Return the table that an image file begins with.

    Raises:
        TableError: there is none, or it is damaged, reaches beyond the file, or its copy at the
            end of the file says something else.

    """
    sectors = file.seek(0, 2) // SECTOR
    table, last = _read(file, 1, sectors, "the table")
    copy, _ = _read(file, last, sectors, "its copy at the end of the file")
    if table != copy:
        raise TableError("its copy at the end of the file differs from it")
    return Table(table.disk, last + 1, table.first_usable, table.partitions)


def _read(file: IO[bytes], at: int, sectors: int, where: str) -> tuple[Table, int]:
    """Return what a header says, and where the other one is."""
    file.seek(at * SECTOR)
    header = file.read(SECTOR)
    if len(header) < SECTOR or not header.startswith(_MAGIC):
        raise TableError(f"{where} is missing")
    fields = _HEADER.unpack_from(header)
    size, checksum, own, other = fields[2], fields[3], fields[5], fields[6]
    first, last, disk, start, count, length, entries_checksum = fields[7:]
    if not _HEADER.size <= size <= SECTOR or own != at:
        raise TableError(f"{where} is damaged")
    if zlib.crc32(header[:16] + b"\0" * 4 + header[20:size]) != checksum:
        raise TableError(f"{where} does not match its checksum")
    if length < _ENTRY.size or count * length > _LARGEST or not first <= last:
        raise TableError(f"{where} has sizes that can't be")
    if (reached := max(last, other, start)) >= sectors:
        raise TableError(f"the file ends after {sectors} sectors, and {where} has {reached + 1}")
    file.seek(start * SECTOR)
    entries = file.read(count * length)
    if len(entries) < count * length or zlib.crc32(entries) != entries_checksum:
        raise TableError(f"{where} does not match the checksum of its entries")
    found = [_partition(entries, n * length) for n in range(count)]
    partitions = tuple([each for each in found if each.type.int])
    _refuse_overlap(partitions, first, last)
    return Table(UUID(bytes_le=disk), 0, first, partitions), other


def _partition(entries: bytes, at: int) -> Partition:
    type_, uuid, first, last, attributes, name = _ENTRY.unpack_from(entries, at)
    return Partition(
        type=UUID(bytes_le=type_),
        uuid=UUID(bytes_le=uuid),
        name=name.decode("utf-16-le", "replace").partition("\0")[0],
        first=first,
        sectors=last - first + 1,
        attributes=attributes,
    )


def _refuse_overlap(partitions: Sequence[Partition], first: int, last: int) -> None:
    for each in partitions:
        if each.sectors < 1 or each.first < first or each.first + each.sectors - 1 > last:
            raise TableError(f"the partition {each.name} is not within the disk")
    ordered = sorted(partitions, key=lambda each: each.first)
    for one, other in pairwise(ordered):
        if one.first + one.sectors > other.first:
            raise TableError(f"the partitions {one.name} and {other.name} overlap")
