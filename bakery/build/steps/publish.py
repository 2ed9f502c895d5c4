"""publish and channel: finished releases, and what hosts follow, to the publisher."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import uuid
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.build.step import Made, Nothing, Step, StepError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.build.step import AnyStep, Work
    from bakery.http.retry import RetryPolicy
    from bakery.publish.channel import Channels
    from bakery.publish.channel_steps import DesiredChannel
    from bakery.publish.model import Publisher, RemoteRelease
    from bakery.publish.reconcile import Action
    from bakery.recipe.load import Source
    from bakery.recipe.plan import Release

    _Desired = Callable[[Channels, Sequence[RemoteRelease]], list[DesiredChannel]]


class Remote:
    """The publisher, and what was last seen there.

    One release or channel is brought there at a time, as GitHub asks for.

    Args:
        context: which publisher, how many versions channels keep, and what signs them.

    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings
        self._alone = threading.Lock()
        self._seen: list[RemoteRelease] | None = None

    @cached_property
    def publisher(self) -> Publisher:
        """The publisher of the settings."""
        from bakery.publish.directory import Directory
        from bakery.publish.github import Github

        kind, _, address = self._settings.publisher.partition(":")
        owner = _owner(self._settings.dist)
        if kind == "github":
            return Github(address, owner)
        return Directory(self._settings.root / address, owner)

    @cached_property
    def retry(self) -> RetryPolicy:
        """How often a failure is met with another try."""
        from bakery.http.retry import RetryPolicy

        return RetryPolicy()

    def public(self) -> set[str]:
        """Return the names of the releases that are published."""
        from bakery.release import document

        return {
            remote.tag
            for remote in self._known()
            if remote.visibility == "public" and remote.asset(document.FILE)
        }

    def publish(self, folder: Path) -> str:
        """Publish a release folder, or finish publishing it; return where it is.

        Raises:
            PublishError: an image has passed no boot as the bytes that it is, or the publisher
                refuses the release.

        """
        from bakery.publish import release
        from bakery.publish.release_folder import presented

        desired = presented(folder)
        with self._alone:
            if release.publish(desired, self.publisher, self.retry, self._known()):
                self._seen = None
        return f"{self._settings.publish_url}/{desired.tag}"

    def preview(self, folder: Path) -> str:
        """Return what publishing a release folder would do."""
        from bakery.publish import release
        from bakery.publish.release_folder import presented

        desired = presented(folder)
        with self._alone:
            there = [each for each in self._known() if each.tag == desired.tag]
        return "\n".join(release.preview(desired, there))

    def move(self, what: str, desired: _Desired) -> str:
        """Bring channels up to what is published; return where they are.

        Raises:
            PublishError: the publisher refuses it.

        """
        from bakery.publish import channel_steps
        from bakery.publish.reconcile import reconcile

        tags: dict[str, None] = {}
        with self._alone, self._channels() as channels:

            def plan(seen: Sequence[RemoteRelease]) -> list[Action]:
                wanted = desired(channels, seen)
                tags.update(dict.fromkeys(channel.tag for channel in wanted))
                return [step for channel in wanted for step in channel_steps.steps(channel, seen)]

            reconcile(
                what, self.publisher, self.retry, look=self._look, plan=plan, known=self._seen
            )
            left_out = channels.left_out()
        return "\n".join([*(f"{self._settings.publish_url}/{tag}" for tag in tags), *left_out])

    def preview_move(self, desired: _Desired) -> str:
        """Return what bringing channels up to date would do."""
        from bakery.publish import channel_steps

        with self._alone, self._channels() as channels:
            seen = self._known()
            lines = [
                line
                for channel in desired(channels, seen)
                for line in channel_steps.preview(channel, seen)
            ]
            lines += channels.left_out()
        return "\n".join(lines) or "nothing is to be done"

    @contextmanager
    def _channels(self) -> Iterator[Channels]:
        from bakery.publish.channel import Channels
        from bakery.publish.channel_steps import Scratch
        from bakery.publish.published import Catalogue
        from bakery.publish.signed_index import IndexSigner

        dist = self._settings.dist
        dist.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=dist, prefix=".channel-") as folder:
            scratch = Scratch(Path(folder))
            signer = IndexSigner(self.publisher, scratch, self._context.signing_key)
            catalogue = Catalogue(self.publisher, self._context.store)
            yield Channels(catalogue, scratch, signer, self._settings.keep)

    def _known(self) -> list[RemoteRelease]:
        """Return what was at the publisher when it was last looked at."""
        from bakery.publish.reconcile import reconcile

        if self._seen is None:
            nothing: list[Action] = []
            reconcile(
                self._settings.publisher,
                self.publisher,
                self.retry,
                look=self._look,
                plan=lambda _seen: nothing,
            )
        return self._seen or []

    def _look(self) -> list[RemoteRelease]:
        self._seen = self.publisher.releases()
        return self._seen


def step(
    context: Context, remote: Remote, release: Release, released: AnyStep, state: State
) -> Step[Nothing]:
    """Return the step that publishes a finished release.

    Args:
        context: what steps share.
        remote: where it goes.
        release: what is published.
        released: the step that finishes it.
        state: tells whether it is finished.

    """
    folder = context.folder(release.name)

    def run(work: Work) -> Made[Nothing]:
        with work.state.alone(released):
            return Made(facts=Nothing(), note=remote.publish(folder))

    def preview() -> str:
        if not state.is_done(released):
            raise StepError(f"{release.name} is not finished", fix=f"doit {released.id}")
        return remote.preview(folder)

    return Step(
        kind="publish",
        name=release.name,
        run=run,
        facts=Nothing,
        after=(released,),
        is_done=_never,
        preview=preview,
    )


def channel(remote: Remote, source: Source, published: Iterable[AnyStep]) -> Step[Nothing]:
    """Return the step that brings a recipe's channels up to what is published.

    Args:
        remote: where they are.
        source: the recipe.
        published: the steps of the same run that publish something.

    """
    minors = "minor" in source.recipe.channels

    def desired(channels: Channels, seen: Sequence[RemoteRelease]) -> list[DesiredChannel]:
        return channels.of(source.name, seen, minors=minors)

    return _moving(remote, source.name, desired, published, what=source.name)


def index(remote: Remote, published: Iterable[AnyStep]) -> Step[Nothing]:
    """Return the step that brings the index of everything up to what is published.

    Args:
        remote: where it is.
        published: the steps of the same run that publish something.

    """

    def desired(channels: Channels, seen: Sequence[RemoteRelease]) -> list[DesiredChannel]:
        return channels.index(seen)

    doc = "bakery.json, which lists everything that is published"
    return _moving(remote, "index", desired, published, what="the index", doc=doc)


def _moving(
    remote: Remote,
    name: str,
    desired: _Desired,
    published: Iterable[AnyStep],
    *,
    what: str,
    doc: str = "",
) -> Step[Nothing]:
    def run(_work: Work) -> Made[Nothing]:
        return Made(facts=Nothing(), note=remote.move(what, desired))

    return Step(
        kind="channel",
        name=name,
        run=run,
        facts=Nothing,
        after=tuple(published),
        is_done=_never,
        preview=partial(remote.preview_move, desired),
        doc=doc,
    )


def _never() -> bool:
    return False


def _owner(dist: Path) -> str:
    """Return who publishes from a folder: a run of a workflow, its repetitions, or a machine."""
    run = os.environ.get("GITHUB_RUN_ID")
    where = f"{os.environ.get('GITHUB_JOB')} {run}" if run else f"{uuid.getnode()} {dist}"
    return hashlib.sha256(where.encode()).hexdigest()[:12]
