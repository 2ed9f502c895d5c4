"""Sigstore bundles, checked by sigstore's own library.

A bundle signs a file's digest, or a statement (in-toto, in a DSSE envelope) that names it among its
subjects, so the file itself is not needed.
"""

from __future__ import annotations

import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from bakery.upstream.signature.errors import MissingLibraryError, SignatureError

if TYPE_CHECKING:
    from pathlib import Path

_STATEMENT = "application/vnd.in-toto+json"
_ONE_REFRESH = threading.Lock()


class _Subject(msgspec.Struct):
    digest: dict[str, str] = {}


class _Statement(msgspec.Struct):
    subject: list[_Subject]


def verify(
    sha256: str, bundle: Path, *, identity: str, issuer: str, where: str, offline: bool = False
) -> None:
    """Check that an identity has signed a file.

    Args:
        sha256: the digest of the file that is signed.
        bundle: its bundle.
        identity: who must have signed: an e-mail address, or the URI of a workflow.
        issuer: who must have vouched for the identity: the address of an OpenID provider.
        where: the bundle's address, for messages.
        offline: trust the roots that are on this machine, without looking for newer ones.

    Raises:
        SignatureError: the bundle is wrong, of another file, or by somebody else.
        MissingLibraryError: sigstore is not installed.

    """
    try:
        from sigstore import errors
        from sigstore.verify import policy
    except ImportError:
        raise MissingLibraryError("sigstore") from None

    signer = policy.Identity(identity=identity, issuer=issuer)
    with _ONE_REFRESH:
        verifier = _verifier(offline=offline)
    try:
        signed = _signed(sha256, bundle.read_bytes(), signer, verifier)
    except (errors.Error, ValueError) as error:
        raise SignatureError(
            "a signature does not hold",
            where=where,
            why=str(error),
            fix=f"the recipe wants it by {identity}, vouched for by {issuer}; ask upstream if\n"
            "that is still right. A newer sigstore library knows newer logs",
        ) from None
    if sha256 not in signed:
        raise SignatureError(
            "a sigstore bundle is about another file",
            where=where,
            why=f"the file has  sha256 {sha256}\nit is about   {', '.join(sorted(signed)) or '-'}",
            fix="try again later; if it stays, tell upstream",
        )


def _signed(sha256: str, text: bytes, signer: Any, verifier: Any) -> set[str]:
    """Return the digests that a bundle is about."""
    from sigstore.hashes import Hashed
    from sigstore.models import Bundle
    from sigstore_models.common.v1 import HashAlgorithm

    bundle = Bundle.from_json(text)
    if "dsseEnvelope" not in msgspec.json.decode(text):
        digest = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(sha256))
        verifier.verify_artifact(digest, bundle, signer)
        return {sha256}
    kind, payload = verifier.verify_dsse(bundle, signer)
    if kind != _STATEMENT:
        raise ValueError(f"it signs {kind}, no statement about files")
    statement = msgspec.json.decode(payload, type=_Statement)
    return {subject.digest.get("sha256", "") for subject in statement.subject} - {""}


@functools.cache
def _verifier(*, offline: bool) -> Any:
    from sigstore import errors
    from sigstore.verify import Verifier

    logging.getLogger("sigstore").setLevel(logging.ERROR)
    if offline:
        return Verifier.production(offline=True)
    try:
        return Verifier.production()
    except errors.TUFError:
        return Verifier.production(offline=True)
