from __future__ import annotations

import json
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from harness import channels, needs
from harness.processes import free_port
from harness.released import index
from harness.shop import Shop

from bakery.cli import main
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.publish import github, session
from bakery.publish.directory import Directory
from bakery.publish.model import PublishError
from bakery.publish.release_folder import presented
from bakery.release import document, signing, sums
from bakery.release.keyring import Keyring
from bakery.release.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.openpgp import Person


WAIVED = {"BAKERY_BOOT_WAIVER": "x86-64: no machine for it; arm64: no machine for it"}
IMAGE = "tool-v1.1.0-arm64.raw"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def waived(shop: Shop) -> Path:
    return shop.publish(shop.assembled("v1.1.0", **WAIVED), "v1.1.0")


def test_images_come_first_and_the_index_last(waived: Path) -> None:
    desired = presented(waived, None)
    names = [file.name for file in desired.files]
    assert desired.tag == "tool-v1.1.0"
    assert desired.notes == (waived / "notes.md").read_text()
    assert [name.endswith(".raw") for name in names] == [True, True, *[False] * (len(names) - 2)]
    assert names[-2:] == ["release.json", "SHA256SUMS"]
    assert set(names) == {path.name for path in waived.iterdir()}


def test_an_image_that_has_not_booted_is_refused(shop: Shop) -> None:
    folder = shop.publish(shop.assembled("v1.1.0"), "v1.1.0")
    with pytest.raises(PublishError) as caught:
        presented(folder, None)
    assert "doit boot:tool-v1.1.0-" in str(caught.value)
    assert "BAKERY_BOOT_WAIVER='x86-64: REASON'" in str(caught.value)


def retell(folder: Path, act: Callable[[Any], object]) -> None:
    """Have release.json tell something else of its images, and the list of digests fit."""
    path = folder / document.FILE
    described = json.loads(path.read_bytes())
    act(described["images"])
    path.write_text(json.dumps(described))
    index(folder)


def test_what_is_published_has_to_boot_whatever_its_format_is_called(shop: Shop) -> None:
    folder = shop.publish(shop.assembled("v1.1.0"), "v1.1.0")
    retell(folder, lambda images: [image.update(format="folder") for image in images])
    with pytest.raises(PublishError, match="has passed no boot"):
        presented(folder, None)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda images: images.pop(), f"it does not describe {IMAGE}"),
        (lambda images: images[1].update(size=99), f"{IMAGE} has 17 bytes, and 99 there"),
        (
            lambda images: [image.update(sha256="") for image in images],
            "has no image that is a file",
        ),
    ],
)
def test_a_release_json_that_tells_something_else(
    waived: Path, act: Callable[[Any], object], says: str
) -> None:
    retell(waived, act)
    with pytest.raises(PublishError) as caught:
        presented(waived, None)
    assert says in str(caught.value)


def test_a_waiver_for_one_architecture_leaves_the_other_demanded(shop: Shop) -> None:
    waiver = {"BAKERY_BOOT_WAIVER": "arm64: no such machine"}
    folder = shop.publish(shop.assembled("v1.1.0", **waiver), "v1.1.0")
    with pytest.raises(PublishError, match=r"tool-v1\.1\.0-x86-64\.raw has passed no boot"):
        presented(folder, None)


