"""Sigstore's signatures, checked by its own library: who signed, when, and that it is in the log.

A bundle signs a file's digest, or a statement that names it among others, so the file itself is not
needed. cosign's former files are made bundles first.
"""

from __future__ import annotations

import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from bakery.text import unmarked
from bakery.upstream.signature import cosign, statement
from bakery.upstream.signature.errors import MissingLibraryError, SignatureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.recipe.signer import Signer
    from bakery.store.download import Blob

_ONE_REFRESH = threading.Lock()


def verify(
    signed: Blob,
    signature: Path,
    signer: Signer,
    *,
    name: str,
    where: str,
    ask: Callable[[str, Any], bytes],
    certificate: Path | None = None,
    offline: bool = False,
) -> None:
    """Check that a signer has signed a file.

    Args:
        signed: the file that is signed.
        signature: a bundle, of cosign's former kind as well, or a bare signature.
        signer: who must have signed.
        name: the name of the file.
        where: the signature's address, for messages.
        ask: posts JSON to an address and returns the answer; for signatures without a log entry.
        certificate: the signer's, where the signature does not hold it.
        offline: trust the roots that are on this machine, without looking for newer ones.

    Raises:
        SignatureError: the signature is wrong, of another file, or by somebody else.
        MissingLibraryError: sigstore is not installed.

    """
    try:
        from sigstore import errors
    except ImportError:
        raise MissingLibraryError("sigstore") from None
    from cryptography.x509 import ExtensionNotFound

    from bakery.upstream.signature.policy import Signed

    with _ONE_REFRESH:
        verifier = _verifier(offline=offline)
    own = certificate.read_bytes() if certificate else b""
    malformed = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
    try:
        bundle = _bundle(signed.sha256, unmarked(signature.read_bytes()), own, verifier, ask)
        stated = _verified(signed.sha256, bundle, Signed(signer), verifier)
        if stated:
            statement.check(*stated, signed.sha256, name, where=where)
    except (errors.Error, ExtensionNotFound, *malformed) as error:
        raise SignatureError(
            "a signature does not hold",
            where=where,
            why=str(error),
            fix=f"the recipe wants it by\n{signer}\nask upstream whether that is still right. "
            "A newer sigstore library knows newer logs",
        ) from None


def _bundle(
    sha256: str, text: bytes, certificate: bytes, verifier: Any, ask: Callable[[str, Any], bytes]
) -> Any:
    from sigstore.models import Bundle

    from bakery.upstream.signature import former

    if cosign.is_bundle(text) and "mediaType" in msgspec.json.decode(text):
        return Bundle.from_json(text)
    address = f"{verifier._rekor.url}/log/entries/retrieve"  # noqa: SLF001
    hashed = former.digest(sha256)
    return former.bundle(text, certificate, hashed, functools.partial(ask, address))


def _verified(sha256: str, bundle: Any, policy: Any, verifier: Any) -> tuple[str, bytes] | None:
    """Return the kind and the text of the statement that a bundle signs, if it is not a file."""
    from bakery.upstream.signature import former

    if bundle._dsse_envelope:  # noqa: SLF001
        kind, payload = verifier.verify_dsse(bundle, policy)
        return kind, payload
    verifier.verify_artifact(former.digest(sha256), bundle, policy)
    return None


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
