"""Results of steps that machines share: written down, signed, and taken over after a close look.

A result lies in a cache under its step's key, the digest of everything that decides it, so whoever
finds it there would have made the same. What a cache gives may be anything all the same: a result
is for the step that is asked for, by a trusted key where any are named, and every byte is compared
with it, or it counts as missing.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import msgspec

from bakery.build.step import Made, objection
from bakery.decoding import from_json
from bakery.errors import BakeryError
from bakery.files import replace
from bakery.release.boots import Origin
from bakery.remote.cache import FOLDER, Cache
from bakery.remote.model import Blob
from bakery.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bakery.build.state import AnyRecord
    from bakery.build.step import AnyMade, AnyStep, Work
    from bakery.release.keyring import Keyring
    from bakery.release.signing import SigningKey
    from bakery.settings import Settings

KEY = "BAKERY_REMOTE_KEY"
"""The variable with the key that signs results; without it, the one that signs releases does."""

_AT_ONCE = 16
_LARGEST_DOCUMENT = 256 << 20  # bytes; manifests of trees with a million files
_LONGEST = 7 * 24 * 60 * 60.0  # seconds

Seconds = Annotated[float, msgspec.Meta(ge=0, le=_LONGEST)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of a result.

    Attributes:
        name: what the step calls it: an output's name without its folder, or an attachment's.
        blob: its bytes.

    """

    name: str
    blob: Blob


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a step has made, as other machines are told.

    Attributes:
        step: the step, such as `squash:docker-20.10.13-arm64`.
        key: the digest of everything that decides it.
        seconds: how long it took.
        facts: what is on record of it.
        outputs: its files; those that a step before has made are the ones that it is about.
        attachments: the documents beside its record.

    """

    step: str
    key: str
    seconds: Seconds
    facts: msgspec.Raw
    outputs: tuple[Part, ...]
    attachments: tuple[Part, ...]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies in a cache: a result as JSON, and an armored OpenPGP signature of that text."""

    result: str
    signature: str = ""


class _RefusedError(Exception):
    """A result is not what was asked for."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A result that is good as far as it goes: its files are yet to come.

    Attributes:
        result: what was made.
        facts: what goes on record of it, decoded.
        origin: where it comes from.

    """

    result: Result
    facts: msgspec.Struct
    origin: Origin


