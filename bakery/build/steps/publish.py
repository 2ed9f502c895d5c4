"""publish and channel: finished releases, and what hosts follow, to the publisher."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from bakery.build.step import Made, Nothing, Step, StepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.build.step import AnyStep, Work
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

    @contextmanager
    def session(self) -> Iterator[PublishSession]:
        """Provide this run's session for a block, to one thread at a time."""
        with self._alone:
            yield self._session


def step(
    context: Context, remote: Remote, release: Release, released: AnyStep, state: State
) -> Step[Nothing]:
    """Return the step that publishes a release that another step finishes."""
    folder = context.folder(release.name)

    def run(work: Work) -> Made[Nothing]:
        with work.state.alone(released), remote.session() as session:
            return Made(facts=Nothing(), note=session.publish(folder))

    def preview() -> str:
        if not state.is_done(released):
            raise StepError(f"{release.name} is not finished", fix=f"doit {released.id}")
        with remote.session() as session:
            return "\n".join(session.preview_publish(folder))

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

    It comes after the steps of the same run that publish something.
    """
    name, minors = source.name, "minor" in source.recipe.channels
    return _moving(
        remote,
        name,
        lambda channels, seen: channels.of(name, seen, minors=minors),
        published,
        what=name,
    )


def index(remote: Remote, published: Iterable[AnyStep]) -> Step[Nothing]:
    """Return the step that brings the index of everything up to what is published, likewise."""
    doc = "bakery.json, which lists everything that is published"
    return _moving(
        remote,
        "index",
        lambda channels, seen: channels.index(seen),
        published,
        what="the index",
        doc=doc,
    )


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
        with remote.session() as session:
            return Made(facts=Nothing(), note="\n".join(session.move(what, desired)))

    def preview() -> str:
        with remote.session() as session:
            return "\n".join(session.preview(desired))

    return Step(
        kind="channel",
        name=name,
        run=run,
        facts=Nothing,
        after=tuple(published),
        is_done=_never,
        preview=preview,
        doc=doc,
    )


def _never() -> bool:
    return False
