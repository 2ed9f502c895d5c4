"""The newest version of an npm package, and those of its packages that hold programs for Linux.

Packages with native programs name one for each platform in their optionalDependencies, of which npm
installs the one that fits: https://docs.npmjs.com/cli/configuring-npm/package-json
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from bakery.recipe.npm import NpmVersion
from bakery.recipe.upstreams import NpmUpstream
from bakery.recipe.version import Version
from bakery.scaffold import filenames
from bakery.scaffold.release import About, UpstreamFile, UpstreamRelease, expression, one_line
from bakery.upstream import npm
from bakery.upstream.errors import NotFoundError, UpstreamError
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.upstream.api import Api


def look(package: str, name: str, version: str | None, api: Api) -> UpstreamRelease:
    """Return a version of a package, with its packages for Linux; see `create`.

    Raises:
        UpstreamError: the registry does not have it, or it has no packages for Linux.

    """
    tag = version or offers(NpmUpstream(npm=package), api)[-1].tag
    known = npm.describe(package, tag)
    companions = [each for each, its in known.optional_dependencies.items() if its == tag]
    picked = filenames.pick(companions, (package, name), tag)
    if not picked:
        raise UpstreamError(
            "no package holds its programs for Linux, as far as names tell",
            where=f"{package}@{tag}",
            why="\n".join(companions[:12]) or "it names no packages for platforms",
            fix="what needs Node.js to run is no matter for an image; else write the recipe by "
            "hand (the reference has the language)",
        )
    notes = [f"{package} {tag}" + ("" if version else ", its newest version")]
    files = {}
    for arch, names in picked.items():
        files[arch], lacking = _published(names, tag)
        notes += [f"{arch}: the registry does not have {each}@{tag}" for each in lacking]
        del names[: len(lacking)]
        others = [each for each in names[1:] if filenames.PROCESSORS[arch].search(each)]
        notes.append(
            f"{arch}: {names[0]}" + (f" rather than {', '.join(others)}" if others else "")
        )
    return UpstreamRelease(
        version=Version.parse(tag),
        upstream={"npm": package},
        index="npm",
        about=About(
            summary=one_line(known.description, f"{name}, from the npm package {package}"),
            homepage=known.homepage or f"https://example.com/{name}",
            licence=expression(known.license if isinstance(known.license, str) else None),
        ),
        files=files,
        digests=True,
        notes=tuple(notes),
    )


def _published(packages: Sequence[str], tag: str) -> tuple[UpstreamFile, Sequence[str]]:
    """Return the first package that the registry has, and those before it that it lacks.

    Some are named ahead of their publication, or their publication has failed.
    """
    for index in range(len(packages)):
        with suppress(NotFoundError):
            return _file(packages[index:], tag), packages[:index]
    return _file(packages, tag), ()


def _file(packages: Sequence[str], tag: str) -> UpstreamFile:
    offer = npm.offer(NpmVersion(packages[0], tag).address)
    other = filenames.first_for_glibc(packages[1:])
    return UpstreamFile(
        name=offer.address.rpartition("/")[2],
        url=offer.url,
        label=packages[0],
        otherwise=partial(_file, [other], tag) if other else None,
    )
