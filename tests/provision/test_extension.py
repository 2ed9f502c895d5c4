"""What is published is only taken as its index and its signatures have it."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from harness.openpgp import Person
from harness.provisioning import asked
from harness.released import index, release

from bakery.errors import BakeryError
from bakery.provision import command
from bakery.provision.errors import ProvisionError
from bakery.release import sums
from bakery.release.errors import ReleaseError
from bakery.release.index import CHANNEL
from bakery.settings import load as load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.provision.command import Output
    from bakery.settings import Settings


def given(settings: Settings, reference: str, output: Output = "ignition", **options: Any) -> str:
    wanted = asked(**{"host": "any"} | options)
    return command.provision([reference], *wanted, settings=settings, output=output)


@pytest.fixture
def keyring(person: Person, tmp_path: Path) -> Path:
    """The publisher's keys, as somebody has them who trusts the publisher."""
    return person.export(tmp_path / "trusted.asc")


def change(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes().replace(b"e", b"E", 1))


def test_a_channel_that_is_out_of_date_is_refused(
    settings: Settings, published: Path, person: Person, keyring: Path
) -> None:
    index = published / "docker" / sums.FILE
    index.write_bytes(sums.encode(sums.decode(index.read_bytes()), date(2026, 1, 1)))
    signature = person.sign(index, person.key("whoever renews it"), armour=False)
    signature.replace(published / "docker" / sums.SIGNATURE)
    for trusted in (keyring, None):
        with pytest.raises(ReleaseError, match="SHA256SUMS is out of date") as caught:
            given(settings, "docker", keyring=trusted)
        assert "2026-01-01" in str(caught.value)


def extend(listed: Path) -> None:
    listed.write_text(f"{listed.read_text()}{'0' * 64}  more.raw\n")


def test_what_the_keys_have_signed_is_taken(
    settings: Settings, published: Path, person: Person, keyring: Path
) -> None:
    index(published / "docker-20.10.13", person)
    with_keys = given(settings, "docker", keyring=keyring)
    assert with_keys == given(settings, "docker")
    assert given(settings, "docker-20.10.13", keyring=keyring)
    here = published / "docker-20.10.13/docker-20.10.13-arm64.raw"
    assert given(settings, str(here), keyring=keyring)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda at: extend(at / "SHA256SUMS"), "signature of SHA256SUMS does not hold"),
        (lambda at: (at / "SHA256SUMS.gpg").unlink(), r"SHA256SUMS\.gpg can't be read"),
        (lambda at: shutil.copy(at / "SHA256SUMS", at / "SHA256SUMS.gpg"), "does not hold"),
        (lambda at: change(at, "docker.conf"), r"docker\.conf is not the file"),
        (index, "signature of SHA256SUMS does not hold"),
    ],
    ids=["index", "no-signature", "no-openpgp", "transfer", "signed-before"],
)
def test_a_channel_that_machines_would_refuse_is_refused_here(
    settings: Settings, published: Path, damage: Callable[[Path], object], says: str
) -> None:
    (published / "docker/docker-20.10.9-arm64.raw").write_bytes(b"what `index` then finds")
    damage(published / "docker")
    with pytest.raises(BakeryError, match=says):
        given(settings, "docker")


def test_other_keys_are_refused(
    settings: Settings, published: Path, person: Person, tmp_path: Path
) -> None:
    index(published / "caddy-2.11.7", person)
    with closing(Person()) as other:
        other.key("Somebody else")
        keyring = other.export(tmp_path / "other")
    with pytest.raises(ReleaseError, match="it is by the key"):
        given(settings, "caddy-2.11.7", keyring=keyring)


def test_keys_are_no_use_for_what_nobody_has_signed(
    settings: Settings, published: Path, keyring: Path, tmp_path: Path
) -> None:
    with pytest.raises(ReleaseError, match=r"SHA256SUMS\.gpg can't be read"):
        given(settings, "caddy-2.11.7", keyring=keyring)
    lone = shutil.copy(published / "caddy-2.11.7/caddy-2.11.7-x86-64.raw", tmp_path)
    with pytest.raises(ProvisionError, match="nobody has signed the image"):
        given(settings, str(lone), keyring=keyring)


def test_the_description_of_a_release_is_compared(settings: Settings, published: Path) -> None:
    change(published / "caddy-2.11.7", "release.json")
    with pytest.raises(ReleaseError, match=r"release\.json is not the file"):
        given(settings, "caddy-2.11.7")


