"""The newest version of a project on the package index, and its wheels for Linux."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES
from bakery.recipe.upstreams import PypiUpstream
from bakery.recipe.version import Version
from bakery.recipe.wheel import WheelName
from bakery.scaffold.filenames import first_for_glibc
from bakery.scaffold.release import About, UpstreamFile, UpstreamRelease
from bakery.text import nearest
from bakery.upstream import pypi, simple_index
from bakery.upstream.errors import UpstreamError
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bakery.arch import Arch
    from bakery.upstream.api import Api


def look(project: str, name: str, version: str | None, api: Api) -> UpstreamRelease:
    """Return a version of a project, with its wheels for Linux; see `create`.

    Raises:
        UpstreamError: the index does not have it, or no wheel that fits any Python on Linux, or
            pip does not find that.

    """
    tag = version or offers(PypiUpstream(pypi=project), api)[-1].tag
    names = simple_index.wheels(project, tag, api)
    platforms = {arch: _platforms(names, arch) for arch in ARCHITECTURES}
    if version and not names:
        raise _no_version(project, version, api)
    if not any(platforms.values()):
        raise UpstreamError(
            "no wheel holds programs for Linux, as far as names tell",
            where=f"{project} {tag}",
            why="\n".join(names[:12]) or "it has no wheels",
            fix="wheels with programs of their own end in py3-none-musllinux… or …-manylinux…",
        )
    return UpstreamRelease(
        version=Version.parse(tag),
        upstream={"pypi": project},
        index="pypi",
        about=About(
            summary=f"{name}, from the wheels of {project}",
            homepage=f"https://example.com/{project}",  # unless the wheel says better
        ),
        files={arch: _file(project, tag, tags) for arch, tags in platforms.items() if tags},
        digests=True,
        notes=tuple(_notes(project, tag, platforms, newest=not version)),
    )


def _no_version(project: str, version: str, api: Api) -> UpstreamError:
    """Return what to say of a version without wheels: perhaps there is no such version."""
    newest = [each.tag for each in offers(PypiUpstream(pypi=project), api)]
    meant = nearest(version, newest) or newest[-1]
    return UpstreamError(
        f"the index has no wheel of {project} {version}",
        fix=f"did you mean {meant}? `pip index versions {project}` lists them all",
    )


def _notes(
    project: str, tag: str, platforms: Mapping[Arch, Sequence[str]], *, newest: bool
) -> Iterator[str]:
    yield f"{project} {tag}" + (", its newest version" if newest else "")
    for arch, tags in platforms.items():
        others = f" rather than {', '.join(tags[1:])}" if tags[1:] else ""
        yield f"{arch}: {tags[0]}{others}" if tags else f"{arch}: there is no wheel"


def _platforms(names: list[str], arch: Arch) -> list[str]:
    """Return a platform tag for each wheel for any Python, musl's first, then glibc's."""
    platforms = []
    ending = f"_{ARCHITECTURES[arch].kernel}"
    for name in names:
        wheel = WheelName.parse(name)
        if wheel is None or wheel.abis != {"none"}:
            continue
        tags = [tag for tag in wheel.platforms if tag.endswith(ending) and "linux" in tag]
        if tags:
            platforms.append(min(tags, key=_preference))
    return sorted(platforms, key=_preference)


def _preference(tag: str) -> tuple[bool, str]:
    return "musllinux" not in tag, tag


def _file(project: str, version: str, platforms: Sequence[str]) -> UpstreamFile:
    wheel = pypi.wheel(project, version, platforms[:1])
    other = first_for_glibc(platforms[1:])
    return UpstreamFile(
        name=wheel.address.rpartition("/")[2],
        url=wheel.url,
        label=platforms[0],
        otherwise=partial(_file, project, version, [other]) if other else None,
    )
