"""Packages of the registry that npm is configured for.

npm itself asks (npm-view(1)), so the registry and those of scopes, logins, certificates and proxies
are those of its own configuration, and no registry is named in recipes or locks. What it answers
are fields of the registry's documents:
https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bakery.decoding import from_json
from bakery.recipe import npm
from bakery.recipe.policy import Published
from bakery.recipe.version import Version
from bakery.text import nearest
from bakery.tools import NETWORK_PATIENCE, Tool, execute
from bakery.upstream import checksums
from bakery.upstream.api import day
from bakery.upstream.errors import NotFoundError, UpstreamError
from bakery.upstream.offer import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import NpmUpstream
    from bakery.upstream.api import Api

_T = TypeVar("_T")
_NPM = Tool(program="npm", apt="npm", brew="node")
_VARIABLES = ("npm_config_", "NPM_CONFIG_", "NPM_TOKEN", "NODE_AUTH_TOKEN", "NODE_EXTRA_CA_CERTS")
_CONFIGURATION = "look at `npm config list` and `npm ping`"


class _Package(msgspec.Struct, rename="kebab"):
    versions: list[str] | str = []
    dist_tags: dict[str, str] = {}
    time: dict[str, str] = {}


class _Row(msgspec.Struct):
    version: str
    deprecated: str | bool = ""


_ROWS: Any = list[_Row] | _Row  # npm unwraps lists of one, and objects if the first has one field


class _Dist(msgspec.Struct):
    tarball: str
    integrity: str = ""


class _Version(msgspec.Struct):
    name: str
    version: str
    dist: _Dist


class Description(msgspec.Struct, rename="camel"):
    """What a package says of a version (package.json)."""

    description: str = ""
    homepage: str = ""
    license: Any = None
    optional_dependencies: dict[str, str] = {}


class _Problem(msgspec.Struct):
    code: str = ""
    summary: str = ""


class _Failure(msgspec.Struct):
    error: _Problem


def versions(upstream: NpmUpstream, api: Api) -> Iterator[Published]:
    """Yield a package's versions, as its dist-tag has them.

    The one that the tag names is a release; those above it are not yet, nor are those that semver
    calls pre-releases. Deprecated versions count as taken back, unless all are.

    Raises:
        UpstreamError: the registry does not have the package or the tag, or npm can't ask it.
        MissingToolError: npm is not installed.

    """
    if api.settings.offline:
        raise UpstreamError(
            "what upstream publishes is not known offline",
            where=f"{npm.SCHEME}{upstream.npm}",
            fix="run without BAKERY_OFFLINE",
        )
    package = _view(upstream.npm, _Package, "versions", "dist-tags", "time")
    if package is None:
        raise _missing(upstream.npm)
    tags = [package.versions] if isinstance(package.versions, str) else package.versions
    newest = package.dist_tags.get(upstream.dist_tag)
    if newest is None or not Version.is_written(newest):
        raise _untagged(upstream, package)
    limit = Version.parse(newest)
    deprecated = _deprecated(upstream.npm)
    if deprecated.issuperset(tags):
        deprecated = set()
    for tag in filter(Version.is_written, tags):
        preview = "-" in tag.partition("+")[0] or Version.parse(tag) > limit
        yield Published(
            tag,
            date=day(package.time.get(tag, "")),
            prerelease=preview and tag != newest,
            yanked=tag in deprecated,
        )


def describe(name: str, version: str) -> Description:
    """Return what a package says of one of its versions.

    Raises:
        UpstreamError: the registry does not have it, or npm can't ask.
        MissingToolError: npm is not installed.

    """
    spec = f"{name}@{version}"
    fields = ("name", "description", "homepage", "license", "optionalDependencies")
    answer = _view(spec, Description, *fields)
    if answer is None:
        raise _missing(spec)
    return answer


def offer(address: str) -> Offer:
    """Return the file of a package's version, by the address that a lock gives it.

    Raises:
        UpstreamError: the registry does not have it, or npm can't ask.
        MissingToolError: npm is not installed.

    """
    asked = npm.parse(address)
    if asked is None:
        raise UpstreamError(
            "this is no address of an npm package",
            where=address,
            fix="correct the recipe's npm: and version:, and lock the version again",
        )
    spec = f"{asked.name}@{asked.version}"
    answer = _view(spec, _Version, "name", "version", "dist")
    if answer is None or (answer.name, answer.version) != (asked.name, asked.version):
        raise _missing(spec)
    return Offer(
        address=address,
        url=answer.dist.tarball,
        digests=_digests(address, answer.dist.integrity),
    )


def resolve(address: str) -> str:
    """Return where the registry keeps a locked package now.

    Raises:
        UpstreamError: as `offer`.

    """
    return offer(address).url


def _digests(address: str, integrity: str) -> frozenset[str]:
    """Return the digests of subresource integrity; old packages have SHA-1 alone, thus none."""
    lines = "\n".join(integrity.split())
    try:
        (digests,) = checksums.claims_of(address.rpartition("/")[2], lines, address)
    except (checksums.ChecksumError, ValueError):
        return frozenset()
    return digests


def _deprecated(name: str) -> set[str]:
    rows = _view(f"{name}@>=0", _ROWS, "name", "version", "deprecated") or []
    every = rows if isinstance(rows, list) else [rows]
    return {row.version for row in every if row.deprecated}


def _view(spec: str, kind: type[_T], *fields: str) -> _T | None:
    """Return fields of a package; None where the registry does not have it."""
    own = {name: os.environ[name] for name in os.environ if name.startswith(_VARIABLES)}
    done = execute(
        [_NPM.require(), "view", "--json", "--loglevel=error", "--", spec, *fields],
        what="npm can't ask its registry",
        env=own,
        network=True,
        patience=NETWORK_PATIENCE,
    )
    try:
        if done.status == 0:
            return from_json(done.stdout, kind) if done.stdout.strip() else None
        problem = from_json(done.stdout, _Failure).error
    except msgspec.DecodeError as error:
        if done.status == 0:
            raise UpstreamError(
                "npm answers with something else than its registry documents",
                where=spec,
                why=str(error),
                fix=_CONFIGURATION,
            ) from None
        problem = _Problem()
    if problem.code == "E404":
        return None
    why = problem.summary or done.stderr.strip() or f"exit status {done.status}"
    raise UpstreamError("npm can't ask its registry", where=spec, why=why, fix=_CONFIGURATION)


def _missing(spec: str) -> NotFoundError:
    return NotFoundError(
        "the npm registry does not have the package",
        where=spec,
        fix=f"look at `npm view {spec.rpartition('@')[0] or spec} versions`, "
        "and at `npm config list` if it is another registry's",
    )


def _untagged(upstream: NpmUpstream, package: _Package) -> UpstreamError:
    near = nearest(upstream.dist_tag, package.dist_tags)
    return UpstreamError(
        f"{upstream.npm} has no dist-tag {upstream.dist_tag}",
        where=f"{npm.SCHEME}{upstream.npm}",
        fix=(f"did you mean {near}?\n" if near else "")
        + f"it has {', '.join(sorted(package.dist_tags)) or 'none'}",
    )
