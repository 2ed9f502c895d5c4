"""Where versions come from: `upstream:` and `parts:` of a recipe."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, field

from bakery.recipe.npm import NpmPackage
from bakery.recipe.template import Url
from bakery.recipe.types import (
    Address,
    Model,
    Name,
    OneLine,
    Package,
    Project,
    Repository,
    Suite,
    about,
)

_ON_GITHUB = re.compile(r"https://([^/]+)/[^/]+/[^/]+/releases/download/[^/]+/[^/]+")


class _Upstream(Model, frozen=True, kw_only=True):
    prerelease: Annotated[bool, about("count pre-releases as well")] = False


class GithubUpstream(_Upstream, frozen=True, kw_only=True):
    """Releases of a GitHub repository."""

    github: Repository
    tags: Annotated[bool, about("its tags, where it makes no releases")] = False
    tag: Annotated[
        str,
        Meta(
            pattern=r"^[^{}]*\{version\}[^{}]*$",
            description="how tags are written, such as cli-{version}; others are passed over",
        ),
    ] = "{version}"


class HashicorpUpstream(_Upstream, frozen=True, kw_only=True):
    """Free releases of a HashiCorp product, from their releases API."""

    hashicorp: Annotated[
        str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", description="the product's name, such as consul")
    ]


class KubernetesUpstream(_Upstream, frozen=True, kw_only=True):
    """Patch releases of Kubernetes' supported minors, from the project's release schedule."""

    kubernetes: Annotated[Literal["schedule"], about("schedule: what kubernetes.io/releases shows")]


class ListingUpstream(_Upstream, frozen=True, kw_only=True):
    """A web page whose links end in what names the versions, each from a / on."""

    listing: Address
    pattern: Annotated[str, about("regular expression with a group named version")]


class PypiUpstream(_Upstream, frozen=True, kw_only=True):
    """Releases of a project on the package index that pip is configured for."""

    pypi: Project


class NpmUpstream(_Upstream, frozen=True, kw_only=True):
    """Releases of a package on the registry that npm is configured for."""

    npm: NpmPackage
    dist_tag: Annotated[
        OneLine, about("what names the newest release, such as next or latest-10")
    ] = field(default="latest", name="dist-tag")


class DebianUpstream(_Upstream, frozen=True, kw_only=True):
    """Versions of a package in a suite of the Debian mirror that apt is configured for."""

    debian: Package
    suite: Suite


class ListUpstream(_Upstream, frozen=True, kw_only=True):
    """Versions that the recipe names itself, or a text file with one a line."""

    versions: Annotated[
        Address | Annotated[tuple[OneLine, ...], Meta(min_length=1)],
        about("a list, or the address of a text file"),
    ]


Upstream = (
    GithubUpstream
    | HashicorpUpstream
    | KubernetesUpstream
    | ListingUpstream
    | PypiUpstream
    | NpmUpstream
    | DebianUpstream
    | ListUpstream
)


class TextPart(Model, frozen=True):
    """A part whose version a published text file names."""

    text: Url


class RecipePart(Model, frozen=True):
    """A part that is another recipe: the newest version in that recipe's lock."""

    recipe: Name


def is_on_github(upstream: Upstream | None, url: str) -> bool:
    """Return whether GitHub may know an asset's digest; an own one is known by `upstream:`."""
    matched = _ON_GITHUB.fullmatch(url)
    own = isinstance(upstream, GithubUpstream)
    return matched is not None and (own or matched[1] == "github.com")
