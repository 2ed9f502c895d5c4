from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakery.errors import BakeryError
from bakery.upstream.signature.errors import MissingLibraryError, SignatureError
from bakery.upstream.signature.minisign import verify

minisign = pytest.importorskip("minisign")

if TYPE_CHECKING:
    from pathlib import Path

WHERE = "https://example.org/app.tgz.minisig"
PAIR = minisign.KeyPair.generate()
KEY = PAIR.public_key.to_base64().decode()
DATA = b"the asset"


def signature(*, prehash: bool = True, pair: Any = PAIR) -> bytes:
    made = pair.secret_key.sign(DATA, prehash=prehash, trusted_comment="file:app-1.0.tgz")
    return bytes(made) + b"\n"


def check(tmp_path: Path, signature: bytes, *, data: bytes = DATA, key: str = KEY) -> None:
    signed, side = tmp_path / "app.tgz", tmp_path / "app.tgz.minisig"
    signed.write_bytes(data)
    side.write_bytes(signature)
    verify(signed, side, key, where=WHERE)


def altered(signature: bytes, line: int, at: int, by: bytes) -> bytes:
    lines = signature.split(b"\n")
    data = bytearray(base64.b64decode(lines[line]))
    data[at : at + len(by)] = bytes(a ^ b for a, b in zip(data[at:], by, strict=False))
    lines[line] = base64.b64encode(data)
    return b"\n".join(lines)


@pytest.mark.parametrize("prehash", [True, False])
@pytest.mark.parametrize("text", ["{}", "{}\n", "untrusted comment: my key\n{}\n"])
def test_a_signature_by_the_recipes_key_holds(tmp_path: Path, text: str, *, prehash: bool) -> None:
    check(tmp_path, signature(prehash=prehash), key=text.format(KEY))


@pytest.mark.parametrize("options", [["-H"], ["-l"]])
def test_signatures_by_the_program_itself(tmp_path: Path, options: list[str]) -> None:
    program = shutil.which("minisign")
    if program is None:
        pytest.skip("needs the program minisign")
    (tmp_path / "app.tgz").write_bytes(DATA)
    for words in (
        ["-G", "-W", "-p", "key.pub", "-s", "key.sec"],
        ["-S", *options, "-s", "key.sec", "-m", "app.tgz", "-t", "app 1.0"],
    ):
        subprocess.run([program, *words], cwd=tmp_path, check=True, capture_output=True)
    side, key = tmp_path / "app.tgz.minisig", (tmp_path / "key.pub").read_text()
    verify(tmp_path / "app.tgz", side, key, where=WHERE)
    side.write_text(side.read_text().replace("app 1.0", "app 1.1"))
    with pytest.raises(SignatureError):
        verify(tmp_path / "app.tgz", side, key, where=WHERE)


@pytest.mark.parametrize("prehash", [True, False])
def test_altered_data(tmp_path: Path, *, prehash: bool) -> None:
    with pytest.raises(SignatureError, match="does not hold") as caught:
        check(tmp_path, signature(prehash=prehash), data=b"another asset")
    assert caught.value.where == WHERE


BYTES = st.sampled_from([(line, at) for line, count in ((1, 74), (3, 64)) for at in range(count)])


@given(place=BYTES, by=st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_of_a_signature_can_be_altered(
    tmp_path: Path, place: tuple[int, int], by: int
) -> None:
    with pytest.raises(SignatureError):
        check(tmp_path, altered(signature(), *place, bytes([by])))


def test_an_altered_comment(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="does not hold"):
        check(tmp_path, signature().replace(b"app-1.0", b"app-1.1"))


def test_the_untrusted_comment_is_just_that(tmp_path: Path) -> None:
    check(tmp_path, signature().replace(b"untrusted comment: ", b"untrusted comment: not "))


def test_another_key(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="incompatible key identifiers"):
        check(tmp_path, signature(pair=minisign.KeyPair.generate()))


def test_another_key_that_claims_to_be_the_recipes(tmp_path: Path) -> None:
    other = minisign.KeyPair.generate()
    theirs, ours = (base64.b64decode(pair.public_key.to_base64()) for pair in (other, PAIR))
    claim = bytes(a ^ b for a, b in zip(theirs[2:10], ours[2:10], strict=True))
    with pytest.raises(SignatureError, match="verification failed"):
        check(tmp_path, altered(signature(pair=other), 1, 2, claim))


def test_a_signature_of_the_file_is_none_of_its_digest(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="verification failed"):
        check(tmp_path, altered(signature(prehash=False), 1, 1, bytes([ord("d") ^ ord("D")])))


@pytest.mark.parametrize("key", ["", "RWQ", "a" * 56, "untrusted comment: x"])
def test_what_is_no_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(BakeryError, match="no public key of minisign"):
        check(tmp_path, signature(), key=key)


@given(data=st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_else_is_a_signature(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SignatureError):
        check(tmp_path, data)


def test_the_library_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "minisign", None)
    with pytest.raises(MissingLibraryError) as caught:
        check(tmp_path, signature())
    assert caught.value.fix == "pip install 'sysext-bakery[signatures]'"
