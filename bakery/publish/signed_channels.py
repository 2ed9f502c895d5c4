"""Channels that are signed in one place and moved in another.

The one that signs has the key and may write nowhere; the one that moves may write and has no key. A
folder goes from one to the other: small files by their digests, and channels.json, which says of
every channel what it must hold, and from which release its other files are copied.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from bakery.decoding import to_json
from bakery.files import remove, write_whole
from bakery.publish.channel_steps import DesiredChannel, Piece
from bakery.publish.model import PublishError, no_keyring
from bakery.publish.release import LocalFile
from bakery.recipe.names import INDEX, release_name
from bakery.recipe.types import Decoded
from bakery.recipe.version import Version
from bakery.release import index, signing, sums
from bakery.release.document import Count, Digest, FileName, decode_strictly
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bakery.publish.model import RemoteRelease
    from bakery.release.keyring import Keyring

    Read = Callable[[RemoteRelease, str], bytes | None]

FILE = "channels.json"

_SIGNATURES = (sums.ARMORED, sums.SIGNATURE)
_UNLISTED = (*_SIGNATURES, sums.FILE)


class SignedFile(Decoded, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a channel.

    Attributes:
        name: what it is downloaded as.
        size: its bytes.
        sha256: its digest.
        origin: the tag of the release that it is copied from; None where it is in the folder.

    """

    name: FileName
    size: Count
    sha256: Digest
    origin: FileName | None = None


class SignedChannel(Decoded, frozen=True, kw_only=True):
    """A channel as it must be.

    Attributes:
        tag: its name.
        notes: its description, in Markdown.
        files: what it holds, the index last.
        old: the names of files that have had their time.
        seen: the digest of its index when it was signed; None where it had none.

    """

    tag: FileName
    notes: Annotated[str, Meta(max_length=1000)]
    files: Annotated[tuple[SignedFile, ...], Meta(min_length=1)]
    old: tuple[FileName, ...]
    seen: Digest | None

    def resolve(
        self, folder: Path, remote: Sequence[RemoteRelease], read: Read
    ) -> DesiredChannel | str:
        """Return the channel as it must be at the publisher, or why it must stay as it is.

        Args:
            folder: where its small files are.
            remote: what is at the publisher.
            read: reads a small file of a release there.

        """
        public = {each.tag: each for each in remote if each.is_public}
        here = public.get(self.tag)
        stored = here and here.asset(sums.FILE)
        own = self.files[-1].sha256
        if here and stored and stored.sha256 not in (self.seen, own):
            newer = self._newer(folder, here, public, read)
            if newer:
                return f"another run has moved it since it was signed: {newer} is newer there"
        pieces = []
        for file in self.files:
            origin = None
            if file.origin is not None:
                release = public.get(file.origin)
                asset = release and release.asset(file.name)
                if not release or not asset or asset.sha256 != file.sha256:
                    return f"{file.origin}/{file.name} is gone since it was signed"
                origin = (release, asset)
            local = LocalFile(
                name=file.name, path=folder / file.sha256, size=file.size, sha256=file.sha256
            )
            pieces.append(Piece(file=local, origin=origin))
        return DesiredChannel(
            tag=self.tag, notes=self.notes, pieces=tuple(pieces), old=frozenset(self.old)
        )

    def _newer(
        self, folder: Path, here: RemoteRelease, public: Mapping[str, RemoteRelease], read: Read
    ) -> str | None:
        """Return what is newer at the publisher: a release that is still public, or the list."""
        name = _contents(self.tag)
        theirs = read(here, name)
        try:
            listed = index.decode(theirs).releases if theirs else ()
            until = sums.best_before(read(here, sums.FILE) or b"")
        except ValueError:
            return None  # it is damaged, and heals
        ours = _versions(index.decode(self._local(folder, name)).releases)
        held = _versions(each for each in listed if _is_public(each, public))
        for recipe, versions in held.items():
            if versions > ours.get(recipe, []):
                newest = max(set(versions) - set(ours.get(recipe, [])), default=versions[0])
                return release_name(recipe, newest.tag)
        own = sums.best_before(self._local(folder, sums.FILE))
        return sums.FILE if held == ours and until and own and until > own else None

    def _local(self, folder: Path, name: str) -> bytes:
        file = next((file for file in self.files if file.name == name), None)
        if file is None or file.origin is not None:
            raise _altered(folder, f"{self.tag} has no {name}")
        return (folder / file.sha256).read_bytes()

    def check(self, folder: Path, keyring: Keyring | None) -> None:
        """Refuse what was not signed: each file must be what the signed list says.

        Raises:
            PublishError: something else is there, or no keyring says who may have signed it.

        """
        files = {file.name: file for file in self.files}
        if len(files) != len(self.files) or self.files[-1].name != sums.FILE:
            raise _altered(folder, f"{self.tag} has a file twice, or no {sums.FILE} at its end")
        for file in self.files:
            if file.origin is None and _digest(folder / file.sha256) != (file.size, file.sha256):
                raise _altered(folder, f"{self.tag}/{file.name} has other bytes")
        data = self._local(folder, sums.FILE)
        listed = {name: file.sha256 for name, file in files.items() if name not in _UNLISTED}
        try:
            contents = index.decode(self._local(folder, _contents(self.tag)))
            if sums.decode(data) != listed:
                raise _altered(folder, f"{self.tag}/{sums.FILE} names other files")
        except ValueError as error:
            raise _altered(folder, f"{self.tag}: {error}") from None
        self._check_name(folder, contents.releases)
        self._check_signatures(folder, data, keyring)

    def _check_name(self, folder: Path, releases: Iterable[index.IndexedRelease]) -> None:
        for each in releases:
            minor = release_name(each.name, Version.parse(each.version).minor)
            if self.tag not in (INDEX, each.name, minor):
                raise _altered(folder, f"{self.tag} is no channel of {each.name}")

    def _check_signatures(self, folder: Path, data: bytes, keyring: Keyring | None) -> None:
        if keyring is None:
            if any(file.name in (*_SIGNATURES, signing.KEYRING) for file in self.files):
                raise no_keyring(f"{folder}: {self.tag}")
            return
        for name in _SIGNATURES:
            try:
                keyring.check(data, self._local(folder, name), f"{self.tag}/{name}")
            except SignatureError as error:
                raise _altered(folder, f"{error.what}: {error.why}") from None


