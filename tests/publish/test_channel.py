from __future__ import annotations

from harness.released import described

from bakery.publish.channel import channels, previews
from bakery.publish.model import RemoteRelease
from bakery.publish.published import Edition
from bakery.release import document


def edition(version: str) -> Edition:
    posted = RemoteRelease(tag=f"tool-{version}", id=version, visibility="public")
    said = document.decode(described("tool", version, {}))
    return Edition(document=said, posted=posted, assets={})


def versions(*tags: str, minors: bool = False) -> dict[str, list[str]]:
    found = channels("tool", list(map(edition, tags)), minors=minors)
    return {channel: [each.version.tag for each in held] for channel, held in found.items()}


def test_a_channel_holds_the_recipes_versions() -> None:
    assert versions("1.10.0", "1.2.0") == {"tool": ["1.10.0", "1.2.0"]}
    assert versions() == {}


def test_each_minor_series_has_one_where_desired() -> None:
    assert versions("v1.3.0", "v1.2.1", "v1.2.0", minors=True) == {
        "tool": ["v1.3.0", "v1.2.1", "v1.2.0"],
        "tool-v1.3": ["v1.3.0"],
        "tool-v1.2": ["v1.2.1", "v1.2.0"],
    }


def test_hosts_are_not_led_to_pre_releases() -> None:
    assert versions("1.0.0-rc.2", "0.9.1", minors=True) == {
        "tool": ["0.9.1"],
        "tool-0.9": ["0.9.1"],
    }


def test_a_series_whose_tag_is_taken_has_no_channel() -> None:
    assert versions("1.2.1", "1.2", "1", minors=True) == {"tool": ["1.2.1", "1.2", "1"]}


def test_what_is_in_no_channel_is_told() -> None:
    assert versions("3.5a", "3.5", "1.0-rc.2") == {"tool": ["3.5a", "3.5"]}
    assert previews([edition("3.5a"), edition("1.0-rc.2")]).keys() == {"tool-1.0-rc.2"}
