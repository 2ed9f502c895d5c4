"""stage: an image's tree, from its assets and the recipe's own files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bakery.build.step import Made, Nothing, Step, StepError
from bakery.files import boot_id, replace
from bakery.image import manifest as manifests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bakery.build.context import Context
    from bakery.build.step import AnyStep, Work
    from bakery.recipe.plan import Image

MANIFEST = "manifest.json"


def step(context: Context, image: Image, fetched: Iterable[AnyStep]) -> Step[Nothing]:
    """Return the step that writes an image's tree and its manifest."""

    def tools() -> tuple[str, ...]:
        if not image.contents.self_contained:
            return ()
        from bakery.image.relocation import patchelf

        return (patchelf.version(),)

    context.kept.expect({asset.sha256 for asset in image.contents.assets})
    before = tuple(fetched)
    return Step(
        kind="stage",
        name=image.id,
        run=partial(_run, context, image),
        facts=Nothing,
        after=before,
        inputs=lambda: (image.digest(), *_policy(context)),
        tools=tools,
        replaces=before,
        leftovers=(context.staged(image),),
    )


def _policy(context: Context) -> tuple[str, ...]:
    if context.settings.file_contexts is None:
        return ()
    from bakery.image.file_contexts import digest

    return (digest(context.settings.file_contexts),)


def _run(context: Context, image: Image, work: Work) -> Made[Nothing]:
    from bakery.image import file_contexts
    from bakery.image.errors import AlteredAssetError
    from bakery.image.stage import stage

    path = context.settings.file_contexts
    policy = file_contexts.read(path) if path else None
    tree = work.scratch / "tree"
    tree.mkdir()
    try:
        with context.processors.take(1):
            assets = _assets(context, image)
            manifest = stage(
                image, work.key, assets, tree, work.progress, policy=policy, kept=context.kept
            )
    except AlteredAssetError as error:
        context.store.discard(error.sha256)
        error.fix = "run the same command again: it has been removed, and is then fetched anew"
        raise
    work.progress.restart(manifest.size)  # libraries that came along are in it
    (work.scratch / MANIFEST).write_bytes(manifests.encode(manifest))
    folder = context.staged(image)
    boot = boot_id()
    replace(work.scratch, folder, lasting=boot is None)
    note = "\n".join(manifest.notes)
    return Made(facts=Nothing(), outputs=(folder / MANIFEST,), note=note, boot=boot)


def _assets(context: Context, image: Image) -> dict[str, Path]:
    paths = {}
    for asset in image.contents.assets:
        path = context.store.find(asset.sha256, asset.size)
        if path is None:
            raise StepError(
                f"{asset.filename} is no longer in the store",
                where=str(context.store.root),
                fix="build again; keep `bakery gc` from running beside a build",
            )
        paths[asset.sha256] = path
    return paths