def test_a_description_of_other_bytes_is_refused(settings: Settings, published: Path) -> None:
    folder = published / "caddy-2.11.7"
    image = next(folder.glob("*.raw"))
    digest = sums.decode((folder / sums.FILE).read_bytes())[image.name]
    described = folder / "release.json"
    described.write_text(described.read_text().replace(digest, "0" * 64))
    index(folder)
    for reference in (folder.name, str(image)):
        with pytest.raises(ReleaseError, match=r"release\.json contradicts the files beside it"):
            given(settings, reference)


def test_an_image_that_the_channel_does_not_list(
    settings: Settings, published: Path, person: Person
) -> None:
    shutil.copy(
        published / "docker/docker-20.10.13-x86-64.raw",
        published / "docker/docker-99-1-x86-64.raw",
    )
    index(published / "docker", person)
    with pytest.raises(ReleaseError, match=r"does not list docker-99-1-x86-64\.raw"):
        given(settings, "docker")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("docker-20.10.13", "docker-20.10.12"), "is not the tag of docker"),
        (("docker-20.10.13", "../caddy-2.11.7"), "regex"),
        (('"name": "docker"', '"name": "docker\\n"'), "is not the tag of docker"),
        (('"releases"', '"release"'), "missing required field"),
    ],
)
def test_a_channel_that_says_something_else(
    settings: Settings, published: Path, person: Person, change: tuple[str, str], says: str
) -> None:
    old, new = change
    listed = published / "docker/channel.json"
    listed.write_text(
        listed.read_text()
        .replace(f'"tag": "{old}"', f'"tag": "{new}"')
        .replace(old if old.startswith('"') else "never", new)
    )
    index(published / "docker", person)
    with pytest.raises(ReleaseError, match=r"channel\.json can't be read") as caught:
        given(settings, "docker")
    assert re.search(says, str(caught.value))


def test_a_channel_whose_release_is_another_one(settings: Settings, published: Path) -> None:
    shutil.copytree(published / "caddy-2.11.7", published / "docker-20.10.13", dirs_exist_ok=True)
    with pytest.raises(ReleaseError, match=r"not docker-20\.10\.13, but another release"):
        given(settings, "docker")


def test_a_channel_whose_release_has_other_files(settings: Settings, published: Path) -> None:
    shutil.rmtree(published / "docker-20.10.13")
    release(published, "docker", "20.10.13", {"x86-64": b"something else"})
    with pytest.raises(ProvisionError, match="have different files"):
        given(settings, "docker")


def test_the_newest_version_is_taken_in_whichever_order_they_are_listed(
    settings: Settings, published: Path, person: Person
) -> None:
    folder = index(published / "docker", person)
    newest = given(settings, "docker")
    listed = json.loads((folder / CHANNEL).read_bytes())
    listed["releases"].reverse()
    (folder / CHANNEL).write_text(json.dumps(listed))
    index(folder, person)
    assert given(settings, "docker") == newest
    assert "docker-20.10.13" in newest


def test_a_channel_may_be_apart_from_its_releases(settings: Settings, published: Path) -> None:
    beside = given(settings, "docker")
    (published / "site").mkdir()
    (published / "docker").rename(published / "site/docker")
    apart = replace(settings, channels_url=f"{settings.publish_url}/site")
    moved = given(apart, "docker")
    assert moved == given(apart, f"{apart.channels_url}/docker") != beside
    assert given(apart, "docker-20.10.9")
    with pytest.raises(ProvisionError, match="no release and no channel nothing"):
        given(apart, "nothing")


def test_a_channel_is_followed_where_it_was_found(settings: Settings, published: Path) -> None:
    """A mirror has the publisher's own transfer files, which say where the publisher is."""
    made = (published / "docker/docker.transfer").read_text()
    assert "Path=https://example.com/releases/docker\n" in made
    url = f"{settings.publish_url}/docker"
    for reference in ("docker", url):
        shown = given(settings, reference, output="butane", host="flatcar")
        assert f"Path={url}\n" in shown
        assert "example.com" not in shown.replace("https://example.com/\n", "")


def test_where_nothing_is_published_the_setting_is_named(
    tmp_path: Path, waits: list[float]
) -> None:
    nowhere = load_settings(tmp_path, {"BAKERY_MIRROR": "http://127.0.0.1:1"})
    with pytest.raises(ReleaseError, match="build it, or set BAKERY_PUBLISH_URL"):
        given(nowhere, "app")
    assert waits
