"""Signatures by minisign: Ed25519, of the file or of its BLAKE2b digest, and a signed comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakery.errors import BakeryError
from bakery.text import unmarked
from bakery.upstream.signature.errors import MissingLibraryError, SignatureError

if TYPE_CHECKING:
    from pathlib import Path


def verify(signed: Path, signature: Path, key: str, *, where: str) -> None:
    """Check a signature and its trusted comment.

    Args:
        signed: the file that is signed.
        signature: its signature.
        key: the public key: its file's text, or the one line that matters.
        where: the signature's address, for messages.

    Raises:
        SignatureError: the signature is wrong, or by another key.
        MissingLibraryError: py-minisign is not installed.

    """
    try:
        import minisign  # type: ignore[import-untyped]
    except ImportError:
        raise MissingLibraryError("py-minisign") from None

    public = _public_key(key, where)
    try:
        public.verify_file(signed, minisign.Signature.from_bytes(unmarked(signature.read_bytes())))
    except minisign.ParseError as error:
        raise SignatureError(
            "this is no signature of minisign",
            where=where,
            why=str(error),
            fix="look at the file, and correct the recipe's signature:",
        ) from None
    except minisign.VerifyError as error:
        raise SignatureError(
            "a signature does not hold",
            where=where,
            why=f"{error}: it is by another key than the recipe's, or the file, the signature or "
            "its comment has been altered",
            fix="try again later; if it stays, tell upstream",
        ) from None


def _public_key(text: str, where: str) -> Any:
    import minisign

    try:
        return minisign.PublicKey.from_base64(text.strip().rpartition("\n")[2].encode())
    except minisign.ParseError as error:
        raise BakeryError(
            "this is no public key of minisign",
            where=where,
            why=str(error),
            fix="give the recipe's signature: the key that upstream announces, RW…",
        ) from None
