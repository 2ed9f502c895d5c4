from __future__ import annotations

import configparser
import hashlib
import json
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest

from bakery.cli import schemas
from bakery.recipe.version import Version
from bakery.release import document, sums, sysupdate
from bakery.release.errors import ReleaseError

if TYPE_CHECKING:
    from harness.shop import Shop


def test_every_file_but_the_notes_is_in_the_index(shop: Shop) -> None:
    files = shop.assembled("v1.1.0")
    images = {image.filename: image.id for image in shop.releases["v1.1.0"].images}
    assert sums.decode(files[sums.FILE]) == {
        **{name: hashlib.sha256(text.encode()).hexdigest() for name, text in images.items()},
        **{
            name: hashlib.sha256(data).hexdigest()
            for name, data in files.items()
            if name not in {"notes.md", "SHA256SUMS"}
        },
    }
    assert list(files)[-1] == sums.FILE


def test_the_same_release_is_the_same_bytes(shop: Shop) -> None:
    assert shop.assembled("v1.1.0") == shop.assembled("v1.1.0")


def test_release_json_follows_its_schema_and_is_read_again(shop: Shop) -> None:
    data = shop.assembled("v1.1.0", BAKERY_BOOT_WAIVER="arm64: no such machine")[document.FILE]
    jsonschema.validate(json.loads(data), json.loads(schemas.text("release")))
    described = document.decode(data)
    assert document.encode(described) == data
    assert [str(each) for each in described.waived_boots] == [
        "tool-v1.1.0-arm64 on nspawn:bookworm, nspawn:trixie: no such machine"
    ]
    assert described.sbom == ("tool-v1.1.0.cdx.json", "tool-v1.1.0.spdx.json")
    assert described.transfers == tuple(
        f"{channel}{suffix}" for channel in ("tool", "tool-v1.1") for suffix in sysupdate.SUFFIXES
    )
    assert described.signed_by is None


def test_nothing_is_waived_that_is_booted(shop: Shop) -> None:
    described = document.decode(shop.assembled("v1.0.0")[document.FILE])
    assert described.waived_boots == ()


@pytest.mark.parametrize(
    ("name", "channel", "pattern"),
    [
        ("tool.conf", "tool", "tool-@v-%a.raw"),
        ("tool.transfer", "tool", "tool-@v-%a.raw"),
        ("tool-v1.1.conf", "tool-v1.1", "tool-v1.1.@v-%a.raw"),
        ("tool-v1.1.transfer", "tool-v1.1", "tool-v1.1.@v-%a.raw"),
    ],
)
def test_transfers_verify_and_name_the_channel(
    shop: Shop, name: str, channel: str, pattern: str
) -> None:
    text = shop.assembled("v1.1.0", BAKERY_PUBLISH_URL="https://example.com/a%20b/")[name].decode()
    transfer = configparser.ConfigParser(interpolation=None)
    transfer.optionxform = str  # type: ignore[assignment,method-assign]
    transfer.read_string(text)
    assert transfer["Transfer"]["Verify"] == "yes"
    assert transfer["Source"]["Path"] == f"https://example.com/a%%20b/{channel}"
    assert transfer["Source"]["MatchPattern"] == transfer["Target"]["MatchPattern"] == pattern
    assert transfer["Target"]["Path"] == "/opt/extensions/tool"
    assert transfer["Target"]["CurrentSymlink"] == "/etc/extensions/tool.raw"
    assert int(transfer["Target"]["InstancesMax"]) >= 2


def test_a_component_tells_what_it_is(shop: Shop) -> None:
    files = shop.assembled("v1.1.0")
    component = configparser.ConfigParser(interpolation=None)
    component.optionxform = str  # type: ignore[assignment,method-assign]
    component.read_string(files["tool.component"].decode())
    recipe = shop.releases["v1.1.0"].source.recipe
    assert dict(component["Component"]) == {
        "Description": recipe.summary,
        "Documentation": str(recipe.homepage),
    }


def test_a_version_that_is_its_own_minor_series_has_no_channel_for_it(shop: Shop) -> None:
    release = msgspec.structs.replace(shop.releases["v1.1.0"], version=Version.parse("v1.1"))
    with pytest.raises(ReleaseError, match=r"can't follow tool v1\.1 to v1\.1"):
        sysupdate.files(release, "https://example.com")


def test_notes_tell_what_changed(shop: Shop) -> None:
    first, second = shop.assembled("v1.0.0"), shop.assembled("v1.1.0")
    assert "## Files, x86-64" in first["notes.md"].decode()
    notes = second["notes.md"].decode()
    assert "## What changed since v1.0.0, x86-64" in notes
    assert "- changed `/usr/bin/tool`, " in notes
    assert "- added `/usr/share/tool/extra`" in notes
    assert "Units are the same." in notes
    assert "Starts `tool.service`" in notes
    assert "[Upstream](https://example.com/)" in notes
    assert "https://example.com/extra-v1.1.0" in notes
