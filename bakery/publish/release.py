"""How a release is published: draft → upload → look again → compare → publish.

The procedure looks at what is there, takes the next steps, and looks again until nothing is left
to do, so that it continues after any failure at any request. Every publisher has a draft of its
own, in which nobody else changes anything; what is public is never replaced.
"""

from __future__ import annotations

import hashlib
from functools import partial
from operator import methodcaller
from pathlib import Path  # noqa: TC003  msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from bakery.publish.model import PublishError
from bakery.publish.reconcile import settle
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bakery.http.retry import RetryPolicy
    from bakery.publish.model import Posted, Publisher, Stored
    from bakery.publish.reconcile import Step


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
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(name=path.name, path=path, size=path.stat().st_size, sha256=sha256)

    def is_stored(self, stored: Stored | None) -> bool:
        """Return whether this is it."""
        return (
            stored is not None
            and stored.whole
            and (stored.size, stored.sha256) == (self.size, self.sha256)
        )


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A release as it is to be published.

    Attributes:
        tag: its name.
        notes: its description, in Markdown.
        files: what it holds; a reader who sees one of them may ask for all before it.

    """

    tag: str
    notes: str
    files: tuple[LocalFile, ...]


def publish(
    wanted: Wanted, publisher: Publisher, retry: RetryPolicy, known: Sequence[Posted] | None = None
) -> bool:
    """Publish a release, or finish publishing it; return whether there was anything to do.

    Args:
        wanted: the release.
        publisher: where.
        retry: how often a failure is met with another try.
        known: what was at the publisher a while ago; None to look.

    Raises:
        PublishError: it is refused, or has not succeeded after some tries.

    """
    known = None if known is None else [each for each in known if each.tag == wanted.tag]
    look = partial(publisher.find, wanted.tag)
    return settle(wanted.tag, publisher, retry, look=look, plan=partial(steps, wanted), known=known)


def steps(wanted: Wanted, found: Sequence[Posted]) -> list[Step]:
    """Return what to do next for a release; nothing when it is published and nothing is left over.

    Args:
        wanted: the release.
        found: what the publisher has of its name.

    Raises:
        PublishError: something else is public under its name.

    """
    public = next((release for release in found if release.visibility == "public"), None)
    drafts = [release for release in found if release is not public]
    if public is not None:
        return [*_mend(wanted, public), *_discard(drafts)]
    own = next((release for release in drafts if release.visibility == "draft"), None)
    if own is None:
        return [methodcaller("draft", wanted.tag)]
    wrong = _wrong(wanted, own)
    missing = _missing(wanted, own, wrong)
    if wrong or missing:
        return [*_delete(own, wrong), *_upload(own, missing)]
    rest = [release for release in drafts if release is not own]
    now = methodcaller("publish", own, title=wanted.tag, notes=wanted.notes)
    return [now, *_discard(rest)]


def preview(wanted: Wanted, found: Sequence[Posted]) -> list[str]:
    """Return, for people, what publishing a release would do.

    Raises:
        PublishError: something else is public under its name.

    """
    public = next((release for release in found if release.visibility == "public"), None)
    own = next((release for release in found if release.visibility == "draft"), None)
    base = public or own
    if public is not None:
        _mend(wanted, public)
    lines = [] if base else [f"create a draft of {wanted.tag}"]
    for file in wanted.files:
        there = base is not None and file.is_stored(base.asset(file.name))
        lines.append(f"{'keep' if there else 'upload'} {file.name} ({format_size(file.size)})")
    if public is None:
        lines.append("look again, compare names, sizes and digests, and publish")
    return lines


def is_same(wanted: Wanted, public: Posted) -> bool:
    """Return whether a public release has the wanted images.

    Two publishers sign at different times and boot on different machines: what they write about
    equal images differs, and what is public first stays.
    """
    return all(
        file.is_stored(public.asset(file.name))
        for file in wanted.files
        if file.name.endswith(".raw")
    )


def _mend(wanted: Wanted, public: Posted) -> list[Step]:
    unfinished = [asset for asset in public.assets if not asset.whole]
    missing = _missing(wanted, public, unfinished)
    different = [
        file.name
        for file in wanted.files
        if file not in missing and not file.is_stored(public.asset(file.name))
    ]
    if different and (missing or not is_same(wanted, public)):
        raise PublishError(
            f"{wanted.tag} is published with other files",
            why=f"different: {', '.join(different)}",
            fix="what is published never changes; delete that release yourself to publish it anew",
        )
    return [*_delete(public, unfinished), *_upload(public, missing)]


def _wrong(wanted: Wanted, own: Posted) -> list[Stored]:
    files = {file.name: file for file in wanted.files}
    return [
        asset
        for asset in own.assets
        if asset.name not in files or not files[asset.name].is_stored(asset)
    ]


def _missing(wanted: Wanted, release: Posted, gone: Iterable[Stored]) -> list[LocalFile]:
    there = {asset.name for asset in release.assets} - {asset.name for asset in gone}
    return [file for file in wanted.files if file.name not in there]


def _delete(release: Posted, assets: Iterable[Stored]) -> list[Step]:
    return [methodcaller("delete", release, asset) for asset in assets]


def _upload(release: Posted, files: Iterable[LocalFile]) -> list[Step]:
    return [methodcaller("upload", release, file.name, file.path) for file in files]


def _discard(drafts: Iterable[Posted]) -> list[Step]:
    return [methodcaller("discard", draft) for draft in drafts]
