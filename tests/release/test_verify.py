from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from click.testing import CliRunner
from harness.mirror import Mirror
from harness.released import channel
from harness.released import release as made
from harness.verity import Publisher

from bakery.cli import main, schemas
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.release import document, sums
from bakery.release.errors import ReleaseError
from bakery.release.keyring import usual
from bakery.release.verify import verify
from bakery.release.verity import VeritySigning

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.shop import Shop

IMAGE = "tool-v1.1.0-arm64.raw"


@pytest.fixture
def release(shop: Shop) -> Path:
    return shop.publish(shop.assembled("v1.1.0"), "v1.1.0")


@pytest.fixture
def verity(shop: Shop, tmp_path: Path) -> Path:
    """A release that has images for dm-verity, too."""
    publisher = Publisher(tmp_path)
    shop.verity = VeritySigning(publisher.certificates, publisher.signer)
    return shop.publish(shop.assembled("v1.1.0"), "v1.1.0")


def check(place: Path | str) -> list[str]:
    return [each.name for each in verify(str(place), keyring=None)]


def retell(release: Path, act: Callable[[Any], None]) -> None:
    """Have release.json tell something else, and the list of digests fit."""
    path = release / document.FILE
    described = json.loads(path.read_bytes())
    act(described)
    path.write_text(json.dumps(described))
    index(release)


def index(folder: Path) -> None:
    """Write the index anew, for what is there."""
    names = sorted(
        path.name for path in folder.iterdir() if path.name not in {"notes.md", sums.FILE}
    )
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / sums.FILE).write_bytes(sums.encode(digests))


def test_a_release_is_the_same_over_http(release: Path) -> None:
    with Mirror(release.parent) as server:
        assert check(f"{server.url}/{release.name}/") == check(release)


def test_images_for_dm_verity_are_part_of_a_release(verity: Path) -> None:
    names = ["tool-v1.1.0-arm64.verity.raw", "tool-v1.1.0-x86-64.verity.raw"]
    transfers = ["tool.verity.conf", "tool.verity.transfer"]
    assert {*names, *transfers, "verity.crt"} <= {*check(verity)}
    data = json.loads((verity / document.FILE).read_text())
    jsonschema.validate(data, json.loads(schemas.text("release")))
    assert sorted(image["verity"]["file"] for image in data["images"]) == names
    assert "dm-verity, signed; root hash" in (verity / "notes.md").read_text()


@pytest.mark.parametrize("what", ["swapped", "altered", "renamed", "unsaid"])
def test_images_for_dm_verity_that_are_not_as_told(verity: Path, what: str) -> None:
    one, other = (verity / f"tool-v1.1.0-{arch}.verity.raw" for arch in ("x86-64", "arm64"))
    if what == "swapped":
        one.rename(verity / "aside")
        other.rename(one)
        (verity / "aside").rename(other)
    elif what == "altered":
        one.write_bytes(one.read_bytes()[:-1] + b"x")
    elif what == "renamed":
        one.rename(verity / "tool-v1.1.0-mips.verity.raw")
    else:
        data = json.loads((verity / document.FILE).read_text())
        del data["images"][0]["verity"]
        (verity / document.FILE).write_text(json.dumps(data))
    index(verity)
    with pytest.raises(ReleaseError, match=f"{document.FILE} contradicts"):
        check(verity)


def test_a_busy_server_is_asked_again(release: Path) -> None:
    waits: list[float] = []
    client = Client(retry=RetryPolicy(sleep=waits.append))
    with Mirror(release.parent) as server:
        server.busy = True
        url = f"{server.url}/{release.name}"
        assert [each.name for each in verify(url, keyring=None, client=client)] == check(release)
    assert len(waits) == len(set(server.requests))


def test_no_image_is_asked_for_before_release_json_holds(release: Path) -> None:
    (release / document.FILE).write_text("{}")
    with Mirror(release.parent) as server, pytest.raises(ReleaseError):
        check(f"{server.url}/{release.name}")
    assert not [path for path in server.requests if path.endswith(".raw")]


def test_no_more_is_read_than_is_signed(release: Path) -> None:
    with (release / IMAGE).open("r+b") as file:
        file.truncate(64 << 20)
    with pytest.raises(ReleaseError, match="more than the 17 bytes that"):
        check(release)


def believed_until(folder: Path, day: str) -> None:
    digests = sums.decode((folder / sums.FILE).read_bytes())
    (folder / sums.FILE).write_bytes(sums.encode(digests, date.fromisoformat(day)))


def test_how_long_a_list_is_to_be_believed_is_no_file(release: Path) -> None:
    before = check(release)
    believed_until(release, "9999-12-31")
    with Mirror(release.parent) as server:
        assert check(f"{server.url}/{release.name}") == before
        assert not [path for path in server.requests if "BEST-BEFORE" in path]


