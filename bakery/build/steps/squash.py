"""squash: an image from its tree."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bakery import trace
from bakery.build.step import Made, Step
from bakery.build.steps.squashed import INVENTORY, KIND, MANIFEST, Squashed
from bakery.files import replace, sha256, sync
from bakery.image import manifest as manifests
from bakery.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.build.context import Context
    from bakery.build.sharing import Part
    from bakery.build.step import AnyStep, Work
    from bakery.image.manifest import Manifest
    from bakery.recipe.plan import Image

_BYTES_PER_PROCESSOR = 32 << 20  # less than this is not worth another processor


def step(context: Context, image: Image, staged: AnyStep) -> Step[Squashed]:
    """Return the step that writes an image from its tree."""
    return Step(
        kind=KIND,
        name=image.id,
        run=partial(_run, context, image),
        facts=Squashed,
        after=(staged,),
        inputs=lambda: (image.format,),
        tools=lambda: (_tools(context, image),),
        replaces=(staged,),
        attached=(MANIFEST, INVENTORY),
        shared=context.shared(image),
        misfit=partial(_misfit, context, image),
        leftovers=(context.file(image),),
    )


def _tools(context: Context, image: Image) -> str:
    from bakery.image.squash import writers

    return writers(image.format, context.settings.profile)


def _run(context: Context, image: Image, work: Work) -> Made[Squashed]:
    from bakery.image.squash import squash, unlabelled

    tree = context.tree(image)
    manifest = manifests.decode((context.staged(image) / "manifest.json").read_bytes())
    if why := unlabelled(image.format):
        manifest = manifest.unlabelled
    output = work.scratch / image.filename
    with context.processors.take(1 + manifest.size // _BYTES_PER_PROCESSOR) as processors:
        squash(
            tree,
            output,
            manifest=manifest,
            format=image.format,
            profile=context.settings.profile,
            processors=processors,
            work=work.scratch,
        )
    with Workers(1) as aside:
        aside.submit(sync, output)  # while it is hashed; `replace` then has nothing to wait for
        facts = _facts(output, manifest, _tools(context, image), unlabelled=why)
    file = context.file(image)
    replace(output, file)
    attachments = {MANIFEST: manifests.encode(manifest), INVENTORY: _inventory(tree, manifest)}
    return Made(facts=facts, outputs=(file,), attachments=attachments)


def _inventory(tree: Path, manifest: Manifest) -> bytes:
    from bakery.image import inventory as inventories

    with trace.span("inventory"):
        return inventories.encode(inventories.take(tree, manifest))


def _misfit(
    context: Context, image: Image, made: Made[Squashed], parts: Sequence[Part]
) -> str | None:
    """Return why this step can't have described an image from elsewhere so; see `Step.misfit`."""
    from bakery.image import inventory as inventories
    from bakery.image.squash import unlabelled

    manifest = manifests.decode(made.attachments[MANIFEST])
    inventories.decode(made.attachments[INVENTORY])
    (blob,) = [part.blob for part in parts]
    described = Squashed(
        sha256=blob.sha256,
        size=blob.size,
        contents=manifest.size,
        tools=_tools(context, image),
        unlabelled=unlabelled(image.format),
    )
    fits = manifest.image == image.id and made.facts == described
    return None if fits else "its parts don't belong together"


def _facts(output: Path, manifest: Manifest, tools: str, *, unlabelled: str | None) -> Squashed:
    digest, size = "", manifest.size
    if not output.is_dir():
        size = output.stat().st_size
        with trace.span("hash the image", bytes=size):
            digest = sha256(output)
    return Squashed(
        sha256=digest, size=size, contents=manifest.size, tools=tools, unlabelled=unlabelled
    )
