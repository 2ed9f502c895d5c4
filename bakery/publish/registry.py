"""Releases and channels in a registry, all in one repository, each under a tag.

A registry has no drafts: what is uploaded is seen by nobody before a tag names it, and found again
by its digest when a run that was killed begins anew. So drafts, and files that are to take the
place of others, are kept here in memory, and readers see each change at once, by one request. It is
not made if somebody else has moved the tag since we looked.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from bakery.http import limits
from bakery.http.errors import RateLimitedError, RequestError, TransientError
from bakery.publish import artifacts
from bakery.publish.artifacts import ReleaseArtifact
from bakery.publish.model import NEXT, PublishError, RemoteAsset, RemoteRelease, UnsettledError
from bakery.registry.client import Registry
from bakery.registry.contents import Reader
from bakery.registry.manifest import NOTHING, Descriptor, UnreadableError
from bakery.registry.reference import SCHEME, Reference, tag_of
from bakery.release import document
from bakery.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bakery.http.client import Client
    from bakery.publish.cosign import CosignKey
    from bakery.publish.model import Visibility
    from bakery.registry.contents import Contents
    from bakery.release.document import ReleaseDocument

SOURCE = "org.opencontainers.image.source"
_ATTACHED = re.compile(r"sha256-[0-9a-f]{64}(?:\..+)?")  # lists and signatures of something else
_AT_ONCE = 8
_DRAFT: Visibility = "draft"
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

Files = dict[str, Descriptor]


class RegistryPublisher:
    """A repository that holds releases and channels.

    Args:
        reference: the repository.
        images: the media type of images.
        about: annotations of all that is published.
        key: signs releases for cosign; None for nobody.
        environment: says where logins are.
        client: sends the requests; None for the usual retries and limits.

    """

    def __init__(
        self,
        reference: Reference,
        *,
        images: str,
        about: Mapping[str, str],
        key: CosignKey | None = None,
        environment: Mapping[str, str] = os.environ,
        client: Client | None = None,
    ) -> None:
        self._where = str(reference.whole)
        self._reference = reference.whole
        self._registry = Registry(reference, client=client, environment=environment)
        self._reader = Reader(self._registry)
        self._images = images
        self._about = about
        self._key = key
        self._drafts: dict[str, Files] = {}
        self._staged: dict[str, Files] = {}
        self._digests: dict[str, str] = {}
        self._has_empty = False

    def releases(self) -> list[RemoteRelease]:
        """Return all releases and channels."""
        with self._asking(), Workers(_AT_ONCE) as workers:
            tags = [tag for tag in self._registry.tags() if not _ATTACHED.fullmatch(tag)]
            found = [each for each in workers.map(self._readable, sorted(tags)) if each]
        return [*map(self._public, found), *(self._draft(tag) for tag in self._drafts)]

    def find(self, tag: str) -> list[RemoteRelease]:
        """Return the release of a name, and our draft of it."""
        contents = self._contents(tag)
        public = [self._public(contents)] if contents and contents.name == tag else []
        return [*public, *([self._draft(tag)] if tag in self._drafts else [])]

    def draft(self, tag: str) -> None:
        """Begin a release.

        Raises:
            PublishError: something of another name or kind has its tag.

        """
        contents = self._ours(tag)
        if contents and contents.name != tag:
            raise PublishError(
                f"{tag} and {contents.name} would have one tag in a registry",
                where=f"{self._where}:{tag_of(tag)}",
                fix="publish one of them in another repository",
            )
        self._drafts[tag] = {}

    def upload(self, release: RemoteRelease, name: str, file: Path) -> None:
        """Upload a file, which readers see once a manifest names it."""
        kind = artifacts.media_type(name.removesuffix(NEXT), self._images)
        with self._asking():
            stored = artifacts.titled(self._registry.push(file, kind), name)
        if release.visibility == _DRAFT:
            self._drafts[release.tag][name] = stored
        elif name.endswith(NEXT):
            self._staged.setdefault(release.tag, {})[name] = stored
        else:
            self._write(release.tag, {**self._files(release.tag), name: stored})

    def publish(self, draft: RemoteRelease, notes: str) -> None:  # noqa: ARG002  annotations say it
        """Give a draft its tag, unless a release has it."""
        if self._ours(draft.tag):
            raise UnsettledError("somebody else publishes it", where=draft.tag)
        self._write(draft.tag, self._drafts[draft.tag])
        del self._drafts[draft.tag]

    def swap(self, release: RemoteRelease, names: Sequence[str]) -> None:
        """Put staged files in the place of others, all at once."""
        staged = self._staged.get(release.tag, {})
        newer = {
            name: artifacts.titled(staged[name + NEXT], name)
            for name in names
            if name + NEXT in staged
        }
        self._write(release.tag, {**self._files(release.tag), **newer})
        for name in newer:
            del staged[name + NEXT]

    def delete(self, release: RemoteRelease, asset: RemoteAsset) -> None:
        """Remove a file from what a tag, a draft or our memory holds."""
        held = self._drafts if release.visibility == _DRAFT else self._staged
        if held.get(release.tag, {}).pop(asset.name, None) or release.visibility == _DRAFT:
            return
        files = self._files(release.tag)
        if files.pop(asset.name, None):
            self._write(release.tag, files)

    def discard(self, draft: RemoteRelease) -> None:
        """Forget a draft."""
        del self._drafts[draft.tag]

    def fetch(self, release: RemoteRelease, asset: RemoteAsset, target: Path) -> None:  # noqa: ARG002  digests are unique
        """Download a file, whose digest is checked."""
        described = Descriptor(media_type="", digest=asset.id, size=asset.size)
        with self._asking():
            self._registry.pull(described, target)

    # What is there

    def _readable(self, tag: str) -> Contents | None:
        """Return what a tag holds; None for what can't be read.

        Some registries keep the half of a manifest that came before a connection broke.
        """
        try:
            return self._reader.read(tag)
        except UnreadableError:
            return None

    def _contents(self, tag: str) -> Contents | None:
        with self._asking():
            return self._readable(_tag(tag))

    def _ours(self, tag: str) -> Contents | None:
        """Return what a tag holds, unless it is something else, which would be lost."""
        contents = self._contents(tag)
        if contents and contents.kind not in artifacts.OURS:
            raise PublishError(
                "a tag is taken by what is no release and no channel",
                where=f"{self._where}:{tag_of(tag)}",
                why=f"it is {contents.kind or 'an index of container images'}",
                fix="publish in another repository, or remove that tag yourself",
            )
        return contents

    def _public(self, contents: Contents) -> RemoteRelease:
        self._digests[contents.name] = contents.digest
        files = {**contents.files, **self._staged.get(contents.name, {})}
        repository = str(self._reference).removeprefix(SCHEME)
        return _release(contents.name, f"{repository}@{contents.digest}", "public", files)

    def _draft(self, tag: str) -> RemoteRelease:
        return _release(tag, tag, _DRAFT, self._drafts[tag])

    def _files(self, tag: str) -> Files:
        """Return the files of a tag, which are to change.

        Raises:
            PublishError: the tag is of something else, which would be lost.
            UnsettledError: the tag has moved since we looked.

        """
        contents = self._ours(tag)
        if contents is None or contents.digest != self._digests.get(tag):
            raise UnsettledError("somebody else publishes there", where=f"{self._where}: {tag}")
        return dict(contents.files)

    # What is to be there

    def _write(self, tag: str, files: Files) -> None:
        """Have a tag hold some files; all else is there before it names them."""
        ordered = {name: files[name] for name in sorted(files)}
        with self._asking():
            if not self._has_empty:
                self._registry.push(b"{}", NOTHING.media_type)
                self._has_empty = True
            if document.FILE in files:
                stored = self._write_release(self._described(tag, files[document.FILE]), ordered)
            else:
                about = {name: text for name, text in self._about.items() if name == SOURCE}
                channel = artifacts.channel(tag, ordered.values(), about)
                stored = self._registry.put(channel, _tag(tag))
        self._digests[tag] = stored.digest

    def _write_release(self, described: ReleaseDocument, files: Files) -> Descriptor:
        artifact = ReleaseArtifact(described, files, self._about)
        for manifest in artifact.manifests:
            self._registry.put(manifest)
        index = self._registry.put(artifact.index)
        self._registry.attach(*artifact.attachments())
        if self._key:
            self._key.sign(self._registry, index.digest)
        return self._registry.put(artifact.index, _tag(described.tag))

    def _described(self, tag: str, file: Descriptor) -> ReleaseDocument:
        try:
            described = document.decode(self._registry.read(file, limits.DOCUMENT))
        except ValueError as error:
            raise _refused(tag, f"its {document.FILE} can't be read: {error}") from None
        if described.tag != tag:
            raise _refused(tag, f"its {document.FILE} is of {described.tag}")
        return described

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except TransientError as error:
            raise UnsettledError(
                "the registry can't be asked", where=self._where, why=str(error), wait=error.wait
            ) from error
        except RequestError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: RequestError) -> PublishError:
        what, fix = "the registry refuses a request", "check the network and the registry's log"
        if error.status in _DENIED or error.challenge:
            fix = f"log in with a token that may write there: docker login {self._reference.host}"
        elif isinstance(error, RateLimitedError):
            what, fix = "the registry wants no more requests for now", "run it again then"
        elif error.status == HTTPStatus.NOT_FOUND:
            fix = "see that the settings name a repository in a registry: oci:HOST/PATH"
        return PublishError(what, where=self._where, why=str(error), fix=fix)


def _tag(name: str) -> str:
    try:
        return tag_of(name)
    except ValueError as error:
        raise PublishError(
            f"no tag in a registry can stand for {name}",
            why=str(error),
            fix="publish it elsewhere: BAKERY_PUBLISHER=directory:PATH or github:OWNER/REPO",
        ) from None


def _refused(tag: str, why: str) -> PublishError:
    return PublishError(
        f"{tag} can't be written as a release", why=why, fix=f"build it anew: doit build:{tag}"
    )


def _release(
    tag: str, name: str, visibility: Visibility, files: Mapping[str, Descriptor]
) -> RemoteRelease:
    return RemoteRelease(
        tag=tag,
        id=name,
        visibility=visibility,
        assets=tuple(
            RemoteAsset(name=name, size=file.size, sha256=file.sha256, id=file.digest)
            for name, file in files.items()
        ),
    )
