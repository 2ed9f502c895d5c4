"""What a place for finished releases can do, be it a folder, GitHub or a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from bakery.errors import BakeryError
from bakery.http.errors import RetriableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

NEXT = ".next"
"""How the name of a file ends that is to take the place of another."""

Visibility = Literal["public", "draft", "foreign"]


class PublishError(BakeryError):
    """A release can't be published; another try would end the same."""


def no_keyring(where: str) -> PublishError:
    """Return the refusal to publish what is signed where nothing says by whom it must be."""
    return PublishError(
        "it is signed, and nothing here says whose signatures count",
        where=where,
        why="where there is no signing key, the keyring has to be known",
        fix="commit it beside dodo.py: gpg --export FINGERPRINT > import-pubring.gpg",
    )


class UnsettledError(BakeryError, RetriableError):
    """A request failed, and may have had its effect or not: look again, then go on."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        wait: float | None = None,
    ) -> None:
        super().__init__(what, where=where, why=why, fix="run it again: it continues")
        self.wait = wait


class RemoteAsset(msgspec.Struct, frozen=True, kw_only=True):
    """A file at the publisher.

    Attributes:
        name: what it is downloaded as.
        size: its bytes.
        sha256: its digest; None where the publisher knows none.
        id: what the publisher calls it.
        whole: whether its upload has ended.

    """

    name: str
    size: int
    sha256: str | None
    id: str
    whole: bool = True


class RemoteRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release at the publisher.

    Attributes:
        tag: its name.
        id: what the publisher calls it.
        visibility: `public`; a `draft` of ours, which nobody else changes; or `foreign`, the draft
            of another publisher, who may be at work on it.
        assets: its files.
        immutable: the publisher lets nobody change it any more.
        elsewhere: it is in another place than channels are, and only read.

    """

    tag: str
    id: str
    visibility: Visibility
    immutable: bool = False
    elsewhere: bool = False
    assets: tuple[RemoteAsset, ...] = ()

    @property
    def is_public(self) -> bool:
        """Whether readers see it."""
        return self.visibility == "public"

    def asset(self, name: str) -> RemoteAsset | None:
        """Return the file of a name, if it is there."""
        return next((asset for asset in self.assets if asset.name == name), None)


def public_of(remote: Iterable[RemoteRelease]) -> RemoteRelease | None:
    """Return the public one of releases that have one tag, if there is one."""
    return next((release for release in remote if release.is_public), None)


class Publisher(Protocol):
    """A place for finished releases.

    Every method raises `UnsettledError` when it can't tell whether it had its effect, or finds
    something else than was listed; and `PublishError` when it never will have.
    """

    def releases(self) -> list[RemoteRelease]:
        """Return all releases, drafts included, with their files."""

    def find(self, tag: str) -> list[RemoteRelease]:
        """Return the releases of one name as they are now: one public one at most, and drafts."""

    def draft(self, tag: str) -> None:
        """Begin a release of our own, which readers don't see."""

    def upload(self, release: RemoteRelease, name: str, file: Path) -> None:
        """Add a file to a release."""

    def publish(self, draft: RemoteRelease, notes: str) -> None:
        """Let readers see a draft, all its files at once, unless a release of its name is public.

        The notes are Markdown.
        """

    def swap(self, release: RemoteRelease, names: Sequence[str]) -> None:
        """Put files that are called like others and `.next` in the place of these, at once.

        Args:
            release: a public release.
            names: the others, the index and its signature last. If it can't be at once, these two
                are without each other for as short a time as possible.

        """

    def delete(self, release: RemoteRelease, asset: RemoteAsset) -> None:
        """Remove a file from a release."""

    def discard(self, draft: RemoteRelease) -> None:
        """Remove a draft."""

    def fetch(self, release: RemoteRelease, asset: RemoteAsset, target: Path) -> None:
        """Download a file, and check its digest."""
