"""PKCS#7 signatures (RFC 2315, and RFC 5652 which came of it), as systemd makes and verifies them.

A host looks for the signer among its own certificates, not among those in the signature, and asks
neither who issued one nor until when it is valid: PKCS7_NOINTERN and PKCS7_NOVERIFY, in OpenSSL's
words. The library makes such signatures and verifies none, hence the reader of DER here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import PublicKeyAlgorithmOID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7PrivateKeyTypes

_KeyIdentifier = x509.SubjectKeyIdentifier
_SEQUENCE, _SET, _OCTETS, _OID = 0x30, 0x31, 0x04, 0x06
_TAGGED_0, _TAGGED_1 = 0xA0, 0xA1
_KEY_ID = 0x80
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_DATA = bytes.fromhex("2a864886f70d010701")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_RSA = {bytes.fromhex("2a864886f70d0101") + bytes([n]) for n in (1, 5, 11, 12, 13)}
_ECDSA = tuple(map(bytes.fromhex, ("2a8648ce3d0201", "2a8648ce3d04")))
_HASHES: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
    bytes.fromhex("2b0e03021a"): hashes.SHA1(),  # noqa: S303  hosts take it as well
}
_FORM = (
    pkcs7.PKCS7Options.DetachedSignature,
    pkcs7.PKCS7Options.Binary,
    pkcs7.PKCS7Options.NoAttributes,
)


class Pkcs7Error(ValueError):
    """A signature is none, or does not hold."""


def sign(data: bytes, certificate: x509.Certificate, key: PKCS7PrivateKeyTypes) -> bytes:
    """Return the detached signature of some bytes, in DER, which has the certificate.

    With RSA it is the same each time.
    """
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
    return builder.add_signer(certificate, key, hashes.SHA256()).sign(Encoding.DER, _FORM)


def refuse_pss(certificate: x509.Certificate) -> None:
    """Refuse a certificate whose key may sign by RSA-PSS alone, which no host verifies.

    Raises:
        Pkcs7Error: it is one.

    """
    if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        raise Pkcs7Error("its key may sign by RSA-PSS alone, which PKCS#7 has not")


def certificates(signature: bytes) -> list[x509.Certificate]:
    """Return the certificates that a signature brings along.

    Raises:
        Pkcs7Error: they can't be read.

    """
    fields = _signed_data(signature)
    try:
        return [
            x509.load_der_x509_certificate(item.whole)
            for field in fields
            if field.tag == _TAGGED_0
            for item in field.items()
            if item.tag == _SEQUENCE
        ]
    except ValueError as error:
        raise Pkcs7Error(f"it brings a certificate that can't be read: {error}") from None


def verify(
    signature: bytes, data: bytes, candidates: Iterable[x509.Certificate]
) -> x509.Certificate:
    """Return the certificate, of some, whose key has made a detached signature of some bytes.

    Where several have signed, hosts want the certificates of all; returned is the first one's.

    Raises:
        Pkcs7Error: none has, or there is no such signature.

    """
    candidates = list(candidates)
    _, digests, *_, signers = _signed_data(signature)
    found = [_Signer.of(item) for item in signers.items()] if signers.tag == _SET else []
    if not found:
        raise Pkcs7Error("it names no signer")
    if not {signer.hash for signer in found} <= {_algorithm(item) for item in digests.items()}:
        raise Pkcs7Error("it does not list the hash of a signer, as hosts want it")
    own = [next(filter(signer.is_named, candidates), None) for signer in found]
    for signer, certificate in zip(found, own, strict=True):
        if certificate is None:
            several = f"one of its {len(found)} signers'" if any(own) else "the signer's"
            raise Pkcs7Error(f"none of the certificates is {several}")
        signer.check(certificate, data)
    assert own[0]  # noqa: S101  else it was refused
    return own[0]


@dataclass(frozen=True)
class _Item:
    """An element of DER: its tag, its content, and all of it."""

    tag: int
    content: bytes
    whole: bytes

    def items(self) -> list[_Item]:
        """Return the elements in it."""
        return list(_items(self.content))


def _items(data: bytes) -> Iterator[_Item]:
    at = 0
    while at < len(data):
        head = data[at : at + 2]
        if len(head) < 2 or head[0] & 0x1F == 0x1F:  # noqa: PLR2004
            raise Pkcs7Error("it is no DER")
        start, size = at + 2, head[1]
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[start : start + count])
            start += count
        end = start + size
        if head[1] == 0x80 or end > len(data):  # noqa: PLR2004
            raise Pkcs7Error("it is no DER")
        yield _Item(head[0], data[start:end], data[at:end])
        at = end


def _fields(item: _Item, tag: int, least: int) -> list[_Item]:
    fields = item.items() if item.tag == tag else []
    if len(fields) < least:
        raise Pkcs7Error("it is no PKCS#7 signature")
    return fields


def _algorithm(item: _Item) -> bytes:
    """Return the label of an AlgorithmIdentifier."""
    return _fields(item, _SEQUENCE, 1)[0].content


def _signed_data(signature: bytes) -> list[_Item]:
    """Return the fields of SignedData: version, digests, content, certificates, signers."""
    outer = _fields(_Item(_SEQUENCE, signature, b""), _SEQUENCE, 1)
    kind, content = _fields(outer[0], _SEQUENCE, 2)[:2]
    if (kind.tag, kind.content) != (_OID, _SIGNED_DATA):
        raise Pkcs7Error("it is no PKCS#7 signature")
    fields = _fields(_fields(content, _TAGGED_0, 1)[0], _SEQUENCE, 4)
    content, *attached = _fields(fields[2], _SEQUENCE, 1)
    if (content.tag, content.content) != (_OID, _DATA):
        raise Pkcs7Error("it is of something else than data")
    if attached:
        raise Pkcs7Error("it is not detached: what is signed stands in it")
    return fields


@dataclass(frozen=True)
class _Signer:
    """SignerInfo: who has signed, by which means, and the signature itself."""

    identity: _Item
    hash: bytes
    attributes: _Item | None
    algorithm: bytes
    signature: bytes

    @classmethod
    def of(cls, item: _Item) -> _Signer:
        _, identity, digest, *rest = _fields(item, _SEQUENCE, 5)
        attributes = rest.pop(0) if rest[0].tag == _TAGGED_0 else None
        if len(rest) < 2 or rest[1].tag != _OCTETS:  # noqa: PLR2004
            raise Pkcs7Error("it is no PKCS#7 signature")
        if _algorithm(digest) not in _HASHES:
            raise Pkcs7Error("its hash is none of SHA-2 or SHA-1")
        return cls(identity, _algorithm(digest), attributes, _algorithm(rest[0]), rest[1].content)

    @property
    def digest(self) -> hashes.HashAlgorithm:
        """The hash by which it is signed."""
        return _HASHES[self.hash]

    def is_named(self, certificate: x509.Certificate) -> bool:
        """Return whether it names a certificate as the signer's."""
        if self.identity.tag == _KEY_ID:
            extensions = certificate.extensions
            own = [e.value.digest for e in extensions if isinstance(e.value, _KeyIdentifier)]
            return self.identity.content in own
        issuer, serial = _fields(self.identity, _SEQUENCE, 2)[:2]
        number = int.from_bytes(serial.content, signed=True)
        return (issuer.whole, number) == (
            certificate.issuer.public_bytes(),
            certificate.serial_number,
        )

    def check(self, certificate: x509.Certificate, data: bytes) -> None:
        """Refuse a signature that a certificate's key has not made of some bytes."""
        signed = self._signed(data)
        key = certificate.public_key()
        refuse_pss(certificate)
        try:
            if isinstance(key, rsa.RSAPublicKey) and self.algorithm in _RSA:
                key.verify(self.signature, signed, padding.PKCS1v15(), self.digest)
            elif isinstance(key, ec.EllipticCurvePublicKey) and self.algorithm.startswith(_ECDSA):
                key.verify(self.signature, signed, ec.ECDSA(self.digest))
            else:
                raise Pkcs7Error("it is neither by RSA (PKCS#1 1.5) nor by ECDSA")
        except InvalidSignature:
            raise Pkcs7Error("its signer has not signed this root hash") from None

    def _signed(self, data: bytes) -> bytes:
        """Return what is signed: the bytes, or attributes of which one has their digest."""
        if self.attributes is None:
            return data
        digest = hashes.Hash(self.digest)
        digest.update(data)
        expected = digest.finalize()
        for attribute in self.attributes.items():
            name, values = _fields(attribute, _SEQUENCE, 2)[:2]
            if name.content == _MESSAGE_DIGEST:
                if [value.content for value in values.items()] != [expected]:
                    raise Pkcs7Error("its signer has not signed this root hash")
                return bytes([_SET]) + self.attributes.whole[1:]
        raise Pkcs7Error("it has attributes, and no digest among them")
