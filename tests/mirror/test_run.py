"""Between folders, web servers and GitHub: all of it, part of it, again, and what must not come."""

from __future__ import annotations

import gc
import shutil
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from harness.github import REPOSITORY, GitHub
from harness.mirror import Mirror
from harness.processes import free_port

from bakery.errors import BakeryError
from bakery.http.breaker import Breaker, GivenUpError
from bakery.http.client import Client
from bakery.http.errors import TransientError
from bakery.http.retry import RetryPolicy
from bakery.mirror import choice, copy, publication, source
from bakery.mirror.errors import MirrorError
from bakery.publish.directory import Directory
from bakery.publish.model import UnsettledError
from bakery.recipe.names import INDEX
from bakery.release import sums

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.mirror.run import Mirroring

ALL = {"app-1.0", "app-1.1", "app-2.0", "other-v3", "app", "other", INDEX}
SMALL = ("/SHA256SUMS", "/SHA256SUMS.gpg", "/release.json", "/channel.json", "/bakery.json")


@pytest.fixture
def server(site: Any) -> Iterator[Mirror]:
    with Mirror(site.root) as server:
        yield server


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with GitHub() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def held(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def tags(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if not path.name.startswith(".")}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def on_github(github: GitHub) -> dict[str, bytes]:
    return {
        f"{release.tag}/{name}": data
        for release in github.public
        for name, data in release.files.items()
    }


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_mirror_has_the_same_bytes_and_is_copied_once(
    site: Any, server: Mirror, mirrors: Any, target: Path, kind: str
) -> None:
    source = site.root if kind == "folder" else server.url
    said = mirrors.run(source, target)
    assert held(target) == site.files()
    assert said[-1].startswith("copied in all: ")
    server.requests.clear()
    assert mirrors.run(source, target) == ["all of it is there"]
    assert all(path.endswith(SMALL) for path in server.requests)
    assert held(target) == site.files()


def test_what_was_copied_is_not_kept_in_memory(site: Any, mirrors: Any, target: Path) -> None:
    size = 4 << 20
    for folder in site.root.glob("*-*"):
        (folder / "notes.md").write_bytes(b"x" * size)
    kept = []
    tracemalloc.start()
    try:
        for _ in mirrors.plan(site.root, target).run():
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(kept) < size


def test_from_mirror_to_mirror(site: Any, mirrors: Any, tmp_path: Path) -> None:
    mirrors.run(site.root, tmp_path / "one")
    with Mirror(tmp_path / "one") as server:
        mirrors.run(server.url, f"directory:{tmp_path / 'two'}")
    assert held(tmp_path / "two") == site.files()


def test_to_github_and_from_there(
    site: Any, mirrors: Any, github: GitHub, target: Path, tmp_path: Path
) -> None:
    place = f"github:{REPOSITORY}"
    mirrors.run(site.root, place)
    assert on_github(github) == site.files()
    assert {each.tag: each.body for each in github.public}["app-1.0"] == "# app 1.0\n"
    github.requests.clear()
    assert mirrors.run(site.root, place) == ["all of it is there"]
    assert all(request.startswith("GET") and "per_page" in request for request in github.requests)

    mirrors.run(place, target)
    assert held(target) == site.files()
    github.requests.clear()
    assert mirrors.run(place, target) == ["all of it is there"]
    assert all("per_page" in request for request in github.requests), github.requests
    assert mirrors.run(place, tmp_path / "other", names=("other",))
    assert tags(tmp_path / "other") == {"other-v3", "other", INDEX}


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"names": ("app",)}, {"app-1.0", "app-1.1", "app-2.0", "app", INDEX}),
        ({"names": ("app-1.0",)}, {"app-1.0", INDEX}),
        ({"names": ("app-1.0", "other")}, {"app-1.0", "other-v3", "other", INDEX}),
        ({"current": True}, ALL - {"app-1.0"}),
        ({"names": ("app",), "current": True}, {"app-1.1", "app-2.0", "app", INDEX}),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_part_of_it(  # noqa: PLR0917
    site: Any,
    server: Mirror,
    mirrors: Any,
    target: Path,
    options: dict[str, Any],
    left: set[str],
    kind: str,
) -> None:
    mirrors.run(site.root if kind == "folder" else server.url, target, **options)
    assert tags(target) == left
    assert held(target).items() <= site.files().items()


