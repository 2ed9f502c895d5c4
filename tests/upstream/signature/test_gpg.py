from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.openpgp import LONG_AGO, Person

from bakery.errors import BakeryError
from bakery.upstream.signature.errors import SignatureError
from bakery.upstream.signature.gpg import verify

if TYPE_CHECKING:
    from pathlib import Path

WHERE = "https://example.org/SHA256SUMS.asc"


@pytest.fixture(scope="module")
def upstream(person: Person) -> str:
    return person.key("Upstream")


@pytest.fixture(scope="module")
def other(person: Person) -> str:
    return person.key("Somebody else")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "SHA256SUMS"
    path.write_text("some digests\n")
    return path


@pytest.fixture
def key(person: Person, upstream: str, tmp_path: Path) -> Path:
    return person.export(tmp_path / "key.asc", upstream)


def refusal(file: Path, signature: Path, key: Path) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        verify(file, signature, key, where=WHERE)
    assert caught.value.where == WHERE
    return caught.value


@pytest.mark.parametrize("armour", [True, False])
def test_a_signature_by_the_recipes_key_holds(
    person: Person, upstream: str, file: Path, tmp_path: Path, *, armour: bool
) -> None:
    key = person.export(tmp_path / "key", upstream, armour=armour)
    verify(file, person.sign(file, upstream, armour=armour), key, where=WHERE)


def test_one_of_several_signatures_is_enough(
    person: Person, upstream: str, other: str, file: Path, key: Path
) -> None:
    verify(file, person.sign(file, other, upstream), key, where=WHERE)


def test_one_of_several_keys_is_enough(
    person: Person, upstream: str, other: str, file: Path, tmp_path: Path
) -> None:
    both = person.export(tmp_path / "both.asc", other, upstream)
    verify(file, person.sign(file, upstream), both, where=WHERE)


def test_altered_data(person: Person, upstream: str, file: Path, key: Path) -> None:
    signature = person.sign(file, upstream)
    file.write_text("other digests\n")
    why = refusal(file, signature, key).why
    assert why is not None
    assert why.startswith("the file or its signature has been altered")
    assert "Upstream" in why


def test_an_altered_signature(person: Person, upstream: str, file: Path, key: Path) -> None:
    signature = person.sign(file, upstream, armour=False)
    data = bytearray(signature.read_bytes())
    data[-1] ^= 1
    signature.write_bytes(data)
    assert "altered" in str(refusal(file, signature, key))


def test_a_signature_by_another_key_is_refused(
    person: Person, upstream: str, other: str, file: Path, key: Path
) -> None:
    error = refusal(file, person.sign(file, other), key)
    assert error.what == "a signature is by another key than the recipe's"
    assert error.why == f"it is by the key {other[-16:]}\ntrusted are {upstream}"


def test_the_users_own_keyring_does_not_count(
    person: Person, other: str, file: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(person.home))
    refusal(file, person.sign(file, other), key)


def test_an_expired_key(person: Person, file: Path, tmp_path: Path) -> None:
    old = person.key("Old", expires="1d", then=LONG_AGO)
    signature = person.sign(file, old, then=LONG_AGO)
    key = person.export(tmp_path / "old.asc", old)
    assert "the key it is made with has expired" in str(refusal(file, signature, key))


def test_a_revoked_key(person: Person, file: Path, tmp_path: Path) -> None:
    lost = person.key("Lost")
    signature = person.sign(file, lost)
    verify(file, signature, person.export(tmp_path / "lost.asc", lost), where=WHERE)
    person.revoke(lost)
    key = person.export(tmp_path / "lost.asc", lost)
    assert "the key it is made with is revoked" in str(refusal(file, signature, key))


def test_an_expired_signature(person: Person, file: Path, tmp_path: Path) -> None:
    old = person.key("Old hand", then=LONG_AGO)
    signature = person.sign(file, old, then=LONG_AGO, expires="1d")
    key = person.export(tmp_path / "old.asc", old)
    assert "the signature has expired" in str(refusal(file, signature, key))


@pytest.mark.parametrize("how", ["--clear-sign", "--sign"])
def test_a_signed_message_is_no_signature_of_another_file(
    person: Person, upstream: str, file: Path, key: Path, how: str
) -> None:
    signature = person.sign(file, upstream, how=how)
    file.write_text("other digests\n")
    assert "gpg finds no signature of SHA256SUMS" in str(refusal(file, signature, key))


@pytest.mark.parametrize("text", ["", "<!DOCTYPE html>", "-----BEGIN PGP SIGNATURE-----\n"])
def test_what_is_no_signature(file: Path, key: Path, tmp_path: Path, text: str) -> None:
    signature = tmp_path / "signature"
    signature.write_text(text)
    assert "gpg finds no signature" in str(refusal(file, signature, key))


def test_what_is_no_key(person: Person, upstream: str, file: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.asc"
    key.write_text("no key")
    with pytest.raises(BakeryError, match="this holds no OpenPGP key"):
        verify(file, person.sign(file, upstream), key, where=WHERE)
