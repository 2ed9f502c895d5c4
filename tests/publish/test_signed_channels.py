"""The one that signs channels and the one that moves them hand a folder from one to the other."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from harness import channels, needs
from harness.released import release

from bakery.http.retry import RetryPolicy
from bakery.publish.channel import Channels
from bakery.publish.directory import Directory
from bakery.publish.model import PublishError
from bakery.publish.session import PublishSession, of_recipe
from bakery.release import index as indexes
from bakery.release import signing, sums
from bakery.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.arch import Arch
    from bakery.errors import BakeryError

pytestmark = needs.programs("gpg")
ONCE = RetryPolicy(tries=1)
DESIRED = {"app": of_recipe("app", minors=False), "index": Channels.index}


def images(text: str) -> dict[Arch, bytes]:
    return {"x86-64": text.encode(), "arm64": text.encode() * 2}


@pytest.fixture(scope="module")
def key(person: Person) -> str:
    return person.key("the publisher")


class Site:
    """A publisher's folder, and who signs and moves its channels."""

    def __init__(
        self, folder: Path, person: Person, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self.root = folder / "www"
        self.failures: Sequence[tuple[str, BakeryError]] = ()
        self.ring = person.export(folder / "ring.gpg", key, armour=False)
        self._person = person
        self._key = key
        self._monkeypatch = monkeypatch

    def publish(self, version: str) -> None:
        at = release(self.root, "app", version, images(version))
        signature = self._person.sign(at / sums.FILE, self._key, armour=False)
        signature.rename(at / sums.SIGNATURE)

    def sign(self, name: str) -> Path:
        """Write signed channels to a folder; return it."""
        words = ("--armor", "--export-secret-keys", self._key)
        self._monkeypatch.setenv(signing.KEY, self._person.gpg(*words).decode())
        try:
            self.failures = self._remote().sign(self.folder / name, DESIRED).failures
        finally:
            self._monkeypatch.delenv(signing.KEY)
        return self.folder / name

    def move(self, folder: Path, *, ring: bool = True) -> list[str]:
        return self._remote(ring=ring).move_signed(folder)

    def _remote(self, *, ring: bool = True) -> PublishSession:
        publisher = Directory(self.root, "us")
        believed = self.ring if ring else None
        return channels.session(publisher, self.folder / "scratch", ONCE, ring=believed)

    @property
    def versions(self) -> list[str]:
        said = indexes.decode((self.root / "app" / indexes.CHANNEL).read_bytes())
        return [each.version for each in said.releases]


@pytest.fixture
def site(tmp_path: Path, person: Person, key: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv(signing.KEY, raising=False)
    return Site(tmp_path, person, key, monkeypatch)


def test_one_signs_and_another_moves(site: Site) -> None:
    site.publish("1")
    signed = site.sign("signed")
    assert not (site.root / "app").exists()
    assert not list(signed.glob("*.raw"))
    assert site.move(signed) == ["http://localhost:8000/app", "http://localhost:8000/bakery"]
    assert site.versions == ["1"]
    before = (site.root / "app").stat().st_ino
    assert site.move(signed)
    assert (site.root / "app").stat().st_ino == before
    site.publish("2")
    site.publish("3")
    site.move(site.sign("signed-later"))
    assert site.versions == ["3", "2"]
    assert {path.name for path in (site.root / "app").glob("*.raw")} == {
        f"app-{version}-{arch}.raw" for version in ("2", "3") for arch in ("x86-64", "arm64")
    }


def test_channels_do_not_move_where_nothing_says_who_may_have_signed_them(site: Site) -> None:
    site.publish("1")
    signed = site.sign("signed")
    with pytest.raises(PublishError, match="nothing here says whose signatures count") as caught:
        site.move(signed, ring=False)
    assert "import-pubring.gpg" in (caught.value.fix or "")
    assert not (site.root / "app").exists()


def test_what_another_run_has_made_newer_stays(site: Site) -> None:
    site.publish("1")
    early = site.sign("early")
    site.publish("2")
    site.move(site.sign("late"))
    told = site.move(early)
    assert [line.split(",")[0] for line in told] == [
        "stays as it is: app",
        "stays as it is: bakery",
    ]
    assert "app-2 is newer there" in told[0]
    assert site.versions == ["2", "1"]


def test_what_another_run_has_made_older_is_replaced(site: Site) -> None:
    site.publish("1")
    early = site.sign("early")
    site.publish("2")
    late = site.sign("late")
    site.move(early)
    site.move(late)
    assert site.versions == ["2", "1"]


def test_a_release_that_is_withdrawn_leaves_its_channel(site: Site) -> None:
    site.publish("1")
    site.publish("2")
    site.move(site.sign("with"))
    shutil.rmtree(site.root / "app-2")
    site.move(site.sign("without"))
    assert site.versions == ["1"]


def test_a_release_that_goes_before_its_channel_moves(site: Site) -> None:
    site.publish("1")
    signed = site.sign("signed")
    shutil.rmtree(site.root / "app-1")
    told = site.move(signed)
    assert "is gone since it was signed" in told[0]
    assert not (site.root / "app").exists()


def failing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Have the key fail to sign so many times."""
    sign, failures = signing.SigningKey.sign, iter(range(times))

    def signs(key: signing.SigningKey, data: bytes) -> signing.Signature:
        for _ in failures:
            raise ReleaseError("the key can't sign now")
        return sign(key, data)

    monkeypatch.setattr(signing.SigningKey, "sign", signs)


def test_a_signature_that_fails_holds_no_other_channel_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish("1")
    failing(monkeypatch, 1)
    folder = site.sign("signed")
    assert [(name, error.what) for name, error in site.failures] == [
        ("app", "the key can't sign now")
    ]
    assert site.move(folder) == ["http://localhost:8000/bakery"]
    assert not (site.root / "app").exists()
    site.move(site.sign("again"))
    assert site.versions == ["1"]


@pytest.mark.parametrize("made", [True, False])
def test_where_nothing_can_be_signed_nothing_is_written(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, made: bool
) -> None:
    folder = site.folder / "signed"
    if made:
        folder.mkdir()
    with pytest.raises(PublishError, match="nothing is published, so no channel can be signed"):
        site.sign("signed")
    site.publish("1")
    failing(monkeypatch, 2)
    with pytest.raises(ReleaseError, match="the key can't sign now"):
        site.sign("signed")
    assert folder.exists() == made
    assert not made or not [*folder.iterdir()]


def test_a_folder_in_use_is_refused(site: Site) -> None:
    site.publish("1")
    site.sign("signed")
    with pytest.raises(PublishError, match="is not empty"):
        site.sign("signed")


def test_a_folder_that_is_none_is_refused(site: Site) -> None:
    with pytest.raises(PublishError, match="there are no signed channels"):
        site.move(site.folder / "nothing")


def change(folder: Path, act: Callable[[Any], object]) -> None:
    path = folder / "channels.json"
    said = json.loads(path.read_bytes())
    act(said)
    path.write_text(json.dumps(said))


def file(said: Any, name: str) -> Any:
    return next(each for each in said[0]["files"] if each["name"] == name)


@pytest.mark.parametrize(
    "poison",
    [
        lambda said: said[0].update(tag="other"),
        lambda said: file(said, "app-1-arm64.raw").update(sha256="0" * 64),
        lambda said: file(said, "app-1-arm64.raw").update(name="app-9-arm64.raw"),
        lambda said: file(said, "channel.json").update(size=1),
        lambda said: said[0]["files"].append(file(said, "channel.json")),
        lambda said: said[0]["files"].pop(),
        lambda said: said[0].update(files=[]),
        lambda said: said[0]["files"].remove(file(said, "SHA256SUMS.gpg")),
        lambda said: said[0]["files"].remove(file(said, "channel.json")),
        lambda said: said[0].update(tag="../app"),
        lambda said: said[0].update(notes="x" * 2000),
    ],
)
def test_a_folder_that_somebody_has_changed_is_refused(
    site: Site, poison: Callable[[Any], object]
) -> None:
    site.publish("1")
    signed = site.sign("signed")
    change(signed, poison)
    with pytest.raises(PublishError, match="does not hold what was signed"):
        site.move(signed)
    assert not (site.root / "app").exists()


def test_bytes_that_somebody_has_changed_are_refused(site: Site) -> None:
    site.publish("1")
    signed = site.sign("signed")
    for path in signed.iterdir():
        if path.name != "channels.json":
            path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(PublishError, match="has other bytes"):
        site.move(signed)


def test_who_signs_must_be_in_the_keyring(site: Site, person: Person) -> None:
    site.publish("1")
    signed = site.sign("signed")
    person.export(site.ring, person.key("somebody else"), armour=False)
    with pytest.raises(PublishError, match="another key"):
        site.move(signed)
