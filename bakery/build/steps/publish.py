"""publish and channel: finished releases, and what hosts follow, to the publisher."""

from __future__ import annotations

import threading
from functools import cached_property, partial
from typing import TYPE_CHECKING

from bakery.build.step import Made, Nothing, Step, StepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.build.step import AnyStep, Work
    from bakery.publish.channel import Channels
    from bakery.publish.channel_steps import DesiredChannel
    from bakery.publish.model import RemoteRelease
    from bakery.publish.session import DesiredChannels, PublishSession
    from bakery.recipe.load import Source
    from bakery.recipe.plan import Release


class Remote:
    """The publisher; one release or channel is brought there at a time, as GitHub asks for.

    Args:
        context: which publisher, how many versions channels keep, and what signs them.

    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._alone = threading.Lock()

    @cached_property
    def _session(self) -> PublishSession:
        from bakery.publish.session import PublishSession

        return PublishSession.of(self._context.settings, self._context.signing_key)

    def public(self) -> set[str]:
        """Return the names of the releases that are published, signed where we sign."""
        with self._alone:
            return self._session.public()

    def publish(self, folder: Path) -> str:
        """Publish a release folder, or finish publishing it; return where it is.

        Raises:
            PublishError: an image has passed no boot as the bytes that it is, or the publisher
                refuses the release.

        """
        with self._alone:
            return self._session.publish(folder)

    def references(self, folders: Iterable[Path]) -> list[str]:
        """Return what the publisher calls published releases, in a registry with their digests."""
        with self._alone:
            return self._session.references(folder.name for folder in folders)

    def preview(self, folder: Path) -> str:
        """Return what publishing a release folder would do."""
        with self._alone:
            return "\n".join(self._session.preview_publish(folder))

    def move(self, what: str, desired: DesiredChannels) -> str:
        """Bring channels up to what is published; return where they are, and what is left out.

        Raises:
            PublishError: the publisher refuses it.

        """
        with self._alone:
            return "\n".join(self._session.move(what, desired))

    def preview_move(self, desired: DesiredChannels) -> str:
        """Return what bringing channels up to date would do."""
        with self._alone:
            return "\n".join(self._session.preview(desired))


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
    desired: DesiredChannels,
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
