"""A repository in a registry, over its API.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md. What is read is what was
asked for: its digest says so. Nothing here knows what the content means.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bakery.decoding import from_json
from bakery.http.address import joined
from bakery.http.client import Client, pages
from bakery.http.errors import RefusedError
from bakery.http.limits import too_large
from bakery.http.ranges import number
from bakery.registry.manifest import (
    ACCEPTED,
    Descriptor,
    Index,
    Manifest,
    Stored,
    UnreadableError,
)
from bakery.registry.reference import fallback
from bakery.registry.tokens import Tokens
from bakery.registry.upload import Source, Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from requests import Response

    from bakery.http.credentials import Token
    from bakery.registry.reference import Reference
    from bakery.registry.tokens import Action

LARGEST = 4 << 20
"""Bytes; registries need not take a larger manifest."""
_PAGE = 1000
_ATTEMPTS = 5  # at a list that several write at once
_T = TypeVar("_T")


class _Tags(msgspec.Struct):
    tags: tuple[str, ...] | None = None


class Registry:
    """A repository in a registry, which need not be there yet; may be used by several threads.

    Every method raises `TransientError` where another try may succeed, `RefusedError` where none
    will, and `SettingsError` where the logins of this computer can't be read.

    Args:
        reference: the repository.
        client: sends the requests; None for the usual retries and limits.
        environment: says where logins are.

    """

    def __init__(
        self,
        reference: Reference,
        *,
        client: Client | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.reference = reference.whole
        self._url = reference.url
        self._client = client or Client()
        self._once = replace(self._client, retry=replace(self._client.retry, tries=1))
        self._tokens = Tokens(reference, self._client, environment)

    # Blobs

    def blob(self, digest: str) -> int | None:
        """Return the size of a blob; None where there is none."""
        return self._size(digest, self._ask)

    def _size(self, digest: str, ask: Callable[..., Response]) -> int | None:
        response = _found(ask, "HEAD", f"blobs/{digest}")
        return None if response is None else number(response.headers.get("Content-Length"))

    def push(self, content: Path | bytes, media_type: str) -> Descriptor:
        """Bring a blob there, unless it is there, and return what describes it.

        Args:
            content: a file, or bytes.
            media_type: for what describes it; the registry need not know.

        """
        source = Source(content)
        upload = Upload(
            source,
            self._url,
            partial(self._try, action="push"),
            lambda: self._size(source.digest, self._try) == source.size,
        )
        self._client.retry.run(upload.attempt, headway=lambda: upload.received)
        return Descriptor(media_type=media_type, digest=source.digest, size=source.size)

    def pull(self, descriptor: Descriptor, target: Path) -> None:
        """Write a blob into a file, whose bytes then are those that its digest is of."""
        with target.open("wb") as file:
            self.copy(descriptor, file.write)

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return a blob that is small.

        Args:
            descriptor: the blob.
            limit: the most bytes that it may have.

        Raises:
            TooLargeError: it has more.

        """
        if descriptor.size > limit:
            raise too_large(limit)
        data = bytearray()
        self.copy(descriptor, data.extend)
        return bytes(data)

    def copy(self, descriptor: Descriptor, write: Callable[[bytes], object]) -> None:
        """Hand on a blob's bytes, each once and in order; at the end they are compared.

        After a failure the transfer goes on where it stopped.
        """
        url = f"{self._url}/blobs/{descriptor.digest}"
        digest = hashlib.sha256()
        received = 0

        def copied(token: Token | None) -> None:
            skipped = received

            def receive(chunk: bytes) -> None:
                nonlocal skipped, received
                new = chunk[skipped:]
                skipped = max(0, skipped - len(chunk))
                digest.update(new)
                write(new)
                received += len(new)

            self._client.copy(url, receive, size=descriptor.size, token=token)

        self._told("pull", copied)
        if f"sha256:{digest.hexdigest()}" != descriptor.digest:
            raise RefusedError("the registry sends other bytes than the digest is of")

    # Manifests

    def manifest(self, name: str) -> Stored | None:
        """Return the manifest or index that a tag or digest names; None where there is none."""
        headers = {"Accept": ", ".join(ACCEPTED)}
        response = _found(self._ask, "GET", f"manifests/{name}", headers=headers, size=LARGEST)
        if response is None:
            return None
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        stored = Stored(data=response.content, media_type=media_type)
        if name.startswith("sha256:") and stored.digest != name:
            raise RefusedError("the registry sends another manifest than the digest is of")
        return stored

    def put(self, document: Stored | Manifest | Index, tag: str | None = None) -> Descriptor:
        """Store a manifest or index, and give it a name; return what describes it.

        With a tag it is tried once: somebody else may give it to something else in between.
        """
        stored = document if isinstance(document, Stored) else Stored.of(document)
        return self._put(stored, tag)[0]

    def _put(self, stored: Stored, tag: str | None) -> tuple[Descriptor, Response]:
        response = (self._try if tag else self._ask)(
            "PUT",
            f"manifests/{tag or stored.digest}",
            action="push",
            headers={"Content-Type": stored.media_type},
            data=stored.data,
        )
        return stored.descriptor, response

    def tags(self) -> list[str]:
        """Return all tags."""
        try:
            return [
                tag
                for page in pages(self._page, f"{self._url}/tags/list?n={_PAGE}")
                for tag in _decoded(page, _Tags).tags or ()
            ]
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return []
            raise

    # What refers to something

    def attach(self, *manifests: Manifest) -> None:
        """Store manifests that have one `subject`, and see that it knows of them."""
        unlisted = []
        for manifest in manifests:
            described, response = self._put(Stored.of(manifest), None)
            if "OCI-Subject" not in response.headers:
                unlisted.append(
                    msgspec.structs.replace(
                        described, artifact_type=manifest.kind, annotations=manifest.annotations
                    )
                )
        subject = next((manifest.subject for manifest in manifests if manifest.subject), None)
        if unlisted and subject:
            self._list(subject.digest, unlisted)

    def _fallback(self, digest: str) -> list[Descriptor]:
        stored = self.manifest(fallback(digest))
        with suppress(UnreadableError):  # written by halves: it heals
            return list(stored.index().manifests) if stored else []
        return []

    def _list(self, digest: str, attached: list[Descriptor]) -> None:
        """Add to the list that we keep in the registry's place, beside others who do the same."""
        for _ in range(_ATTEMPTS):
            there = self._fallback(digest)
            known = {each.digest for each in there}
            missing = [each for each in attached if each.digest not in known]
            if not missing:
                return
            index = Stored.of(Index.of([*there, *missing]))
            self._client.retry.run(partial(self._put, index, fallback(digest)))  # others add alike
        raise RefusedError("others change the list of what is attached all the time")

    # Requests

    def _page(self, url: str) -> Response:
        return self._ask("GET", url)

    def _ask(self, method: str, path: str, **options: Any) -> Response:
        """Ask until there is an answer; only for what may be done twice."""
        return self._client.retry.run(partial(self._try, method, path, **options))

    def _try(self, method: str, path: str, *, action: Action = "pull", **options: Any) -> Response:
        url = joined(f"{self._url}/", path)
        return self._told(
            action, lambda token: self._once.request(method, url, token=token, **options)
        )

    def _told(self, action: Action, ask: Callable[[Token | None], _T]) -> _T:
        """Ask, and once more where the registry wants to know who does."""
        try:
            return ask(self._tokens.get(action))
        except RefusedError as error:
            if error.status != HTTPStatus.UNAUTHORIZED or error.challenge is None:
                raise
            challenge = error.challenge
        return ask(self._tokens.answer(challenge, action))


def _found(ask: Callable[..., Response], method: str, path: str, **options: Any) -> Response | None:
    try:
        return ask(method, path, **options)
    except RefusedError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _decoded(response: Response, kind: type[_T]) -> _T:
    try:
        return from_json(response.content, kind)
    except ValueError as error:
        raise RefusedError(f"the registry's answer makes no sense: {error}") from None
