"""What jobs hand over: images and records of one shard each, as artifacts in folders.

Whoever runs upstream's code, as boots do, may have written anything anywhere it could. So a first
set of jobs builds, a second one builds again, and what both agree on is settled, by digests, before
anything is booted. Later jobs take over these very bytes, and of a shard only what was asked of it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery import files
from bakery.build.state import decode
from bakery.build.steps.booted import Booted
from bakery.build.steps.check import Checked
from bakery.build.steps.squashed import INVENTORY, KIND, MANIFEST, Squashed
from bakery.decoding import from_json
from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.build.state import Facts, Record
    from bakery.ci.matrix import Matrix
    from bakery.recipe.plan import Image

BUILT = "built"
REBUILT = "rebuilt"
BOOTED = "booted"
_RECORDS = ".bakery"
_LARGEST_RECORD = 256 << 20  # bytes; manifests of trees with a million files


class HandoverError(BakeryError):
    """A shard has not handed over what it was asked for, or something else."""


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """An image as the jobs that built it agree on it.

    Attributes:
        shard: whose files are taken; where it is to be booted, the one that boots it.
        sha256: the digest of the image's file.
        manifest, inventory: the digests of the documents beside its record.
        records: the digest of what its shard has on record of writing and checking it.
        boot: whether it is to be booted and published, or only required by another.

    """

    shard: str
    sha256: str
    manifest: str
    inventory: str
    records: str
    boot: bool

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the image and of its documents."""
        return {"image": self.sha256, MANIFEST: self.manifest, INVENTORY: self.inventory}


class Shard:
    """What one job has handed over.

    Args:
        artifacts: the folder of all artifacts.
        kind: `built`, `rebuilt` or `booted`.
        name: the shard's name in the matrix.

    """

    def __init__(self, artifacts: Path, kind: str, name: str) -> None:
        self.name = name
        self._folder = artifacts / f"{kind}-{name}"

    def has_built(self, image: Image) -> bool:
        """Return whether there is something called like an image."""
        return (self._folder / image.release / image.filename).is_file()

    def has_booted(self, image: Image) -> bool:
        """Return whether there is something called like a record of an image's boots."""
        return (self._folder / f"{_RECORDS}/boot/{image.id}.json").is_file()

    def image(self, image: Image) -> Path:
        """Return where an image lies.

        Raises:
            HandoverError: it is not there.

        """
        return self._file(f"{image.release}/{image.filename}")

    def squashed(self, image: Image) -> Record[Squashed]:
        """Return what is on record of writing an image."""
        return self._record(KIND, image, Squashed)

    def checked(self, image: Image) -> Record[Checked]:
        """Return what is on record of an image's rules."""
        return self._record("check", image, Checked)

    def records(self, image: Image) -> str:
        """Return the digest of what is on record of writing and checking an image."""
        both = [self._read(f"{_RECORDS}/{kind}/{image.id}.json") for kind in (KIND, "check")]
        return hashlib.sha256(b"\0".join(both)).hexdigest()

    def booted(self, image: Image) -> Record[Booted]:
        """Return what is on record of an image's boots."""
        return self._record("boot", image, Booted)

    def attachments(self, image: Image) -> dict[str, bytes]:
        """Return the documents beside the record of writing an image."""
        return {
            name: self._read(f"{_RECORDS}/{KIND}/{image.id}.{name}")
            for name in (MANIFEST, INVENTORY)
        }

    def _record(self, kind: str, image: Image, facts: type[Facts]) -> Record[Facts]:
        data = self._read(f"{_RECORDS}/{kind}/{image.id}.json")
        try:
            return decode(data, facts)
        except msgspec.DecodeError as error:
            raise HandoverError(
                f"the record of {kind}:{image.id} is none", where=str(self._folder), why=str(error)
            ) from error

    def _read(self, name: str) -> bytes:
        path = self._file(name)
        if path.stat().st_size > _LARGEST_RECORD:
            raise HandoverError(f"{name} is too large", where=str(self._folder))
        return path.read_bytes()

    def _file(self, name: str) -> Path:
        path = self._folder
        for step in Path(name).parts:
            path /= step
            if path.is_symlink():
                raise HandoverError(f"{name} leads elsewhere", where=str(self._folder))
        if not path.is_file():
            raise HandoverError(f"{name} was not handed over", where=str(self._folder))
        return path


def agree(
    artifacts: Path, matrix: Matrix, images: Mapping[str, Image], *, rebuilt: bool
) -> tuple[dict[str, Agreed], list[HandoverError]]:
    """Return what is agreed on of each image, and what is wrong with the others.

    Args:
        artifacts: the folder of all artifacts.
        matrix: what each shard was asked for.
        images: all images there are, by their full names.
        rebuilt: whether a second set of jobs has built them too.

    """
    agreed: dict[str, Agreed] = {}
    problems = []
    disputed = set()
    for name, (built, booted) in matrix.images().items():
        for image in map(images.__getitem__, filter(images.__contains__, built)):
            try:
                claim = _agreed(artifacts, name, image, rebuilt=rebuilt)
            except HandoverError as problem:
                problems.append(problem)
                continue
            known = agreed.setdefault(image.id, claim)
            if claim.digests != known.digests:  # what several require is built by several
                disputed.add(image.id)
                problems.append(_differs(image, f"in {name}", known.sha256))
            elif image.id in booted:
                agreed[image.id] = msgspec.structs.replace(claim, boot=True)
    return {id_: each for id_, each in agreed.items() if id_ not in disputed}, problems


def decode_agreed(text: str) -> dict[str, Agreed]:
    """Return what was agreed on, from JSON.

    Raises:
        HandoverError: it is none.

    """
    try:
        return from_json(text, dict[str, Agreed])
    except msgspec.DecodeError as error:
        raise HandoverError("what was agreed on can't be read", why=str(error)) from error


def _agreed(artifacts: Path, name: str, image: Image, *, rebuilt: bool) -> Agreed:
    built = Shard(artifacts, BUILT, name)
    path = built.image(image)
    sha256 = files.sha256(path)
    claim = _claim(built, image)
    if claim["image"] != sha256:
        raise HandoverError(f"{image.id} is not as its record says", where=str(path))
    built.checked(image)
    if rebuilt and _claim(Shard(artifacts, REBUILT, name), image) != claim:
        raise _differs(image, "when it was built again", sha256)
    return Agreed(
        shard=name,
        sha256=sha256,
        manifest=claim[MANIFEST],
        inventory=claim[INVENTORY],
        records=built.records(image),
        boot=False,
    )


def _differs(image: Image, when: str, sha256: str) -> HandoverError:
    return HandoverError(
        f"{image.id} came out differently {when}",
        why=f"once it was {sha256}",
        fix="compare both images; where the runners had different tools, run it again",
    )


def _claim(shard: Shard, image: Image) -> dict[str, str]:
    """Return the digests of an image and its documents, as a shard tells them."""
    documents = shard.attachments(image).items()
    digests = {kind: hashlib.sha256(data).hexdigest() for kind, data in documents}
    return {"image": shard.squashed(image).facts.sha256, **digests}
