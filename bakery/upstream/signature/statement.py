"""Statements about files (in-toto), signed in an envelope of their own (DSSE)."""

from __future__ import annotations

import msgspec

from bakery.decoding import from_json
from bakery.upstream.signature.errors import SignatureError

_TYPE = "application/vnd.in-toto+json"
_SHOWN = 8


class _Subject(msgspec.Struct):
    name: str = ""
    digest: dict[str, str] = {}

    @property
    def sha256(self) -> str:
        return self.digest.get("sha256", "")


class _Statement(msgspec.Struct):
    subject: list[_Subject]


def check(kind: str, payload: bytes, sha256: str, name: str, *, where: str) -> None:
    """Check that a statement, whose signature holds, is about a file.

    Where it names several files, the one with the digest has to have the file's name, too: none can
    be passed for another.

    Args:
        kind: the media type of the payload.
        payload: the statement.
        sha256: the digest of the file.
        name: the name of the file.
        where: the bundle's address, for messages.

    Raises:
        SignatureError: it is about other files.
        ValueError: it is no statement.

    """
    if kind != _TYPE:
        raise ValueError(f"it signs {kind}, no statement about files")
    subjects = from_json(payload, _Statement).subject
    same = [subject for subject in subjects if subject.sha256 == sha256]
    if same and (len(subjects) == 1 or any(each.name.rpartition("/")[2] == name for each in same)):
        return
    about = [f"{each.sha256 or '-'} {each.name}" for each in same or subjects]
    rest = [f"and {len(about) - _SHOWN} more"] if len(about) > _SHOWN else []
    raise SignatureError(
        "a signature is about another file",
        where=where,
        why="\n".join([f"the file has sha256 {sha256} {name}", "it is about:"])
        + "".join(f"\n{line}" for line in about[:_SHOWN] + rest),
        fix="try again later; if it stays, tell upstream",
    )
