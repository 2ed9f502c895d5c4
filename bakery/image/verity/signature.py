"""Signatures of root hashes, as hosts verify them: detached PKCS#7 of the hexadecimal digits."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bakery.decoding import from_json

PARTITION = 16 << 10
"""The bytes of a partition that has a signature."""

_Digits = Annotated[str, msgspec.Meta(pattern=r"\A(?:[0-9a-f]{2}){16,64}\Z")]
_Fingerprint = Annotated[str, msgspec.Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")]
_FIELDS = {
    "root_hash": "rootHash",
    "fingerprint": "certificateFingerprint",
    "pkcs7": "signature",
}


class Signature(msgspec.Struct, frozen=True, kw_only=True, rename=_FIELDS):
    """What the partition for a signature has: JSON, filled up with zeros (UAPI.2).

    Attributes:
        root_hash: what is signed, in hexadecimal.
        fingerprint: the SHA-256 of the certificate in DER, in hexadecimal; empty where it is
            not told.
        pkcs7: the signature in DER; base64 in JSON.

    """

    root_hash: _Digits
    fingerprint: _Fingerprint = ""
    pkcs7: bytes

    def encode(self) -> bytes:
        """Return the bytes of the partition.

        Raises:
            ValueError: there is more than room for it.

        """
        data = msgspec.json.encode(self)
        if len(data) >= PARTITION:
            raise ValueError(
                f"the signature takes {len(data)} bytes, and there are {PARTITION}: leave"
                " certificates out of it (openssl smime -nocerts)"
            )
        return data.ljust(PARTITION, b"\0")

    @classmethod
    def decode(cls, data: bytes) -> Signature:
        """Return what a partition says.

        Raises:
            ValueError: it says something else.

        """
        try:
            return from_json(data.rstrip(b"\0"), cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"it is no JSON with rootHash and signature: {error}") from None
