"""The publishers that the settings name."""

from __future__ import annotations

import hashlib
import os
import uuid
from typing import TYPE_CHECKING

import msgspec

from bakery.errors import SettingsError
from bakery.recipe.names import INDEX
from bakery.release import index

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease
    from bakery.settings import Settings

_CONTENTS = (index.CHANNEL, f"{INDEX}.json")


class Apart:
    """The place of channels, where releases are in another; there it reads, and changes nothing.

    A repository with immutable releases takes releases, and lets no channel move. Its channels then
    are in a folder that a web server serves, such as GitHub Pages, or in a second repository. Those
    that are among the releases, from the time before, are no longer seen.
    """

    def __init__(self, releases: Publisher, channels: Publisher) -> None:
        self._releases = releases
        self._channels = channels
        self.find, self.draft, self.upload = channels.find, channels.draft, channels.upload
        self.publish, self.swap = channels.publish, channels.swap
        self.delete, self.discard = channels.delete, channels.discard

    def releases(self) -> list[RemoteRelease]:
        """Return the channels, and the releases at the other place."""
        others = [
            msgspec.structs.replace(release, elsewhere=True)
            for release in self._releases.releases()
            if not any(release.asset(name) for name in _CONTENTS)
        ]
        return [*self._channels.releases(), *others]

    def fetch(self, release: RemoteRelease, asset: RemoteAsset, target: Path) -> None:
        """Download a file from the place where it is, and check its digest."""
        place = self._releases if release.elsewhere else self._channels
        place.fetch(release, asset, target)


def publisher(settings: Settings) -> Publisher:
    """Return where releases go."""
    return named(settings.publisher, settings, _owner(settings.dist))


def channel_publisher(settings: Settings) -> Publisher | None:
    """Return where channels go, which shows the releases too; None for beside the releases."""
    if settings.channels is None:
        return None
    token = os.environ.get("BAKERY_CHANNELS_TOKEN")
    environment = {**os.environ, **({"GITHUB_TOKEN": token} if token else {})}
    owner = _owner(settings.dist)
    return Apart(publisher(settings), named(settings.channels, settings, owner, environment))


def named(
    place: str, settings: Settings, owner: str, environment: Mapping[str, str] = os.environ
) -> Publisher:
    """Return the publisher that a setting names, such as `github:OWNER/REPO`.

    Args:
        place: the setting.
        settings: for the folder that others are relative to.
        owner: whose drafts are ours there.
        environment: where addresses and tokens are looked for.

    """
    from bakery.publish.directory import Directory
    from bakery.publish.github import Github

    kind, _, address = place.partition(":")
    if kind == "github":
        return Github(address, owner, environment=environment)
    if kind == "oci":
        return _registry(address, settings, environment)
    return Directory(settings.root / address, owner)


def _registry(address: str, settings: Settings, environment: Mapping[str, str]) -> Publisher:
    from bakery.publish.cosign import CosignKey
    from bakery.publish.registry import RegistryPublisher
    from bakery.registry.reference import Reference

    try:
        reference = Reference.parse(address)
    except ValueError as error:
        raise SettingsError(
            f"{address} is no repository in a registry", fix=f"give {error}"
        ) from None
    return RegistryPublisher(
        reference,
        images=settings.image_media_type,
        about=_source(environment),
        key=CosignKey.configured(environment),
        environment=environment,
    )


def _source(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a workflow knows of where recipes are, as annotations say it."""
    repository, commit = (environment.get(f"GITHUB_{name}") for name in ("REPOSITORY", "SHA"))
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    about = {"source": repository and f"{server}/{repository}", "revision": commit}
    return {f"org.opencontainers.image.{name}": text for name, text in about.items() if text}


def _owner(dist: Path) -> str:
    """Return who publishes from a folder: a run of a workflow, its repetitions, or a machine."""
    run = os.environ.get("GITHUB_RUN_ID")
    where = f"{os.environ.get('GITHUB_JOB')} {run}" if run else f"{uuid.getnode()} {dist}"
    return hashlib.sha256(where.encode()).hexdigest()[:12]
