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
from bakery.recipe.template import STEP, FilePlace, Place, Template, Url

Arch = Literal["x86-64", "arm64"]
Format = Literal["squashfs", "erofs", "ext4", "btrfs", "folder"]
Archive = Literal["tar", "zip", "deb", "compressed", "plain"]
Trust = Literal["first-use", "cited", "checksum", "signature"]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="the name of a recipe: lower-case letters, digits and -",
    ),
]
Address = Annotated[
    str,
    Meta(pattern=r"^https?://\S+$", description="an address that begins with https:// or http://"),
]
Repository = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", description="OWNER/REPO on GitHub")
]
Project = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$",
        description="the name of a project on the package index",
    ),
]
Unit = Annotated[
    str,
    Meta(
        pattern=r"^(?!.*@\.)[A-Za-z0-9:_.\\@-]+"
        r"\.(?:service|socket|timer|path|target|mount|automount|swap|device|slice|scope)$",
        description="the full name of a unit, such as docker.service or getty@tty2.service",
    ),
]
Mode = Annotated[
    str, Meta(pattern=r"^[0-7]{4}$", description='four octal digits in quotes, such as "4755"')
]
Paths = Annotated[
    str,
    Meta(
        pattern=rf"^(?=usr/|opt/|\*){STEP}(?:/{STEP})*/?$",
        description="a glob of paths in the image, such as usr/share/doc/**",
    ),
]
Text = Annotated[str, Meta(min_length=1)]
KeyFile = Annotated[
    str, Meta(pattern=r"^\./[^/]+$", description="a file in the recipe's folder, such as ./key.asc")
]
MinisignKey = Annotated[
    str,
    Meta(
        pattern=r"^(?:\./[^/]+|RW[A-Za-z0-9+/]{54})$",
        description="a file in the recipe's folder, such as ./minisign.pub, or the key: RW…",
    ),
]
Words = Annotated[
    dict[Arch, str],
    Meta(min_length=1, description="architectures, each with upstream's word for it, {arch}"),
]
Members = Annotated[
    dict[Template, Place], Meta(min_length=1, description="{glob of archive members: path}")
]


Suite = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9-]*$", description="a release of Debian by its name: trixie"),
]
HostFolder = Literal[
    "dev",
    "etc",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "var",
]
RootedPath = Annotated[
    str,
    Meta(
        pattern=rf"^(?:/{STEP})+$",
        description="an absolute path in the private root, such as /usr/bin/gdb",
    ),
]
Package = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9.+-]+$", description="the name of a Debian package"),
]


class _Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all types of the language share."""


class _Upstream(_Model, frozen=True, kw_only=True):
    prerelease: Annotated[bool, Meta(description="count pre-releases as well")] = False


class _Tagged(_Upstream, frozen=True, kw_only=True):
    tag: Annotated[
        str,
        Meta(
            pattern=r"^[^{}]*\{version\}[^{}]*$",
            description="how tags are written, such as cli-{version}; others are passed over",
        ),
    ] = "{version}"


class GithubUpstream(_Tagged, frozen=True, kw_only=True):
    """Releases of a GitHub repository."""

    github: Repository
    tags: Annotated[bool, Meta(description="its tags, where it makes no releases")] = False


class GitlabUpstream(_Tagged, frozen=True, kw_only=True):
    """Tags of a GitLab project."""

    gitlab: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+$",
            description="GROUP/PROJECT on GitLab; a group may have groups in it",
        ),
    ]
    host: Annotated[Address, Meta(description="the GitLab that has it")] = "https://gitlab.com"


class HashicorpUpstream(_Upstream, frozen=True, kw_only=True):
    """Free releases of a HashiCorp product, from their releases API."""

    hashicorp: Annotated[
        str,
        Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", description="the product's name, such as consul"),
    ]


class KubernetesUpstream(_Upstream, frozen=True, kw_only=True):
    """Patch releases of Kubernetes' supported minors, from the project's release schedule."""

    kubernetes: Annotated[
        Literal["schedule"], Meta(description="schedule: what kubernetes.io/releases shows")
    ]


class ListingUpstream(_Upstream, frozen=True, kw_only=True):
    """A web page whose links end in what names the versions, each from a / on."""

    listing: Address
    pattern: Annotated[str, Meta(description="regular expression with a group named version")]


class PypiUpstream(_Upstream, frozen=True, kw_only=True):
    """Releases of a project on the package index that pip is configured for."""

    pypi: Project


class DebianUpstream(_Upstream, frozen=True, kw_only=True):
    """Versions of a package in a suite of the Debian mirror that apt is configured for."""

    debian: Annotated[
        str,
        Meta(pattern=r"^[a-z0-9][a-z0-9+.-]+$", description="the name of a binary package"),
    ]
    suite: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9-]*$", description="a Debian release, such as trixie")
    ]


class ListUpstream(_Upstream, frozen=True, kw_only=True):
    """Versions that the recipe names itself, or a text file with one a line."""

    versions: Annotated[
        Address | tuple[Text, ...], Meta(description="a list, or the address of a text file")
    ]


Upstream = (
    GithubUpstream
    | GitlabUpstream
    | HashicorpUpstream
    | KubernetesUpstream
    | ListingUpstream
    | PypiUpstream
    | DebianUpstream
    | ListUpstream
)


class Latest(_Model, frozen=True):
    """The newest release of each of the newest `keep` major or minor series."""

    latest: Literal["major", "minor"]
    keep: Annotated[int, Meta(ge=1)] = 1


class Since(_Model, frozen=True):
    """Every release from this one on."""

    since: str


class TextPart(_Model, frozen=True):
    """A part whose version a published text file names."""

    text: Url


class RecipePart(_Model, frozen=True):
    """A part that is another recipe: the newest version in that recipe's lock."""

    recipe: Name


