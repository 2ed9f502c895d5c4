"""The verity image: a file system with its hash tree and the signature of its root, in partitions.

The bytes are those that systemd-repart 257 makes of the same file system, seed, certificate and
key, by definitions with CopyBlocks= and Verity=data, with Verity=hash and Minimize=best, and with
Verity=signature; where nobody signs, without the last. All is written in one pass over the file
system. In memory is no more than the tree, a hundredth of it.

The seed comes from the file system's own digest: whoever has the plain image, can make the others
of it, and no change of the bakery's code changes them.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from uuid import UUID

from bakery.image.errors import VerityError
from bakery.image.verity import gpt
from bakery.image.verity.gpt import SECTOR, Partition, PartitionType, Role, Table
from bakery.image.verity.hash_tree import BLOCK, HashTreeError, Superblock
from bakery.image.verity.layout import Layout, Wish, layout
from bakery.image.verity.signature import PARTITION, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.image.verity.gpt import Place

    Sign = Callable[[str], Signature]
    """Signs a root hash, in hexadecimal."""

_CHUNK = 256 * BLOCK
_ROLES: tuple[Role, ...] = ("data", "hash", "signature")


@dataclass(frozen=True)
class Seed:
    """What all identities in an image are made of, as systemd-repart does it.

    Attributes:
        data: sixteen bytes.

    """

    data: bytes

    @classmethod
    def of(cls, sha256: str) -> Seed:
        """Return the seed for a file system by its digest, in hexadecimal."""
        return cls(_hmac(b"sysext-bakery", bytes.fromhex(sha256))[:16])

    def uuid(self, what: bytes) -> UUID:
        """Return the identity of something in the image: a random UUID's form (RFC 9562)."""
        return UUID(bytes=_hmac(self.data, what)[:16], version=4)

    def superblock(self, size: int) -> Superblock:
        """Return the superblock of the tree over so many bytes."""
        return Superblock(
            uuid=self.uuid(b"verity-uuid"),
            blocks=size // BLOCK,
            salt=_hmac(self.data, b"verity-salt"),
        )


@dataclass(frozen=True, kw_only=True)
class VerityImage:
    """An image that has partitions with a file system and its hash tree.

    Attributes:
        path: the file.
        place: where hosts mount the file system.
        arch: the architecture whose hosts take it, in systemd's words.
        data, hash: the partitions.
        superblock: of the tree.
        root_hash: the root hash that the partitions' UUIDs name, in hexadecimal.
        signature: what the signature partition has; None where there is none.

    """

    path: Path
    place: Place
    arch: str
    data: Partition
    hash: Partition
    superblock: Superblock
    root_hash: str
    signature: Signature | None


def make(
    plain: Path,
    output: Path,
    *,
    arch: Arch,
    sha256: str,
    seed: Seed | None = None,
    sign: Sign | None = None,
) -> str:
    """Write the verity image of a plain one; return its root hash, in hexadecimal.

    Args:
        plain: a file with a file system and nothing else.
        output: the file to write.
        arch: the architecture whose hosts are to take it.
        sha256: the digest that the plain image must have; nothing else is signed.
        seed: what its identities are made of; None for what follows from the digest.
        sign: signs the root hash; None leaves the image unsigned.

    Raises:
        VerityError: the file is not of whole blocks, or has another digest.
        OSError: a file can't be read or written.

    """
    size = plain.stat().st_size
    if not size or size % BLOCK:
        raise VerityError(
            "the image can't have a hash tree",
            where=str(plain),
            why=f"it has {size} bytes, which are no blocks of {BLOCK}",
            fix=f"append zeros to it: truncate -s %{BLOCK} {plain}",
        )
    seed = seed or Seed.of(sha256)
    parts = _Parts(seed, seed.superblock(size), "root", arch, sign)
    with plain.open("rb") as source:
        return _write(_checked(_chunks(source, size), sha256, plain), output, parts)


def read(path: Path) -> VerityImage:
    """Return what an image says of itself; its data and tree are not compared.

    Raises:
        VerityError: it has no partitions, or not one pair of data and hashes, or they can't be.
        OSError: it can't be read.

    """
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except ValueError as error:
        raise VerityError(
            "the image can't be taken for one with a hash tree",
            where=str(path),
            why=str(error),
            fix=f"such images are made with `format: verity`; look at it: bakery check {path}",
        ) from None


def _read(path: Path, file: IO[bytes]) -> VerityImage:
    table = gpt.read(file)
    found: dict[Role, Partition] = {}
    for partition in table.partitions:
        purpose = partition.purpose
        if purpose is None or purpose.role in found:
            raise ValueError(f"it has a partition {partition.name} too many")
        found[purpose.role] = partition
    data, hashes = found.get("data"), found.get("hash")
    if data is None or hashes is None or data.purpose is None:
        raise ValueError("it has no partitions for a file system and its hash tree")
    superblock = Superblock.decode(_part(file, hashes, BLOCK))
    if superblock.data_size > data.size or superblock.size > hashes.size:
        raise HashTreeError("its hash tree is of more than the partitions have")
    signed = found.get("signature")
    return VerityImage(
        path=path,
        place=data.purpose.place,
        arch=data.purpose.arch,
        data=data,
        hash=hashes,
        superblock=superblock,
        root_hash=(data.uuid.bytes + hashes.uuid.bytes).hex(),
        signature=Signature.decode(_part(file, signed, PARTITION)) if signed else None,
    )


