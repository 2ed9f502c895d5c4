"""Transfer definitions: what makes hosts follow a recipe with systemd-sysupdate (sysupdate.d(5)).

A host has one component for each extension, since transfers in one folder are kept at one version.
The images lie beside the index in the channel's folder, below one address. All versions that lock
files hold can be written in sysupdate's patterns: letters, digits and `.-_+`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.folder import FILE
from bakery.recipe.model import OsLevel, OsVersion
from bakery.recipe.names import release_name
from bakery.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakery.recipe.load import Source
    from bakery.recipe.plan import Release

_AS_IT_IS = "surrogateescape"  # what is no text goes through
# What systemd reads up to 256, what from 257 on, and what 262 reads beside it
SUFFIXES = (".conf", ".transfer", COMPONENT := ".component")
VERITY = ".verity"
_VERITY = (f"{VERITY}.conf", f"{VERITY}.transfer")
"""The same for hosts that take images for dm-verity; the component is one for both."""

# A failed update then leaves two versions: the one that runs and the one before.
_INSTANCES = 3
_TRANSFER = """\
# Has systemd-sysupdate follow {channel}, {what}: put it into
# /etc/sysupdate.{name}.d/ and the publisher's keys into /etc/systemd/import-pubring.gpg, then run
# systemd-sysupdate --component={name} update; systemctl restart systemd-sysext.
# Before version 257, systemd reads {channel}{kind}.conf; from then on {channel}{kind}.transfer.

[Transfer]
Verify=yes

[Source]
Type=url-file
Path={url}/{channel}
MatchPattern={stem}@v-%a{kind}.raw

[Target]
Type=regular-file
Path=/opt/extensions/{name}
MatchPattern={stem}@v-%a.raw
Mode=0644
InstancesMax={instances}
CurrentSymlink=/etc/extensions/{name}.raw
"""


_COMPONENT = """\
# Tells systemd 262 and newer what {channel} is (sysupdate.components(5)): put it into /etc as
# sysupdate.{name}.component. Before, nobody reads it.

[Component]
Description={summary}
Documentation={homepage}
"""


def channels(release: Release) -> dict[str, str]:
    """Return the channels of a release, each with how the names of its images begin.

    The version is what stands between that and the architecture.

    Raises:
        ReleaseError: a version is not told apart from its minor series.

    """
    name = release.source.name
    found = {name: f"{name}-"}
    for _ in release.source.recipe.channels:
        minor = release.version.minor
        if not release.version.tag.startswith(f"{minor}."):
            raise ReleaseError(
                f"hosts can't follow {name} {minor} to {release.version}",
                where=str(release.source.folder / FILE),
                why=f"in a channel for one minor series, versions must begin with {minor}.",
                fix="take away `channels:`, or don't build this version",
            )
        found[release_name(name, minor)] = f"{name}-{minor}."
    return found


def names(channel: str) -> list[str]:
    """Return what the files are called that make hosts follow a channel, in either way."""
    return [f"{channel}{suffix}" for suffix in (*SUFFIXES, *_VERITY)]


def chosen(channel: str, *, verity: bool) -> dict[str, str]:
    """Return those for one way, by what hosts call them: a host has one of the two."""
    kind = VERITY if verity else ""
    return {
        f"{channel}{suffix}": f"{channel}{suffix if suffix == COMPONENT else kind + suffix}"
        for suffix in SUFFIXES
    }


def files(release: Release, url: str, *, verity: bool = False) -> dict[str, bytes]:
    """Return the transfer definitions of a release's channels, by file name.

    Args:
        release: what is published.
        url: where it is published; every channel has a folder there.
        verity: whether there are images for dm-verity beside the others.

    Raises:
        ReleaseError: hosts can't follow it.

    """
    if all(image.format == "folder" for image in release.images):
        return {}
    name = release.source.name
    return {
        f"{channel}{suffix}": _component(release.source, channel)
        if suffix == COMPONENT
        else transfer(name, channel, stem, url, verity=suffix in _VERITY)
        for channel, stem in channels(release).items()
        for suffix in (*SUFFIXES, *(_VERITY if verity else ()))
    }


def moved(transfer: bytes, move: Callable[[str], str]) -> bytes:
    """Return a transfer definition whose source is at another address."""
    lines = transfer.decode(errors=_AS_IT_IS).split("\n")
    start = "Path="
    source = lines.index("[Source]") if "[Source]" in lines else len(lines)
    for number, line in enumerate(lines[source:], source):
        if line.startswith(start):
            url = line.removeprefix(start).replace("%%", "%")
            lines[number] = start + _literal(move(url))
            break
    return "\n".join(lines).encode(errors=_AS_IT_IS)


def transfer(name: str, channel: str, stem: str, url: str, *, verity: bool = False) -> bytes:
    """Return the definition that makes hosts follow a channel.

    Hosts have both kinds of images under one name, so that one can take the other's place.

    Args:
        name: the recipe's.
        channel: the channel's.
        stem: how the names of its images begin.
        url: where it is published.
        verity: whether hosts are to take its images for dm-verity.

    """
    return _TRANSFER.format(
        name=name,
        channel=channel,
        stem=stem,
        url=_literal(url),
        instances=_INSTANCES,
        kind=VERITY if verity else "",
        what="a systemd-sysext image for dm-verity" if verity else "a systemd-sysext image",
    ).encode()


def _component(source: Source, channel: str) -> bytes:
    """Return what tells people what a component is, and which hosts it suits."""
    recipe = source.recipe
    text = _COMPONENT.format(
        channel=channel,
        name=source.name,
        summary=recipe.summary,
        homepage=_literal(str(recipe.homepage)),
    )
    match recipe.os:
        case OsLevel(id=system):
            text += f"SuggestOnOSRelease=ID={system}\n"
        case OsVersion(id=system, version=version):
            text += f"SuggestOnOSRelease=ID={system} VERSION_ID={version}\n"
        case _:
            pass
    return text.encode()


def _literal(text: str) -> str:
    """Return a text in which nothing is a specifier (systemd.syntax(7))."""
    return text.replace("%", "%%")
