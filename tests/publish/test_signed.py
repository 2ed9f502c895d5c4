"""What our own keys have signed is published; what they have not is left out."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from harness import channels, needs
from harness.openpgp import LONG_AGO, Person
from harness.released import index, release

from bakery.http.retry import RetryPolicy
from bakery.publish import signed_index
from bakery.publish.directory import Directory
from bakery.publish.model import PublishError
from bakery.publish.session import of_recipe
from bakery.release import index as indexes
from bakery.release import signing, sums
from bakery.release.errors import ReleaseError
from bakery.release.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.arch import Arch

pytestmark = needs.programs("gpg", "gpgv")
ONCE = RetryPolicy(tries=1)


def images(text: str) -> dict[Arch, bytes]:
    return {"x86-64": text.encode(), "arm64": text.encode() * 2}


@pytest.fixture
def publisher() -> Iterator[Person]:
    """Who publishes, with a key for now and one for later."""
    person = Person()
    yield person
    person.close()


@pytest.fixture
def old(publisher: Person) -> str:
    return publisher.key("the publisher")


@pytest.fixture
def new(publisher: Person) -> str:
    return publisher.key("the publisher's next")


class Site:
    """A publisher's folder, and how its channels are brought up to date."""

    def __init__(self, folder: Path, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.root = folder / "www"
        self.ring = folder / "ring.gpg"
        self.person = person
        self._monkeypatch = monkeypatch

    def sign_with(self, key: str | None) -> None:
        """Have the environment name a key."""
        words = ("--armor", "--export-secret-keys", key or "")
        self._monkeypatch.setenv(signing.KEY, self.person.gpg(*words).decode() if key else "")

    def trust(self, *keys: str) -> None:
        """Have the keyring hold some keys."""
        self.person.export(self.ring, *keys, armour=False)

    def release(self, version: str, *keys: str) -> Path:
        """Publish a release, signed by some keys."""
        at = release(self.root, "app", version, images(version))
        if keys:
            path = self.person.sign(at / sums.FILE, *keys, armour=False)
            path.rename(at / sums.SIGNATURE)
        return at

    def follow(self, valid_days: int = 30) -> list[str]:
        """Bring the channel up to date; return what is told."""
        ring = self.ring if self.ring.exists() else None
        publisher = Directory(self.root, "us")
        scratch = self.folder / "scratch"
        return channels.follow("app", publisher, scratch, ONCE, ring=ring, valid_days=valid_days)

    @property
    def versions(self) -> list[str]:
        """The versions in the channel."""
        said = indexes.decode((self.root / "app" / indexes.CHANNEL).read_bytes())
        return [each.version for each in said.releases]

    @property
    def until(self) -> int:
        """How many days the channel's list is to be believed yet."""
        day = sums.best_before((self.root / "app" / sums.FILE).read_bytes())
        assert day is not None
        return (day - datetime.now(UTC).date()).days

    def signed_by(self, *keys: str) -> bool:
        """Return whether hosts that have some keys believe the channel."""
        ring = self.person.export(self.folder / "host.gpg", *keys, armour=False)
        signed = [self.root / "app" / name for name in (sums.SIGNATURE, sums.FILE)]
        command: list[str | Path] = ["gpgv", "--keyring", ring, *signed]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def site(tmp_path: Path, publisher: Person, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv(signing.KEY, raising=False)
    return Site(tmp_path, publisher, monkeypatch)


def test_only_what_our_key_has_signed_is_in_channels(site: Site, old: str, new: str) -> None:
    site.sign_with(old)
    site.release("1", old)
    site.release("2")
    site.release("3", new)
    site.release("4", old)
    shutil.copy(site.root / "app-1/SHA256SUMS.gpg", site.root / "app-4")
    told = site.follow()
    assert site.versions == ["1"]
    assert "app-4" not in (site.root / "bakery/bakery.json").read_text()
    alarms = [line for line in told if line.startswith("left out: ")]
    assert [line.split(",")[0] for line in alarms] == [
        "left out: app-2",
        "left out: app-3",
        "left out: app-4",
    ]
    assert "not signed: publish it again" in alarms[0]
    assert "another key" in alarms[1]
    assert "altered" in alarms[2]


def test_what_a_revoked_or_expired_key_has_signed_is_left_out(
    site: Site, publisher: Person, old: str
) -> None:
    stolen = publisher.key("stolen")
    expired = publisher.key("of old", expires="1y", then=LONG_AGO)
    site.release("1", old)
    site.release("2", stolen)
    at = site.release("3")
    publisher.sign(at / sums.FILE, expired, armour=False, then=LONG_AGO).rename(at / sums.SIGNATURE)
    publisher.revoke(stolen)
    site.trust(old, stolen, expired)
    site.sign_with(old)
    told = site.follow()
    assert site.versions == ["1"]
    assert "is revoked" in told[2]
    assert "has expired" in told[3]
    assert Keyring.read(site.root / "app" / signing.KEYRING).fingerprints == (old, stolen, expired)


def test_one_key_takes_the_place_of_another(site: Site, old: str, new: str) -> None:
    site.release("1", old)
    site.trust(old, new)
    site.sign_with(old)
    site.follow()
    keyring = site.root / "app" / signing.KEYRING
    assert Keyring.read(keyring).fingerprints == (old, new)
    assert site.signed_by(old)
    site.sign_with(new)
    site.release("2", new)
    site.follow()
    assert site.versions == ["2", "1"]
    assert site.signed_by(old, new)
    assert site.signed_by(new)
    assert not site.signed_by(old)


def test_signatures_by_either_key_are_kept(site: Site, old: str, new: str) -> None:
    site.release("1", old)
    site.trust(old, new)
    site.sign_with(old)
    site.follow()
    before = (site.root / "app" / sums.SIGNATURE).read_bytes()
    site.sign_with(new)
    site.follow()
    assert (site.root / "app" / sums.SIGNATURE).read_bytes() == before


def test_a_key_that_hosts_will_not_have_signs_nothing(site: Site, old: str, new: str) -> None:
    site.release("1", old)
    site.trust(old)
    site.sign_with(new)
    with pytest.raises(ReleaseError, match="is not in the keyring") as caught:
        site.follow()
    assert new in str(caught.value)


def test_a_keyring_that_is_none_is_explained(site: Site, old: str) -> None:
    site.release("1", old)
    site.ring.write_bytes(b"no keys")
    with pytest.raises(Exception, match="the keyring can't be read") as caught:
        site.follow()
    assert "gpg --export" in str(caught.value)


def test_who_has_no_key_verifies_and_tells_what_would_be_done(site: Site, old: str) -> None:
    site.trust(old)
    site.release("1", old)
    site.release("2")
    told = channels.session(
        Directory(site.root, "us"),
        site.folder / "scratch",
        ONCE,
        ring=site.ring,
    ).preview(of_recipe("app", minors=False))
    assert any("upload app/app-1-arm64.raw" in line for line in told)
    assert told[-1].startswith("left out: app-2, since it is not signed")
    with pytest.raises(PublishError, match="must be signed, and there is no key"):
        site.follow()


def test_what_is_signed_is_not_moved_without_a_key(site: Site, old: str) -> None:
    site.sign_with(old)
    site.release("1", old)
    site.follow()
    site.sign_with(None)
    site.release("2", old)
    with pytest.raises(PublishError) as caught:
        site.follow()
    assert "set BAKERY_SIGNING_KEY" in str(caught.value)


def test_a_bakery_without_keys_needs_none(site: Site) -> None:
    site.release("1")
    told = site.follow()
    assert site.versions == ["1"]
    assert not [line for line in told if line.startswith("left out")]
    assert sums.best_before((site.root / "app" / sums.FILE).read_bytes()) is None


# How long lists are to be believed


def test_a_channel_is_signed_once_and_a_damaged_signature_heals(site: Site, old: str) -> None:
    site.sign_with(old)
    site.release("1", old)
    site.follow()
    signature = site.root / "app" / sums.SIGNATURE
    before = (signature.read_bytes(), signature.stat().st_mtime_ns)
    site.follow()
    assert (signature.read_bytes(), signature.stat().st_mtime_ns) == before
    for damaged in (signature, signature.with_name(sums.ARMORED)):
        damaged.write_bytes(b"rotten")
        site.follow()
        assert damaged.read_bytes() != b"rotten"
    assert site.signed_by(old)


def test_a_list_is_renewed_when_half_of_its_time_is_over(
    site: Site, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.sign_with(old)
    site.release("1", old)
    site.follow(valid_days=20)
    before = site.until
    assert before in (19, 20)  # midnight may have passed

    def days_later(days: int) -> bytes:
        class Later(datetime):
            @classmethod
            def now(cls, tz: object = None) -> Later:  # noqa: ARG003
                return cls.fromtimestamp(datetime.now(UTC).timestamp(), UTC) + timedelta(days=days)

        monkeypatch.setattr(signed_index, "datetime", Later)
        site.follow(valid_days=20)
        assert site.signed_by(old)
        return (site.root / "app" / sums.SIGNATURE).read_bytes()

    first = days_later(0)
    assert days_later(8) == first
    assert site.until == before
    assert days_later(11) != first
    assert site.until >= before + 10
    assert "BEST-BEFORE" in (site.root / "bakery" / sums.FILE).read_text()


def test_a_list_that_is_believed_longer_than_is_wished_is_signed_anew(site: Site, old: str) -> None:
    site.sign_with(old)
    site.release("1", old)
    site.follow(valid_days=90)
    site.follow(valid_days=10)
    assert site.until in (9, 10)


def test_no_file_says_how_long_a_list_is_to_be_believed(site: Site, old: str) -> None:
    site.sign_with(old)
    site.release("1", old)
    site.follow()
    assert not list(site.root.rglob("BEST-BEFORE*"))
    index(site.root / "app-1", site.person)
