"""How a release is published: draft → upload → look again → compare → publish.

The procedure looks at what is there, takes the next steps, and looks again until nothing is left
to do, so that it continues after any failure at any request. Every publisher has a draft of its
own, in which nobody else changes anything; what is public is never replaced.
"""

from __future__ import annotations

from functools import partial
from operator import methodcaller
from pathlib import Path  # noqa: TC003  msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from bakery.files import sha256
from bakery.publish.model import NEXT, PublishError, public_of
from bakery.publish.reconcile import reconcile
from bakery.recipe.names import VERITY
from bakery.release import sums
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bakery.http.retry import RetryPolicy
    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease
    from bakery.publish.reconcile import Action


class LocalFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is to be published.

    Attributes:
        name: what it is downloaded as.
        path: where it is.
        size: its bytes.
        sha256: its digest.

    """

    name: str
    path: Path
    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> LocalFile:
        """Return a file as it is."""
        return cls(name=path.name, path=path, size=path.stat().st_size, sha256=sha256(path))

    def is_stored(self, stored: RemoteAsset | None) -> bool:
        """Return whether this is it."""
        return (
            stored is not None
            and stored.whole
            and (stored.size, stored.sha256) == (self.size, self.sha256)
        )


class DesiredRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release as it is to be published.

    Attributes:
        tag: its name.
        notes: its description, in Markdown.
        files: what it holds; a reader who sees one of them may ask for all before it.

    """

    tag: str
    notes: str
    files: tuple[LocalFile, ...]

    def file(self, name: str) -> LocalFile | None:
        """Return the file of a name, if there is one."""
        return next((file for file in self.files if file.name == name), None)


def publish(
    desired: DesiredRelease,
    publisher: Publisher,
    retry: RetryPolicy,
    known: Sequence[RemoteRelease] | None = None,
) -> bool:
    """Publish a release, or finish publishing it; return whether there was anything to do.

    Args:
        desired: the release.
        publisher: where.
        retry: how often a failure is met with another try.
        known: what was at the publisher a while ago; None to look.

    Raises:
        PublishError: it is refused, or has not succeeded after some tries.

    """
    known = None if known is None else [each for each in known if each.tag == desired.tag]
    look = partial(publisher.find, desired.tag)
    return reconcile(
        desired.tag, publisher, retry, look=look, plan=partial(steps, desired), known=known
    )


def steps(desired: DesiredRelease, remote: Sequence[RemoteRelease]) -> list[Action]:
    """Return what to do next for a release; nothing when it is published and nothing is left over.

    Args:
        desired: the release.
        remote: what the publisher has of its name.

    Raises:
        PublishError: something else is public under its name.

    """
    public = public_of(remote)
    drafts = [release for release in remote if release is not public]
    if public is not None:
        return [*_mend(desired, public), *_discard(drafts)]
    own = next((release for release in drafts if release.visibility == "draft"), None)
    if own is None:
        return [methodcaller("draft", desired.tag)]
    wrong = _wrong(desired, own)
    missing = _missing(desired, own, wrong)
    if wrong or missing:
        return [*_delete(own, wrong), *_upload(own, missing)]
    rest = [release for release in drafts if release is not own]
    now = methodcaller("publish", own, desired.notes)
    return [now, *_discard(rest)]


def preview(desired: DesiredRelease, remote: Sequence[RemoteRelease]) -> list[str]:
    """Return, for people, what publishing a release would do.

    Raises:
        PublishError: something else is public under its name.

    """
    public = public_of(remote)
    own = next((release for release in remote if release.visibility == "draft"), None)
    base = public or own
    if public is not None:
        _mend(desired, public)
    lines = [] if base else [f"create a draft of {desired.tag}"]
    for file in desired.files:
        there = base is not None and file.is_stored(base.asset(file.name))
        lines.append(f"{'keep' if there else 'upload'} {file.name} ({format_size(file.size)})")
    if public is None:
        lines.append("look again, compare names, sizes and digests, and publish")
    return lines


def is_same(desired: DesiredRelease, public: RemoteRelease) -> bool:
    """Return whether a public release has the desired images, those for dm-verity apart.

    Two publishers sign at different times and boot on different machines: what they write about
    equal images differs, and what is public first stays.
    """
    return all(
        file.is_stored(public.asset(file.name))
        for file in desired.files
        if file.name.endswith(".raw") and not file.name.endswith(VERITY)
    )


def _mend(desired: DesiredRelease, public: RemoteRelease) -> list[Action]:
    if _adds_signature(desired, public):
        return _sign(desired, public)
    unfinished = [asset for asset in public.assets if not asset.whole]
    missing = _missing(desired, public, unfinished)
    different = [
        file.name
        for file in desired.files
        if file not in missing and not file.is_stored(public.asset(file.name))
    ]
    if different and (missing or not is_same(desired, public)):
        raise PublishError(
            f"{desired.tag} is published with other files",
            why=f"different: {', '.join(different)}",
            fix="what is published never changes; delete that release yourself to publish it anew",
        )
    return [*_delete(public, unfinished), *_upload(public, missing)]


def _adds_signature(desired: DesiredRelease, public: RemoteRelease) -> bool:
    """Return whether a public release differs in that nobody has signed it.

    Or in that its list is not yet the one that is signed now.
    """
    signature = desired.file(sums.SIGNATURE)
    stored = public.asset(sums.SIGNATURE)
    begun = public.asset(f"{sums.FILE}{NEXT}")
    return (
        signature is not None
        and (stored is None or (signature.is_stored(stored) and begun is not None))
        and is_same(desired, public)
    )


def _sign(desired: DesiredRelease, public: RemoteRelease) -> list[Action]:
    """Return how a release gets the small files that we have signed, and keeps its images."""
    if public.immutable:
        raise PublishError(
            f"{desired.tag} is published without a signature, and can't be changed",
            why="releases are immutable here",
            fix="publish another version, signed from the start",
        )
    wrong = [file for file in desired.files if not file.is_stored(public.asset(file.name))]
    staged = [file for file in wrong if file.is_stored(public.asset(f"{file.name}{NEXT}"))]
    missing = [file for file in wrong if file not in staged]
    if not missing:
        ordered = sorted(staged, key=lambda file: file.name == sums.FILE)
        return [methodcaller("swap", public, [file.name for file in ordered])]
    there = [public.asset(f"{file.name}{NEXT}") for file in missing]
    return [
        *_delete(public, [asset for asset in there if asset]),
        *(methodcaller("upload", public, f"{file.name}{NEXT}", file.path) for file in missing),
    ]


def _wrong(desired: DesiredRelease, own: RemoteRelease) -> list[RemoteAsset]:
    files = {file.name: file for file in desired.files}
    return [
        asset
        for asset in own.assets
        if asset.name not in files or not files[asset.name].is_stored(asset)
    ]


def _missing(
    desired: DesiredRelease, release: RemoteRelease, gone: Iterable[RemoteAsset]
) -> list[LocalFile]:
    there = {asset.name for asset in release.assets} - {asset.name for asset in gone}
    return [file for file in desired.files if file.name not in there]


def _delete(release: RemoteRelease, assets: Iterable[RemoteAsset]) -> list[Action]:
    return [methodcaller("delete", release, asset) for asset in assets]


def _upload(release: RemoteRelease, files: Iterable[LocalFile]) -> list[Action]:
    return [methodcaller("upload", release, file.name, file.path) for file in files]


def _discard(drafts: Iterable[RemoteRelease]) -> list[Action]:
    return [methodcaller("discard", draft) for draft in drafts]