def test_one_architecture_and_then_the_other(site: Any, mirrors: Any, target: Path) -> None:
    mirrors.run(site.root, target, arches=("arm64",))
    assert held(target) == {k: v for k, v in site.files().items() if not k.endswith("x86-64.raw")}
    assert mirrors.run(site.root, target, arches=("arm64",)) == ["all of it is there"]
    mirrors.run(site.root, target)
    assert held(target) == site.files()
    assert mirrors.run(site.root, target, arches=("arm64",)) == ["all of it is there"]


def test_a_name_that_is_not_there(site: Any, mirrors: Any, target: Path) -> None:
    with pytest.raises(MirrorError, match="did you mean app"):
        mirrors.run(site.root, target, names=("apq",))
    with pytest.raises(MirrorError, match="nothing is published as app-3"):
        mirrors.run(site.root, target, names=("app-3",))
    with pytest.raises(MirrorError, match="nothing is published as"):
        mirrors.run(site.root, target, names=("../site/app-1.0",))
    assert not target.exists()


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize("place", ["", "~nobody-at-all/mirror", "ftp://example.com", "file"])
def test_a_place_that_is_none(  # noqa: PLR0917
    place: str,
    dry: bool,  # noqa: FBT001
    site: Any,
    mirrors: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    before = held(tmp_path)
    for places in ((site.root, place), (place, tmp_path / "target")):
        plan = mirrors.plan(*places)
        with pytest.raises(MirrorError):
            list(plan.preview() if dry else plan.run())
    left = {path for path in held(tmp_path) if not path.startswith("store/")}
    assert left == {*before}


def test_a_server_that_does_not_answer(mirrors: Any, target: Path) -> None:
    unreachable = pytest.raises(BakeryError, match="check the address, the network")
    with free_port() as port, unreachable as caught:
        mirrors.run(f"http://127.0.0.1:{port}", target)
    assert "whole release" not in str(caught.value)


def lost(
    plan: Mirroring, server: ExitStack, waits: list[float], *, after: str
) -> dict[str, BakeryError]:
    """Run a mirror whose server goes away after a line; return the failures by their names."""
    failures: dict[str, BakeryError] = {}
    for line in plan.run():
        if isinstance(line, tuple):
            failures[line[0]] = line[1]
        elif line.startswith(after):
            server.close()
            waits.clear()
    return failures


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of whoever asks a web server, and tries twice."""
    waits: list[float] = []
    retry = RetryPolicy(tries=2, sleep=waits.append)
    monkeypatch.setattr(source, "Client", partial(Client, retry=retry))
    return waits


def test_a_source_that_is_lost_half_way_is_given_up_and_told_of_once(
    site: Any, mirrors: Any, target: Path, waits: list[float]
) -> None:
    for version in ("2.1", "2.2"):
        site.publish("app", version)
    with ExitStack() as stack:
        url = stack.enter_context(Mirror(site.root)).url
        failures = lost(mirrors.plan(url, target), stack, waits, after="copied app-1.0")
    assert len(waits) == 3
    assert list(failures) == ["app-1.1", "app-2.0", "app-2.1", url]
    assert "can't be reached any more" in failures[url].what
    assert (failures[url].why or "").endswith("left out: app-2.2, other-v3, other")
    mirrors.run(site.root, target)
    assert held(target) == site.files()


def test_a_source_that_is_lost_while_it_is_read_is_given_up_too(
    site: Any,
    mirrors: Any,
    target: Path,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    with ExitStack() as stack:
        url = stack.enter_context(Mirror(site.root)).url

        def find(place: Any, tag: str, keyring: Path | None) -> Any:
            if len(read) == 1:
                stack.close()
            read.append(tag)
            return publication.find(place, tag, keyring)

        monkeypatch.setattr(choice, "publication", SimpleNamespace(find=find))
        failures = lost(mirrors.plan(url, target), stack, waits, after="never")
    assert len(read) > 4
    assert len(waits) == 3
    assert len(failures) == 4
    assert "can't be reached any more" in failures[url].what


def test_answers_of_any_kind_keep_a_source(waits: list[float]) -> None:
    breaker = Breaker.of("here", RetryPolicy(tries=2, sleep=waits.append))
    down, up = TransientError("no"), TransientError("busy", status=503)
    down.__cause__ = requests.ConnectionError()

    def fails(error: Exception) -> None:
        with pytest.raises(type(error)):
            breaker.run(partial(_raise, error))

    for error in (down, down, up, down, down, up, down, down, down):
        fails(error)
    assert len(waits) == 9
    fails(GivenUpError("here", down))
    assert len(waits) == 9


def _raise(error: Exception) -> None:
    raise error


def test_a_part_of_a_part(site: Any, mirrors: Any, target: Path, tmp_path: Path) -> None:
    """What an index lists, and a partial mirror has not, is told and stops nothing."""
    mirrors.run(site.root, tmp_path / "part", names=("other",))
    with Mirror(tmp_path / "part") as server:
        said = mirrors.run(server.url, target)
    assert held(target) == held(tmp_path / "part")
    assert "left out: app-1.0, since there is no SHA256SUMS of it" in said


def test_a_folder_that_was_copied_by_half_is_told(site: Any, mirrors: Any, target: Path) -> None:
    (site.root / "app-1.0/SHA256SUMS").unlink()
    said = mirrors.run(site.root, target)
    assert said[0] == "left out: app-1.0, since there is no SHA256SUMS of it"
    assert tags(target) == ALL - {"app-1.0"}


def test_nothing_but_names_where_a_server_has_no_index(
    site: Any, server: Mirror, mirrors: Any, target: Path
) -> None:
    shutil.rmtree(site.root / INDEX)
    with pytest.raises(MirrorError, match="nothing is published there"):
        mirrors.run(server.url, target)
    mirrors.run(server.url, target, names=("app",))
    assert tags(target) == {"app", "app-1.1", "app-2.0"}


def test_channels_in_another_place(site: Any, mirrors: Any, target: Path, tmp_path: Path) -> None:
    for tag in ("app", "other", INDEX):
        shutil.move(site.root / tag, tmp_path / "apart" / tag)
    with Mirror(tmp_path / "apart") as server:
        mirrors.run(site.root, server.url, target)
    assert tags(target) == ALL


def test_what_would_be_copied(site: Any, server: Mirror, mirrors: Any, target: Path) -> None:
    mirrors.run(site.root, target, names=("other",))
    (target / INDEX / f"{INDEX}.json").unlink()
    before = held(target)
    for place in (site.root, server.url):
        *lines, last = mirrors.plan(place, target).preview()
        assert held(target) == before
        new = {k: v for k, v in site.files().items() if k not in before}
        size = sum(map(len, new.values()))
        assert last == f"to copy in all: {len(new)} files, {size / 1024:.1f} KiB"
        assert [line.split()[1] for line in lines] == [
            *("app-1.0:", "app-1.1:", "app-2.0:", "app:", f"{INDEX}:")
        ]


# What must not come


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_damaged_image_is_refused_and_nothing_half_is_left(
    site: Any, server: Mirror, mirrors: Any, target: Path, kind: str
) -> None:
    flip(site.root / "app-2.0/app-2.0-arm64.raw")
    said, failures = mirrors.attempt(site.root if kind == "folder" else server.url, target)
    assert {*failures} == {"app-2.0"}
    assert "app-2.0-arm64.raw" in str(failures["app-2.0"])
    assert "found:  sha256" in str(failures["app-2.0"])
    assert tags(target) == ALL - {"app-2.0", "app", INDEX}  # nor what lists it
    assert not [name for name in held(target) if name.startswith((".", "app-2.0"))]
    assert "stays as it is: app, since app-2.0 could not be copied" in said


@pytest.mark.parametrize("name", ["release.json", "SHA256SUMS", "SHA256SUMS.gpg", "SHA256SUMS.asc"])
def test_a_damaged_small_file_is_refused(site: Any, mirrors: Any, target: Path, name: str) -> None:
    flip(site.root / "app-2.0" / name)
    _, failures = mirrors.attempt(site.root, target)
    assert {*failures} == {"app-2.0"}
    assert "app-2.0" not in tags(target)


@pytest.mark.parametrize("name", ["app-2.0-arm64.raw", "SHA256SUMS", "SHA256SUMS.asc"])
def test_what_can_not_be_read_is_not_taken_for_what_is_not_there(
    site: Any, mirrors: Any, target: Path, name: str
) -> None:
    (site.root / "app-2.0" / name).unlink()
    (site.root / "app-2.0" / name).symlink_to("/proc/self/mem")  # as on a disk that fails
    _, failures = mirrors.attempt(site.root, target)
    assert {*failures} == {"app-2.0"}
    assert "Input/output error" in str(failures["app-2.0"])
    assert tags(target) == ALL - {"app-2.0", "app", INDEX}


def test_what_is_not_signed_comes_only_if_asked(
    site: Any, mirrors: Any, target: Path, tmp_path: Path
) -> None:
    (site.root / "app-2.0" / sums.SIGNATURE).unlink()
    _, failures = mirrors.attempt(site.root, target)
    assert {*failures} == {"app-2.0"}
    assert sums.SIGNATURE in str(failures["app-2.0"])
    mirrors.run(site.root, tmp_path / "unsigned", keyring=None)
    assert held(tmp_path / "unsigned") == site.files()


@pytest.mark.parametrize("text", [None, b"", b"no keys"])
def test_a_keyring_without_keys_is_said_once(
    text: bytes | None, site: Any, mirrors: Any, target: Path, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "ring").write_bytes(text)
    with pytest.raises(BakeryError, match="the keyring can't be read"):
        mirrors.attempt(site.root, target, keyring=tmp_path / "ring")
    assert not target.exists()


def test_what_another_has_signed_is_refused(site: Any, mirrors: Any, target: Path) -> None:
    stranger = site.person.key("a stranger")
    folder = site.root / "other"
    site.person.sign(folder / sums.FILE, stranger, armour=False).rename(folder / sums.SIGNATURE)
    _, failures = mirrors.attempt(site.root, target)
    assert {*failures} == {"other"}
    assert "signature" in str(failures["other"])


def test_a_release_under_another_name_is_refused(site: Any, mirrors: Any, target: Path) -> None:
    (site.root / "app-1.0").rename(site.root / "app-9.0")
    _, failures = mirrors.attempt(site.root, target)
    assert "another release" in str(failures["app-9.0"])


# What the target has


def test_another_release_of_a_name_is_never_replaced(site: Any, mirrors: Any, target: Path) -> None:
    mirrors.run(site.root, target)
    before = held(target / "app-2.0")
    site.versions["app"].remove("2.0")
    shutil.rmtree(site.root / "app-2.0")
    site.publish("app", "2.0", text="something else")
    said, failures = mirrors.attempt(site.root, target)
    assert {*failures} == {"app-2.0"}
    assert "is published with other files" in str(failures["app-2.0"])
    assert held(target / "app-2.0") == before
    assert "stays as it is: app, since app-2.0 could not be copied" in said


def test_the_same_images_signed_by_another_stay(site: Any, mirrors: Any, target: Path) -> None:
    mirrors.run(site.root, target)
    other = site.person.key("the mirror's own")
    path = target / "app-2.0" / sums.FILE
    path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    for name in (sums.SIGNATURE, sums.ARMORED):
        armour = name == sums.ARMORED
        site.person.sign(path, other, armour=armour).rename(path.with_name(name))
    before = held(target)
    (said, last) = mirrors.run(site.root, target)
    assert "app-2.0, since the target has the same images with another signature" in said
    assert last == "all of it is there"
    assert held(target) == before


def test_damage_at_the_target_is_mended(site: Any, mirrors: Any, target: Path) -> None:
    mirrors.run(site.root, target)
    damaged = ("app-2.0/app-2.0-arm64.raw", "app-1.0/SHA256SUMS", "app/app-2.0-x86-64.raw")
    for name in damaged:
        flip(target / name)
    (target / "other-v3/SHA256SUMS.asc").unlink()
    (target / "other-v3/release.json").unlink()
    mirrors.run(site.root, target)
    assert held(target) == site.files()


def test_a_signature_that_did_not_come_comes(site: Any, mirrors: Any, target: Path) -> None:
    """Somebody copied the folder by half, or damaged it: hosts refuse what has no signature."""
    mirrors.run(site.root, target)
    for name in ("app-2.0/SHA256SUMS.gpg", "app/SHA256SUMS.gpg", "bakery/SHA256SUMS.asc"):
        (target / name).unlink()
    flip(target / "other-v3/SHA256SUMS.gpg")
    assert "copied app-2.0: 1 file, " in "\n".join(mirrors.run(site.root, target))
    assert held(target) == site.files()
    assert mirrors.run(site.root, target) == ["all of it is there"]


def test_an_older_list_takes_no_newer_ones_place(
    site: Any, mirrors: Any, target: Path, tmp_path: Path
) -> None:
    def until(day: date) -> None:
        path = site.root / "app" / sums.FILE
        path.write_bytes(sums.encode(sums.decode(path.read_bytes()), day))
        site.person.sign(path, armour=False).rename(path.with_name(sums.SIGNATURE))
        site.person.sign(path, armour=True).rename(path.with_name(sums.ARMORED))

    until(date(2999, 1, 1))
    old = shutil.copytree(site.root, tmp_path / "old")
    until(date(2999, 1, 2))
    mirrors.run(site.root, target)
    (said,) = [line for line in mirrors.run(old, target) if line.startswith("stays")]
    assert "2999-01-02, the source's until 2999-01-01" in said
    assert held(target) == site.files()


def test_a_channel_moves_on_and_old_releases_stay(site: Any, mirrors: Any, target: Path) -> None:
    mirrors.run(site.root, target)
    site.publish("app", "3.0")
    mirrors.run(site.root, target)
    assert held(target) == site.files()
    shutil.rmtree(site.root / "app-1.0")
    mirrors.run(site.root, target)
    assert "app-1.0" in tags(target)


class Watched(Directory):
    """A folder that remembers what became public, and in which order."""

    order: list[str]

    def publish(self, draft: Any, notes: str) -> None:
        super().publish(draft, notes)
        self.order.append(draft.tag)

    def swap(self, release: Any, names: Any) -> None:
        super().swap(release, names)
        self.order.append(release.tag)


def test_channels_come_after_releases_and_the_index_last(
    site: Any, mirrors: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(target, "us")
    watched.order = []
    monkeypatch.setattr("bakery.mirror.run.named", lambda *_: watched)
    mirrors.run(site.root, target)
    assert {*watched.order[:4]} == ALL - {"app", "other", INDEX}
    assert watched.order[4:] == ["app", "other", INDEX]
    site.publish("app", "3.0")
    watched.order.clear()
    mirrors.run(site.root, target)
    assert watched.order == ["app-3.0", "app", INDEX]


@pytest.mark.parametrize("how", ["before", "after"])
def test_any_change_may_fail_and_is_continued(
    site: Any, mirrors: Any, target: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    changes = ("draft", "upload", "publish", "swap", "delete")
    left = [0]

    class Failing(Directory):
        def __getattribute__(self, name: str) -> Any:
            real = super().__getattribute__(name)
            if name not in changes:
                return real

            def change(*words: Any, **options: Any) -> None:
                left[0] -= 1
                if left[0] == 0 and how == "before":
                    raise UnsettledError("no connection")
                real(*words, **options)
                if left[0] == 0:
                    raise UnsettledError("no answer")

            return change

    monkeypatch.setattr("bakery.mirror.run.named", lambda *_: Failing(target, "us"))
    once = RetryPolicy(tries=1)
    number = 0
    while left[0] <= 0:
        number += 1
        shutil.rmtree(target, ignore_errors=True)
        left[0] = number
        _, failures = mirrors.attempt(site.root, target, retry=once, names=("other",))
        if left[0] > 0:
            break
        assert failures
        mirrors.run(site.root, target, retry=once, names=("other",))
        assert tags(target) == {"other-v3", "other", INDEX}
        found = {k: v for k, v in held(target).items() if not k.startswith(".")}
        assert found.items() <= site.files().items()
    assert number > 15


def test_what_moves_on_while_it_is_copied_is_read_again(
    site: Any, server: Mirror, mirrors: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source publishes 3.0, and drops the images of 1.1, once the channel was read."""
    mirrors.run(site.root, target, names=("other",))
    real = copy._Copying._bring

    def bring(self: Any, wanted: Any, publisher: Any) -> None:
        if self.published.tag == "app" and wanted.name.startswith("app-1.1") and not once:
            once.append(1)
            shutil.rmtree(target / "app-1.1")
            site.publish("app", "3.0")
        real(self, wanted, publisher)

    once: list[int] = []
    monkeypatch.setattr(copy._Copying, "_bring", bring)
    mirrors.run(server.url, target, names=("app",))
    assert once
    assert held(target / "app") == held(site.root / "app")


def test_two_at_once_into_one_target(site: Any, server: Mirror, mirrors: Any, target: Path) -> None:
    start = threading.Barrier(2, timeout=600)
    patient = RetryPolicy(tries=50, first=0.01, longest=0.05, jitter=0.01)

    def run(_number: int) -> None:
        start.wait()
        mirrors.run(server.url, target, retry=patient)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    found = {name: data for name, data in held(target).items() if not name.startswith(".")}
    assert found == site.files()
    assert not [name for name in held(target) if name.startswith(".")]