class GpgSignature(_Model, frozen=True):
    """A detached OpenPGP signature; `{url}` is the address of what is signed."""

    gpg: Url
    key: Annotated[KeyFile, Meta(description="the only keys that may sign: ./FILE, as exported")]


class MinisignSignature(_Model, frozen=True):
    """A signature by minisign; `{url}` is the address of what is signed."""

    minisign: Url
    key: Annotated[MinisignKey, Meta(description="who must have signed: ./FILE or the key, RW…")]


class SigstoreSignature(_Model, frozen=True):
    """A sigstore bundle; `{url}` is the address of what is signed."""

    sigstore: Url
    identity: Annotated[
        Template, Meta(description="who must have signed: an e-mail address or a workflow's URI")
    ]
    issuer: Annotated[Address, Meta(description="who must have vouched for the identity")]


Signature = GpgSignature | MinisignSignature | SigstoreSignature


class Checksum(_Model, frozen=True):
    """Upstream's own checksum file for an asset; `{url}` is the asset's address."""

    url: Url
    signature: Annotated[
        Signature | None, Meta(description="upstream's signature of the checksum file")
    ] = None


class AssetFile(_Model, frozen=True):
    """One of several files that an asset's address stands for."""

    name: Text
    when: Condition | None = None


class UrlAsset(_Model, frozen=True):
    """A file that upstream publishes at an address (http, https or file)."""

    url: Url
    install: Annotated[
        Place | Members,
        Meta(description="a path for a single file, or {glob of archive members: path}"),
    ]
    files: Annotated[
        tuple[Text | AssetFile, ...], Meta(description="values for {file}: one asset each")
    ] = ()
    arch: Annotated[Words | None, Meta(description="upstream's words for {arch}, here only")] = None
    archive: Annotated[
        Archive | None, Meta(description="what kind of file it is, if its name doesn't tell")
    ] = None
    checksum: Checksum | None = None
    signature: Annotated[
        Signature | None, Meta(description="upstream's signature of the asset itself")
    ] = None
    when: Condition | None = None


class PypiAsset(_Model, frozen=True):
    """A wheel, by project name, from the package index that pip is configured for."""

    pypi: Project
    platform: Annotated[
        Template, Meta(description="the wheel's platform tag, such as musllinux_1_1_{arch}")
    ]
    install: Members
    version: Template = Template.parse("{bare}")
    arch: Annotated[Words | None, Meta(description="upstream's words for {arch}, here only")] = None
    when: Condition | None = None


class DebianPackages(_Model, frozen=True):
    """Packages of a Debian release; apt chooses them and all that they depend on."""

    packages: Annotated[
        tuple[Package, ...],
        Meta(min_length=1, description="packages; the version of the first is the recipe's"),
    ]
    suite: Suite


class DebianAsset(_Model, frozen=True):
    """Packages from the Debian mirror that apt is configured for, with their dependencies."""

    debian: DebianPackages
    install: Annotated[Members | None, Meta(description="{glob of the packages' files: path}")] = (
        None
    )
    exclude: Annotated[
        tuple[Package, ...],
        Meta(description="packages to do without, and without what only they depend on"),
    ] = ()
    when: Condition | None = None