def test_what_was_not_booted_is_shown(shop: Shop) -> None:
    made = shop.assembled("v1.1.0", BAKERY_BOOT_WAIVER="arm64: no such machine")
    shown = [each.what for each in verify(str(shop.publish(made, "v1.1.0")), keyring=None)]
    waived = "not booted: tool-v1.1.0-arm64 on nspawn:bookworm, nspawn:trixie: no such machine"
    assert waived in "\n".join(shown)
    assert waived.replace("not booted: ", "- ") in made["notes.md"].decode().replace("\\", "")


@pytest.mark.parametrize("day", ["2020-01-01", str(datetime.now(UTC).date())])
def test_a_list_that_is_out_of_date_is_refused(release: Path, day: str) -> None:
    believed_until(release, day)
    with Mirror(release.parent) as server, pytest.raises(ReleaseError) as caught:
        check(f"{server.url}/{release.name}")
    assert caught.value.what == "SHA256SUMS is out of date"
    assert day in str(caught.value)
    assert "clock" in str(caught.value.fix)
    result = CliRunner().invoke(main, ["verify-release", "--unsigned", str(release)])
    assert result.exit_code == 1


def test_a_day_that_is_none_is_refused(release: Path) -> None:
    with (release / sums.FILE).open("a") as file:
        file.write(f"{'0' * 64}  BEST-BEFORE-2026-13-45\n")
    with pytest.raises(ReleaseError, match="can't be read"):
        check(release)


@pytest.mark.parametrize("name", [IMAGE, "tool.conf", "release.json", "tool-v1.1.0.cdx.json"])
def test_a_file_that_is_not_what_the_index_names(release: Path, name: str) -> None:
    (release / name).write_bytes((release / name).read_bytes() + b" ")
    with pytest.raises(ReleaseError, match=f"{name} is not the file that SHA256SUMS names"):
        check(release)


def test_a_file_that_is_missing(release: Path) -> None:
    (release / IMAGE).unlink()
    with pytest.raises(ReleaseError, match=f"{IMAGE} can't be read"):
        check(release)


def test_a_file_that_nobody_vouches_for(release: Path) -> None:
    (release / "extra.raw").write_bytes(b"")
    with pytest.raises(ReleaseError) as caught:
        check(release)
    assert "nobody vouches for extra.raw" in str(caught.value)


def change(key: str, value: object) -> Callable[[Any], None]:
    def act(described: Any) -> None:
        described["images"][1][key] = value

    return act


def drop(described: Any) -> None:
    del described["images"][1]


def rename(described: Any) -> None:
    described["version"] = "v9"


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (change("sha256", "0" * 64), "another digest"),
        (change("size", 99), "has 17 bytes, and 99 there"),
        (change("file", "tool-v1.1.0-riscv64.raw"), "does not name tool-v1.1.0-riscv64.raw"),
        (drop, f"does not describe {IMAGE}"),
        (rename, "is not what tool v9 is called"),
        (change("size", 0), "tool-v1.1.0-arm64.raw is empty"),
    ],
)
def test_a_release_json_that_tells_something_else(
    release: Path, act: Callable[[Any], None], says: str
) -> None:
    retell(release, act)
    with pytest.raises(ReleaseError, match=r"release\.json contradicts") as caught:
        check(release)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (
            lambda told: told["images"].extend(told["images"] * 9999),
            "tool-v1.1.0-x86-64.raw is there twice",
        ),
        (lambda told: told["requires"].append("tool"), "neither needs nor excludes itself"),
        (lambda told: told["conflicts"].append("tool"), "neither needs nor excludes itself"),
        (lambda told: told["replaces"].append("tool"), "neither needs nor excludes itself"),
    ],
)
def test_a_release_json_that_makes_no_sense(
    release: Path, act: Callable[[Any], None], says: str
) -> None:
    retell(release, act)
    with pytest.raises(ReleaseError, match="does not follow its schema") as caught:
        check(release)
    assert says in str(caught.value)


def test_a_release_json_that_is_none(release: Path) -> None:
    (release / document.FILE).write_text('{"name": 1}')
    index(release)
    with pytest.raises(ReleaseError, match="does not follow its schema"):
        check(release)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<html>", "line 1 is no SHA-256"),
        (b"0" * 64 + b"  ../up\n", "line 1 is no SHA-256"),
        (b"0" * 64 + b"  -x\n", "line 1 is no SHA-256"),
        ((b"0" * 64 + b"  a.raw\n") * 2, "line 2 names a.raw again"),
        ("ü".encode(), "can't decode"),
        (b"", "names no image"),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / sums.FILE).write_bytes(data)
    with pytest.raises(ReleaseError) as caught:
        check(tmp_path)
    assert says in str(caught.value)


