"""What software is called elsewhere: suppliers and package URLs of what a release is made of.

Package URLs: https://github.com/package-url/purl-spec, with its types cargo, deb, generic, github,
golang, npm and pypi.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec

from bakery.recipe import debian, npm
from bakery.recipe.upstreams import GithubUpstream, NpmUpstream, PypiUpstream

if TYPE_CHECKING:
    from bakery.binary.go_build import GoModule
    from bakery.binary.rust_build import Crate
    from bakery.recipe.load import Source
    from bakery.recipe.lock import LockedAsset

_WHEEL = re.compile(r"pypi:(?P<project>[^/]+)/[^-/]+-(?P<version>[^-/]+)-")
_DEVELOPED = "(devel)"  # Go's word for a version that the linker was not told


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of software.

    Attributes:
        name: what it is called where it comes from.
        version: its version there; empty where nobody says.
        supplier: who hands it out.
        purl: its package URL.

    """

    name: str
    version: str
    supplier: str
    purl: str


def go_module(module: GoModule) -> Component:
    """Return a Go module: supplied by the owner of its repository, or by its host."""
    version = "" if module.version == _DEVELOPED else module.version
    host, *rest = module.path.split("/")
    return Component(
        name=module.path,
        version=version,
        supplier=f"{host}/{rest[0]}" if host == "github.com" and rest else host,
        purl=_purl("golang", module.path.lower(), version),
    )


def rust_crate(crate: Crate, project: Component) -> Component:
    """Return a Rust crate: supplied by its registry, or by the project that it is part of."""
    own = crate.source in {"local", "git"}
    return Component(
        name=crate.name,
        version=crate.version,
        supplier=project.supplier if own else crate.source,
        purl=_purl("cargo", crate.name, crate.version),
    )


def project(source: Source, version: str) -> Component:
    """Return the project that a recipe is about."""
    upstream = source.recipe.upstream
    kind, name = "generic", source.name
    if isinstance(upstream, GithubUpstream):
        kind, name = "github", upstream.github.lower()
    elif isinstance(upstream, PypiUpstream):
        kind, name = "pypi", upstream.pypi.lower().replace("_", "-")
    elif isinstance(upstream, NpmUpstream):
        kind, name = "npm", upstream.npm
    return Component(
        name=source.name,
        version=version,
        supplier=_supplier(source.recipe.homepage),
        purl=_purl(kind, name, version),
    )


def asset(locked: LockedAsset, project: Component) -> tuple[Component, Component]:
    """Return what an asset of a project is, and the software that it was made from."""
    if deb := debian.parse(locked.url):
        return _debian(deb)
    name = locked.url.rpartition("/")[2]
    if package := npm.parse(locked.url):
        published = Component(
            name=name,
            version=package.version,
            supplier=f"the publisher of {package.name} on the npm registry",
            purl=_purl("npm", package.name, package.version),
        )
        return published, project
    if wheel := _WHEEL.match(locked.url):
        purl = _purl("pypi", wheel["project"].lower(), wheel["version"], file_name=name)
        published = Component(
            name=name,
            version=wheel["version"],
            supplier=f"the publisher of {wheel['project']} on the Python package index",
            purl=purl,
        )
        return published, project
    published = Component(
        name=name,
        version=project.version,
        supplier=_supplier(locked.url),
        purl=_purl(
            "generic",
            name,
            project.version,
            checksum=f"sha256:{locked.sha256}",
            download_url=locked.url,
        ),
    )
    return published, project


def _debian(deb: debian.Deb) -> tuple[Component, Component]:
    source = deb.path.split("/")[-2]
    package, built_from = (
        Component(
            name=name,
            version=deb.version,
            supplier="Debian",
            purl=_purl("deb", f"debian/{name}", deb.version, arch=arch, distro=deb.suite),
        )
        for name, arch in ((deb.name, deb.arch), (source, "source"))
    )
    return package, built_from


def _supplier(address: str) -> str:
    """Return who answers for an address: the owner of a repository, or a host."""
    parts = urlsplit(address)
    owner = parts.path.strip("/").partition("/")[0]
    return f"{parts.netloc}/{owner}" if parts.netloc == "github.com" and owner else parts.netloc


def _purl(kind: str, name: str, version: str, **qualifiers: str) -> str:
    at = f"@{quote(version, safe='')}" if version else ""
    pairs = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in qualifiers.items())
    return f"pkg:{kind}/{quote(name, safe='/')}{at}{'?' + pairs if pairs else ''}"
