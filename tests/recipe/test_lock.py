from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion, LockError, TrustKind
from bakery.recipe.types import Trust

LOCKS = sorted((Path(__file__).parents[2] / "recipes").glob("*/lock.json"))


def asset(name: str, trust: TrustKind = "first-use", size: int | None = 3) -> LockedAsset:
    return LockedAsset(
        url=f"https://example.org/{name}",
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        size=size,
        trust=trust,
        citation="a/book:page" if trust == "cited" else None,
    )


NAMES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="%"), min_size=1, max_size=6
)
VERSIONS = st.builds(
    LockedVersion,
    parts=st.dictionaries(NAMES, NAMES, max_size=2),
    assets=st.lists(NAMES, unique=True, max_size=3).map(
        lambda names: tuple(asset(name) for name in sorted(names))
    ),
)


@given(st.dictionaries(st.sampled_from(["1.0", "v1.2", "1.10", "2.0-rc1"]), VERSIONS))
def test_what_is_written_is_what_is_read(versions: dict[str, LockedVersion]) -> None:
    lock = Lock(versions=versions)
    path = Path(__file__).with_name("lock.json")
    assert lockfile.decode(lockfile.encode(lock), path) == lock
    assert lockfile.encode(lockfile.decode(lockfile.encode(lock), path)) == lockfile.encode(lock)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"example.org/a", b"example.org/a b"),
        (b"example.org/a", rb"example.org/a\u001b"),
        (b"example.org/a", "example.org/a\u202e".encode()),
        (b"example.org/a", b"example.org/%0Areboot"),
        (b"a/book:page", rb"a/book:\npage"),
        (b"v2.0", rb"v2\u2028.0"),
    ],
)
def test_what_acts_on_terminals_is_refused(good: bytes, bad: bytes) -> None:
    locked = LockedVersion(parts={"cni": "v2.0"}, assets=(asset("a", "cited"),))
    data = lockfile.encode(Lock(versions={"1.0": locked}))
    assert data.count(good) == 1
    with pytest.raises(LockError, match="the lock is damaged") as caught:
        lockfile.decode(data.replace(good, bad), Path("lock.json"))
    assert caught.value.render().replace("\n", "").isprintable()


def test_a_citation_names_what_a_reader_can_open() -> None:
    locked = LockedVersion(assets=(asset("a", "cited"),))
    data = lockfile.encode(Lock(versions={"1.0": locked}))
    with pytest.raises(LockError, match="the lock is damaged"):
        lockfile.decode(data.replace(b"a/book:page", b"unnamed public file"), Path("lock.json"))


def test_versions_and_assets_are_sorted_one_a_line() -> None:
    locked = LockedVersion(
        assets=(asset("b"), asset("a", "cited", None)),
        parts={"z": "1", "y": "2"},
        packages={"trixie": "b, a"},
    )
    lines = lockfile.encode(Lock(versions={"1.10": locked, "1.9": locked})).decode().splitlines()
    assert [line.strip() for line in lines if line.startswith("    ") and line[4] == '"'] == [
        '"1.9": {',
        '"1.10": {',
    ]
    assert lines[3] == '      "parts": {"y": "2", "z": "1"},'
    assert lines[4] == '      "packages": {"trixie": "b, a"},'
    assert [line.split('"')[3].rpartition("/")[2] for line in lines if '"url"' in line] == [
        "a",
        "b",
        "a",
        "b",
    ]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.parent.name)
def test_the_committed_locks_are_as_they_would_be_written(path: Path) -> None:
    assert lockfile.encode(lockfile.read(path)) == path.read_bytes()


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert lockfile.read(tmp_path / "lock.json") == Lock()


def test_a_folder_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="can't be read"):
        lockfile.read(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"versions": []}',
        pytest.param(b'{"versions": ' + b'{"1":' * 100_000, id="deep objects"),
        b'{"versions": {"1": {}}}',
        b'{"versions": {"1": {"assets": [{"url": "a"}]}}}',
        pytest.param(b"[" * 100_000, id="deep arrays"),
    ],
)
def test_a_damaged_lock_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "lock.json"
    path.write_bytes(data)
    with pytest.raises(LockError, match="the lock is damaged"):
        lockfile.read(path)


@given(st.data())
def test_a_lock_with_a_byte_changed_is_a_lock_or_an_error(data: st.DataObject) -> None:
    text = bytearray(lockfile.encode(Lock(versions={"1.0": LockedVersion(assets=(asset("a"),))})))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(LockError):
        lockfile.decode(bytes(text), Path("lock.json"))


def test_a_version_is_added_or_replaced() -> None:
    first, second = LockedVersion(assets=(asset("a"),)), LockedVersion(assets=(asset("b"),))
    lock = Lock(versions={"1.0": first}).with_version("2.0", second).with_version("1.0", second)
    assert lock == Lock(versions={"1.0": second, "2.0": second})
    assert lock.tags == ["1.0", "2.0"]


def test_how_much_is_known_is_an_order() -> None:
    least: dict[Trust, set[str]] = {
        level: {kind for kind in get_args(TrustKind) if asset("a", kind).is_trusted(level)}
        for level in get_args(Trust)
    }
    assert least["first-use"] > least["cited"] > least["checksum"] > least["signature"]
    assert least["signature"] == {"apt", "gpg", "minisign", "cosign", "sigstore"}