def test_it_is_told_that_nobody_has_signed(
    waived: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher = Directory(tmp_path / "www", "us")
    remote = channels.session(publisher, tmp_path / "scratch", RetryPolicy(tries=1))
    told = remote.preview_publish(waived)
    assert told[0].startswith("unsigned: tool-v1.1.0, ")
    assert "set BAKERY_SIGNING_KEY" in told[0]
    remote.publish(waived)
    assert capsys.readouterr().err.startswith("unsigned: tool-v1.1.0, ")
    assert remote.public() == {"tool-v1.1.0"}


@needs.programs("gpg")
def test_a_signature_can_be_added(
    waived: Path, tmp_path: Path, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Directory(tmp_path / "www", "us")
    remote = channels.session(publisher, tmp_path / "scratch", RetryPolicy(tries=1))
    remote.publish(waived)
    public = tmp_path / "www/tool-v1.1.0"
    image = (public / IMAGE).stat().st_ino
    key = person.key("the publisher")
    monkeypatch.setenv(signing.KEY, person.gpg("--armor", "--export-secret-keys", key).decode())
    index(waived, person)
    remote = channels.session(publisher, tmp_path / "scratch", RetryPolicy(tries=1))
    assert remote.public() == set()
    remote.publish(waived)
    assert list(verify(str(public), keyring=waived / signing.KEYRING))
    assert remote.public() == {"tool-v1.1.0"}
    assert (public / IMAGE).stat().st_ino == image
    assert not list(public.glob("*.next"))
    signature = (public / sums.SIGNATURE).read_bytes()
    index(waived, person)  # signed at another time
    remote.publish(waived)
    assert (public / sums.SIGNATURE).read_bytes() == signature


@needs.programs("gpg")
def test_a_signature_is_added_to_these_images_alone(
    waived: Path, tmp_path: Path, person: Person
) -> None:
    publisher = Directory(tmp_path / "www", "us")
    remote = channels.session(publisher, tmp_path / "scratch", RetryPolicy(tries=1))
    remote.publish(waived)
    person.key("the publisher's")
    index(waived, person)
    ring = person.export(tmp_path / "ring")
    once = RetryPolicy(tries=1)
    remote = channels.session(publisher, tmp_path / "scratch", once, ring=ring)
    (tmp_path / "www/tool-v1.1.0" / IMAGE).write_bytes(b"swapped")
    with pytest.raises(PublishError, match="is published with other files"):
        remote.publish(waived)


@needs.programs("gpg")
def test_a_signature_by_somebody_else_is_refused_and_one_that_nobody_can_judge(
    waived: Path, tmp_path: Path, person: Person
) -> None:
    person.key("somebody")
    index(waived, person)
    with pytest.raises(PublishError, match="nothing here says whose signatures count") as caught:
        presented(waived, None)
    assert "import-pubring.gpg" in (caught.value.fix or "")
    ring = person.export(tmp_path / "ring", person.key("the publisher alone"))
    with pytest.raises(PublishError, match="is not signed by one of our keys"):
        presented(waived, Keyring.read(ring))
    whole = Keyring.read(person.export(tmp_path / "whole"))
    assert presented(waived, whole).files[-1].name == sums.FILE
    shutil.copy(waived / "notes.md", waived / sums.ARMORED)
    with pytest.raises(PublishError, match="is not signed by one of our keys"):
        presented(waived, whole)
    (waived / sums.ARMORED).unlink()
    (waived / sums.SIGNATURE).unlink()
    with pytest.raises(PublishError, match="is not signed, and there are keys") as caught:
        presented(waived, whole)
    assert caught.value.fix == "set BAKERY_SIGNING_KEY, and sign it: doit release:tool-v1.1.0"


def test_bytes_that_are_not_those_on_record_are_refused(waived: Path) -> None:
    (waived / IMAGE).write_bytes(b"other bytes")
    with pytest.raises(PublishError, match="has changed since it was built"):
        presented(waived, None)
    (waived / IMAGE).unlink()
    with pytest.raises(PublishError, match="is missing"):
        presented(waived, None)


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="is no finished release"):
        presented(tmp_path / "nothing", None)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a project publishes to, without keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAKERY_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("BAKERY_PUBLISHER", "directory:www")
    return tmp_path / "www"


def test_a_release_that_is_refused_holds_no_other_back(waived: Path, elsewhere: Path) -> None:
    other = shutil.copytree(waived, waived.with_name("other-1"))
    done = CliRunner().invoke(main, ["publish", str(other), str(waived)])
    assert done.exit_code == 1
    assert "http://localhost:8000/tool-v1.1.0" in done.output
    assert "other-1: release.json is not about the files beside it" in done.output
    assert {path.name for path in elsewhere.iterdir() if path.name[0] != "."} == {waived.name}


def test_a_publisher_that_is_lost_is_given_up_and_told_of_once(
    waived: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = RetryPolicy(tries=2, sleep=lambda _seconds: None)
    monkeypatch.setenv("BAKERY_PUBLISHER", "github:me/it")
    monkeypatch.setattr(github, "Client", partial(Client, retry=retry))
    monkeypatch.setattr(session, "RetryPolicy", lambda: retry)
    with free_port() as port:
        monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{port}")
        done = CliRunner().invoke(main, ["publish", *[str(waived)] * 5])
    assert (done.exit_code, elsewhere.exists()) == (1, False)
    assert done.output.count("GitHub can't be asked") == 3
    assert done.output.count("this can't be reached any more") == 1
    assert "left out: tool-v1.1.0, tool-v1.1.0\n" in done.output
