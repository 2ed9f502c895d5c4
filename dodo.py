"""The task graph: fetch → stage → squash → check → boot → release → publish → channel.

`doit list` is the menu, `doit build:docker-20.10.13` one release, `doit` everything.
First come the steps, each made of those before it; below stands what doit calls them. Beside the
tasks of recipes there are `check:together`, which compares their images, and `channel:index`.
`doit publish:NAME --dry-run` and `channel:NAME --dry-run` only say what would be done.
"""

import sys
from pathlib import Path

from bakery import interrupts

interrupts.install("the same command continues", sys.stdout)

from bakery.build import graph
from bakery.build.steps import boot, check, compare, fetch, publish, release, squash, stage

bakery = graph.load(Path(__file__).parent)
project, state, add = bakery.project, bakery.state, bakery.add
context = project.context
remote = publish.Remote(context)

fetched = {name: add(fetch.step(context, state, each)) for name, each in project.assets.items()}
staged, squashed, checked, booted = {}, {}, {}, {}

for image in project.images:
    assets = [fetched[fetch.name(asset)] for asset in image.contents.assets]
    staged[image.id] = add(stage.step(context, image, assets))
    squashed[image.id] = add(squash.step(context, image, staged[image.id]))

for image in project.images:
    others = project.required(image)
    merged = [squashed[each.id] for each in (image, *others)]
    checked[image.id] = add(check.step(context, image, others, merged))
    booted[image.id] = add(boot.step(context, image, others, merged))

add(compare.step(project.newest, [squashed[image.id] for image in project.newest]))
built, published = {}, {}

for recipe, versions in project.by_recipe():
    for each in versions:
        made = release.Parts.of(each, squashed, checked, booted)
        built[each.name] = add(release.unsigned(context, each, made, state))
        released = add(release.step(context, each, made, built[each.name], state))
        published[each.name] = add(publish.step(context, remote, each, released, state))
    add(publish.channel(remote, recipe, bakery.asked(published[each.name] for each in versions)))
    bakery.group(recipe, versions, built, booted)

add(publish.index(remote, bakery.asked(published.values())))

DOIT_CONFIG = bakery.configuration()


def task_build():
    """all releases: images and sums"""
    return bakery.tasks("build")


def task_recipe():
    """(one line for each recipe)"""
    return bakery.menu()


def task_fetch():
    """an asset, into the store"""
    return bakery.tasks("fetch")


def task_stage():
    """an image's tree, to look into"""
    return bakery.tasks("stage")


def task_squash():
    """an image, from its tree"""
    return bakery.tasks("squash")


def task_check():
    """rules, applied to an image"""
    return bakery.tasks("check")


def task_boot():
    """a real systemd tries an image"""
    return bakery.tasks("boot")


def task_release():
    """a release that booted, signed"""
    return bakery.tasks("release")


def task_publish():
    """a release, to the publisher"""
    return bakery.tasks("publish")


def task_channel():
    """what hosts follow"""
    return bakery.tasks("channel")


def task_site():
    """pages about what is published"""
    return bakery.site()
