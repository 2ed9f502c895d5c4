"""Signatures by keys, as cosign writes them; tests/e2e/test_cosign.py asks cosign itself."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from bakery.errors import BakeryError
from bakery.store.download import Blob
from bakery.upstream.signature import cosign
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APP = b"app"
SHA256 = hashlib.sha256(APP).hexdigest()
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
P521 = ec.generate_private_key(ec.SECP521R1())
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def signature(data: bytes = APP) -> bytes:
    return P256.sign(data, ec.ECDSA(hashes.SHA256()))


def message(made: bytes) -> dict[str, Any]:
    return {"mediaType": "x", "messageSignature": {"signature": b64(made)}}


def envelope(payload: bytes, kind: str = "application/vnd.in-toto+json") -> dict[str, Any]:
    signed = signature(b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload))
    signatures = [{"sig": b64(b"another")}, {"sig": b64(signed)}]
    return {
        "dsseEnvelope": {"payload": b64(payload), "payloadType": kind, "signatures": signatures}
    }


def statement(*files: tuple[str, bytes]) -> bytes:
    subjects = [
        {"name": name, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
        for name, data in files
    ]
    return json.dumps({"subject": subjects}).encode()


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., None]:
    def check(made: Any, key: Any = P256) -> None:
        app, file, public = (tmp_path / name for name in ("app", "app.sig", "cosign.pub"))
        app.write_bytes(APP)
        file.write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())
        public.write_bytes(
            key
            if isinstance(key, bytes)
            else key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        blob = Blob(sha256=SHA256, size=len(APP), path=app)
        cosign.verify(blob, file, public, name="app", where="here")

    return check


@pytest.mark.parametrize(
    "made",
    [
        b64(signature()).encode(),
        b64(signature()).encode() + b"\n",
        b"\xef\xbb\xbf" + base64.encodebytes(signature()),
        {"base64Signature": b64(signature())},
        {"base64Signature": b64(signature()), "cert": b64(b"a key"), "rekorBundle": None},
        message(signature()),
        envelope(statement(("app", APP))),
        envelope(statement(("app", APP), ("other", b"other"))),
    ],
    ids=[
        "base64",
        "line",
        "wrapped",
        "former bundle",
        "former bundle, key",
        "bundle",
        "envelope",
        "envelope of two",
    ],
)
def test_a_signature_holds_in_every_form(check: Callable[..., None], made: Any) -> None:
    check(made)


@pytest.mark.parametrize(
    ("key", "made"),
    [
        (P384, P384.sign(APP, ec.ECDSA(hashes.SHA256()))),
        (P384, P384.sign(APP, ec.ECDSA(hashes.SHA384()))),
        (P521, P521.sign(APP, ec.ECDSA(hashes.SHA512()))),
        (RSA, RSA.sign(APP, padding.PKCS1v15(), hashes.SHA256())),
        (ED25519, ED25519.sign(APP)),
    ],
    ids=["P-384, SHA-256", "P-384, SHA-384", "P-521", "RSA", "Ed25519"],
)
def test_every_kind_of_key(check: Callable[..., None], key: Any, made: bytes) -> None:
    check(b64(made).encode(), key)
    with pytest.raises(SignatureError, match="does not hold"):
        check(b64(made).encode(), P256)


@pytest.mark.parametrize(
    ("key", "made"),
    [
        (P256, signature(b"evil")),
        (P256, P256.sign(APP, ec.ECDSA(hashes.SHA1()))),
        (RSA, RSA.sign(APP, PSS, hashes.SHA256())),
        (ED25519, ED25519.sign(b"evil")),
        (ED25519, b"short"),
    ],
    ids=["other bytes", "SHA-1", "RSA-PSS", "Ed25519", "short"],
)
def test_what_does_not_hold(check: Callable[..., None], key: Any, made: bytes) -> None:
    with pytest.raises(SignatureError, match="does not hold") as caught:
        check(b64(made).encode(), key)
    assert caught.value.where == "here"


def test_an_altered_statement(check: Callable[..., None]) -> None:
    made = envelope(statement(("app", b"other")))
    made["dsseEnvelope"]["payload"] = b64(statement(("app", APP)))
    with pytest.raises(SignatureError, match="does not hold"):
        check(made)


@pytest.mark.parametrize("files", [[("app", b"other")], [("other", APP), ("app", b"other")], []])
def test_a_statement_about_another_file(check: Callable[..., None], files: Any) -> None:
    with pytest.raises(SignatureError, match="about another file"):
        check(envelope(statement(*files)))


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"\x30\x45\xff",
        b"not base64!",
        b"[]",
        b"{}",
        b"{",
        b'{"base64Signature": 5}',
        {"mediaType": "x", "messageSignature": {}},
        envelope(b"no statement"),
        envelope(statement(("app", APP)), "text/plain"),
        b'{"a":' + b"[" * 99_999,
    ],
)
def test_what_is_no_signature(check: Callable[..., None], made: Any) -> None:
    with pytest.raises(SignatureError, match=r"no signature by cosign|does not hold"):
        check(made)


@pytest.mark.parametrize(
    "key", [ed448.Ed448PrivateKey.generate(), b"", b"RWQ", b"-----BEGIN PUBLIC KEY-----\n", b"\xff"]
)
def test_what_is_no_key(check: Callable[..., None], key: Any) -> None:
    with pytest.raises(BakeryError, match="no public key"):
        check(b64(signature()).encode(), key)
