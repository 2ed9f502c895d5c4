"""Images with partitions, one of each kind of broken: exactly one rule catches each."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from harness import labels, needs
from harness.verity import Publisher
from msgspec import structs

from bakery.check.command import check_path
from bakery.check.subject import Context
from bakery.files import sha256
from bakery.image.verity import gpt, image
from bakery.image.verity.gpt import Partition, PartitionType
from bakery.image.verity.hash_tree import BLOCK
from bakery.image.verity.signature import PARTITION, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.e2e, needs.ROOT, needs.programs("mksquashfs", "mount")]
ABOUT_RECIPES = {"elf-path", "image-content", "recipe-readme", "recipe-check", "license-file"}
TEXT = b"plain text, not compressed\n" * 50_000


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(tmp_path_factory.mktemp("publisher"))


@dataclass
class Broken:
    """An image, and the means to break it."""

    path: Path
    publisher: Publisher

    @property
    def partitions(self) -> list[Partition]:
        with self.path.open("rb") as file:
            return list(gpt.read(file).partitions)

    def flip(self, at: int) -> None:
        with self.path.open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))

    def write(self, at: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(at)
            file.write(data)

    def repartition(self, *partitions: Partition) -> None:
        """Write another table, as somebody does whose tool was wrong."""
        with self.path.open("r+b") as file:
            head, tail = replace(gpt.read(file), partitions=partitions).encode()
            file.seek(0)
            file.write(head)
            file.seek(-len(tail), 2)
            file.write(tail)

    def sign(self, signature: Signature) -> None:
        self.write(self.partitions[2].offset, signature.encode())

    @property
    def signature(self) -> Signature:
        found = image.read(self.path).signature
        assert found
        return found


def squash(folder: Path, plain: Path) -> None:
    options = ["-quiet", "-no-progress", "-all-root", "-noD", "-noF"]
    subprocess.run(["mksquashfs", folder, plain, *options], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def plain(good: Any) -> Path:
    good.file("usr/share/demo/text", TEXT)
    labels.attach_all(good.root)
    path: Path = good.root.parent / "demo-1.0-x86-64.raw"
    squash(good.root, path)
    return path


@pytest.fixture
def signed(plain: Path, publisher: Publisher) -> Broken:
    path = plain.with_name("demo-1.0-x86-64.verity.raw")
    sign = publisher.signer.sign
    image.make(plain, path, arch="x86-64", sha256=sha256(plain), sign=sign)
    return Broken(path, publisher)


def fired(path: Path, publisher: Publisher | None = None) -> list[tuple[str, str]]:
    certificates = publisher.certificates if publisher else None
    report, _ = check_path(path, Context(name="demo", certificates=certificates))
    assert {each.rule for each in report.not_run} <= {"udev-syntax", *ABOUT_RECIPES}
    return [(finding.rule, finding.message) for finding in report.findings]


def test_no_rule_fires_on_a_good_image(plain: Path, signed: Broken) -> None:
    assert fired(plain) == []
    assert fired(signed.path) == []
    assert fired(signed.path, signed.publisher) == []
    unsigned = plain.with_name("demo.raw")
    image.make(plain, unsigned, arch="x86-64", sha256=sha256(plain))
    assert fired(unsigned) == []


def data_block(it: Broken) -> None:
    at = it.path.read_bytes().index(TEXT[:4096])
    it.flip(at + 600_000)


def lowest_hash(it: Broken) -> None:
    it.flip(it.partitions[1].offset + 2 * BLOCK + 40)


def top_hash(it: Broken) -> None:
    it.flip(it.partitions[1].offset + BLOCK)


def unused_hash(it: Broken) -> None:
    it.flip(it.partitions[1].offset + 2 * BLOCK - 1)


def superblock(it: Broken) -> None:
    it.flip(it.partitions[1].offset)


def salt(it: Broken) -> None:
    it.flip(it.partitions[1].offset + 100)


def uuids(it: Broken) -> None:
    data, hashes, signature = it.partitions
    it.repartition(replace(data, uuid=UUID(int=data.uuid.int ^ 1)), hashes, signature)
    root = UUID(int=data.uuid.int ^ 1).bytes + hashes.uuid.bytes
    it.sign(it.publisher.signer.sign(root.hex()))


def other_architecture(it: Broken) -> None:
    parts = it.partitions
    types = [gpt.UUIDS[PartitionType("root", r, "arm64")] for r in ("data", "hash", "signature")]
    it.repartition(*(replace(p, type=type_) for p, type_ in zip(parts, types, strict=True)))


def two_hashes(it: Broken) -> None:
    data, hashes, signature = it.partitions
    half = replace(hashes, first=hashes.first + hashes.sectors - 8, sectors=8)
    it.repartition(data, replace(hashes, sectors=hashes.sectors - 8), half, signature)


def hashes_of_usr(it: Broken) -> None:
    data, hashes, _ = it.partitions
    it.repartition(data, replace(hashes, type=gpt.UUIDS[PartitionType("usr", "hash", "x86-64")]))


def signature_without_hashes(it: Broken) -> None:
    data, _, signature = it.partitions
    usr = replace(signature, type=gpt.UUIDS[PartitionType("usr", "signature", "x86-64")])
    it.repartition(data, usr)


def system_of_usr(it: Broken) -> None:
    types = [gpt.UUIDS[PartitionType("usr", role, "x86-64")] for role in ("data", "hash")]
    pairs = zip(it.partitions[:2], types, strict=True)
    it.repartition(*(replace(each, type=type_) for each, type_ in pairs))


def cut_off(it: Broken) -> None:
    os.truncate(it.path, it.path.stat().st_size - 16384)


def table_checksum(it: Broken) -> None:
    it.flip(1024 + 60)


def table_far_away(it: Broken) -> None:
    """Two to the power of 64 sectors away, where no file can be looked at."""
    header = bytearray(it.path.read_bytes()[512:604])
    header[16:20], header[72:80] = bytes(4), b"\xff" * 8
    header[16:20] = zlib.crc32(header).to_bytes(4, "little")
    it.write(512, bytes(header))


def copy_of_table(it: Broken) -> None:
    it.flip(it.path.stat().st_size - 512 + 60)


def flipped_signature(it: Broken) -> None:
    signature = it.signature
    data = bytearray(signature.pkcs7)
    data[-9] ^= 1
    it.sign(structs.replace(signature, pkcs7=bytes(data)))


def flipped_certificate(it: Broken) -> None:
    signature = it.signature
    at = signature.pkcs7.index(b"publisher")
    data = signature.pkcs7[:at] + b"qublisher" + signature.pkcs7[at + 9 :]
    it.sign(structs.replace(signature, pkcs7=data))


def flipped_json(it: Broken) -> None:
    it.flip(it.partitions[2].offset)


def other_root_hash(it: Broken) -> None:
    it.sign(it.publisher.signer.sign("ab" * 32))


def other_fingerprint(it: Broken) -> None:
    it.sign(structs.replace(it.signature, fingerprint="ab" * 32))


def no_signature(it: Broken) -> None:
    text = json.dumps(
        {"rootHash": it.signature.root_hash, "signature": base64.b64encode(b"x").decode()}
    )
    it.write(it.partitions[2].offset, text.encode().ljust(PARTITION, b"\0"))


def expired(it: Broken) -> None:
    old = Publisher(it.path.parent, "old", days=5)
    root = it.signature.root_hash.encode()
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from bakery.image.verity import pkcs7
    from bakery.image.verity.signing import fingerprint

    key = load_pem_private_key(old.key.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    certificate = old.certificates.all[0]
    made = pkcs7.sign(root, certificate, key)
    it.sign(Signature(root_hash=root.decode(), fingerprint=fingerprint(certificate), pkcs7=made))


@pytest.mark.parametrize(
    ("ruin", "rule", "message"),
    [
        (data_block, "verity-data", "another file system than its hash tree is of: block "),
        (lowest_hash, "verity-tree", "a damaged hash tree: block 1"),
        (top_hash, "verity-tree", "a damaged hash tree: block 0"),
        (unused_hash, "verity-tree", "a damaged hash tree: block 0"),
        (superblock, "verity-tree", "begins with no superblock"),
        (salt, "verity-tree", "a damaged hash tree: block 0"),
        (uuids, "verity-uuid", "has the root hash "),
        (other_architecture, "partition-type", "has partitions for arm64, and is for x86-64"),
        (two_hashes, "partition-type", "has 2 partitions of the type root hash for x86-64"),
        (hashes_of_usr, "partition-type", "a hash partition for usr, and no file system for it"),
        (signature_without_hashes, "partition-type", "a signature partition for usr, and no"),
        (system_of_usr, "image-mount", "its file system is one for /usr"),
        (cut_off, "image-mount", "the file ends after"),
        (table_far_away, "image-mount", "the file ends after"),
        (table_checksum, "image-mount", "does not match the checksum of its entries"),
        (copy_of_table, "image-mount", "its copy at the end of the file does not match"),
        (flipped_signature, "verity-signature", "has not signed this root hash"),
        (flipped_certificate, "verity-signature", "certificate"),
        (flipped_json, "verity-signature", "it is no JSON with rootHash and signature"),
        (other_root_hash, "verity-signature", "has a signature of another root hash, abab"),
        (other_fingerprint, "verity-signature", "and says abab"),
        (no_signature, "verity-signature", "it is no DER"),
        (expired, "verity-certificate", "was valid until 2026-01-06"),
    ],
)
def test_exactly_one_rule_catches(
    ruin: Callable[[Broken], None], rule: str, message: str, signed: Broken
) -> None:
    ruin(signed)
    found = fired(signed.path)
    assert [each for each, _ in found] == [rule]
    assert message in found[0][1]


def test_whose_signature_it_must_be(plain: Path, signed: Broken, tmp_path: Path) -> None:
    stranger = Publisher(tmp_path, "stranger")
    found = fired(signed.path, stranger)
    assert found == [
        (
            "verity-signature",
            "has a signature that does not hold: none of the certificates is the signer's",
        )
    ]
    assert fired(plain, stranger) == [("verity-signature", "is not signed: it has no hash tree")]
    unsigned = tmp_path / "demo.raw"
    image.make(plain, unsigned, arch="x86-64", sha256=sha256(plain))
    assert fired(unsigned, stranger) == [("verity-signature", "is not signed")]


@pytest.fixture
def beside(plain: Path, signed: Broken) -> Callable[[str], Path]:
    """A plain image with what hosts look for beside it."""
    path = plain.with_name("demo.raw")
    shutil.copy(plain, path)
    seen = image.read(signed.path)
    with signed.path.open("rb") as file:
        file.seek(seen.hash.offset)
        path.with_name("demo.verity").write_bytes(file.read(seen.superblock.size))
    path.with_name("demo.roothash").write_text(f"{seen.root_hash}\n")
    assert seen.signature
    path.with_name("demo.roothash.p7s").write_bytes(seen.signature.pkcs7)
    return lambda ending: path.with_name(f"demo.{ending}")


def test_files_beside_an_image(beside: Callable[[str], Path], publisher: Publisher) -> None:
    path = beside("raw")
    assert fired(path, publisher) == []
    beside("roothash").write_text("ab" * 32)
    assert [rule for rule, _ in fired(path)] == ["verity-signature", "verity-uuid"]
    beside("roothash.p7s").unlink()
    assert [rule for rule, _ in fired(path)] == ["verity-uuid"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "roothash",
            "raw.roothash",
            "has demo.raw.roothash beside it; hosts look for demo.roothash",
        ),
        ("verity", "raw.verity", "has demo.raw.verity beside it; hosts look for demo.verity"),
        ("roothash.p7s", "raw.roothash.p7s", "hosts look for demo.roothash.p7s"),
        ("roothash", "gone", "has demo.verity beside it, and no demo.roothash"),
        ("verity", "gone", "has demo.roothash beside it, and no demo.verity"),
    ],
)
def test_files_that_hosts_ignore(
    old: str, new: str, message: str, beside: Callable[[str], Path]
) -> None:
    beside(old).rename(beside(new))
    found = fired(beside("raw"))
    assert {rule for rule, _ in found} == {"verity-file"}
    assert any(message in said for _, said in found)
