from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from harness.verity import Publisher

from bakery.files import sha256
from bakery.image.errors import VerityError
from bakery.image.verity import gpt, image
from bakery.image.verity.image import Seed, confirm, join, read

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 4096


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.raw"
    path.write_bytes(b"hsqs" + bytes(range(256)) * 4000 + bytes(-(4 + 256 * 4000) % BLOCK))
    return path


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def made(plain: Path, output: Path, **options: Any) -> str:
    return image.make(plain, output, sha256=sha256(plain), **options)


def identities(path: Path) -> set[object]:
    with path.open("rb") as file:
        return {partition.uuid for partition in gpt.read(file).partitions}


def test_the_file_system_stays_as_it_is(plain: Path, tmp_path: Path) -> None:
    output = tmp_path / "plain.verity.raw"
    root = made(plain, output, arch="arm64")
    seen = read(output)
    assert (seen.arch, seen.place, seen.root_hash, seen.signature) == ("arm64", "root", root, None)
    confirm(seen)
    data = output.read_bytes()[seen.data.offset :][: plain.stat().st_size]
    assert data == plain.read_bytes()


def test_the_same_file_system_gives_the_same_image(plain: Path, tmp_path: Path) -> None:
    one, other, third = (tmp_path / name for name in ("1", "2", "3"))
    assert made(plain, one, arch="x86-64") == made(plain, other, arch="x86-64")
    assert one.read_bytes() == other.read_bytes()
    plain.write_bytes(plain.read_bytes()[:-1] + b"x")
    made(plain, third, arch="x86-64")
    assert identities(one).isdisjoint(identities(third))


@pytest.mark.parametrize("size", [0, 1, 4095, 4097])
def test_what_is_not_of_whole_blocks_is_refused(size: int, tmp_path: Path) -> None:
    plain = tmp_path / "plain.raw"
    plain.write_bytes(bytes(size))
    with pytest.raises(VerityError, match=f"it has {size} bytes"):
        made(plain, tmp_path / "out", arch="arm64")


def test_a_signature_that_is_joined_gives_the_bytes_of_one_made_at_once(
    plain: Path, publisher: Publisher, tmp_path: Path
) -> None:
    unsigned, signed, joined, parted = (tmp_path / name for name in ("1", "2", "3", "4"))
    root = made(plain, unsigned, arch="x86-64")
    assert made(plain, signed, arch="x86-64", sign=publisher.signer.sign) == root
    join(read(unsigned), joined, publisher.signer.sign(root))
    assert joined.read_bytes() == signed.read_bytes()
    seen = read(joined).signature
    assert seen
    assert publisher.certificates.verify(seen) == publisher.signer.fingerprint == seen.fingerprint
    join(read(joined), parted, None)
    assert parted.read_bytes() == unsigned.read_bytes()


def test_nothing_that_is_damaged_is_signed(
    plain: Path, publisher: Publisher, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    made(plain, output, arch="x86-64")
    seen = read(output)
    for at in (seen.data.offset + 5000, seen.hash.offset + BLOCK + 40):
        data = bytearray(output.read_bytes())
        data[at] ^= 1
        damaged = tmp_path / "damaged"
        damaged.write_bytes(data)
        with pytest.raises(VerityError, match="the image is damaged"):
            join(read(damaged), tmp_path / "joined", publisher.signer.sign(seen.root_hash))


def test_what_has_changed_since_it_was_built_is_not_signed(plain: Path, tmp_path: Path) -> None:
    digest = sha256(plain)
    plain.write_bytes(plain.read_bytes()[:-1] + b"x")

    def sign(_: str) -> Any:
        pytest.fail("it was signed")

    with pytest.raises(VerityError, match="has changed since it was built"):
        image.make(plain, tmp_path / "out", arch="arm64", sha256=digest, sign=sign)


def test_memory_stays_flat(tmp_path: Path) -> None:
    plain = tmp_path / "plain.raw"
    with plain.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    made(plain, tmp_path / "out", arch="x86-64", seed=Seed(bytes(16)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20