def _part(file: IO[bytes], partition: Partition, most: int) -> bytes:
    file.seek(partition.offset)
    return file.read(min(partition.size, most))


def certificates(path: Path) -> list[str]:
    """Return the certificates, in PEM, that the signature in an image brings along.

    Raises:
        OSError: it can't be read.

    """
    from cryptography.hazmat.primitives.serialization import Encoding

    from bakery.image.verity import pkcs7

    try:
        signature = read(path).signature
        found = pkcs7.certificates(signature.pkcs7) if signature else []
    except (ValueError, VerityError):
        return []
    return [each.public_bytes(Encoding.PEM).decode() for each in found]


def confirm(image: VerityImage) -> None:
    """Refuse an image whose file system or tree is not what its root hash vouches for.

    Raises:
        VerityError: it is damaged.
        OSError: it can't be read.

    """
    superblock = image.superblock
    with image.path.open("rb") as file:
        file.seek(image.data.offset)
        chunks = _chunks(file, superblock.data_size)
        tree, root = superblock.tree(superblock.hashes(chunks, superblock.data_block))
        file.seek(image.hash.offset + superblock.hash_block)
        if root.hex() != image.root_hash or file.read(len(tree)) != tree:
            raise VerityError(
                "the image is damaged",
                where=str(image.path),
                why=f"the root hash of its partitions is {image.root_hash}\n"
                f"of its file system, it is {root.hex()}",
                fix="build it again",
            )


def join(image: VerityImage, output: Path, signature: Signature | None) -> None:
    """Write an image anew with a signature, or with none.

    Raises:
        VerityError: the image is damaged.
        OSError: a file can't be read or written.

    """
    confirm(image)
    with image.path.open("rb") as source:
        source.seek(image.data.offset)
        seed = Seed.of(_digest(source, image.superblock.data_size))
        source.seek(image.data.offset)
        sign = (lambda _: signature) if signature else None
        parts = _Parts(seed, image.superblock, image.place, image.arch, sign)
        _write(_chunks(source, image.superblock.data_size), output, parts)


def _digest(source: IO[bytes], size: int) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(source, size):
        digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Parts:
    """What an image is written of, beside the file system."""

    seed: Seed
    superblock: Superblock
    place: Place
    arch: str
    sign: Sign | None

    def layout(self) -> Layout:
        wishes = [Wish(self.superblock.data_size), Wish(self.superblock.size)]
        return layout([*wishes, *([Wish(PARTITION, grows=False)] if self.sign else [])])

    def table(self, where: Layout, root: bytes) -> Table:
        first, partitions = where.first, []
        for role, size in zip(_ROLES, where.sizes, strict=False):
            purpose = PartitionType(self.place, role, self.arch)
            type_ = gpt.UUIDS[purpose]
            identities = {"data": UUID(bytes=root[:16]), "hash": UUID(bytes=root[-16:])}
            partitions.append(
                Partition(
                    type=type_,
                    uuid=identities.get(role) or self.seed.uuid(type_.bytes),
                    name=gpt.label(purpose),
                    first=first,
                    sectors=size // SECTOR,
                    attributes=gpt.READ_ONLY if role in identities else 0,
                )
            )
            first += size // SECTOR
        disk = self.seed.uuid(b"disk-uuid")
        return Table(disk, where.sectors, where.first_usable, tuple(partitions))


def _write(data: Iterator[bytes], output: Path, parts: _Parts) -> str:
    """Write an image of a file system; nothing is signed before all of it has been read."""
    where, superblock = parts.layout(), parts.superblock
    with output.open("wb") as file:
        file.truncate(where.sectors * SECTOR)
        file.seek(where.first * SECTOR)
        hashes = superblock.hashes(_copied(data, file), superblock.data_block)
        tree, root = superblock.tree(hashes)
        table = parts.table(where, root)
        head, tail = table.encode()
        pieces = [superblock.encode() + tree]
        if parts.sign:
            pieces.append(parts.sign(root.hex()).encode())
        for partition, piece in zip(table.partitions[1:], pieces, strict=True):
            file.seek(partition.offset)
            file.write(piece)
        file.seek(0)
        file.write(head)
        file.seek(-len(tail), 2)
        file.write(tail)
    return root.hex()


def _chunks(source: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        chunk = source.read(min(size, _CHUNK))
        if not chunk:
            raise OSError(None, "the file ends early", getattr(source, "name", None))
        yield chunk
        size -= len(chunk)


def _checked(chunks: Iterator[bytes], sha256: str, path: Path) -> Iterator[bytes]:
    """Yield what has a digest; refuse anything else at its end."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != sha256:
        raise VerityError(
            "the image has changed since it was built",
            where=str(path),
            fix="remove it, and build it again",
        )


def _copied(chunks: Iterator[bytes], file: IO[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        file.write(chunk)
        yield chunk


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
