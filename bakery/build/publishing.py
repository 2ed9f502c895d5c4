"""The steps that bring releases to their readers: publish, the channels, the index."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import uuid
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bakery.build.workshop import Workshop
    from bakery.http.retry import RetryPolicy
    from bakery.progress import Meter
    from bakery.publish.channel import Channels
    from bakery.publish.channel_steps import DesiredChannel
    from bakery.publish.model import Publisher, RemoteRelease
    from bakery.publish.reconcile import Action
    from bakery.publish.release import DesiredRelease
    from bakery.recipe.load import Source
    from bakery.recipe.plan import Release

    _Desire = Callable[[Channels, Sequence[RemoteRelease]], list[DesiredChannel]]


class Publishing:
    """Where releases are published. One release or channel at a time, as GitHub asks for.

    Attributes:
        workshop: where they are made.

    """

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self._alone = threading.Lock()
        self._seen: list[RemoteRelease] | None = None

    @cached_property
    def publisher(self) -> Publisher:
        """The publisher of the settings."""
        from bakery.publish.directory import Directory
        from bakery.publish.github import Github

        kind, _, place = self.workshop.settings.publisher.partition(":")
        owner = _owner(self.workshop.settings.dist)
        if kind == "github":
            return Github(place, owner)
        return Directory(self.workshop.settings.root / place, owner)

    @cached_property
    def retry(self) -> RetryPolicy:
        """How often a failure is met with another try."""
        from bakery.http.retry import RetryPolicy

        return RetryPolicy()

    def public(self) -> set[str]:
        """Return the names of the releases that are published."""
        from bakery.release import document

        return {
            posted.tag
            for posted in self._known()
            if posted.visibility == "public" and posted.asset(document.FILE)
        }

    # Releases

    def publish(self, release: Release, meter: Meter) -> str:
        """Publish a release, or finish publishing it; return where it is.

        Raises:
            PublishError: an image has passed no boot as the bytes that it is, or the publisher
                refuses the release.

        """
        from bakery.publish import release as transaction

        desired = self._desired(release, meter)
        with self._alone, self.workshop.ledger.alone("publish", release.name):
            if transaction.publish(desired, self.publisher, self.retry, self._known()):
                self._seen = None
        return f"{self.workshop.settings.publish_url}/{desired.tag}"

    def preview(self, release: Release, meter: Meter) -> str:
        """Return what publishing a release would do."""
        from bakery.publish import release as transaction

        desired = self._desired(release, meter)
        with self._alone:
            there = [release for release in self._known() if release.tag == desired.tag]
        return "\n".join(transaction.preview(desired, there))

    def _desired(self, release: Release, meter: Meter) -> DesiredRelease:
        from bakery.publish.release_folder import presented

        if not self.workshop.is_built(release):
            self.workshop.build(release, meter)  # boots are on record since
        return presented(self.workshop.folder(release.name))

    # Channels

    def follow(self, source: Source, meter: Meter) -> str:
        """Bring the channels of a recipe up to what is published; return where they are.

        Raises:
            PublishError: the publisher refuses it.

        """
        return self._move(source.name, self._channels(source), meter)

    def preview_channels(self, source: Source, _meter: Meter) -> str:
        """Return what bringing a recipe's channels up to date would do."""
        return self._preview(self._channels(source))

    def index(self, meter: Meter) -> str:
        """Bring the index of everything up to what is published; return where it is.

        Raises:
            PublishError: the publisher refuses it.

        """
        return self._move("the index", _index, meter)

    def preview_index(self, _meter: Meter) -> str:
        """Return what bringing the index up to date would do."""
        return self._preview(_index)

    @staticmethod
    def _channels(source: Source) -> _Desire:
        minors = "minor" in source.recipe.channels
        return lambda channels, found: channels.of(source.name, found, minors=minors)

    def _move(self, what: str, desire: _Desire, _meter: Meter) -> str:
        from bakery.publish import channel_steps
        from bakery.publish.reconcile import reconcile

        tags: dict[str, None] = {}
        with self._alone, self._made() as channels:

            def plan(found: Sequence[RemoteRelease]) -> list[Action]:
                desired = desire(channels, found)
                tags.update(dict.fromkeys(channel.tag for channel in desired))
                return [step for channel in desired for step in channel_steps.steps(channel, found)]

            reconcile(
                what, self.publisher, self.retry, look=self._look, plan=plan, known=self._seen
            )
            left_out = channels.left_out()
        return "\n".join(
            [*(f"{self.workshop.settings.publish_url}/{tag}" for tag in tags), *left_out]
        )

    def _preview(self, desire: _Desire) -> str:
        from bakery.publish import channel_steps

        with self._alone, self._made() as channels:
            found = self._known()
            lines = [
                line
                for channel in desire(channels, found)
                for line in channel_steps.preview(channel, found)
            ]
            lines += channels.left_out()
        return "\n".join(lines) or "nothing is to be done"

    @contextmanager
    def _made(self) -> Iterator[Channels]:
        from bakery.publish.channel import Channels
        from bakery.publish.channel_steps import Scratch
        from bakery.publish.published import Catalogue
        from bakery.publish.signed_index import IndexSigner

        settings = self.workshop.settings
        settings.dist.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=settings.dist, prefix=".channel-") as folder:
            scratch = Scratch(Path(folder))
            catalogue = Catalogue(self.publisher, self.workshop.store)
            signer = IndexSigner(self.publisher, scratch, self.workshop.signing_key)
            yield Channels(catalogue, scratch, signer, settings.keep)

    def _known(self) -> list[RemoteRelease]:
        """Return what was at the publisher when it was last looked at."""
        from bakery.publish.reconcile import reconcile

        if self._seen is None:
            nothing: list[Action] = []
            reconcile(
                self.workshop.settings.publisher,
                self.publisher,
                self.retry,
                look=self._look,
                plan=lambda _found: nothing,
            )
        return self._seen or []

    def _look(self) -> list[RemoteRelease]:
        self._seen = self.publisher.releases()
        return self._seen


def _index(channels: Channels, found: Sequence[RemoteRelease]) -> list[DesiredChannel]:
    return channels.index(found)


def _owner(dist: Path) -> str:
    """Return who publishes from a folder: a run of a workflow, its repetitions, or a machine."""
    run = os.environ.get("GITHUB_RUN_ID")
    place = f"{os.environ.get('GITHUB_JOB')} {run}" if run else f"{uuid.getnode()} {dist}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]
