"""A Sigstore of our own: a certificate authority, its log of certificates, a log of signatures.

Nothing is imitated but the services that ask who one is: keys, certificates, promises and proofs
are real, and `trusted_root` makes both the library and cosign accept them.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

GITHUB = "https://token.actions.githubusercontent.com"
LOG = "https://rekor.example.org"
TIME = 1_790_000_000
_NOW = dt.datetime.fromtimestamp(TIME, dt.UTC)
_EPOCH = {"start": "2020-01-01T00:00:00Z"}
_FULCIO = "1.3.6.1.4.1.57264.1."
_SCTS = "1.3.6.1.4.1.11129.2.4.2"  # RFC 6962, 3.3

Key = ec.EllipticCurvePrivateKey


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def sign(key: Key, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _new() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def _public(key: Key, encoding: serialization.Encoding = serialization.Encoding.DER) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form)


def _pem(key: Key) -> bytes:
    return _public(key, serialization.Encoding.PEM)


def _id(key: Key) -> bytes:
    return hashlib.sha256(_public(key)).digest()


def _string(text: str) -> bytes:
    return b"\x0c" + _length(len(text.encode())) + text.encode()


def _length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    return bytes([0x82]) + struct.pack(">H", size)


class Instance:
    """The services, and what they have issued.

    Attributes:
        authority: the certificate of the certificate authority.
        entries: the log's, as its API gives them.

    """

    def __init__(self) -> None:
        self._ca_key, self._ct_key, self._log_key = _new(), _new(), _new()
        self.authority = self._authority()
        self.entries: list[dict[str, Any]] = []

    @property
    def ct_key(self) -> bytes:
        """The public key of the log of certificates, in PEM."""
        return _pem(self._ct_key)

    @property
    def log_key(self) -> bytes:
        """The public key of the log of signatures, in PEM."""
        return _pem(self._log_key)

    @property
    def trusted_root(self) -> dict[str, Any]:
        """What a client has to trust, in the form of Sigstore's protobuf-specs."""
        authority = {
            "subject": {"organization": "example", "commonName": "example"},
            "uri": "https://fulcio.example.org",
            "certChain": {
                "certificates": [
                    {"rawBytes": b64(self.authority.public_bytes(serialization.Encoding.DER))}
                ]
            },
            "validFor": _EPOCH,
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_log(LOG, self._log_key)],
            "certificateAuthorities": [authority],
            "ctlogs": [_log("https://ct.example.org", self._ct_key)],
            "timestampAuthorities": [],
        }

    def _authority(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example")])
        usage = {"key_cert_sign": True, "crl_sign": True}
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._ca_key.public_key())
            .serial_number(1)
            .not_valid_before(_NOW - dt.timedelta(days=1000))
            .not_valid_after(_NOW + dt.timedelta(days=1000))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(**usage), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._ca_key.public_key()), critical=False
            )
            .sign(self._ca_key, hashes.SHA256())
        )

    def certificate(
        self,
        key: Key,
        identity: str,
        issuer: str = GITHUB,
        *,
        source: tuple[str, str] | None = None,
        logged: bool = True,
    ) -> x509.Certificate:
        """Issue a certificate for ten minutes.

        Args:
            key: the signer's.
            identity: an e-mail address or a URI.
            issuer: who vouches for the identity.
            source: repository (OWNER/REPO on GitHub) and ref that a workflow runs for.
            logged: whether the log of certificates has it.

        """
        is_uri = "://" in identity
        name = x509.UniformResourceIdentifier(identity) if is_uri else x509.RFC822Name(identity)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW - dt.timedelta(minutes=5))
            .not_valid_after(_NOW + dt.timedelta(minutes=5))
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        )
        told = {"1": issuer.encode(), "8": _string(issuer)}
        if source:
            repository, ref = source
            told |= {"5": repository.encode(), "6": ref.encode()}
            told |= {"12": _string(f"https://github.com/{repository}"), "14": _string(ref)}
        for number, value in told.items():
            oid = x509.ObjectIdentifier(_FULCIO + number)
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        if logged:
            before = builder.sign(self._ca_key, hashes.SHA256())
            builder = builder.add_extension(self._timestamp(before), critical=False)
        return builder.sign(self._ca_key, hashes.SHA256())

    def _timestamp(self, certificate: x509.Certificate) -> x509.UnrecognizedExtension:
        """Return the promise of the log of certificates (RFC 6962, 3.2 and 3.3)."""
        tbs = certificate.tbs_certificate_bytes
        signed = struct.pack(">BBQH", 0, 0, TIME * 1000, 1) + _id(self._ca_key)
        signed += struct.pack(">I", len(tbs))[1:] + tbs + b"\0\0"
        signature = sign(self._ct_key, signed)
        timestamp = b"\0" + _id(self._ct_key) + struct.pack(">Q", TIME * 1000) + b"\0\0"
        timestamp += b"\4\3" + struct.pack(">H", len(signature)) + signature
        listed = struct.pack(">HH", len(timestamp) + 2, len(timestamp)) + timestamp
        value = b"\4" + _length(len(listed)) + listed
        return x509.UnrecognizedExtension(x509.ObjectIdentifier(_SCTS), value)

    def log(self, body: dict[str, Any]) -> dict[str, Any]:
        """Write an entry, and return what the log's API answers."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        entry: dict[str, Any] = {
            "body": b64(text),
            "integratedTime": TIME,
            "logID": _id(self._log_key).hex(),
            "logIndex": 1,
        }
        promised = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
        before, leaf = _leaf(b"an entry before it"), _leaf(text)
        root = hashlib.sha256(b"\1" + before + leaf).digest()
        note = f"rekor.example.org - 1\n2\n{b64(root)}\n"
        signed = b64(_id(self._log_key)[:4] + sign(self._log_key, note.encode()))
        entry["verification"] = {
            "signedEntryTimestamp": b64(sign(self._log_key, promised)),
            "inclusionProof": {
                "logIndex": 1,
                "treeSize": 2,
                "rootHash": root.hex(),
                "hashes": [before.hex()],
                "checkpoint": f"{note}\n\u2014 rekor.example.org {signed}\n",
            },
        }
        self.entries.append(entry)
        return entry

    def answer(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the entries that are asked for, as the log's API does."""
        wanted = question["entries"]
        return [
            {f"{number:064x}": entry}
            for number, entry in enumerate(self.entries)
            if json.loads(base64.b64decode(entry["body"])) in wanted
        ]


