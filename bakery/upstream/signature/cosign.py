"""Signatures by cosign with a key: bare (base64), in cosign's former bundles, in Sigstore's.

The key alone counts: entries of a transparency log, which a bundle may have, are not looked at.
"""

from __future__ import annotations

import base64
import mmap
from typing import TYPE_CHECKING, Any

import msgspec

from bakery.decoding import from_json
from bakery.errors import BakeryError
from bakery.text import unmarked
from bakery.upstream.signature import statement
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bakery.store.download import Blob


class _Message(msgspec.Struct):
    signature: bytes


class _Signature(msgspec.Struct):
    sig: bytes


class _Envelope(msgspec.Struct, rename="camel"):
    """What signs a statement: https://github.com/secure-systems-lab/dsse."""

    payload: bytes
    payload_type: str
    signatures: list[_Signature]

    @property
    def signed(self) -> bytes:
        """What the signatures are of: the "pre-authentication encoding"."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(self.payload), self.payload)


class _Bundle(msgspec.Struct, rename="camel"):
    """A bundle of either format; one of the three is there."""

    base64_signature: bytes | None = msgspec.field(default=None, name="base64Signature")
    message_signature: _Message | None = None
    dsse_envelope: _Envelope | None = None


def bare(text: bytes) -> bytes:
    """Return a signature that is a file of its own, in base64 as cosign writes it.

    Raises:
        ValueError: it is not base64.

    """
    return base64.b64decode(b"".join(unmarked(text).split()), validate=True)


def is_bundle(text: bytes) -> bool:
    """Return whether a file is a bundle, and no bare signature."""
    return unmarked(text).lstrip()[:1] == b"{"


def verify(signed: Blob, signature: Path, key: Path, *, name: str, where: str) -> None:
    """Check that a key has signed a file.

    Args:
        signed: the file that is signed.
        signature: its signature, or a bundle.
        key: the public key, in PEM.
        name: the name of the file.
        where: the signature's address, for messages.

    Raises:
        SignatureError: the signature is wrong, or by another key.

    """
    public = _public_key(key)
    text = unmarked(signature.read_bytes())
    try:
        bundle = from_json(text, _Bundle) if is_bundle(text) else None
        envelope = bundle.dsse_envelope if bundle else None
        if envelope is None:
            held = _holds_file(public, _of_file(bundle, text), signed.path)
        elif held := _holds(public, [each.sig for each in envelope.signatures], envelope.signed):
            payload = envelope.payload
            statement.check(envelope.payload_type, payload, signed.sha256, name, where=where)
    except (ValueError, RecursionError) as error:
        raise SignatureError(
            "this is no signature by cosign",
            where=where,
            why=str(error),
            fix="look at the file, and correct the recipe's signature:",
        ) from None
    if not held:
        raise SignatureError(
            "a signature does not hold",
            where=where,
            why="it is by another key than the recipe's, or the file or the signature has been "
            "altered",
            fix="try again later; if it stays, tell upstream",
        )


def _of_file(bundle: _Bundle | None, text: bytes) -> bytes:
    if bundle is None:
        return bare(text)
    if bundle.base64_signature:
        return bundle.base64_signature
    if bundle.message_signature:
        return bundle.message_signature.signature
    raise ValueError("the bundle holds no signature")


def _public_key(key: Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    kinds = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)
    try:
        public = load_pem_public_key(unmarked(key.read_bytes()))
        if isinstance(public, kinds):
            return public
        why = f"it is an {type(public).__name__}"
    except (ValueError, UnsupportedAlgorithm) as error:
        why = str(error)
    raise BakeryError(
        "this is no public key as cosign has them",
        where=str(key),
        why=why,
        fix="get upstream's cosign.pub: it begins with -----BEGIN PUBLIC KEY-----",
    )


def _holds_file(key: Any, signature: bytes, path: Path) -> bool:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return _holds(key, [signature], data)


def _holds(key: Any, signatures: Iterable[bytes], data: bytes | mmap.mmap) -> bool:
    """Return whether one of several signatures is by a key."""
    from cryptography.exceptions import InvalidSignature

    for signature in signatures:
        for way in _ways(key):
            try:
                key.verify(signature, data, *way)
            except InvalidSignature:
                continue
            return True
    return False


def _ways(key: Any) -> list[tuple[Any, ...]]:
    """Return how cosign signs with a key, as further arguments of its `verify`."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if isinstance(key, ec.EllipticCurvePublicKey):
        # Until cosign 2 with SHA-256 for every curve, then with the digest of its strength
        strong = {384: hashes.SHA384(), 521: hashes.SHA512()}.get(key.curve.key_size)
        return [(ec.ECDSA(digest),) for digest in (hashes.SHA256(), strong) if digest]
    if isinstance(key, rsa.RSAPublicKey):
        return [(padding.PKCS1v15(), hashes.SHA256())]
    return [()]  # Ed25519
