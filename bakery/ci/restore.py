"""Take over what other jobs have built and booted, as if it had been done here."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from bakery.build.sharing import Part
from bakery.build.step import Made, objection
from bakery.build.steps import boot, check, fetch, squash, stage
from bakery.ci.handover import BOOTED, BUILT, HandoverError, Shard
from bakery.files import sha256
from bakery.remote.model import Blob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.build.step import Step
    from bakery.build.steps.booted import Booted
    from bakery.build.steps.check import Checked
    from bakery.build.steps.squashed import Squashed
    from bakery.ci.handover import Agreed
    from bakery.recipe.plan import Image, Release


@dataclass(frozen=True, kw_only=True)
class _Steps:
    squashed: Step[Squashed]
    checked: Step[Checked]
    booted: Step[Booted]


@dataclass(frozen=True, kw_only=True)
class Restorer:
    """Takes images over into the output folder.

    Attributes:
        context: what steps share.
        state: of the output folder.
        artifacts: the folder of all artifacts.
        agreed: the images that may be taken over, as they must be.
        required: tells the images that one requires.
        taken: the names of the images that have been taken over.

    """

    context: Context
    state: State
    artifacts: Path
    agreed: Mapping[str, Agreed]
    required: Callable[[Image], Sequence[Image]]
    taken: set[str] = field(default_factory=set)

    @property
    def shards(self) -> list[str]:
        """The names of the shards whose images may be taken over."""
        return sorted({each.shard for each in self.agreed.values()})

    def images(self, images: Iterable[Image]) -> list[HandoverError]:
        """Take over what was built, as far as it is agreed on; return what is wrong with others."""
        chosen = [image for image in images if image.id in self.agreed]
        return self._images([(image, self.agreed[image.id].shard) for image in chosen])

    def shard(self, name: str, images: Iterable[Image]) -> tuple[list[Image], list[HandoverError]]:
        """Take over what one shard has built, and what it has booted before it was run again.

        Returns:
            the images that it is to boot, with all that they require here, and what is wrong with
            others.

        """
        built, booted = Shard(self.artifacts, BUILT, name), Shard(self.artifacts, BOOTED, name)
        agreed = [image for image in images if image.id in self.agreed]
        own = [image for image in agreed if self.agreed[image.id].shard == name]
        required = [i for i in agreed if self.agreed[i.id].shard != name and built.has_built(i)]
        problems = self._images([(image, name) for image in (*own, *required)])
        complete = [i for i in own if self.agreed[i.id].boot and self._is_complete(i)]
        for image in filter(booted.has_booted, complete):
            with suppress(HandoverError):  # of other bytes, which may have been built since
                self._boot(image)
        return complete, problems

    def boots(self, releases: Sequence[Release]) -> tuple[list[Release], list[HandoverError]]:
        """Take over the boots of releases whose images are all here, with what these require.

        Returns:
            the releases whose images have all been booted, and what is wrong with others.

        """
        complete, problems = [], []
        for release in releases:
            agreed = [self.agreed.get(image.id) for image in release.images]
            if not agreed or not all(each and each.boot for each in agreed):
                continue
            try:
                for image in filter(self._is_complete, release.images):
                    self._boot(image)
            except HandoverError as problem:
                problems.append(problem)
            else:
                if all(map(self._is_complete, release.images)):
                    complete.append(release)
        return complete, problems

    def _images(self, chosen: Iterable[tuple[Image, str]]) -> list[HandoverError]:
        problems = []
        for image, shard in chosen:
            try:
                self._image(image, Shard(self.artifacts, BUILT, shard))
            except HandoverError as problem:
                problems.append(problem)
            else:
                self.taken.add(image.id)
        return problems

    def _is_complete(self, image: Image) -> bool:
        """Return whether an image is here, and what it requires: nothing need be built for it."""
        return all(each.id in self.taken for each in (image, *self.required(image)))

    def _image(self, image: Image, shard: Shard) -> None:
        agreed = self.agreed[image.id]
        steps, path = self._steps(image), self.context.file(image)
        record, attachments = shard.squashed(image), shard.attachments(image)
        _link(shard.image(image), path)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in attachments.items()}
        digests["image"] = sha256(path)
        told = shard.name != agreed.shard or shard.records(image) == agreed.records
        if digests != agreed.digests or record.facts.sha256 != agreed.sha256 or not told:
            path.unlink()
            raise HandoverError(f"{image.id} is not what was agreed on", where=str(self.artifacts))
        made = Made(facts=record.facts, outputs=(path,), attachments=attachments)
        self.state.take_over(steps.squashed, record, made)
        checked = shard.checked(image)
        self.state.take_over(steps.checked, checked, Made(facts=checked.facts, outputs=(path,)))

    def _boot(self, image: Image) -> None:
        agreed = self.agreed[image.id]
        record = Shard(self.artifacts, BOOTED, agreed.shard).booted(image)
        step, path = self._steps(image).booted, self.context.file(image)
        made = Made(facts=record.facts, outputs=(path,))
        blob = Blob(sha256=agreed.sha256, size=path.stat().st_size)
        if why := objection(made, [Part(name=path.name, blob=blob)], step.misfit):
            raise HandoverError(
                f"{image.id} has not passed the boots that were asked for",
                where=str(self.artifacts),
                why=why,
                fix="run the job that boots it again",
            )
        # for the key that it has here: whoever ran upstream's code names none
        key = self.state.key(step)
        self.state.take_over(step, msgspec.structs.replace(record, key=key), made)

    def _steps(self, image: Image) -> _Steps:
        context, others = self.context, self.required(image)
        merged = []
        for each in (image, *others):
            assets = [fetch.step(context, self.state, asset) for asset in each.contents.assets]
            merged.append(squash.step(context, each, stage.step(context, each, assets)))
        return _Steps(
            squashed=merged[0],
            checked=check.step(context, image, others, merged),
            booted=boot.step(context, image, others, merged),
        )


def _link(source: Path, path: Path) -> None:
    """Have a file in two places, and its bytes once where that can be: runners have little room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, path)
