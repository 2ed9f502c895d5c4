"""What upstream publishes: `assets:` of a recipe, and how they are known to be upstream's."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bakery.recipe.condition import Condition
from bakery.recipe.npm import NpmName
from bakery.recipe.signer import Identity
from bakery.recipe.template import ImagePath, Line, Url
from bakery.recipe.types import (
    Address,
    Archive,
    KeyFile,
    Members,
    MinisignKey,
    Model,
    OneLine,
    Package,
    Project,
    Suite,
    Words,
    about,
)


class GpgSignature(Model, frozen=True):
    """A detached OpenPGP signature; `{url}` is the address of what is signed."""

    gpg: Url
    key: Annotated[KeyFile, about("the only keys that may sign: ./FILE, as exported")]


class MinisignSignature(Model, frozen=True):
    """A signature by minisign; `{url}` is the address of what is signed."""

    minisign: Url
    key: Annotated[MinisignKey, about("who must have signed: ./FILE or the key, RW…")]


class CosignSignature(Model, frozen=True):
    """A signature or bundle by cosign with a key; `{url}` is the address of what is signed."""

    cosign: Url
    key: Annotated[KeyFile, about("who must have signed: ./FILE, as cosign.pub is")]


class SigstoreSignature(Model, frozen=True):
    """A Sigstore bundle, or a signature; `{url}` is the address of what is signed."""

    sigstore: Url
    identity: Annotated[
        Identity | Annotated[tuple[Identity, ...], Meta(min_length=1)],
        about("who must have signed: an e-mail address or a workflow's URI, or several"),
    ]
    issuer: Annotated[Address, about("who must have vouched for the identity")]
    certificate: Annotated[
        Url | None, about("the signer's certificate, if it is a file of its own")
    ] = None
    repository: Annotated[
        Address | None, about("whose build it must be, if not the workflow's own repository's")
    ] = None
    ref: Annotated[
        Line | None, about("the ref it must be built of, such as refs/tags/{version}")
    ] = None


Signature = GpgSignature | MinisignSignature | CosignSignature | SigstoreSignature


class Checksum(Model, frozen=True):
    """Upstream's own checksum file for an asset; `{url}` is the asset's address."""

    url: Url
    signature: Annotated[Signature | None, about("upstream's signature of the checksum file")] = (
        None
    )
    arch: Annotated[
        Words | None, about("words for {arch} here, where they are not the asset's")
    ] = None


class AssetFile(Model, frozen=True):
    """One of several files that an asset's address stands for."""

    name: OneLine
    when: Condition | None = None


class UrlAsset(Model, frozen=True):
    """A file that upstream publishes at an address (http, https or file)."""

    url: Url
    install: Annotated[
        ImagePath | Members, about("a path for a single file, or {glob of archive members: path}")
    ]
    files: Annotated[
        tuple[OneLine | AssetFile, ...], about("values for {file}: one asset each")
    ] = ()
    arch: Annotated[Words | None, about("upstream's words for {arch}, here only")] = None
    archive: Annotated[
        Archive | None, about("what kind of file it is, if its name doesn't tell")
    ] = None
    checksum: Checksum | None = None
    signature: Annotated[Signature | None, about("upstream's signature of the asset itself")] = None
    when: Condition | None = None


class PypiAsset(Model, frozen=True):
    """A wheel, by project name, from the package index that pip is configured for."""

    pypi: Project
    platform: Annotated[Line, about("the wheel's platform tag, such as musllinux_1_1_{arch}")]
    install: Members
    version: Line = Line.parse("{bare}")
    arch: Annotated[Words | None, about("upstream's words for {arch}, here only")] = None
    when: Condition | None = None


class NpmAsset(Model, frozen=True):
    """A package's file, by the package's name, from the registry that npm is configured for."""

    npm: Annotated[NpmName, about("a package, such as esbuild or @esbuild/linux-{arch}")]
    install: Members
    version: Line = Line.parse("{bare}")
    arch: Annotated[Words | None, about("upstream's words for {arch}, here only")] = None
    when: Condition | None = None


class DebianPackages(Model, frozen=True):
    """Packages of a Debian release; apt chooses them and all that they depend on."""

    packages: Annotated[
        tuple[Package, ...],
        Meta(min_length=1, description="packages; the first is the one that has `version`"),
    ]
    suite: Suite


class DebianAsset(Model, frozen=True):
    """Packages from the Debian mirror that apt is configured for, with their dependencies."""

    debian: DebianPackages
    version: Annotated[
        Line, about("the first package's version, or `latest`: what the suite has")
    ] = Line.parse("{version}")
    install: Annotated[Members | None, about("{glob of the packages' files: path}")] = None
    exclude: Annotated[
        tuple[Package, ...], about("packages to do without, and without what only they depend on")
    ] = ()
    when: Condition | None = None
