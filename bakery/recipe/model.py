"""The recipe language: the types that recipe.yaml is read into.

Every key, its type and its default stand here; the JSON Schema for editors is made from these
classes, and their docstrings are its descriptions. `load` reads them, `validate` checks what types
can't say.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from bakery.recipe.condition import Condition  # noqa: TC001  types are read at run time
from bakery.recipe.template import Place, Template

Arch = Literal["x86-64", "arm64"]
Format = Literal["squashfs", "erofs", "ext4", "btrfs", "folder"]
Archive = Literal["tar", "zip", "deb", "compressed", "plain"]
Trust = Literal["first-use", "cited", "checksum", "signature"]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Address = Annotated[str, Meta(pattern=r"^https?://")]


class _Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all types of the language share."""


class GithubUpstream(_Model, frozen=True):
    """Releases of a GitHub repository."""

    github: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+$", description="OWNER/REPO")]


class ListingUpstream(_Model, frozen=True):
    """An HTML page whose links name the versions."""

    listing: Address
    pattern: Annotated[str, Meta(description="regular expression with a group named version")]


class PypiUpstream(_Model, frozen=True):
    """Releases of a project on the package index that pip is configured for."""

    pypi: str


class Latest(_Model, frozen=True):
    """The newest release of each of the newest `keep` major or minor series."""

    latest: Literal["major", "minor"]
    keep: Annotated[int, Meta(ge=1)] = 1


class Since(_Model, frozen=True):
    """Every release from this one on."""

    since: str


class GithubPart(_Model, frozen=True):
    """A part with releases of its own on GitHub."""

    github: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+$", description="OWNER/REPO")]


class TextPart(_Model, frozen=True):
    """A part whose version a published text file names."""

    text: Template


class RecipePart(_Model, frozen=True):
    """A part that is another recipe: the newest version in that recipe's lock."""

    recipe: Name


class Checksum(_Model, frozen=True):
    """Upstream's own checksum file for an asset; `{url}` is the asset's address."""

    url: Template


class AssetFile(_Model, frozen=True):
    """One of several files that an asset's address stands for."""

    name: str
    when: Condition | None = None


class UrlAsset(_Model, frozen=True):
    """A file that upstream publishes at an address (http, https or file)."""

    url: Template
    install: Annotated[
        Place | dict[Template, Place],
        Meta(description="where to: a path for a single file, or {glob of archive members: path}"),
    ]
    files: Annotated[
        tuple[str | AssetFile, ...], Meta(description="values for {file}: one asset each")
    ] = ()
    arch: Annotated[
        dict[Arch, str] | None, Meta(description="upstream's words for {arch}, here only")
    ] = None
    archive: Annotated[
        Archive | None, Meta(description="what kind of file it is, if its name doesn't tell")
    ] = None
    checksum: Checksum | None = None
    when: Condition | None = None


class PypiAsset(_Model, frozen=True):
    """A wheel, by project name, from the package index that pip is configured for."""

    pypi: str
    platform: Annotated[
        Template, Meta(description="the wheel's platform tag, such as musllinux_1_1_{arch}")
    ]
    install: dict[Template, Place]
    version: Template = Template.parse("{bare}")
    arch: dict[Arch, str] | None = None
    when: Condition | None = None


class LocalFile(_Model, frozen=True):
    """How files below the recipe's files/ are treated."""

    template: Annotated[bool, Meta(description="expand placeholders; else verbatim")] = False
    when: Condition | None = None


class Written(_Model, frozen=True):
    """A text file that the recipe itself gives."""

    text: Template
    when: Condition | None = None


class Link(_Model, frozen=True):
    """A symbolic link; its target is taken verbatim."""

    target: Template
    when: Condition | None = None


class Edit(_Model, frozen=True):
    """An exact replacement in an installed text file; the old text must be there."""

    replace: Annotated[str, Meta(min_length=1)]
    by: str = field(name="with")
    when: Condition | None = None


class Drop(_Model, frozen=True):
    """Paths to remove after everything is installed."""

    path: str
    when: Condition | None = None


class Start(_Model, frozen=True):
    """A unit that the image starts."""

    unit: str
    target: Annotated[str | None, Meta(description="the target that upholds it")] = None
    when: Condition | None = None


class OsLevel(_Model, frozen=True):
    """Hosts with this ID and SYSEXT_LEVEL in os-release."""

    id: str
    level: str


class OsVersion(_Model, frozen=True):
    """Hosts with this ID and VERSION_ID in os-release."""

    id: str
    version: str


class Waiver(_Model, frozen=True):
    """A rule of `bakery rules` that doesn't count for a path, and why."""

    rule: str
    path: str
    reason: Annotated[str, Meta(min_length=1)]


class Recipe(_Model, frozen=True):
    """What upstream publishes, where it goes in the image, and what starts."""

    summary: Annotated[str, Meta(min_length=1, description="one line for `doit list`")]
    homepage: Address
    license: Annotated[str, Meta(description="SPDX expression")]
    build: Annotated[
        tuple[str | Latest | Since, ...],
        Meta(min_length=1, description="what the lock must hold: versions, `latest`, ranges"),
    ]
    arch: Annotated[
        dict[Arch, str], Meta(min_length=1, description="architecture: upstream's word, {arch}")
    ]
    extends: Annotated[Name | None, Meta(description="the recipe this one is a variant of")] = None
    upstream: GithubUpstream | ListingUpstream | PypiUpstream | None = None
    parts: Annotated[
        dict[str, GithubPart | TextPart | RecipePart],
        Meta(description="further versions, pinned by the lock; each is a placeholder"),
    ] = {}
    assets: tuple[UrlAsset | PypiAsset, ...] = ()
    files: Annotated[dict[str, LocalFile], Meta(description="{glob below files/: treatment}")] = {}
    write: dict[Place, Template | Written] = {}
    links: dict[Place, Template | Link] = {}
    edit: dict[Place, tuple[Edit, ...]] = {}
    drop: tuple[str | Drop, ...] = ()
    modes: Annotated[
        dict[Place, Annotated[str, Meta(pattern=r"^[0-7]{4}$")]],
        Meta(description='permissions other than 0755 and 0644, such as "4755"'),
    ] = {}
    prepare: Annotated[
        str | None, Meta(description="a script run in the tree, without network, as a last resort")
    ] = None
    start: tuple[str | Start, ...] = ()
    requires: Annotated[
        tuple[Name, ...], Meta(description="recipes whose image must be merged too")
    ] = ()
    replaces: Annotated[
        tuple[str, ...], Meta(description="built-in extensions that hosts must mask")
    ] = ()
    conflicts: Annotated[tuple[Name, ...], Meta(description="recipes it can't run beside")] = ()
    os: Literal["any"] | OsLevel | OsVersion = "any"
    format: Format = "squashfs"
    trust: Annotated[Trust, Meta(description="the least that must be known about every digest")] = (
        "first-use"
    )
    channels: tuple[Literal["minor"], ...] = ()
    allow: tuple[Waiver, ...] = ()


def normalised(value: object) -> object:
    """Return plain data that is equal for equal meanings, for digests and for JSON."""
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True, order="deterministic")
