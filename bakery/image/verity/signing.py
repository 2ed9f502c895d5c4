"""Who signs root hashes: a certificate and its key, given as text or as the path of a file.

The key stays in this process: no program is started that sees it.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.image.errors import VerityError
from bakery.image.verity.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7PrivateKeyTypes

    from bakery.settings import Settings

KEY = "BAKERY_VERITY_KEY"
PASSPHRASE = "BAKERY_VERITY_PASSPHRASE"  # noqa: S105  a variable's name
CERTIFICATE = "BAKERY_VERITY_CERTIFICATE"

_BEGIN = "-----BEGIN "
_MAKE = (
    "make both with: openssl req -x509 -newkey rsa:4096 -nodes -days 3650 -subj '/CN=NAME'"
    " -keyout verity.key -out verity.crt"
)


@dataclass(frozen=True)
class Certificates:
    """Certificates that may have signed, each of which hosts have in a file of its own.

    Attributes:
        pem: all of them, as text.

    """

    pem: bytes

    @classmethod
    def configured(cls, settings: Settings) -> Certificates | None:
        """Return those that hosts are to have; None where there are none.

        Raises:
            VerityError: they can't be read.

        """
        named = settings.verity_certificate
        return cls.of(named) if named else None

    @classmethod
    def of(cls, text: str) -> Certificates:
        """Return those in a text, or in the file whose path it is.

        Raises:
            VerityError: there are none.

        """
        certificates = cls(_text(text, CERTIFICATE, "a certificate").encode())
        try:
            found = certificates.all
        except ValueError as error:
            raise VerityError(
                "the certificate can't be read", where=CERTIFICATE, why=str(error), fix=_MAKE
            ) from None
        canonical = b"".join(map(_pem, found))
        return cls(canonical)

    @cached_property
    def all(self) -> tuple[x509.Certificate, ...]:
        """The certificates."""
        from cryptography import x509

        return tuple(x509.load_pem_x509_certificates(self.pem))

    def verify(self, signature: Signature) -> str:
        """Return the fingerprint of the certificate whose key has made a signature.

        Raises:
            Pkcs7Error: none has.

        """
        from bakery.image.verity import pkcs7

        return fingerprint(pkcs7.verify(signature.pkcs7, signature.root_hash.encode(), self.all))

    def first(self, signer: x509.Certificate) -> Certificates:
        """Return the same ones, with the one that signs at the beginning."""
        others = [each for each in self.all if each != signer]
        return Certificates(b"".join(map(_pem, [signer, *others])))


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A certificate with its private key, which is not shown by accident.

    Attributes:
        certificates: all that hosts are to have, the signer's first.
        key: the private key.

    """

    certificates: Certificates
    key: PKCS7PrivateKeyTypes = field(repr=False)

    @classmethod
    def configured(
        cls, certificates: Certificates | None, environment: Mapping[str, str] = os.environ
    ) -> Signer | None:
        """Return the signer whose key the environment names; None if it names none.

        Args:
            certificates: those that hosts have or are to have, its own among them.
            environment: the variables.

        Raises:
            VerityError: it names something else, or the key of none of the certificates.

        """
        text = environment.get(KEY, "").strip()
        if not text:
            return None
        if certificates is None:
            raise VerityError(
                "there is a key for dm-verity, and no certificate",
                where=KEY,
                fix=f"set {CERTIFICATE}",
            )
        key = _private_key(_text(text, KEY, "a private key"), environment.get(PASSPHRASE, ""))
        own = next((c for c in certificates.all if c.public_key() == key.public_key()), None)
        if own is None:
            raise VerityError(
                "the key belongs to none of the certificates",
                where=f"{KEY}, {CERTIFICATE}",
                fix=f"give the certificate that was made with the key; {_MAKE}",
            )
        _refuse_useless(own)
        return cls(certificates=certificates.first(own), key=key)

    @property
    def fingerprint(self) -> str:
        """The certificate's SHA-256, in hexadecimal."""
        return fingerprint(self.certificates.all[0])

    def sign(self, root_hash: str) -> Signature:
        """Return the signature of a root hash, which is given in hexadecimal."""
        from bakery.image.verity import pkcs7

        own = self.certificates.all[0]
        return Signature(
            root_hash=root_hash,
            fingerprint=self.fingerprint,
            pkcs7=pkcs7.sign(root_hash.encode(), own, self.key),
        )


def _refuse_useless(own: x509.Certificate) -> None:
    from bakery.image.verity import pkcs7

    try:
        pkcs7.refuse_pss(own)
    except pkcs7.Pkcs7Error as error:
        raise VerityError(
            "hosts can't verify by the certificate", where=CERTIFICATE, why=str(error), fix=_MAKE
        ) from None
    if own.not_valid_after_utc < datetime.now(UTC):
        raise VerityError(
            "the certificate has expired",
            where=CERTIFICATE,
            why=f"it was valid until {own.not_valid_after_utc:%F}",
            fix="have hosts get another one first, and sign with its key then",
        )


def made_elsewhere(root_hash: str, data: bytes, certificates: Certificates | None) -> Signature:
    """Return a signature of a root hash that somebody else has made.

    Args:
        root_hash: in hexadecimal.
        data: PKCS#7, in DER or PEM.
        certificates: those that may have signed; None for one that the signature brings along.

    Raises:
        VerityError: it is none of this root hash by one of them.

    """
    from bakery.image.verity import pkcs7

    try:
        der = _der(data)
        candidates = certificates.all if certificates else pkcs7.certificates(der)
        own = pkcs7.verify(der, root_hash.encode(), candidates)
        made = Signature(root_hash=root_hash, fingerprint=fingerprint(own), pkcs7=der)
        made.encode()  # whether there is room for it
    except ValueError as error:
        raise VerityError(
            "the signature does not hold",
            why=str(error),
            fix="sign the 64 digits of the root hash, without a newline, detached and binary:\n"
            "openssl smime -sign -binary -noattr -outform der -in ROOTHASH -signer verity.crt"
            " -inkey verity.key -out ROOTHASH.p7s"
            + ("" if certificates else f"\nor say whose it is: {CERTIFICATE}=verity.crt"),
        ) from None
    return made


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in DER, in hexadecimal."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return certificate.fingerprint(SHA256()).hex()


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _der(data: bytes) -> bytes:
    """Return a signature in DER, whichever of the two forms it has."""
    if not data.startswith(_BEGIN.encode()):
        return data
    lines = [line for line in data.splitlines() if not line.startswith(b"-----")]
    return base64.b64decode(b"".join(lines), validate=True)


def _text(text: str, variable: str, what: str) -> str:
    """Return a variable's text in PEM, or what the file has that it names."""
    if text.lstrip().startswith(_BEGIN):
        return text
    try:
        return Path(text).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise VerityError(
            f"{what} can't be read",
            where=variable,
            why="it is neither PEM nor the path of a file in PEM",
            fix=_MAKE,
        ) from None


def _private_key(text: str, passphrase: str) -> PKCS7PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.encode(), passphrase.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise VerityError(
            "the key can't be read",
            where=KEY,
            why=str(error).partition("\n")[0],
            fix=f"give it in PEM, and its passphrase in {PASSPHRASE} if it has one",
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise VerityError("the key is neither RSA nor of an elliptic curve", where=KEY, fix=_MAKE)
    return key
