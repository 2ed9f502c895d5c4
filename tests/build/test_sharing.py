"""Results that machines share: two output folders, one cache between them, and liars."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from harness import needs
from harness.openpgp import Person

from bakery.build.sharing import Envelope, Sharing
from bakery.build.state import State
from bakery.build.step import Made, Step
from bakery.files import sha256
from bakery.progress import Silent
from bakery.remote.cache import Cache
from bakery.remote.folder import FolderRemote
from bakery.remote.model import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bakery.build.step import AnyStep, Work
    from bakery.remote.model import Blob


class Sized(msgspec.Struct, frozen=True):
    size: int
    text: str = ""


class Machine:
    """An output folder, the steps of one image, and what was really done of them.

    The image's bytes differ each time it is made, so that nobody takes one for another.
    """

    def __init__(self, folder: Path, sharing: Sharing | None = None) -> None:
        self.dist = folder
        self.state = State(folder, sharing=sharing)
        self.ran: list[str] = []
        self.image = folder / "x-1" / "x.raw"
        self.fetch = self._step("fetch", Sized, content="0" * 64)
        self.stage = self._step("stage", Sized, after=(self.fetch,), replaces=(self.fetch,))
        self.squash = self._step(
            "squash",
            Sized,
            after=(self.stage,),
            replaces=(self.stage,),
            attached=("manifest",),
            shared=(self.image,),
            misfit=lambda made, parts: (
                "its parts don't belong together" if made.facts.size != parts[0].blob.size else None
            ),
        )
        self.check = self._step("check", Sized, after=(self.squash,), shared=(self.image,))
        for step in (self.fetch, self.stage, self.squash, self.check):
            self.state.add(step)

    def _step(self, kind: str, facts: type[Any], **more: Any) -> Step[Any]:
        def run(_: Work) -> Made[Sized]:
            self.ran.append(kind)
            if kind != "squash":
                outputs = (self.image,) if kind == "check" else ()
                return Made(facts=Sized(0), outputs=outputs)
            self.image.parent.mkdir(parents=True, exist_ok=True)
            self.image.write_bytes(os.urandom(100))
            attachments = {"manifest": b"{}"}
            return Made(facts=Sized(100), outputs=(self.image,), attachments=attachments)

        return Step(kind=kind, name="x", run=run, facts=facts, **more)

    def do(self, *steps: AnyStep) -> list[str]:
        """Look for steps, then do them and what they need, as the graph does."""
        self.state.look([self.check, self.squash])
        return [self._do(step) for step in steps or (self.squash, self.check)]

    def _do(self, step: AnyStep) -> str:
        if not self.state.is_found(step):
            for before in step.after:
                if not self.state.is_done(before):
                    self._do(before)
        return self.state.do(step, Silent())


class Counting(FolderRemote):
    """A folder that takes note of what it is asked."""

    asked: list[str]

    def result(self, key: str) -> bytes | None:
        self.asked.append(key)
        return super().result(key)


@pytest.fixture
def remote(tmp_path: Path) -> Counting:
    folder = Counting(tmp_path / "cache")
    object.__setattr__(folder, "asked", [])
    return folder


@pytest.fixture
def machine(tmp_path: Path, remote: Counting) -> Callable[..., Machine]:
    """Make machines that share the cache; each tells its name."""

    def make(name: str, **options: Any) -> Machine:
        return Machine(tmp_path / name, Sharing(Cache(remote), **options))

    return make


@pytest.fixture
def filled(machine: Callable[..., Machine]) -> Machine:
    """A machine that has put its results into the cache."""
    giver = machine("giver", writes=True)
    giver.do()
    assert giver.ran == ["fetch", "stage", "squash", "check"]
    return giver


def complaints(machine: Machine) -> str:
    return "\n".join(machine.state.complaints())


def test_what_one_machine_has_made_another_one_takes_over(
    machine: Callable[..., Machine], filled: Machine
) -> None:
    taker = machine("taker")
    assert taker.do() == ["from the cache directory:cache"] * 2
    assert taker.ran == []
    assert taker.image.read_bytes() == filled.image.read_bytes()
    theirs, ours = (each.state.required(each.squash) for each in (filled, taker))
    assert (ours.key, ours.facts, ours.seconds) == (theirs.key, theirs.facts, theirs.seconds)
    assert taker.state.required_attachment(taker.squash, "manifest") == b"{}"
    assert taker.state.origin(taker.squash) == ours.origin
    assert ours.origin is not None
    assert filled.state.origin(filled.squash) is None
    assert complaints(taker) == ""


def test_what_is_done_is_not_asked_for(
    machine: Callable[..., Machine], filled: Machine, remote: Counting
) -> None:
    machine("taker").do()
    assert len(remote.asked) == 4  # by both machines
    again = machine("taker")
    again.do()
    filled.do()
    assert len(remote.asked) == 4
    assert again.ran == []


def test_nothing_is_written_unless_that_is_wanted(
    machine: Callable[..., Machine], remote: Counting
) -> None:
    machine("reader").do()
    assert not remote.folder.exists()


def test_a_check_is_of_the_very_image_that_is_here(
    machine: Callable[..., Machine], filled: Machine, remote: Counting
) -> None:
    taker = machine("taker")
    (remote.folder / "ac" / filled.state.key(filled.squash)).unlink()
    taker.do()
    assert taker.ran == ["fetch", "stage", "squash", "check"]
    assert "about another x.raw" in complaints(taker)


def change(remote: Counting, key: str, fields: dict[str, Any]) -> None:
    path = remote.folder / "ac" / key
    envelope = msgspec.json.decode(path.read_bytes(), type=Envelope)
    result = {**json.loads(envelope.result), **fields}
    path.write_bytes(msgspec.json.encode(Envelope(result=json.dumps(result))))


def part(name: str, size: int = 100, digest: str = "0" * 64) -> dict[str, Any]:
    return {"name": name, "blob": {"sha256": digest, "size": size}}


LIES: dict[str, dict[str, Any]] = {
    "another step": {"step": "squash:y"},
    "another key": {"key": "1" * 64},
    "a path outside": {"outputs": [part("../../x.raw")]},
    "a path from the root": {"outputs": [part("/etc/passwd")]},
    "another name": {"outputs": [part("y.raw")]},
    "no file": {"outputs": []},
    "two files": {"outputs": [part("x.raw"), part("x.raw")]},
    "a huge file": {"outputs": [part("x.raw", 1 << 40)]},
    "a negative size": {"outputs": [part("x.raw", -1)]},
    "no digest": {"outputs": [part("x.raw", 100, "../../../../etc/passwd")]},
    "a document of another name": {"attachments": [part("../x.json", 2)]},
    "no documents": {"attachments": []},
    "a huge document": {"attachments": [part("manifest", 1 << 30)]},
    "facts of another kind": {"facts": {"size": "much"}},
    "no facts": {"facts": None},
    "facts that act on terminals": {"facts": {"size": 100, "text": "\x1b[2J"}},
    "facts that don't fit": {"facts": {"size": 99}},
    "an endless time": {"seconds": 1e300},
    "a negative time": {"seconds": -1},
    "an unknown field": {"extra": 1},
    "a blob that is not there": {"outputs": [part("x.raw")]},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_result_that_is_not_what_was_asked_for_counts_as_none(
    machine: Callable[..., Machine], filled: Machine, remote: Counting, lie: dict[str, Any]
) -> None:
    change(remote, filled.state.key(filled.squash), lie)
    refuses(machine("taker"))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b"[" * 200_000, b'{"result": "{}"}', b"x" * (5 << 20)]
)
def test_a_result_that_is_none_counts_as_none(
    machine: Callable[..., Machine], filled: Machine, remote: Counting, data: bytes
) -> None:
    (remote.folder / "ac" / filled.state.key(filled.squash)).write_bytes(data)
    refuses(machine("taker"))


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.unlink()
    if how == "other bytes":
        path.write_bytes(data[:-1] + b"~")
    elif how == "cut":
        path.write_bytes(data[:-1])
    elif how == "longer":
        path.write_bytes(data + b"~")
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "a folder":
        path.mkdir()


@pytest.mark.parametrize("how", ["other bytes", "cut", "longer", "gone", "a pipe", "a folder"])
@pytest.mark.parametrize("which", ["image", "manifest"])
def test_a_damaged_blob_counts_as_none(
    machine: Callable[..., Machine], filled: Machine, remote: Counting, which: str, how: str
) -> None:
    digest = sha256(filled.image if which == "image" else _manifest(filled))
    damage(remote.folder / "cas" / digest, how)
    refuses(machine("taker"))


def test_a_damaged_blob_heals_where_somebody_writes(
    machine: Callable[..., Machine], filled: Machine, remote: Counting
) -> None:
    damage(remote.folder / "cas" / sha256(_manifest(filled)), "other bytes")
    refuses(machine("mender", writes=True))
    taker = machine("taker")
    taker.do()
    assert taker.ran == []


def _manifest(machine: Machine) -> Path:
    return machine.dist / ".bakery/squash/x.manifest"


def refuses(taker: Machine, lines: int = 2) -> None:
    """Let a machine that is lied to make the image itself, with all that this needs."""
    taker.do()
    assert taker.ran == ["fetch", "stage", "squash", "check"]
    said = complaints(taker)
    assert "shared cache" in said
    assert len(said.splitlines()) <= lines
    assert taker.state.origin(taker.squash) is None
    assert State(taker.dist).is_done(taker.squash)
    left = {path.name for path in taker.dist.rglob("*") if path.is_file()}
    assert left == {"x.raw", "x", "x.json", "x.manifest"}
    assert complaints(taker) == ""


class Broken:
    """A cache of which every use fails."""

    name = "broken.example"

    def __init__(self, error: Exception) -> None:
        self.uses = 0
        self._error = error

    def _fail(self, *_: object, **__: object) -> Any:
        self.uses += 1
        raise self._error

    result = fetch = put = put_result = _fail


@pytest.mark.parametrize("error", [RemoteError("it hurts"), OSError(5, "it hurts")])
def test_a_broken_cache_is_asked_a_few_times_and_said_to_be_once(
    tmp_path: Path, error: Exception
) -> None:
    broken = Broken(error)
    cache = Cache(broken)
    for number in range(5):
        taker = Machine(tmp_path / str(number), Sharing(cache, writes=True))
        taker.do()
        assert taker.ran == ["fetch", "stage", "squash", "check"]
    assert broken.uses == 6  # three times to read, and as often to write
    reading, writing = cache.complaints()
    assert "broken.example is left aside: " in reading
    assert "broken.example does not take what is made here: " in writing
    assert "it hurts" in reading


class Halting(FolderRemote):
    """A folder whose writer is killed before the result is there."""

    def put_result(self, key: str, data: bytes, blobs: Sequence[Blob]) -> None:
        del key, data
        there = {path.name for path in (self.folder / "cas").iterdir()}
        assert there >= {blob.sha256 for blob in blobs}  # what a result names is there before it
        raise KeyboardInterrupt


def test_a_writer_that_is_killed_leaves_no_result(tmp_path: Path) -> None:
    remote = Halting(tmp_path / "cache")
    giver = Machine(tmp_path / "giver", Sharing(Cache(remote), writes=True))
    with pytest.raises(KeyboardInterrupt):
        giver.do()
    assert State(giver.dist).is_done(giver.squash)
    assert not (remote.folder / "ac").exists()


def test_what_is_interrupted_while_it_is_taken_leaves_nothing(
    tmp_path: Path, filled: Machine, monkeypatch: pytest.MonkeyPatch, remote: Counting
) -> None:
    assert filled.ran

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    taker = Machine(tmp_path / "taker", Sharing(Cache(remote)))
    with monkeypatch.context() as patched:
        patched.setattr("bakery.build.sharing.replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            taker.do()
    assert {path.name for path in taker.dist.rglob("*") if path.is_file()} == {"x"}  # its lock
    again = Machine(tmp_path / "taker", Sharing(Cache(remote)))
    again.do()
    assert again.ran == []


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with closing(Person()) as somebody:
        yield somebody


@needs.programs("gpg")
class TestTrust:
    @pytest.fixture
    def keys(self, person: Person, tmp_path: Path) -> dict[str, Any]:
        by_name = {name: person.key(f"{name} {tmp_path}") for name in ("right", "other")}
        exported = {
            name: person.export(tmp_path / f"{name}.gpg", key) for name, key in by_name.items()
        }
        secret = person.gpg("--armor", "--export-secret-keys", by_name["right"]).decode()
        return {"fingerprint": by_name["right"], "secret": secret, **exported}

    @pytest.fixture
    def signed(
        self,
        machine: Callable[..., Machine],
        keys: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Machine:
        with monkeypatch.context() as patched:
            patched.setenv("BAKERY_REMOTE_KEY", keys["secret"])
            giver = machine("giver", writes=True)
            giver.do()
        return giver

    def test_by_the_right_key_it_is_taken_and_said_whose_it_is(
        self, machine: Callable[..., Machine], signed: Machine, keys: dict[str, Any]
    ) -> None:
        taker = machine("taker", trusted=keys["right"])
        taker.do()
        assert taker.ran == []
        origin = taker.state.origin(taker.squash)
        assert origin is not None
        assert origin.signed_by == keys["fingerprint"]
        assert signed.image.read_bytes() == taker.image.read_bytes()

    def test_by_another_key_it_counts_as_none(
        self, machine: Callable[..., Machine], signed: Machine, keys: dict[str, Any]
    ) -> None:
        taker = machine("taker", trusted=keys["other"])
        refuses(taker)
        assert signed.ran

    def test_without_a_signature_it_counts_as_none(
        self, machine: Callable[..., Machine], filled: Machine, keys: dict[str, Any]
    ) -> None:
        refuses(machine("taker", trusted=keys["right"]))
        assert filled.ran

    def test_a_reason_is_said_once_whatever_number_of_results_it_holds_for(
        self,
        machine: Callable[..., Machine],
        filled: Machine,
        keys: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        refuses(machine("taker", trusted=keys["right"]), lines=1)
        monkeypatch.setenv("BAKERY_REMOTE_KEY", str(tmp_path / "missing"))
        giver = machine("unable", writes=True, trusted=keys["right"])
        giver.do()
        unread, unwritten = complaints(giver).splitlines()
        assert "it is not signed" in unread
        assert "is not put into the shared cache" in unwritten
        assert filled.ran

    def test_a_signature_is_of_every_letter(
        self,
        machine: Callable[..., Machine],
        signed: Machine,
        keys: dict[str, Any],
        remote: Counting,
    ) -> None:
        path = remote.folder / "ac" / signed.state.key(signed.squash)
        envelope = msgspec.json.decode(path.read_bytes(), type=Envelope)
        altered = msgspec.structs.replace(envelope, result=f"{envelope.result} ")
        path.write_bytes(msgspec.json.encode(altered))
        refuses(machine("taker", trusted=keys["right"]))

    def test_a_keyring_that_is_none_trusts_nobody(
        self, machine: Callable[..., Machine], signed: Machine, tmp_path: Path
    ) -> None:
        assert signed.ran
        for name in ("missing", "garbage"):
            taker = machine(name, trusted=tmp_path / name)
            (tmp_path / "garbage").mkdir(exist_ok=True)
            taker.do()
            assert taker.ran == ["fetch", "stage", "squash", "check"]
            assert "nothing is taken from the shared cache" in complaints(taker)


def test_where_a_result_comes_from_is_known_as_long_as_it_is_there(
    machine: Callable[..., Machine], filled: Machine
) -> None:
    taker = machine("taker")
    taker.do()
    origin = State(taker.dist).origin(taker.squash)
    assert origin is not None
    assert origin.signed_by is None
    taker.image.write_bytes(b"something else")
    assert State(taker.dist).origin(taker.squash) is None
    assert filled.ran