class Sharing:
    """What this machine takes from a shared cache, and gives to it; safe for several threads.

    Args:
        cache: where results lie.
        writes: whether what is made here is put there.
        trusted: the public keys of which one must have signed a result; None where anyone may
            have written it.

    """

    def __init__(self, cache: Cache, *, writes: bool = False, trusted: Path | None = None) -> None:
        self._cache = cache
        self._writes = writes
        self._trusted = trusted
        self._digests: dict[tuple[str, int, int], Blob] = {}

    @classmethod
    def of(cls, settings: Settings) -> Sharing | None:
        """Return what the settings say is shared; None where nothing is."""
        address = settings.remote
        if address is None or (settings.offline and not address.startswith(FOLDER)):
            return None
        return cls(Cache.at(address), writes=settings.remote_write, trusted=settings.remote_trusted)

    def complaints(self) -> list[str]:
        """Return what is to be told of the cache since this was last asked."""
        return self._cache.complaints()

    # Taking over

    def look(self, asked: Mapping[AnyStep, str]) -> dict[AnyStep, Found]:
        """Return the results that the cache has of steps, given with their keys."""
        try:
            self._keyring  # noqa: B018  read once, and not by every thread
        except (BakeryError, OSError) as error:
            said = f"nothing is taken from the shared cache: {error}"
            self._cache.complain(said, "keyring")
            return {}
        with Workers(min(_AT_ONCE, len(asked)) or 1) as pool:
            results = pool.map(self._found, asked.keys(), asked.values())
            return {step: found for step, found in zip(asked, results, strict=True) if found}

    def _found(self, step: AnyStep, key: str) -> Found | None:
        data = self._cache.result(key)
        if data is None:
            return None
        try:
            return self._opened(step, key, data)
        except (_RefusedError, msgspec.DecodeError, RecursionError) as error:
            self._refuse(step, error)
        except BakeryError as error:
            self._refuse(step, error.why or error.what)
        return None

    def _opened(self, step: AnyStep, key: str, data: bytes) -> Found:
        envelope = from_json(data, Envelope)
        signer = self._signer(step, envelope)
        result = from_json(envelope.result, Result)
        if (result.step, result.key) != (step.id, key):
            raise _RefusedError("it is another step's")
        if [part.name for part in result.outputs] != [path.name for path in step.shared]:
            raise _RefusedError("it has other files than the step makes")
        if sorted(part.name for part in result.attachments) != sorted(step.attached):
            raise _RefusedError("it has other documents than the step leaves")
        if any(part.blob.size > _LARGEST_DOCUMENT for part in result.attachments):
            raise _RefusedError("its documents are too large")
        facts = from_json(result.facts, step.facts)
        origin = Origin(cache=self._cache.name, signed_by=signer)
        return Found(result=result, facts=facts, origin=origin)

    def _signer(self, step: AnyStep, envelope: Envelope) -> str | None:
        """Return the fingerprint of the trusted key that has signed; None where none is named."""
        if self._keyring is None:
            return None
        if not envelope.signature:
            raise _RefusedError("it is not signed")
        signature = envelope.signature.encode()
        return self._keyring.check(envelope.result.encode(), signature, where=step.id)

    @cached_property
    def _keyring(self) -> Keyring | None:
        from bakery.release.keyring import Keyring

        return Keyring.read(self._trusted) if self._trusted else None

    def take(self, step: AnyStep, found: Found, work: Work) -> AnyMade | None:
        """Bring a result here, its files into their places; None where that is not possible.

        Nothing is in its place before all has come and has been compared.
        """
        try:
            return self._taken(step, found, work)
        except (_RefusedError, msgspec.DecodeError, RecursionError, ValueError) as error:
            self._refuse(step, error)
        return None

    def _taken(self, step: AnyStep, found: Found, work: Work) -> AnyMade | None:
        result, about = found.result, _about(step)
        files = dict(zip(step.shared, result.outputs, strict=True))
        for path in about:
            if self._blob(path) != files.pop(path).blob:
                raise _RefusedError(f"it is about another {path.name}")
        if not self._fetched([*files.values(), *result.attachments], work):
            return None
        made: AnyMade = Made(
            facts=found.facts,
            outputs=step.shared,
            attachments={
                part.name: (work.scratch / part.name).read_bytes() for part in result.attachments
            },
            note=f"from the cache {self._cache.name}",
        )
        if why := objection(made, result.outputs, step.misfit):
            raise _RefusedError(why)
        for path, part in files.items():
            replace(work.scratch / part.name, path)
            self._digests[_stamp(path, path.stat())] = part.blob
        return made

    def _fetched(self, parts: Sequence[Part], work: Work) -> bool:
        work.progress.expect(sum(part.blob.size for part in parts))
        return all(
            self._cache.fetch(part.blob, work.scratch / part.name, work.progress) for part in parts
        )

    def _refuse(self, step: AnyStep, why: object) -> None:
        said = f"the shared cache's result of {step.id} is not used: {why}"
        self._cache.complain(said, f"read: {why}")

    # Giving

    def put(self, step: AnyStep, record: AnyRecord, attachments: Mapping[str, bytes]) -> None:
        """Put what a step has made into the cache, if that is wanted; its files first."""
        if not (self._writes and step.shared):
            return
        try:
            self._put(step, record, attachments)
        except (BakeryError, OSError) as error:
            why = error.what if isinstance(error, BakeryError) else str(error)
            self._cache.complain(f"{step.id} is not put into the shared cache: {why}", why)

    def _put(self, step: AnyStep, record: AnyRecord, attachments: Mapping[str, bytes]) -> None:
        about = _about(step)
        outputs = {path: Part(name=path.name, blob=self._blob(path)) for path in step.shared}
        documents = {name: _document(name, data) for name, data in attachments.items()}
        contents: dict[Blob, Path | bytes] = {
            part.blob: path for path, part in outputs.items() if path not in about
        }
        contents |= {part.blob: attachments[name] for name, part in documents.items()}
        if not all(self._cache.put(blob, content) for blob, content in contents.items()):
            return
        result = Result(
            step=step.id,
            key=record.key,
            seconds=record.seconds,
            facts=msgspec.Raw(msgspec.json.encode(record.facts)),
            outputs=tuple(outputs.values()),
            attachments=tuple(documents.values()),
        )
        self._cache.put_result(record.key, self._sealed(result), [*contents])

    def _sealed(self, result: Result) -> bytes:
        text = msgspec.json.encode(result)
        signature = self._key.sign(text).armored.decode() if self._key else ""
        return msgspec.json.encode(Envelope(result=text.decode(), signature=signature))

    @cached_property
    def _key(self) -> SigningKey | None:
        from bakery.release.signing import SigningKey

        return SigningKey.configured(variable=KEY) or SigningKey.configured()

    # Digests

    def _blob(self, path: Path) -> Blob:
        """Return what a file is; it is read once as long as nobody changes it."""
        with path.open("rb") as file:
            stamp = _stamp(path, os.fstat(file.fileno()))
            known = self._digests.get(stamp)
            if known is None:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                known = self._digests[stamp] = Blob(sha256=digest, size=stamp[1])
        return known


def _about(step: AnyStep) -> list[Path]:
    """Return the files that a step is about, which steps before it have made."""
    made = {path for before in step.after for path in before.shared}
    return [path for path in step.shared if path in made]


def _document(name: str, data: bytes) -> Part:
    return Part(name=name, blob=Blob(sha256=hashlib.sha256(data).hexdigest(), size=len(data)))


def _stamp(path: Path, status: os.stat_result) -> tuple[str, int, int]:
    return str(path), status.st_size, status.st_mtime_ns
