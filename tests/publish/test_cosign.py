"""Keys for cosign; what they sign is verified by cosign itself in tests/e2e/test_registry.py."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bakery.publish.cosign import KEY, CosignKey
from bakery.publish.model import PublishError

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
KEYS: dict[str, Key] = {
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "brainpool": ec.generate_private_key(ec.BrainpoolP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "RSA": rsa.generate_private_key(65537, 2048),
}


def pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_key_is_of_p_256() -> None:
    assert CosignKey.configured({KEY: pem(ec.generate_private_key(ec.SECP256R1()))})


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_cosign_knows_nothing_of_is_refused(kind: str) -> None:
    with pytest.raises(PublishError, match="not of the curve P-256"):
        CosignKey.configured({KEY: pem(KEYS[kind])})