class PrivateRoot(_Model, frozen=True):
    """A root file system of the image's own, with all files of its Debian packages."""

    enter: Annotated[
        dict[FilePlace, RootedPath],
        Meta(min_length=1, description="{path in the image: the program of the root that it runs}"),
    ]
    share: Annotated[
        tuple[HostFolder, ...],
        Meta(description="the host's folders that programs see; all others are the root's own"),
    ] = ("dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "var")


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

    replace: Text
    by: str = field(name="with")
    when: Condition | None = None


class Drop(_Model, frozen=True):
    """Paths to remove after everything is installed."""

    path: Paths
    when: Condition | None = None


class Start(_Model, frozen=True):
    """A unit that the image starts."""

    unit: Unit
    target: Annotated[Unit | None, Meta(description="the target that upholds it")] = None
    when: Condition | None = None


class OsLevel(_Model, frozen=True):
    """Hosts with this ID and SYSEXT_LEVEL in os-release."""

    id: Text
    level: Text


class OsVersion(_Model, frozen=True):
    """Hosts with this ID and VERSION_ID in os-release."""

    id: Text
    version: Text


class Waiver(_Model, frozen=True):
    """A rule of `bakery rules` that doesn't count for a path, and why."""

    rule: str
    path: str
    reason: Text


class Recipe(_Model, frozen=True):
    """What upstream publishes, where it goes in the image, and what starts."""

    summary: Annotated[
        str, Meta(pattern=r"^\S.*$", description="one line of text, for `doit list`")
    ]
    homepage: Address
    license: Annotated[str, Meta(description="SPDX expression, such as Apache-2.0 OR MIT")]
    build: Annotated[
        tuple[str | Latest | Since, ...],
        Meta(min_length=1, description="what the lock must hold: versions, `latest`, ranges"),
    ]
    arch: Words
    extends: Annotated[
        Name | None,
        Meta(description="the recipe this one is a variant of; null takes away what it has"),
    ] = None
    upstream: Annotated[
        Upstream | None,
        Meta(description="where the versions are listed"),
    ] = None
    parts: Annotated[
        dict[str, Upstream | TextPart | RecipePart],
        Meta(description="further versions, pinned by the lock; each is a placeholder"),
    ] = {}
    assets: Annotated[
        tuple[UrlAsset | PypiAsset | DebianAsset, ...], Meta(description="what upstream publishes")
    ] = ()
    self_contained: Annotated[
        bool,
        Meta(description="bring along the loader and libraries that programs need: the assets'"),
    ] = field(default=False, name="self-contained")
    private_root: Annotated[
        PrivateRoot | None,
        Meta(description="run programs in a root of the image's own: what relocation can't do"),
    ] = field(default=None, name="private-root")
    files: Annotated[dict[str, LocalFile], Meta(description="{glob below files/: treatment}")] = {}
    write: Annotated[
        dict[FilePlace, Template | Written], Meta(description="{path: text of the file}")
    ] = {}
    links: Annotated[
        dict[FilePlace, Template | Link], Meta(description="{path: where the link points}")
    ] = {}
    edit: Annotated[
        dict[FilePlace, tuple[Edit, ...]], Meta(description="{path: exact replacements in it}")
    ] = {}
    drop: Annotated[
        tuple[Paths | Drop, ...], Meta(description="what upstream ships and the image does not")
    ] = ()
    modes: Annotated[
        dict[FilePlace, Mode], Meta(description="permissions other than 0755 and 0644")
    ] = {}
    prepare: Annotated[
        Text | None, Meta(description="a script run in the tree, without network, as a last resort")
    ] = None
    start: Annotated[
        tuple[Unit | Start, ...],
        Meta(description="units that run as soon as hosts merge the image"),
    ] = ()
    requires: Annotated[
        tuple[Name, ...], Meta(description="recipes whose image must be merged too")
    ] = ()
    replaces: Annotated[
        tuple[Text, ...], Meta(description="built-in extensions that hosts must mask")
    ] = ()
    conflicts: Annotated[tuple[Name, ...], Meta(description="extensions it can't run beside")] = ()
    os: Annotated[
        Literal["any"] | OsLevel | OsVersion, Meta(description="the hosts that may merge the image")
    ] = "any"
    format: Annotated[Format, Meta(description="the file system of the image")] = "squashfs"
    trust: Annotated[Trust, Meta(description="the least that must be known about every digest")] = (
        "first-use"
    )
    channels: Annotated[
        tuple[Literal["minor"], ...], Meta(description="further channels, one per minor series")
    ] = ()
    allow: Annotated[
        tuple[Waiver, ...], Meta(description="rules that don't count here, and why")
    ] = ()


def normalised(value: object) -> object:
    """Return plain data that is equal for equal meanings, for digests and for JSON."""
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True, order="deterministic")
