"""What cosign wrote before version 3: bundles of its own, and signatures beside certificates.

Its bundles have the log's promise of an entry (a signed entry timestamp) in place of a proof; with
that alone cosign itself is content when it is offline. Signatures beside certificates have neither:
the log is asked.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate
from sigstore._internal.rekor import _hashedrekord_from_parts
from sigstore.hashes import Hashed
from sigstore.models import Bundle, TransparencyLogEntry
from sigstore_models.common.v1 import HashAlgorithm

from bakery.decoding import from_json
from bakery.text import unmarked
from bakery.upstream.signature import cosign

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import Certificate
    from sigstore._internal.trust import RekorKeyring

_PEM = b"-----BEGIN"
_NO_PROOF: dict[str, Any] = {  # the library's type wants one; _PromisedEntry asks nothing of it
    "logIndex": "0",
    "rootHash": "",
    "treeSize": "1",
    "hashes": [],
    "checkpoint": {"envelope": ""},
}


class _Payload(msgspec.Struct, rename="camel"):
    body: str
    integrated_time: int
    log_index: int
    log_id: str = msgspec.field(name="logID")


class _Log(msgspec.Struct):
    promise: str = msgspec.field(name="SignedEntryTimestamp")
    payload: _Payload = msgspec.field(name="Payload")


class _Bundle(msgspec.Struct):
    signature: bytes = msgspec.field(name="base64Signature")
    certificate: bytes = msgspec.field(name="cert", default=b"")
    log: _Log | None = msgspec.field(name="rekorBundle", default=None)


class _PromisedEntry(TransparencyLogEntry):
    def _verify(self, keyring: RekorKeyring) -> None:
        self._verify_set(keyring)


def bundle(text: bytes, certificate: bytes, hashed: Hashed, ask: Callable[[Any], bytes]) -> Bundle:
    """Return a Sigstore bundle of cosign's former one, or of a bare signature.

    Args:
        text: the bundle or the signature.
        certificate: the signer's, where the bundle has none.
        hashed: the digest of what is signed.
        ask: returns the log's answer to a request for entries, where the bundle has none.

    Raises:
        ValueError: something in it is malformed or missing, or the log has no such entry.
        sigstore.errors.Error: it makes no bundle.

    """
    former = from_json(text, _Bundle) if cosign.is_bundle(text) else _Bundle(cosign.bare(text))
    signer = _certificate(former.certificate or certificate)
    if former.log:
        return _promised(former.signature, signer, former.log)
    return Bundle.from_parts(
        signer, former.signature, _logged(former.signature, signer, hashed, ask)
    )


def _certificate(data: bytes) -> Certificate:
    """Return a certificate in PEM, in base64 of PEM as cosign writes it to files, or in DER."""
    data = unmarked(data).strip()
    if not data:
        raise ValueError("the signer's certificate is missing: name its file as certificate:")
    if not data.startswith((b"0", _PEM)):
        data = base64.b64decode(b"".join(data.split()), validate=True)
    load = load_pem_x509_certificate if _PEM in data else load_der_x509_certificate
    return load(data)


def _logged(
    signature: bytes, signer: Certificate, hashed: Hashed, ask: Callable[[Any], bytes]
) -> TransparencyLogEntry:
    """Return the oldest log entry of a signature (Rekor's API: openapi.yaml of sigstore/rekor)."""
    wanted = _hashedrekord_from_parts(signer, signature, hashed)
    answer = ask({"entries": [wanted.model_dump(mode="json", by_alias=True)]})
    entries = from_json(answer, list[dict[str, Any]])
    if not entries:
        raise ValueError("the transparency log has no entry of this signature")
    found = [TransparencyLogEntry._from_v1_response(entry) for entry in entries]  # noqa: SLF001
    return min(found, key=lambda entry: entry._inner.integrated_time or 0)  # noqa: SLF001


def _promised(signature: bytes, signer: Certificate, log: _Log) -> Bundle:
    from cryptography.hazmat.primitives.serialization import Encoding

    entry = log.payload
    body = json.loads(base64.b64decode(entry.body))
    logged = {
        "logIndex": str(entry.log_index),
        "logId": {"keyId": _base64(bytes.fromhex(entry.log_id))},
        "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
        "integratedTime": str(entry.integrated_time),
        "inclusionPromise": {"signedEntryTimestamp": log.promise},
        "inclusionProof": _NO_PROOF,
        "canonicalizedBody": entry.body,
    }
    chain = {"certificates": [{"rawBytes": _base64(signer.public_bytes(Encoding.DER))}]}
    document = {
        "mediaType": Bundle.BundleType.BUNDLE_0_1.value,
        "verificationMaterial": {"x509CertificateChain": chain, "tlogEntries": [logged]},
        "messageSignature": {"signature": _base64(signature)},
    }
    made = Bundle.from_json(json.dumps(document))
    made._log_entry = _PromisedEntry(made.log_entry._inner)  # noqa: SLF001
    return made


def digest(sha256: str) -> Hashed:
    """Return a digest as the library has them."""
    return Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(sha256))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
