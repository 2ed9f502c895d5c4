"""The recipe language: the types that recipe.yaml is read into.

Every key, its type and its default stand here; the JSON Schema for editors is made from these
classes, and their docstrings are its descriptions. `load` reads them, `validate` checks what types
can't say.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from bakery.recipe.assets import DebianAsset, NpmAsset, PypiAsset, UrlAsset
from bakery.recipe.capabilities import Capabilities
from bakery.recipe.condition import Condition
from bakery.recipe.template import FilePath, Line, Template
from bakery.recipe.types import (
    AccountName,
    AccountTitle,
    Address,
    ConfigPath,
    DefaultPath,
    ExtensionName,
    Format,
    GroupNames,
    HostFolder,
    HostPath,
    License,
    Mode,
    Model,
    Name,
    OneLine,
    OsField,
    Paths,
    RootedPath,
    Text,
    Tier,
    Trust,
    Unit,
    Words,
    about,
)
from bakery.recipe.upstreams import RecipePart, TextPart, Upstream


class Latest(Model, frozen=True):
    """The newest release of each of the newest `keep` major or minor series."""

    latest: Literal["major", "minor"]
    keep: Annotated[int, Meta(ge=1)] = 1


class PrivateRoot(Model, frozen=True):
    """A root file system of the image's own, with all files of its Debian packages."""

    enter: Annotated[
        dict[FilePath, RootedPath],
        Meta(min_length=1, description="{path in the image: the program of the root that it runs}"),
    ]
    share: Annotated[
        tuple[HostFolder, ...],
        about("the host's folders that programs see; all others are the root's own"),
    ] = ("dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "var")


class LocalFile(Model, frozen=True):
    """How files below the recipe's files/ are treated."""

    template: Annotated[bool, about("expand placeholders; else verbatim")] = False
    when: Condition | None = None


class Written(Model, frozen=True):
    """A text file that the recipe itself gives."""

    text: Template
    when: Condition | None = None


class Link(Model, frozen=True):
    """A symbolic link; its target is taken verbatim."""

    target: Line
    when: Condition | None = None


class Edit(Model, frozen=True):
    """An exact replacement in an installed text file; the old text must be there."""

    replace: Text
    by: str = field(name="with")
    when: Condition | None = None


class Drop(Model, frozen=True):
    """Paths to remove after everything is installed."""

    path: Paths
    when: Condition | None = None


class Start(Model, frozen=True):
    """A unit that the image starts."""

    unit: Unit
    target: Annotated[Unit | None, about("the target that upholds it")] = None
    when: Condition | None = None


class Account(Model, frozen=True):
    """A system user of the image's, and the group of that name (sysusers.d(5))."""

    name: AccountName
    home: Annotated[HostPath | None, about("if not /var/lib/NAME; made for it")] = None
    groups: Annotated[GroupNames, about("further groups that it belongs to")] = ()
    shell: Annotated[HostPath | None, about("if it may log in")] = None
    id: Annotated[int | None, Meta(ge=1, le=65533, description="if not the next free one")] = None
    title: Annotated[AccountTitle | None, about("who it is, for people")] = None


class Config(Model, frozen=True):
    """A file in /etc that begins as a copy of a default, and is the host's from then on."""

    default: DefaultPath
    mode: Mode | None = None
    owner: AccountName | None = None
    group: AccountName | None = None
    when: Condition | None = None


class OsLevel(Model, frozen=True):
    """Hosts with this ID and SYSEXT_LEVEL in os-release."""

    id: OsField
    level: OsField


class OsVersion(Model, frozen=True):
    """Hosts with this ID and VERSION_ID in os-release."""

    id: OsField
    version: OsField


class Waiver(Model, frozen=True):
    """A rule of `bakery rules` that doesn't count for a path, and why."""

    rule: OneLine
    path: OneLine
    reason: OneLine


class Recipe(Model, frozen=True):
    """What upstream publishes, where it goes in the image, and what starts."""

    summary: Annotated[
        str, Meta(pattern=r"^\S.*$", description="one line of text, for `doit list`")
    ]
    homepage: Address
    license: License
    build: Annotated[
        tuple[str | Latest, ...],
        Meta(min_length=1, description="what the lock must hold: versions, `latest`, ranges"),
    ]
    arch: Words
    extends: Annotated[
        Name | None, about("the recipe this one is a variant of; null takes away what it has")
    ] = None
    upstream: Annotated[Upstream | None, about("where the versions are listed")] = None
    parts: Annotated[
        dict[str, Upstream | TextPart | RecipePart],
        about("further versions, pinned by the lock; each is a placeholder"),
    ] = field(default_factory=dict)
    assets: Annotated[
        tuple[UrlAsset | PypiAsset | NpmAsset | DebianAsset, ...], about("what upstream publishes")
    ] = ()
    self_contained: Annotated[
        bool, about("bring along the loader and libraries that programs need: the assets'")
    ] = field(default=False, name="self-contained")
    private_root: Annotated[
        PrivateRoot | None,
        about("run programs in a root of the image's own: what relocation can't do"),
    ] = field(default=None, name="private-root")
    files: Annotated[dict[str, LocalFile], about("{glob below files/: treatment}")] = field(
        default_factory=dict
    )
    write: Annotated[dict[FilePath, Template | Written], about("{path: text of the file}")] = field(
        default_factory=dict
    )
    links: Annotated[dict[FilePath, Line | Link], about("{path: where the link points}")] = field(
        default_factory=dict
    )
    edit: Annotated[dict[FilePath, tuple[Edit, ...]], about("{path: exact replacements in it}")] = (
        field(default_factory=dict)
    )
    drop: Annotated[
        tuple[Paths | Drop, ...], about("what upstream ships and the image does not")
    ] = ()
    modes: Annotated[dict[FilePath, Mode], about("permissions other than 0755 and 0644")] = field(
        default_factory=dict
    )
    capabilities: Annotated[
        dict[FilePath, Capabilities],
        about("{path: rights of root's that a program has: cap_net_raw=ep}"),
    ] = field(default_factory=dict)
    start: Annotated[
        tuple[Unit | Start, ...], about("units that run as soon as hosts merge the image")
    ] = ()
    account: Annotated[AccountName | Account | None, about("the system user of its services")] = (
        None
    )
    config: Annotated[
        dict[ConfigPath, DefaultPath | Config],
        about("{path below etc/: the default, below usr/share/NAME}, copied once"),
    ] = field(default_factory=dict)
    restart: Annotated[
        Literal["keep", "reload", "restart", "reboot"] | None,
        about(
            "what an update does to its services: they keep running as they are, are"
            " reloaded or restarted, or it waits for a reboot; restart, unless said"
        ),
    ] = None
    requires: Annotated[tuple[Name, ...], about("recipes whose image must be merged too")] = ()
    replaces: Annotated[
        tuple[ExtensionName, ...], about("built-in extensions that hosts must mask")
    ] = ()
    conflicts: Annotated[tuple[Name, ...], about("extensions it can't run beside")] = ()
    os: Annotated[
        Literal["any"] | OsLevel | OsVersion, about("the hosts that may merge the image")
    ] = "any"
    format: Annotated[Format, about("the file system of the image")] = "squashfs"
    tier: Annotated[Tier, about("what is promised of its images")] = "community"
    trust: Annotated[Trust, about("the least that must be known about every digest")] = "first-use"
    channels: Annotated[
        tuple[Literal["minor"], ...], about("further channels, one per minor series")
    ] = ()
    allow: Annotated[tuple[Waiver, ...], about("rules that don't count here, and why")] = ()


def normalised(value: object) -> object:
    """Return plain data that is equal for equal meanings, for digests and for JSON."""
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True, order="deterministic")
