"""The newest release of a GitHub repository, and its files for Linux.

https://docs.github.com/rest/releases/releases and /rest/repos/repos#get-a-repository
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES
from bakery.recipe.upstreams import GithubUpstream
from bakery.recipe.version import Version
from bakery.scaffold import filenames
from bakery.scaffold.release import About, UpstreamFile, UpstreamRelease, expression, one_line
from bakery.upstream import github
from bakery.upstream.errors import UpstreamError
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.arch import Arch
    from bakery.upstream.api import Api
    from bakery.upstream.github import GithubAsset

_TAG = re.compile(r"(?P<before>.*[-_/@])v?[0-9]+\.[0-9].*")
_LISTED = 12


def look(repository: str, name: str, version: str | None, api: Api) -> UpstreamRelease:
    """Return a release of a repository, OWNER/REPO, with its files for Linux; see `create`.

    Raises:
        UpstreamError: GitHub does not tell, or nothing in the release is for Linux.

    """
    upstream = _upstream(repository, name, api)
    tag = version or offers(upstream, api)[-1].tag
    whole = upstream.tag.replace("{version}", tag)
    assets = {asset.name: asset for asset in github.release(repository, whole, api).assets}
    parsed = Version.parse(tag)
    picked = filenames.pick(assets, (repository.partition("/")[2], name), parsed.bare)
    if not picked:
        raise _nothing_for_linux(repository, whole, list(assets))
    notes = [f"{repository} {whole}" + ("" if version else ", its newest release")]
    notes += _reasons(picked, assets)
    keys = {"github": repository}
    return UpstreamRelease(
        version=parsed,
        upstream=keys if upstream.tag == "{version}" else {**keys, "tag": upstream.tag},
        about=about(repository, name, api),
        files={arch: _file(assets, names, arch) for arch, names in picked.items()},
        digests=all(assets[names[0]].digest for names in picked.values()),
        notes=tuple(notes),
    )


def about(repository: str, name: str, api: Api) -> About:
    """Return what GitHub says about a repository, as far as it says anything."""
    try:
        known = github.repository(repository, api)
    except UpstreamError:  # such as from a mirror that has releases alone
        known = github.GithubRepository()
    return About(
        summary=one_line(known.description, f"{name}, as {repository} publishes it"),
        homepage=known.homepage or known.html_url or f"https://github.com/{repository}",
        licence=expression(known.license.spdx_id if known.license else None),
    )


def _upstream(repository: str, name: str, api: Api) -> GithubUpstream:
    """Return the upstream, with the form of its tags where they are no plain versions."""
    plain = GithubUpstream(github=repository)
    tags = [item.tag for item in github.versions(plain, api) if not item.prerelease]
    forms = [match["before"] for tag in tags if (match := _TAG.fullmatch(tag))]
    if not forms or any(map(Version.is_written, tags)):
        return plain
    own = [before for before in forms if before.rstrip("-_/@v").lower() == name]
    return GithubUpstream(github=repository, tag=f"{(own or forms)[0]}{{version}}")


def _file(assets: dict[str, GithubAsset], names: Sequence[str], arch: Arch) -> UpstreamFile:
    url = assets[names[0]].browser_download_url
    sums = filenames.checksum_files(assets, names[0], arch)
    other = filenames.first_for_glibc(names[1:])
    return UpstreamFile(
        name=names[0],
        url=url,
        label=url,
        sums=tuple(assets[file].browser_download_url for file in sums),
        otherwise=partial(_file, assets, [other], arch) if other else None,
    )


def _reasons(picked: dict[Arch, list[str]], assets: dict[str, GithubAsset]) -> Iterator[str]:
    for arch, (first, *others) in picked.items():
        yield f"{arch}: {first}" + (f" rather than {', '.join(others)}" if others else "")
        signed = filenames.signatures(assets, first)
        if signed:
            yield f"{arch}: it is signed, by {', '.join(signed)}: the recipe could ask for that"
    for arch in ARCHITECTURES:
        if arch not in picked:
            yield f"{arch}: nothing is published for it, as far as names tell"


def _nothing_for_linux(repository: str, tag: str, names: Sequence[str]) -> UpstreamError:
    listed = "\n".join(names[:_LISTED]) + (
        f"\n… and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    )
    return UpstreamError(
        "nothing in the release is a program for Linux, as far as names tell",
        where=f"{repository} {tag}",
        why=f"it has:\n{listed}" if names else "it has no files",
        fix="projects that publish elsewhere: bakery new NAME --url ADDRESS-with-{version}",
    )
