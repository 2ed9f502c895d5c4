"""Signatures of images in registries by a key, as cosign makes and verifies them.

https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md. They are written here: that
takes no second program, which would be told the key and the login of the registry.
"""

from __future__ import annotations

import base64
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import structs

from bakery.publish.model import PublishError
from bakery.registry.manifest import MANIFEST, Descriptor, Manifest, Stored, UnreadableError
from bakery.registry.reference import fallback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.registry.client import Registry

KEY = "BAKERY_COSIGN_KEY"
PASSPHRASE = "BAKERY_COSIGN_PASSPHRASE"  # noqa: S105  a variable's name
_CURVE = ec.SECP256R1.name  # P-256
_BEGIN = "-----BEGIN "
_SIGNED = "application/vnd.dev.cosign.simplesigning.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_MAKE = "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out cosign.pem"


@dataclass(frozen=True, kw_only=True)
class CosignKey:
    """A private key of the curve P-256, which is not shown by accident."""

    _private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def configured(cls, environment: Mapping[str, str] = os.environ) -> CosignKey | None:
        """Return the key that the environment names; None if it names none.

        Raises:
            PublishError: it names something else.

        """
        text = environment.get(KEY, "").strip()
        if not text:
            return None
        try:
            pem = text if text.startswith(_BEGIN) else Path(text).read_text("utf-8")
            passphrase = environment.get(PASSPHRASE, "").encode() or None
            private = load_pem_private_key(pem.encode(), passphrase)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            why = str(error).partition("\n")[0]
            wanted = f"it must be PKCS#8 in PEM, or its path; {PASSPHRASE} opens what is encrypted"
            raise _unusable(f"{why}; {wanted}") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != _CURVE:
            raise _unusable("it is not of the curve P-256")
        return cls(_private=private)

    def sign(self, registry: Registry, digest: str) -> None:
        """Sign a manifest or index, unless this key has done so.

        Raises:
            TransientError, RefusedError: the registry does not take it.

        """
        tag = f"{fallback(digest)}.sig"
        there: tuple[Descriptor, ...] = ()
        with suppress(UnreadableError):  # written by halves: it heals
            stored = registry.manifest(tag)
            there = stored.manifest().layers if stored else ()
        payload = _payload(registry, digest)
        if any(self._has_signed(layer, payload) for layer in there):
            return
        signature = self._private.sign(payload, ec.ECDSA(hashes.SHA256()))
        layer = structs.replace(
            registry.push(payload, _SIGNED),
            annotations={_SIGNATURE: base64.b64encode(signature).decode()},
        )
        layers = (*there, layer)
        signed = Manifest(
            schema_version=2,
            media_type=MANIFEST,
            config=registry.push(_config(layers), _CONFIG),
            layers=layers,
        )
        registry.put(Stored.of(signed), tag)

    def _has_signed(self, layer: Descriptor, payload: bytes) -> bool:
        if layer.digest != Descriptor.of(payload, _SIGNED).digest:
            return False
        try:
            signature = base64.b64decode(layer.annotations.get(_SIGNATURE, ""))
            self._private.public_key().verify(signature, payload, ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature):
            return False
        return True


def _payload(registry: Registry, digest: str) -> bytes:
    repository = f"{registry.reference.host}/{registry.reference.repository}"
    said = {
        "critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    return json.dumps(said, separators=(",", ":")).encode()


def _config(layers: tuple[Descriptor, ...]) -> bytes:
    """Return a configuration, without which some registries take no manifest."""
    rootfs = {"type": "layers", "diff_ids": [layer.digest for layer in layers]}
    return json.dumps({"architecture": "", "os": "", "config": {}, "rootfs": rootfs}).encode()


def _unusable(why: str) -> PublishError:
    return PublishError("the key for cosign can't be used", where=KEY, why=why, fix=_MAKE)
