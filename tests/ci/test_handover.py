"""Jobs that hand over images: what is agreed on, what is taken, and what a poisoned shard gets."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest
from harness.repository import Repository

from bakery import settings
from bakery.build.context import Context
from bakery.build.sharing import Sharing
from bakery.build.state import Record, State
from bakery.build.steps.booted import Booted
from bakery.build.steps.check import Checked
from bakery.build.steps.release import Parts, _refuse_unbooted
from bakery.build.steps.squashed import Squashed
from bakery.ci import handover, matrix
from bakery.ci.handover import Agreed, HandoverError
from bakery.ci.restore import Restorer
from bakery.ci.times import Expected
from bakery.release.boots import Boot, Held
from bakery.release.errors import ReleaseError
from bakery.remote.cache import Cache
from bakery.remote.folder import FolderRemote

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.plan import Image

VERSIONS = {
    "nspawn:bookworm": "252 (252.39-1~deb12u2)",
    "nspawn:trixie": "257 (257.8-1)",
}


def passed(id_: str) -> Booted:
    """Return what is on record of an image whose bytes are its name."""
    names = {"top": ["base", "top"]}.get(id_.partition("-")[0], [id_.partition("-")[0]])
    shown = [
        "the system boots",
        *(f"{name} is merged" for name in names),
        "the journal has no errors",
        "the system powers off",
    ]
    held = tuple(Held(title=title, seconds=0.1) for title in shown)
    boots = [
        Boot(machine=machine, systemd=systemd, checks=len(held), held=held, journal_sha256="1" * 64)
        for machine, systemd in VERSIONS.items()
    ]
    return Booted(boots=tuple(boots), sha256=hashlib.sha256(id_.encode()).hexdigest())


class Workflow:
    """The jobs of a workflow, without tools: images are texts, and so are their documents."""

    def __init__(self, root: Path) -> None:
        self.repository = Repository(root)
        self.images = {image.id: image for image in self.repository.images}
        self.artifacts = root / "artifacts"
        names = ("top-2.0", "other-1.0")
        asked = [image for image in self.repository.images if image.release in names]
        self.matrix = matrix.matrix(asked, Expected({}, asked), 4, self.repository.required)
        for shard, (built, booted) in self.matrix.images().items():
            for id_ in built:
                self.build("built", shard, self.images[id_])
                self.build("rebuilt", shard, self.images[id_])
            for id_ in booted:
                self.record("booted", shard, "boot", id_, passed(id_))
        self.context = Context.of(settings.load(root, {}))

    def build(self, kind: str, shard: str, image: Image, text: str = "") -> None:
        data = (text or image.id).encode()
        folder = self.artifacts / f"{kind}-{shard}"
        if kind == "built":
            path = folder / image.release / image.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            facts = Checked(warnings=0, not_run=0)
            self.record(kind, shard, "check", image.id, facts)
        squashed = Squashed(
            sha256=hashlib.sha256(data).hexdigest(), size=len(data), contents=9, tools="other 1.0"
        )
        self.record(kind, shard, "squash", image.id, squashed)
        for name in ("manifest", "inventory"):
            (folder / ".bakery/squash" / f"{image.id}.{name}").write_text(f"{name} {text}")

    def record(self, kind: str, shard: str, step: str, name: str, facts: msgspec.Struct) -> None:
        path = self.artifacts / f"{kind}-{shard}" / ".bakery" / step / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        record = Record(key=f"{step} elsewhere", outputs=(), seconds=1.5, facts=facts)
        path.write_bytes(msgspec.json.encode(record))

    def agree(self, *, rebuilt: bool = True) -> tuple[dict[str, Agreed], list[HandoverError]]:
        return handover.agree(self.artifacts, self.matrix, self.images, rebuilt=rebuilt)

    def restorer(self, agreed: dict[str, Agreed]) -> Restorer:
        return Restorer(
            context=self.context,
            state=State(self.context.settings.dist),
            artifacts=self.artifacts,
            agreed=agreed,
            required=self.repository.required,
        )

    def shard_of(self, id_: str) -> str:
        shards = self.matrix.images().items()
        return next(name for name, (_, booted) in shards if id_ in booted)


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    return Workflow(tmp_path)


def test_what_others_have_built_and_booted_is_done_here_whatever_tools_there_are(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed, problems = workflow.agree()
    assert problems == []
    assert {id_ for id_, each in agreed.items() if not each.boot} == {
        "base-2.0-x86-64",
        "base-2.0-arm64",
    }
    restorer = workflow.restorer(handover.decode_agreed(msgspec.json.encode(agreed).decode()))
    assert restorer.images([*workflow.images.values()]) == []
    complete, problems = restorer.boots(workflow.repository.releases)
    assert problems == []
    assert {release.name for release in complete} == {"top-2.0", "other-1.0"}
    monkeypatch.setenv("PATH", "")  # no mksquashfs, and nothing else either
    state = State(workflow.context.settings.dist)
    for id_ in ("top-2.0-arm64", "other-1.0-x86-64"):
        image = workflow.images[id_]
        assert workflow.context.file(image).read_text() == id_
        steps = restorer._steps(image)
        assert state.is_done(steps.squashed)
        assert state.is_done(steps.checked)
        assert state.is_done(steps.booted)
        assert state.standing(steps.booted) == passed(id_)


def test_what_is_taken_over_is_shared_for_the_keys_it_was_made_for(
    workflow: Workflow, tmp_path: Path
) -> None:
    remote = FolderRemote(tmp_path / "cache")
    agreed, _ = workflow.agree()
    restorer = workflow.restorer(agreed)
    restorer = dataclasses.replace(
        restorer,
        state=State(restorer.state.dist, sharing=Sharing(Cache(remote), writes=True)),
    )
    restorer.images([workflow.images["other-1.0-arm64"]])
    assert {path.name for path in (remote.folder / "ac").iterdir()} == {
        "squash elsewhere",
        "check elsewhere",
    }
    assert restorer.state.complaints() == []


def test_a_changed_recipe_is_not_what_was_built(workflow: Workflow) -> None:
    agreed, _ = workflow.agree()
    restorer = workflow.restorer(agreed)
    restorer.images([*workflow.images.values()])
    image = workflow.images["other-1.0-arm64"]
    assert State(restorer.state.dist).is_done(restorer._steps(image).squashed)
    contents = msgspec.structs.replace(image.contents, drop=("usr/bin/**",))
    other = msgspec.structs.replace(image, contents=contents)
    assert not State(restorer.state.dist).is_done(restorer._steps(other).squashed)


def test_what_came_out_differently_is_left_out_and_nothing_else(workflow: Workflow) -> None:
    id_ = "other-1.0-arm64"
    workflow.build("rebuilt", workflow.shard_of(id_), workflow.images[id_], "other bytes")
    agreed, problems = workflow.agree()
    assert id_ not in agreed
    assert len(agreed) == 5
    assert "came out differently" in str(problems[0])
    assert workflow.agree(rebuilt=False)[1] == []
    restorer = workflow.restorer(agreed)
    assert restorer.images([*workflow.images.values()]) == []
    complete, _ = restorer.boots(workflow.repository.releases)
    assert [release.name for release in complete] == ["top-2.0"]


def test_documents_count_like_images(workflow: Workflow) -> None:
    id_ = "other-1.0-arm64"
    folder = workflow.artifacts / f"rebuilt-{workflow.shard_of(id_)}" / ".bakery/squash"
    (folder / f"{id_}.manifest").write_text("another one")
    _, problems = workflow.agree()
    assert [problem.what for problem in problems] == [
        f"{id_} came out differently when it was built again"
    ]


def test_of_a_poisoned_shard_only_what_was_asked_of_it_is_taken(workflow: Workflow) -> None:
    victim, attacker = "top-2.0-x86-64", workflow.shard_of("other-1.0-x86-64")
    assert workflow.shard_of(victim) != attacker
    agreed, _ = workflow.agree()
    workflow.build("built", attacker, workflow.images[victim], "poison")
    assert workflow.agree()[0] == agreed
    restorer = workflow.restorer(agreed)
    restorer.images([*workflow.images.values()])
    assert workflow.context.file(workflow.images[victim]).read_text() == victim


@pytest.mark.parametrize("what", ["everything", "image", "manifest", "inventory"])
def test_bytes_that_change_after_the_agreement_are_refused(workflow: Workflow, what: str) -> None:
    agreed, _ = workflow.agree()
    victim = workflow.images["top-2.0-x86-64"]
    shard = workflow.shard_of(victim.id)
    folder = workflow.artifacts / f"built-{shard}"
    if what == "everything":
        workflow.build("built", shard, victim, "poison")
    elif what == "image":
        (folder / victim.release / victim.filename).write_text("poison")
    else:
        (folder / f".bakery/squash/{victim.id}.{what}").write_text("poison")
    problems = workflow.restorer(agreed).images([victim])
    assert "is not what was agreed on" in str(problems[0])
    assert not workflow.context.file(victim).exists()


def test_what_is_taken_over_is_held_against_its_record(workflow: Workflow) -> None:
    agreed, _ = workflow.agree()
    restorer, image = workflow.restorer(agreed), workflow.images["other-1.0-arm64"]
    restorer.images([image])
    steps = restorer._steps(image)
    assert restorer.state.required_attachment(steps.squashed, "manifest") == b"manifest "
    workflow.context.file(image).write_text("altered")
    assert not State(workflow.context.settings.dist).is_done(steps.squashed)


def test_an_image_whose_boot_failed_is_not_ready(workflow: Workflow) -> None:
    agreed, _ = workflow.agree()
    restorer = workflow.restorer(agreed)
    restorer.images([*workflow.images.values()])
    id_ = "other-1.0-arm64"
    folder = workflow.artifacts / f"booted-{workflow.shard_of(id_)}"
    (folder / ".bakery/boot" / f"{id_}.json").unlink()
    complete, problems = restorer.boots(workflow.repository.releases)
    assert [release.name for release in complete] == ["top-2.0"]
    assert f"boot/{id_}.json was not handed over" in str(problems[0])


def spread(workflow: Workflow) -> str:
    """Have a second shard of the same jobs build base, which top requires; return its name."""
    shard = workflow.shard_of("other-1.0-x86-64")
    (first,) = [each for each in workflow.matrix.include if each.shard == shard]
    both = msgspec.structs.replace(first, build=f"check:base-2.0-x86-64 {first.build}")
    shards = [both if each is first else each for each in workflow.matrix.include]
    workflow.matrix = matrix.Matrix(include=tuple(shards))
    for kind in ("built", "rebuilt"):
        workflow.build(kind, shard, workflow.images["base-2.0-x86-64"])
    return shard


def test_whoever_builds_what_several_require_must_agree(workflow: Workflow) -> None:
    shard, base = spread(workflow), workflow.images["base-2.0-x86-64"]
    assert workflow.agree()[1] == []
    for kind in ("built", "rebuilt"):
        workflow.build(kind, shard, base, "other bytes")
    agreed, problems = workflow.agree()
    assert base.id not in agreed
    assert "base-2.0-x86-64 came out differently in" in str(problems[0])
    restorer = workflow.restorer(agreed)
    restorer.images([*workflow.images.values()])
    complete, _ = restorer.boots(workflow.repository.releases)
    assert [release.name for release in complete] == ["other-1.0"]  # nothing would be built here


def test_a_shard_boots_what_it_has_built_and_takes_nothing_from_others(workflow: Workflow) -> None:
    spread(workflow)
    agreed, _ = workflow.agree()
    name = workflow.shard_of("top-2.0-x86-64")
    for other in workflow.artifacts.iterdir():
        if other.name != f"built-{name}":
            shutil.rmtree(other)
    restorer = workflow.restorer(agreed)
    images, problems = restorer.shard(name, workflow.images.values())
    assert problems == []
    assert [image.id for image in images] == ["top-2.0-x86-64"]
    assert restorer.taken == {"top-2.0-x86-64", "base-2.0-x86-64"}
    state = State(workflow.context.settings.dist)
    assert not state.is_done(restorer._steps(images[0]).booted)


def test_what_several_have_built_each_takes_from_itself(workflow: Workflow) -> None:
    shard = spread(workflow)
    agreed, _ = workflow.agree()
    assert agreed["base-2.0-x86-64"].shard != shard
    for other in workflow.artifacts.iterdir():
        if other.name != f"built-{shard}":
            shutil.rmtree(other)
    record = workflow.artifacts / f"built-{shard}" / ".bakery/squash/base-2.0-x86-64.json"
    told = record.read_bytes()
    record.write_bytes(told.replace(b"1.5", b"2.5"))  # no two jobs take the same time
    restorer = workflow.restorer(agreed)
    images, problems = restorer.shard(shard, workflow.images.values())
    assert problems == []
    assert [image.id for image in images] == ["other-1.0-x86-64"]
    assert restorer.taken == {"other-1.0-x86-64", "base-2.0-x86-64"}
    record.write_bytes(told.replace(agreed["base-2.0-x86-64"].sha256.encode(), b"f" * 64))
    _, (problem,) = workflow.restorer(agreed).shard(shard, workflow.images.values())
    assert problem.what == "base-2.0-x86-64 is not what was agreed on"


def test_nothing_is_booted_without_what_it_requires(workflow: Workflow) -> None:
    agreed, _ = workflow.agree()
    name = agreed.pop("base-2.0-x86-64").shard
    assert name == workflow.shard_of("top-2.0-x86-64")
    assert workflow.restorer(agreed).shard(name, workflow.images.values()) == ([], [])


def test_a_job_that_is_run_again_takes_over_the_boots_of_these_very_bytes(
    workflow: Workflow,
) -> None:
    agreed, _ = workflow.agree()
    id_ = "top-2.0-x86-64"
    name, steps = workflow.shard_of(id_), workflow.restorer(agreed)._steps(workflow.images[id_])
    workflow.restorer(agreed).shard(name, workflow.images.values())
    assert State(workflow.context.settings.dist).is_done(steps.booted)
    other = msgspec.structs.replace(passed(id_), sha256="f" * 64)
    workflow.record("booted", name, "boot", id_, other)
    shutil.rmtree(workflow.context.settings.dist)
    images, problems = workflow.restorer(agreed).shard(name, workflow.images.values())
    assert [image.id for image in images] == [id_]
    assert problems == []
    assert not State(workflow.context.settings.dist).is_done(steps.booted)


def test_a_lost_shard_has_nothing_to_boot(workflow: Workflow) -> None:
    lost = workflow.shard_of("top-2.0-x86-64")
    shutil.rmtree(workflow.artifacts / f"built-{lost}")
    agreed, problems = workflow.agree()
    assert len(problems) == 2
    assert workflow.restorer(agreed).shard(lost, workflow.images.values()) == ([], [])


def test_a_boot_of_other_bytes_is_none(workflow: Workflow) -> None:
    agreed, _ = workflow.agree()
    id_ = "other-1.0-arm64"
    workflow.record("booted", workflow.shard_of(id_), "boot", id_, passed("other bytes"))
    restorer = workflow.restorer(agreed)
    restorer.images([*workflow.images.values()])
    complete, problems = restorer.boots(workflow.repository.releases)
    assert [release.name for release in complete] == ["top-2.0"]
    assert "it is about other bytes" in str(problems[0])


def test_a_poisoned_job_hands_over_no_boots_of_fewer_machines(workflow: Workflow) -> None:
    agreed, _ = workflow.agree()
    id_ = "other-1.0-arm64"
    boots = passed(id_).boots
    restorer = workflow.restorer(agreed)
    restorer.images([*workflow.images.values()])
    for few, why in (((), "booted nowhere"), (boots[:1], "no boot on nspawn:trixie")):
        facts = msgspec.structs.replace(passed(id_), boots=few)
        workflow.record("booted", workflow.shard_of(id_), "boot", id_, facts)
        complete, problems = restorer.boots(workflow.repository.releases)
        assert [release.name for release in complete] == ["top-2.0"]
        assert why in str(problems[0])


def test_a_release_is_made_of_no_boots_that_were_not_asked_for(workflow: Workflow) -> None:
    agreed, _ = workflow.agree()
    restorer = workflow.restorer(agreed)
    restorer.images([*workflow.images.values()])
    restorer.boots(workflow.repository.releases)
    steps = restorer._steps(workflow.images["other-1.0-arm64"])
    parts = Parts(squashed=(steps.squashed,), checked=(steps.checked,), booted=(steps.booted,))
    _refuse_unbooted(parts.booted, parts, restorer.state)
    path = restorer.state.dist / ".bakery/boot/other-1.0-arm64.json"
    record = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**record, "facts": {**record["facts"], "boots": []}}))
    _refuse_unbooted((), parts, restorer.state)
    with pytest.raises(ReleaseError, match="it was booted nowhere"):
        _refuse_unbooted(parts.booted, parts, restorer.state)


def test_a_poisoned_job_changes_no_record_of_another_and_names_no_key(
    workflow: Workflow, tmp_path: Path
) -> None:
    remote = FolderRemote(tmp_path / "cache")
    agreed, _ = workflow.agree()
    restorer = dataclasses.replace(
        workflow.restorer(agreed),
        state=State(workflow.context.settings.dist, sharing=Sharing(Cache(remote), writes=True)),
    )
    victim, shard = "top-2.0-arm64", workflow.shard_of("top-2.0-arm64")
    workflow.record("built", shard, "check", victim, Checked(warnings=0, not_run=7))
    problems = restorer.images([*workflow.images.values()])
    assert [problem.what for problem in problems] == [f"{victim} is not what was agreed on"]
    restorer.boots(workflow.repository.releases)
    image = workflow.images["other-1.0-arm64"]
    shared = {path.name for path in (remote.folder / "ac").iterdir()}
    assert restorer.state.key(restorer._steps(image).booted) in shared
    assert "boot elsewhere" not in shared


def test_what_a_run_of_64_images_agrees_on_fits_into_a_variable() -> None:
    digest = "f" * 64
    name = "a" * 40 + "-100.100.100-x86-64"
    claim = Agreed(
        shard="x86-64-100",
        sha256=digest,
        manifest=digest,
        inventory=digest,
        records=digest,
        boot=True,
    )
    assert 64 * len(msgspec.json.encode({name: claim})) < 128 << 10  # execve(2), MAX_ARG_STRLEN


@pytest.mark.parametrize(
    "damage", ["nothing", "no-record", "not-json", "no-check", "deep", "claim"]
)
def test_a_shard_may_hand_over_anything(workflow: Workflow, damage: str) -> None:
    id_ = "other-1.0-arm64"
    folder = workflow.artifacts / f"built-{workflow.shard_of(id_)}"
    record = folder / ".bakery/squash" / f"{id_}.json"
    if damage == "nothing":
        shutil.rmtree(folder)
    elif damage == "no-record":
        record.unlink()
    elif damage == "not-json":
        record.write_text('{"key": 1}')
    elif damage == "no-check":
        (folder / ".bakery/check" / f"{id_}.json").write_text("{}")
    elif damage == "deep":
        record.write_text('{"more": ' + "[" * 100_000 + "]" * 100_000 + "}")
    else:
        (folder / "other-1.0" / f"{id_}.raw").write_text("not as recorded")
    agreed, problems = workflow.agree()
    assert id_ not in agreed
    assert problems


@pytest.mark.parametrize("name", ["other-1.0", "other-1.0/other-1.0-arm64.raw", ".bakery"])
def test_no_link_is_followed_even_to_the_right_bytes(
    workflow: Workflow, tmp_path: Path, name: str
) -> None:
    path = workflow.artifacts / f"built-{workflow.shard_of('other-1.0-arm64')}" / name
    path.symlink_to(path.rename(tmp_path / "elsewhere"))
    agreed, problems = workflow.agree()
    assert "other-1.0-arm64" not in agreed
    assert "leads elsewhere" in str(problems[0])


def test_a_record_without_end_is_not_read(workflow: Workflow) -> None:
    id_ = "other-1.0-arm64"
    folder = workflow.artifacts / f"built-{workflow.shard_of(id_)}"
    os.truncate(folder / f".bakery/squash/{id_}.json", (256 << 20) + 1)
    agreed, (problem,) = workflow.agree()
    assert id_ not in agreed
    assert "is too large" in str(problem)


@pytest.mark.parametrize("kind", ["squash", "check"])
def test_either_record_is_part_of_the_agreement(workflow: Workflow, kind: str) -> None:
    agreed, _ = workflow.agree()
    victim = workflow.images["top-2.0-x86-64"]
    folder = workflow.artifacts / f"built-{workflow.shard_of(victim.id)}"
    with (folder / f".bakery/{kind}/{victim.id}.json").open("a") as record:
        record.write(" ")
    problems = workflow.restorer(agreed).images([victim])
    assert "is not what was agreed on" in str(problems[0])


def test_an_agreement_that_can_not_be_read_is_refused() -> None:
    with pytest.raises(HandoverError, match="can't be read"):
        handover.decode_agreed("[]")
