"""The task graph: fetch → stage → squash → check → boot → build → publish → channel.

`doit list` is the menu, `doit build:docker-20.10.13` one release, `doit` everything.
"""

from functools import partial
from pathlib import Path

from bakery.build import graph

bakery = graph.load(Path(__file__).parent)
shop, trial, press = bakery.workshop, bakery.inspection, bakery.publishing

DOIT_CONFIG = bakery.config


def task_build():
    """every release of every recipe: its images, checked, with checksums and release.json"""
    for release in bakery.releases:
        yield bakery.task(
            release.name,
            partial(shop.build, release),
            done=partial(shop.is_built, release),
            after=[f"check:{image.id}" for image in release.images],
            clean=partial(shop.clean, release),
            doc=release.source.recipe.summary,
        )


def task_recipe():
    """(one line for each recipe)"""
    for source in bakery.sources.values():
        releases = bakery.of(source)
        yield bakery.group(
            f"build:{source.name}",
            [f"build:{release.name}" for release in releases],
            doc=source.recipe.summary,
        )


def task_fetch():
    """one step alone: an asset into the store"""
    for name, asset, images in bakery.assets():
        yield bakery.task(
            name,
            partial(shop.fetch, asset),
            done=partial(shop.is_fetched, asset, images),
            doc=asset.url,
        )


def task_stage():
    """one step alone: an image's tree, to look into"""
    for image in bakery.images:
        yield bakery.task(
            image.id,
            partial(shop.stage, image),
            done=partial(shop.is_staged, image),
            after=[f"fetch:{graph.fetch_name(asset)}" for asset in image.contents.assets],
        )


def task_squash():
    """one step alone: an image from its tree"""
    for image in bakery.images:
        yield bakery.task(
            image.id,
            partial(shop.squash, image),
            done=partial(shop.is_squashed, image),
            after=[f"stage:{image.id}"],
        )


def task_check():
    """one step alone: the rules, applied to an image; check:together compares all recipes'"""
    for image in bakery.images:
        others = bakery.required(image)
        yield bakery.task(
            image.id,
            partial(trial.check, image, others),
            done=partial(trial.is_checked, image, others),
            after=[f"squash:{each.id}" for each in (image, *others)],
        )
    newest = bakery.newest
    yield bakery.task(
        "together",
        partial(trial.compare, newest),
        done=partial(trial.are_compared, newest),
        after=[f"squash:{image.id}" for image in newest],
        doc="no two recipes ship one path differently",
    )


def task_boot():
    """one step alone: a real systemd merges an image, and its check.yaml holds"""
    for image in bakery.images:
        others = bakery.required(image)
        yield bakery.task(
            image.id,
            partial(trial.boot, image, others),
            done=partial(trial.is_booted, image, others),
            after=[f"squash:{each.id}" for each in (image, *others)],
        )


def task_publish():
    """a release whose images have been booted, to the publisher (--dry-run: only say what)"""
    for release in bakery.releases:
        yield bakery.task(
            release.name,
            partial(press.publish, release),
            preview=partial(press.preview, release),
            after=[*bakery.required_boots(release), f"build:{release.name}"],
        )


def task_channel():
    """what hosts follow, from what is published: a recipe's newest versions; channel:index"""
    for source in bakery.sources.values():
        yield bakery.task(
            source.name,
            partial(press.follow, source),
            preview=partial(press.preview_channels, source),
            after=bakery.asked(bakery.of(source)),
        )
    yield bakery.task(
        "index",
        press.index,
        preview=press.preview_index,
        after=bakery.asked(bakery.releases),
        doc="bakery.json, which lists everything that is published",
    )
