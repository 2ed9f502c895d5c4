"""Take over what other jobs have built and booted, as if it had been done here."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.build.step import Made
from bakery.build.steps import boot, check, fetch, squash, stage
from bakery.build.steps.squashed import INVENTORY, MANIFEST
from bakery.ci.handover import BOOTED, BUILT, HandoverError, Shard
from bakery.files import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.build.step import Step
    from bakery.build.steps.boot import Booted
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

    """

    context: Context
    state: State
    artifacts: Path
    agreed: Mapping[str, Agreed]
    required: Callable[[Image], Sequence[Image]]

    def images(self, images: Sequence[Image]) -> list[HandoverError]:
        """Take over what was built, as far as it is agreed on; return what is wrong with others."""
        problems = []
        for image in images:
            if image.id in self.agreed:
                try:
                    self._image(image)
                except HandoverError as problem:
                    problems.append(problem)
        return problems

    def boots(self, releases: Sequence[Release]) -> tuple[list[Release], list[HandoverError]]:
        """Take over the boots of releases whose images are all here.

        Returns:
            the releases whose images have all been booted, and what is wrong with others.

        """
        complete, problems = [], []
        for release in releases:
            agreed = [self.agreed.get(image.id) for image in release.images]
            if not agreed or not all(each and each.boot for each in agreed):
                continue
            try:
                for image in release.images:
                    self._boot(image)
            except HandoverError as problem:
                problems.append(problem)
            else:
                complete.append(release)
        return complete, problems

    def _image(self, image: Image) -> None:
        agreed = self.agreed[image.id]
        shard = Shard(self.artifacts, BUILT, agreed.shard)
        steps, path = self._steps(image), self.context.file(image)
        record, attachments = shard.squashed(image), shard.attachments(image)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shard.image(image), path)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in attachments.items()}
        digests["image"] = sha256(path)
        wanted = {
            "image": agreed.sha256,
            MANIFEST: agreed.manifest,
            INVENTORY: agreed.inventory,
        }
        if digests != wanted or record.facts.sha256 != agreed.sha256:
            path.unlink()
            raise HandoverError(f"{image.id} is not what was agreed on", where=str(self.artifacts))
        made = Made(facts=record.facts, outputs=(path,), attachments=attachments)
        self.state.take_over(steps.squashed, record, made)
        checked = shard.checked(image)
        self.state.take_over(steps.checked, checked, Made(facts=checked.facts, outputs=(path,)))

    def _boot(self, image: Image) -> None:
        record = Shard(self.artifacts, BOOTED, self.agreed[image.id].shard).booted(image)
        made = Made(facts=record.facts, outputs=(self.context.file(image),))
        self.state.take_over(self._steps(image).booted, record, made)

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