def refuse_used(folder: Path) -> None:
    """Refuse a folder for signed channels that has anything in it.

    Raises:
        PublishError: it has.

    """
    if folder.is_dir() and any(folder.iterdir()):
        raise PublishError(
            "the folder for signed channels is not empty",
            where=str(folder),
            fix="name a new one, or remove what is in it",
        )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Have a folder for signed channels, of which nothing is left if the block fails."""
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in [folder] if new else folder.iterdir():
            remove(path)
        raise


def write(
    folder: Path, channels: Iterable[DesiredChannel], remote: Sequence[RemoteRelease]
) -> None:
    """Write channels.json beside the files that it names.

    Args:
        folder: holds the small files by their digests.
        channels: how channels must be.
        remote: what is at the publisher.

    """
    public = {each.tag: each for each in remote if each.is_public}
    signed = [_signed(channel, public.get(channel.tag)) for channel in channels]
    write_whole(folder / FILE, to_json(signed))


def read(folder: Path, keyring: Keyring | None) -> list[SignedChannel]:
    """Return the channels in a folder, each of which is what was signed.

    Args:
        folder: the folder.
        keyring: our own keys; None where nothing is signed.

    Raises:
        PublishError: something else is there, or it is signed and no keyring says by whom.

    """
    try:
        channels = decode_strictly((folder / FILE).read_bytes(), list[SignedChannel])
    except OSError as error:
        raise PublishError(
            "there are no signed channels",
            where=str(folder / FILE),
            why=error.strerror,
            fix=f"write them: bakery sign-channels {folder}",
        ) from None
    except ValueError as error:
        raise _altered(folder, f"{FILE}: {error}") from None
    for channel in channels:
        channel.check(folder, keyring)
    return channels


def _signed(channel: DesiredChannel, public: RemoteRelease | None) -> SignedChannel:
    stored = public and public.asset(sums.FILE)
    return SignedChannel(
        tag=channel.tag,
        notes=channel.notes,
        files=tuple(
            SignedFile(
                name=piece.file.name,
                size=piece.file.size,
                sha256=piece.file.sha256,
                origin=None if piece.is_here or not piece.origin else piece.origin[0].tag,
            )
            for piece in channel.pieces
        ),
        old=tuple(sorted(channel.old)),
        seen=stored.sha256 if stored else None,
    )


def _contents(tag: str) -> str:
    return f"{INDEX}.json" if tag == INDEX else index.CHANNEL


def _versions(releases: Iterable[index.IndexedRelease]) -> dict[str, list[Version]]:
    """Return the versions of each recipe, newest first."""
    found: dict[str, list[Version]] = {}
    for each in releases:
        found.setdefault(each.name, []).append(Version.parse(each.version))
    return {name: sorted(versions, reverse=True) for name, versions in found.items()}


def _is_public(listed: index.IndexedRelease, public: Mapping[str, RemoteRelease]) -> bool:
    release = public.get(listed.tag)
    if release is None:
        return False
    stored = (release.asset(image.file) for image in listed.images)
    digests = [asset.sha256 if asset else None for asset in stored]
    return digests == [image.sha256 for image in listed.images]


def _digest(path: Path) -> tuple[int, str]:
    try:
        data = path.read_bytes()
    except OSError:
        return 0, ""
    return len(data), hashlib.sha256(data).hexdigest()


def _altered(folder: Path, why: str) -> PublishError:
    return PublishError(
        "the folder does not hold what was signed",
        where=str(folder),
        why=why,
        fix="don't publish it: find out who changed it, and sign anew",
    )
