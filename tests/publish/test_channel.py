from __future__ import annotations

from bakery.publish.channel import channels
from bakery.publish.model import RemoteAsset, RemoteRelease


def posted(tag: str) -> RemoteRelease:
    names = [f"{tag}-x86-64.raw", "release.json"]
    return RemoteRelease(
        tag=tag,
        id=tag,
        visibility="public",
        assets=tuple(RemoteAsset(name=name, id=name, size=1, sha256="0" * 64) for name in names),
    )


def versions(tags: list[str], *, minors: bool = False) -> dict[str, list[str]]:
    found = channels("tool", [posted(tag) for tag in tags], minors=minors)
    return {channel: [edition.version for edition in each] for channel, each in found.items()}


def test_a_channel_holds_the_recipes_versions_newest_first() -> None:
    assert versions(["tool-1.2.0", "tool-1.10.0", "tool-extra-9.0", "tool"]) == {
        "tool": ["1.10.0", "1.2.0"]
    }


def test_each_minor_series_has_one_where_wanted() -> None:
    assert versions(["tool-v1.2.0", "tool-v1.2.1", "tool-v1.3.0"], minors=True) == {
        "tool": ["v1.3.0", "v1.2.1", "v1.2.0"],
        "tool-v1.3": ["v1.3.0"],
        "tool-v1.2": ["v1.2.1", "v1.2.0"],
    }


def test_hosts_are_not_led_to_pre_releases() -> None:
    assert versions(["tool-1.0-rc.2", "tool-0.9"], minors=True) == {
        "tool": ["0.9"],
        "tool-0.9": ["0.9"],
    }
