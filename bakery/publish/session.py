"""One run's work at a publisher: releases, channels and the index."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.errors import BakeryError
from bakery.http.breaker import Breaker, GivenUpError
from bakery.http.retry import RetryPolicy
from bakery.publish import channel_steps, release, signed_channels
from bakery.publish.channel import Channels
from bakery.publish.channel_steps import Scratch
from bakery.publish.model import PublishError
from bakery.publish.published import Catalogue
from bakery.publish.publishers import channel_publisher, publisher
from bakery.publish.reconcile import reconcile
from bakery.publish.release_folder import presented, unsigned
from bakery.publish.signed_index import IndexSigner
from bakery.release import document, sums
from bakery.release.keyring import Keyring, signing_key
from bakery.store.folder import Store
from bakery.text import STAYS, alarms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bakery.publish.channel_steps import DesiredChannel
    from bakery.publish.model import Publisher, RemoteRelease
    from bakery.publish.reconcile import Action, Plan
    from bakery.release.signing import SigningKey
    from bakery.settings import Settings

    DesiredChannels = Callable[[Channels, Sequence[RemoteRelease]], list[DesiredChannel]]


@dataclass(frozen=True, kw_only=True)
class Signing:
    """What came of signing channels.

    Attributes:
        tags: the channels that are signed.
        left_out: for people, which releases are in none, and why.
        failures: what can't be signed, and why.

    """

    tags: Sequence[str]
    left_out: Sequence[str]
    failures: Sequence[tuple[str, BakeryError]]


def of_recipe(name: str, *, minors: bool) -> DesiredChannels:
    """Return what says how the channels of a recipe must be."""
    return lambda channels, seen: channels.of(name, seen, minors=minors)


class PublishSession:
    """Publishes releases, and moves channels or signs what others will move.

    Attributes:
        publisher: where channels are, and releases seen.

    Args:
        settings: how many versions they keep, for how long they are signed, and our keys.
        publisher: where releases are.
        retry: how often a failure is met with another look.
        key: signs them; None for none.
        channels: where channels are; None for beside the releases.

    """

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        retry: RetryPolicy,
        key: SigningKey | None,
        channels: Publisher | None = None,
    ) -> None:
        self.publisher = channels or publisher
        self._releases = publisher
        self._settings = settings
        self._retry = retry
        self._key = key
        self._seen: list[RemoteRelease] | None = None

    @cached_property
    def _keyring(self) -> Keyring | None:
        return Keyring.of(self._key, self._settings.signing_keyring)

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self.publisher, Store(self._settings.store), self._keyring)

    def known(self) -> list[RemoteRelease]:
        """Return what was at the publisher when it was last looked at."""
        if self._seen is None:
            self._reconcile(self._settings.publisher, lambda _seen: [])
        return self._seen or []

    @classmethod
    def of(cls, settings: Settings, key: SigningKey | None) -> PublishSession:
        """Return the publisher that the settings name, with the usual patience."""
        releases, channels = publisher(settings), channel_publisher(settings)
        retry = Breaker.of(settings.publisher, RetryPolicy())
        return cls(settings, releases, retry, key, channels)

    @classmethod
    def configured(cls, settings: Settings) -> PublishSession:
        """Return the publisher that the settings name, and the key that the environment does."""
        return cls.of(settings, signing_key(settings.signing_keyring))

    def public(self) -> set[str]:
        """Return the names of the releases that are published, signed where we sign."""
        keyring = self._key or self._settings.signing_keyring
        needed = {document.FILE, sums.SIGNATURE} if keyring else {document.FILE}
        return {
            posted.tag
            for posted in self.known()
            if posted.is_public and needed <= {asset.name for asset in posted.assets}
        }

    def publish(self, folder: Path) -> str:
        """Publish a finished release folder, or finish publishing it; return its address.

        What needs attention is told before anything is public.

        Raises:
            PublishError: an image has passed no boot as the bytes that it is, or the publisher
                refuses the release.

        """
        desired = presented(folder, self._keyring)
        alarms(unsigned(desired))
        self.heal()
        known = self.known()
        if release.publish(desired, self._releases, self._retry, known):
            self._seen = None
        return f"{self._settings.publish_url}/{desired.tag}"

    def references(self, tag: str) -> list[str]:
        """Return what the publisher calls a release, in a registry with its digest."""
        return [each.id for each in self._releases.find(tag) if each.is_public]

    def preview_publish(self, folder: Path) -> list[str]:
        """Return what publishing a release folder would do."""
        desired = presented(folder, self._keyring)
        there = [each for each in self.known() if each.tag == desired.tag]
        return [*unsigned(desired), *release.preview(desired, there)]

    def move(self, what: str, desired: DesiredChannels) -> list[str]:
        """Bring channels up to what is published; return where they are, and what is left out.

        Args:
            what: what is moved, for messages.
            desired: says how they must be.

        Raises:
            PublishError: the publisher refuses it.

        """
        tags: dict[str, None] = {}
        with self._channels() as channels:

            def plan(seen: Sequence[RemoteRelease]) -> list[Action]:
                interrupted = channel_steps.interrupted(seen)
                if interrupted:
                    return interrupted
                wanted = desired(channels, seen)
                tags.update(dict.fromkeys(channel.tag for channel in wanted))
                return [step for each in wanted for step in channel_steps.steps(each, seen)]

            self._reconcile(what, plan)
            addresses = [f"{self._settings.channels_url}/{tag}" for tag in tags]
            return [*addresses, *channels.left_out()]

    def preview(self, desired: DesiredChannels) -> list[str]:
        """Return what moving channels would do."""
        with self._channels(pretend=True) as channels:
            seen = self.known()
            wanted = desired(channels, seen)
            lines = [line for each in wanted for line in channel_steps.preview(each, seen)]
            return [*(lines or ["nothing is to be done"]), *channels.left_out()]

    def sign(self, folder: Path, desired: Mapping[str, DesiredChannels]) -> Signing:
        """Write to a folder all that moving channels takes but the token.

        What can't be signed holds nothing else back: of a recipe all channels are there, or none.

        Args:
            folder: an empty folder, or none yet; nothing stays in it where nothing can be signed.
            desired: says how channels must be, by what people call them.

        Raises:
            PublishError: the publisher refuses to be read or has nothing, or the folder is in use.
            BakeryError: nothing at all can be signed, for this first reason.

        """
        signed_channels.refuse_used(folder)
        seen = self.known()
        if not any(each.is_public for each in seen):
            raise PublishError(
                "nothing is published, so no channel can be signed",
                where=self._settings.publish_url,
                fix="publish something: doit publish:NAME-VERSION; or say with BAKERY_PUBLISHER"
                " where it is",
            )
        wanted: list[DesiredChannel] = []
        failures: list[tuple[str, BakeryError]] = []
        with signed_channels.writing(folder), self._channels(Scratch(folder)) as channels:
            once = Breaker.of(self._settings.publisher, replace(self._retry, tries=1))
            for name, each in desired.items():
                try:
                    wanted += once.run(partial(each, channels, seen))
                except GivenUpError as error:
                    left = [*desired][[*desired].index(name) :]
                    failures.append((self._settings.publisher, error.about(left)))
                    break
                except BakeryError as error:
                    failures.append((name, error))
            if failures and not wanted:
                raise failures[0][1]
            signed_channels.write(folder, wanted, seen)
            tags = tuple(channel.tag for channel in wanted)
            return Signing(tags=tags, left_out=channels.left_out(), failures=failures)

    def move_signed(self, folder: Path) -> list[str]:
        """Move channels as `sign` has written them; return where they are, and what stays.

        Raises:
            PublishError: what the folder holds is not what was signed, or the publisher refuses it.

        """
        signed = signed_channels.read(folder, self._keyring)
        told: dict[str, str] = {}

        def plan(seen: Sequence[RemoteRelease]) -> list[Action]:
            steps = channel_steps.interrupted(seen)
            for channel in () if steps else signed:
                wanted = channel.resolve(folder, seen, self._read)
                if isinstance(wanted, str):
                    told[channel.tag] = f"{STAYS}{channel.tag}, since {wanted}"
                else:
                    told[channel.tag] = f"{self._settings.channels_url}/{channel.tag}"
                    steps += channel_steps.steps(wanted, seen)
            return steps

        self._reconcile("the channels", plan)
        return list(told.values())

    def heal(self) -> None:
        """End the changes of channels that another run has left in the middle."""
        self._reconcile("a channel in the middle of its change", channel_steps.interrupted)

    def _reconcile(self, what: str, plan: Plan) -> None:
        look, known = self._look, self._seen
        reconcile(what, self.publisher, self._retry, look=look, plan=plan, known=known)

    def _look(self) -> list[RemoteRelease]:
        self._seen = None  # until there is an answer
        self._seen = self.publisher.releases()
        return self._seen

    def _read(self, release: RemoteRelease, name: str) -> bytes | None:
        """Return a small file of a release; None where it has none."""
        stored = release.asset(name)
        if stored is None or not stored.whole or not stored.sha256:
            return None
        with interrupts.temporary_folder("bakery-move-") as folder:
            path = folder / "file"
            self.publisher.fetch(release, stored, path)
            return path.read_bytes()

    @contextmanager
    def _channels(
        self, scratch: Scratch | None = None, *, pretend: bool = False
    ) -> Iterator[Channels]:
        dist = self._settings.dist
        dist.mkdir(parents=True, exist_ok=True)
        with interrupts.temporary_folder(".channel-", dist) as folder:
            scratch = scratch or Scratch(folder)
            signer = IndexSigner(
                self.publisher,
                scratch,
                key=self._key,
                keyring=self._keyring,
                valid_days=self._settings.valid_days,
                pretend=pretend,
            )
            yield Channels(self._catalogue, scratch, signer, self._settings.keep)
