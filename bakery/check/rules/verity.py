"""Rules about partitions, hash trees and signatures: what makes hosts take an image, or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bakery.check import partitions
from bakery.check.rule import Skip, Violation, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryptography.x509 import Certificate

    from bakery.check.partitions import Verity
    from bakery.check.subject import Subject
    from bakery.image.verity.signature import Signature

_SHOWN = 3
_AGAIN = "build the image again, or download it again"


@rule(
    "partition-type",
    "error",
    reason="a host takes the partitions of its own architecture alone, and one of each kind",
    fix="make the image with systemd-repart --architecture=, or with `format: verity`",
)
def types(subject: Subject) -> Iterator[Violation]:
    """Compare what partitions are for with the image's architecture and with each other."""
    for mistake in partitions.mistakes(subject.partitions, subject.arch):
        yield Violation(".", mistake)


@rule(
    "verity-uuid",
    "error",
    reason="a host pairs file system and hash tree by UUIDs, which are the halves of the root hash",
    fix=_AGAIN,
)
def uuids(subject: Subject) -> Iterator[Violation]:
    """Compare the root hash that hosts go by with the file system's."""
    for each in subject.vouched:
        compared, root = each.comparison, each.comparison.root.hex()
        if not (compared.problem or compared.tree or compared.data) and root != each.root_hash:
            named = f"the root hash of its {each.label} is {each.root_hash}"
            yield Violation(".", f"has the root hash {root}, and {named}")


@rule(
    "verity-tree",
    "error",
    reason="a hash tree that is damaged makes reads fail, or the merge of all extensions",
    fix=_AGAIN,
)
def tree(subject: Subject) -> Iterator[Violation]:
    """Compare the hash tree with what it must be."""
    for each in subject.vouched:
        if each.comparison.problem:
            yield Violation(".", f"has a hash tree that can't be used: {each.comparison.problem}")
        elif each.comparison.tree:
            yield Violation(".", f"has a damaged hash tree: {_blocks(each.comparison.tree)}")


@rule(
    "verity-data",
    "error",
    reason="a block that its hash does not fit is noticed when it is read, which then fails",
    fix=_AGAIN,
)
def data(subject: Subject) -> Iterator[Violation]:
    """Compare the file system with the hash tree."""
    for each in subject.vouched:
        if each.comparison.data:
            blocks = _blocks(each.comparison.data)
            yield Violation(".", f"has another file system than its hash tree is of: {blocks}")


@rule(
    "verity-signature",
    "error",
    reason="one signature that does not hold stops the merge of all extensions of a host",
    fix="sign the image again: bakery sign-image",
)
def signature(subject: Subject) -> Iterator[Violation | Skip]:
    """Verify the signature of the root hash."""
    certificates = subject.context.certificates
    for each in subject.vouched:
        try:
            signed = each.signed()
            if signed:
                yield from _verified(subject, each, signed)
            elif certificates:
                yield Violation(".", "is not signed")
        except ValueError as error:
            yield Violation(".", f"has a signature that does not hold: {error}")
    if certificates and not subject.vouched and subject.file:
        yield Violation(".", "is not signed: it has no hash tree")


def _verified(subject: Subject, verity: Verity, signed: Signature) -> Iterator[Violation | Skip]:
    from bakery.image.verity import pkcs7
    from bakery.image.verity.signing import fingerprint

    if signed.root_hash != verity.root_hash:
        yield Violation(".", f"has a signature of another root hash, {signed.root_hash}")
        return
    brought = pkcs7.certificates(signed.pkcs7)
    certificates = subject.context.certificates
    candidates = certificates.all if certificates else brought
    if not candidates:
        yield Skip("the signature brings no certificate", fix="bakery check --certificate FILE")
        return
    signer = pkcs7.verify(signed.pkcs7, signed.root_hash.encode(), candidates)
    if signed.fingerprint not in {"", fingerprint(signer)}:
        yield Violation(".", f"is signed by {fingerprint(signer)}, and says {signed.fingerprint}")
    elif brought and signer not in brought:
        yield Violation(".", "has a signature that brings another certificate than its signer's")


@rule(
    "verity-certificate",
    "warning",
    reason="who renews certificates in time has hosts trust new ones before the old must go",
    fix="have hosts get another certificate, then sign with its key; see the guide to dm-verity",
)
def certificate(subject: Subject) -> Iterator[Violation]:
    """Look at how long certificates are valid, which hosts don't."""
    for each in subject.vouched:
        for one in _brought(each):
            if one.not_valid_after_utc < datetime.now(UTC):
                until = f"{one.not_valid_after_utc:%F}"
                yield Violation(".", f"is signed with a certificate that was valid until {until}")


def _brought(verity: Verity) -> list[Certificate]:
    """Return the certificates in a signature; none of what the rule about signatures refuses."""
    from bakery.image.verity import pkcs7

    try:
        signed = verity.signed()
        return pkcs7.certificates(signed.pkcs7) if signed else []
    except ValueError:
        return []


@rule(
    "verity-file",
    "error",
    reason="a host ignores what has another name, and then merges the image unverified",
    fix="name it as hosts look for it, or remove it",
)
def side_files(subject: Subject) -> Iterator[Violation]:
    """Look at the names of files beside the image."""
    if subject.file is None or subject.is_gpt:
        return
    right = {kind: partitions.side_file(subject.file, kind) for kind in partitions.KINDS}
    for kind, path in right.items():
        wrong = subject.file.with_name(f"{subject.file.name}.{kind}")
        if wrong != path and wrong.exists():
            yield Violation(".", f"has {wrong.name} beside it; hosts look for {path.name}")
    there = {kind for kind, path in right.items() if path.exists()}
    yield from _incomplete(there, {kind: path.name for kind, path in right.items()})


def _incomplete(there: set[str], names: dict[str, str]) -> Iterator[Violation]:
    for kind in sorted(there):
        needed = [kind.removesuffix(".p7s")] if kind.endswith(".p7s") else []
        needed += ["verity"] if kind == "roothash" else []
        missing = [names[each] for each in needed if each not in there]
        if missing:
            yield Violation(".", f"has {names[kind]} beside it, and no {', '.join(missing)}")
    if "verity" in there and not there & {"roothash", "usrhash"}:
        yield Violation(".", f"has {names['verity']} beside it, and no {names['roothash']}")


def _blocks(numbers: Sequence[int]) -> str:
    shown: Iterable[int] = numbers[:_SHOWN]
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"block {', '.join(map(str, shown))}{more}"
