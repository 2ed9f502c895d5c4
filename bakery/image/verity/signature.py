"""Signatures of root hashes, as hosts verify them: detached PKCS#7 of the hexadecimal digits."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

PARTITION = 16 << 10
"""The bytes of a partition that has a signature."""

_ROOT_HASH = re.compile(r"(?:[0-9a-f]{2}){16,64}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What the partition for a signature has: JSON, filled up with zeros (UAPI.2).

    Attributes:
        root_hash: what is signed, in hexadecimal.
        fingerprint: the SHA-256 of the certificate in DER, in hexadecimal.
        pkcs7: the signature in DER.

    """

    root_hash: str
    fingerprint: str
    pkcs7: bytes

    def encode(self) -> bytes:
        """Return the bytes of the partition.

        Raises:
            ValueError: there is more than room for it.

        """
        fields = {
            "rootHash": self.root_hash,
            "certificateFingerprint": self.fingerprint,
            "signature": base64.b64encode(self.pkcs7).decode(),
        }
        data = json.dumps(fields, separators=(",", ":")).encode()
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
            fields = json.loads(data.rstrip(b"\0"))
            root_hash, fingerprint = fields["rootHash"], fields.get("certificateFingerprint", "")
            pkcs7 = base64.b64decode(fields["signature"], validate=True)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is no JSON with rootHash and signature: {error}") from None
        if not isinstance(root_hash, str) or not _ROOT_HASH.fullmatch(root_hash):
            raise ValueError("its rootHash is none")
        if fingerprint and not (
            isinstance(fingerprint, str) and _FINGERPRINT.fullmatch(fingerprint)
        ):
            raise ValueError("its certificateFingerprint is none")
        return cls(root_hash=root_hash, fingerprint=fingerprint, pkcs7=pkcs7)