def test_what_is_neither_a_release_nor_a_channel(release: Path) -> None:
    (release / document.FILE).unlink()
    index(release)
    with pytest.raises(ReleaseError, match=r"names neither release\.json nor channel\.json"):
        check(release)


def test_a_channel(tmp_path: Path) -> None:
    made(tmp_path, "app", "2.0.1", {"x86-64": b"app 2.0.1"})
    folder = channel(tmp_path, "app", "https://example.com", "2.0.1")
    assert {"channel.json", "app-2.0.1-x86-64.raw", "app.transfer"} < set(check(folder))


def test_a_channel_that_lists_an_image_twice(tmp_path: Path) -> None:
    made(tmp_path, "app", "2.0.1", {"x86-64": b"app 2.0.1"})
    folder = channel(tmp_path, "app", "https://example.com", "2.0.1")
    listed = json.loads((folder / "channel.json").read_bytes())
    listed["releases"][0]["images"] *= 2
    (folder / "channel.json").write_text(json.dumps(listed))
    index(folder)
    with pytest.raises(ReleaseError, match=r"can't be read") as caught:
        check(folder)
    assert "app-2.0.1-x86-64.raw is there twice" in str(caught.value)


@pytest.mark.parametrize(
    ("size", "says"),
    [(99, "app-2.0.1-x86-64.raw has 9 bytes, and 99 there"), (8, "more than the 8 bytes")],
)
def test_a_channel_that_tells_another_size(tmp_path: Path, size: int, says: str) -> None:
    made(tmp_path, "app", "2.0.1", {"x86-64": b"app 2.0.1"})
    folder = channel(tmp_path, "app", "https://example.com", "2.0.1")
    listed = json.loads((folder / "channel.json").read_bytes())
    listed["releases"][0]["images"][0]["size"] = size
    (folder / "channel.json").write_text(json.dumps(listed))
    index(folder)
    with pytest.raises(ReleaseError) as caught:
        check(folder)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["other", "app-2.0", "app-2.0.1"])
def test_a_channel_at_the_address_of_another(tmp_path: Path, name: str) -> None:
    made(tmp_path, "app", "2.0.1", {"x86-64": b"app 2.0.1"})
    folder = channel(tmp_path, "app", "https://example.com", "2.0.1")
    (tmp_path / "there").mkdir()
    with pytest.raises(ReleaseError, match=f"not {name}, but another channel"):
        check(folder.rename(tmp_path / "there" / name))


def test_a_channel_that_says_something_else(tmp_path: Path) -> None:
    made(tmp_path, "app", "1.0", {"x86-64": b"app 1.0"})
    folder = channel(tmp_path, "app", "https://example.com", "1.0")
    (folder / "app-1.0-x86-64.raw").write_bytes(b"another")
    (folder / "app-2.0-x86-64.raw").write_bytes(b"one more")
    index(folder)
    with pytest.raises(ReleaseError, match=r"channel\.json contradicts") as caught:
        check(folder)
    assert "app-1.0-x86-64.raw has another digest there" in str(caught.value)
    assert "does not list app-2.0-x86-64.raw" in str(caught.value)
    (folder / "app-1.0-x86-64.raw").unlink()
    index(folder)
    with pytest.raises(ReleaseError, match=r"does not name app-1\.0-x86-64\.raw"):
        check(folder)


def test_a_release_at_the_address_of_another(release: Path) -> None:
    for name in ("tool-v1.2.0", "other-v1.1.0", "tool"):
        release = release.rename(release.with_name(name))
        with pytest.raises(ReleaseError, match=f"not {name}, but another release"):
            check(release)


def test_the_command_says_what_is_good_and_what_is_wrong(release: Path) -> None:
    good = CliRunner().invoke(main, ["verify-release", "--unsigned", str(release)])
    assert good.exit_code == 0
    assert IMAGE in good.output
    no_keys = CliRunner().invoke(main, ["verify-release", "--keyring", "/none", str(release)])
    assert no_keys.exit_code == 1
    assert "there is no such keyring" in no_keys.output


def test_the_keyring_at_hand_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "import-pubring.gpg"
    own.write_bytes(b"keys")
    assert usual(own) == own
    own.unlink()
    if not any(Path(f"/etc/systemd/import-pubring.{end}").exists() for end in ("pgp", "gpg")):
        with pytest.raises(ReleaseError, match="nobody has said which keys") as caught:
            usual(own)
        assert "--keyring FILE" in str(caught.value)