class Person:
    """Who signs, with one certificate.

    Attributes:
        certificate: it.

    """

    def __init__(
        self, instance: Instance, identity: str, issuer: str = GITHUB, **told: Any
    ) -> None:
        self._instance = instance
        self._key = _new()
        self.certificate = instance.certificate(self._key, identity, issuer, **told)

    def bare(self, data: bytes) -> bytes:
        """Return a signature, which is in the log."""
        signature = sign(self._key, data)
        self._log_file(data, signature)
        return base64.b64encode(signature)

    def _log_file(self, data: bytes, signature: bytes) -> dict[str, Any]:
        return self._instance.log(
            {
                "apiVersion": "0.0.1",
                "kind": "hashedrekord",
                "spec": {
                    "data": {"hash": {"algorithm": "sha256", "value": sha256(data)}},
                    "signature": {
                        "content": b64(signature),
                        "publicKey": {"content": b64(pem(self.certificate))},
                    },
                },
            }
        )

    def former(self, data: bytes) -> dict[str, Any]:
        """Return what `cosign sign-blob --bundle` wrote before version 3."""
        signature = sign(self._key, data)
        entry = self._log_file(data, signature)
        payload = {key: entry[key] for key in ("body", "integratedTime", "logIndex", "logID")}
        promise = entry["verification"]["signedEntryTimestamp"]
        return {
            "base64Signature": b64(signature),
            "cert": b64(pem(self.certificate)),
            "rekorBundle": {"SignedEntryTimestamp": promise, "Payload": payload},
        }

    def bundle(self, data: bytes) -> dict[str, Any]:
        """Return a bundle of a file."""
        signature = sign(self._key, data)
        digest = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(data).digest())}
        message = {"messageDigest": digest, "signature": b64(signature)}
        return self._bundle(self._log_file(data, signature), "messageSignature", message)

    def statement(self, files: dict[str, bytes]) -> dict[str, Any]:
        """Return a bundle of a statement about files."""
        subjects = [
            {"name": name, "digest": {"sha256": sha256(data)}} for name, data in files.items()
        ]
        kind, payload = b"application/vnd.in-toto+json", json.dumps({"subject": subjects}).encode()
        signature = sign(
            self._key, b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        )
        envelope = {
            "payload": b64(payload),
            "payloadType": kind.decode(),
            "signatures": [{"sig": b64(signature)}],
        }
        verifier = {"signature": b64(signature), "verifier": b64(pem(self.certificate))}
        whole = json.dumps(envelope).encode()
        entry = self._instance.log(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {"algorithm": "sha256", "value": sha256(whole)},
                    "payloadHash": {"algorithm": "sha256", "value": sha256(payload)},
                    "signatures": [verifier],
                },
            }
        )
        return self._bundle(entry, "dsseEnvelope", envelope)

    def _bundle(self, entry: dict[str, Any], kind: str, content: dict[str, Any]) -> dict[str, Any]:
        raw = self.certificate.public_bytes(serialization.Encoding.DER)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(raw)},
                "tlogEntries": [_as_bundled(entry)],
            },
            kind: content,
        }


def _as_bundled(entry: dict[str, Any]) -> dict[str, Any]:
    body = json.loads(base64.b64decode(entry["body"]))
    proof = entry["verification"]["inclusionProof"]
    return {
        "logIndex": str(entry["logIndex"]),
        "logId": {"keyId": b64(bytes.fromhex(entry["logID"]))},
        "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
        "integratedTime": str(entry["integratedTime"]),
        "inclusionPromise": {"signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"]},
        "inclusionProof": {
            "logIndex": str(proof["logIndex"]),
            "rootHash": b64(bytes.fromhex(proof["rootHash"])),
            "treeSize": str(proof["treeSize"]),
            "hashes": [b64(bytes.fromhex(each)) for each in proof["hashes"]],
            "checkpoint": {"envelope": proof["checkpoint"]},
        },
        "canonicalizedBody": entry["body"],
    }


def _log(url: str, key: Key) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(_public(key)),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": _EPOCH,
        },
        "logId": {"keyId": b64(_id(key))},
    }


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def _usage(**used: bool) -> x509.KeyUsage:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
    names += ["key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})
