"""The recipe language: the types that recipe.yaml is read into.

Every key, its type and its default stand here; the JSON Schema for editors is made from these
classes, and so is the reference (`bakery reference`): docstrings are its text, in Markdown, with
examples that tests load; `about` is the meaning of a key. `load` reads recipes, `validate` checks
what types can't say.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from bakery.recipe.assets import DebianAsset, NpmAsset, PypiAsset, UrlAsset
from bakery.recipe.capabilities import Capabilities
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
    Kind,
    Label,
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
    When,
    Words,
    about,
)
from bakery.recipe.upstreams import RecipePart, TextPart, Upstream


class Latest(Model, frozen=True):
    """The newest release of each of the newest `keep` major or minor series.

    ```yaml
    upstream: {github: example/app}
    build: [latest, {latest: minor, keep: 4}]
    ```
    """

    latest: Annotated[Literal["major", "minor"], about("what makes a series")]
    keep: Annotated[int, Meta(ge=1), about("of how many series")] = 1


class PrivateRoot(Model, frozen=True):
    """A root file system of the image's own, with all files of its Debian packages.

    What can't be moved, such as an interpreter with a library of its own, goes there: all files of
    the packages, as they are, below `usr/lib/NAME/root`, but for what `install` puts elsewhere.
    Hosts run the programs in a mount namespace with this root as `/`. Packages that every host has,
    such as bash and coreutils, are not in it unless `packages` names them. `recipes/gdb` is the
    pattern.

    The entry needs a mount namespace of its own. A unit that runs it as root leaves it
    CAP_SYS_ADMIN, or does without: `RootDirectory=/usr/lib/NAME/root` and `BindPaths=` make the
    same of any unit, see systemd.exec(5). Other users need user namespaces, or bubblewrap on the
    host.

    ```yaml
    assets:
      - debian: {packages: [gdb, dash], suite: trixie}
    private-root:
      enter: {usr/bin/gdb: /usr/bin/gdb}
      share: [dev, etc, home, proc, run, sys, tmp, var]
    ```
    """

    enter: Annotated[
        dict[FilePath, RootedPath],
        Meta(min_length=1, description="{path in the image: the program of the root that it runs}"),
    ]
    share: Annotated[
        tuple[HostFolder, ...],
        about("the host's folders that programs see; all others are the root's own"),
    ] = ("dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "var")


class LocalFile(Model, frozen=True):
    """How files below the recipe's files/ are treated.

    ```yaml
    files: {"usr/lib/systemd/system/*.service": {template: true, when: ">= 2"}}
    ```
    """

    template: Annotated[bool, about("expand placeholders; else verbatim")] = False
    when: When = None


class Written(Model, frozen=True):
    r"""A text file that the recipe itself gives.

    ```yaml
    write: {usr/share/app/legacy: {text: "yes\n", when: "< 2"}}
    ```
    """

    text: Annotated[Template, about("what is in the file")]
    when: When = None


class Link(Model, frozen=True):
    """A symbolic link; its target is taken verbatim.

    ```yaml
    links: {usr/bin/b: {target: app, when: ">= 2"}}
    ```
    """

    target: Annotated[Line, about("where the link points")]
    when: When = None


class Edit(Model, frozen=True):
    """An exact replacement in an installed text file; the old text must be there.

    ```yaml
    edit:
      usr/lib/systemd/system/app.service:
        - {replace: /usr/local/bin/app, with: /usr/bin/app, when: "< 2"}
    ```
    """

    replace: Annotated[Text, about("the old text, which must be there")]
    by: Annotated[str, about("the new text")] = field(name="with")
    when: When = None


class Drop(Model, frozen=True):
    """Paths to remove after everything is installed.

    ```yaml
    drop: [{path: usr/bin/old, when: "< 2"}]
    ```
    """

    path: Annotated[Paths, about("what the image does without")]
    when: When = None


class Start(Model, frozen=True):
    """A unit that the image starts.

    ```yaml
    start: [{unit: app.timer, target: timers.target, when: ">= 2"}]
    ```
    """

    unit: Annotated[Unit, about("what starts")]
    target: Annotated[
        Unit | None, about("what upholds it, if not multi-user.target (sockets: sockets.target)")
    ] = None
    when: When = None


class Account(Model, frozen=True):
    """A system user of the image's, the group of that name, and the home (sysusers.d(5)).

    ```yaml
    account:
      name: app
      home: /srv/app
      groups: [video, render]
      shell: /bin/sh
      id: 470
      title: The app
    ```
    """

    name: Annotated[AccountName, about("what units say in `User=`")]
    home: Annotated[HostPath | None, about("if not /var/lib/NAME; made for it")] = None
    groups: Annotated[GroupNames, about("further groups that it belongs to")] = ()
    shell: Annotated[HostPath | None, about("if it may log in")] = None
    id: Annotated[int | None, Meta(ge=1, le=65533, description="if not the next free one")] = None
    title: Annotated[AccountTitle | None, about("who it is, for people")] = None


class Config(Model, frozen=True):
    """A file in /etc that begins as a copy of a default, and is the host's from then on.

    Mode, owner and group hold again whenever the image sets itself up.

    ```yaml
    account: app
    config:
      etc/app/app.conf: {default: app.conf, mode: "0640", owner: root, group: app, when: ">= 2"}
    ```
    """

    default: Annotated[
        DefaultPath, about("what it is copied from, below usr/share/NAME, its own or a base's")
    ]
    mode: Annotated[Mode | None, about("its permissions, if not the default's")] = None
    owner: Annotated[AccountName | None, about("whose it is, if not root's")] = None
    group: Annotated[AccountName | None, about("whose group's it is, if not root's")] = None
    when: When = None


class OsLevel(Model, frozen=True):
    """Hosts with this ID and SYSEXT_LEVEL in os-release.

    ```yaml
    os: {id: flatcar, level: "1.0"}
    ```
    """

    id: Annotated[OsField, about("the host's ID=")]
    level: Annotated[OsField, about("the host's SYSEXT_LEVEL=")]


class OsVersion(Model, frozen=True):
    """Hosts with this ID and VERSION_ID in os-release.

    ```yaml
    os: {id: debian, version: "12"}
    ```
    """

    id: Annotated[OsField, about("the host's ID=")]
    version: Annotated[OsField, about("the host's VERSION_ID=")]


class Waiver(Model, frozen=True):
    """A rule of `bakery rules` that doesn't count for a path, and why.

    ```yaml
    modes: {usr/bin/helper: "4755"}
    allow:
      - {rule: setuid, path: usr/bin/helper, reason: it opens raw sockets for users}
    ```
    """

    rule: Annotated[OneLine, about("the rule, as `bakery rules` calls it")]
    path: Annotated[OneLine, about("where it doesn't count")]
    reason: Annotated[OneLine, about("why, for whoever reviews the recipe")]


class Recipe(Model, frozen=True):
    r"""What upstream publishes, where it goes in the image, and what starts.

    ## What it is

    ```yaml
    summary: etcd, a distributed key-value store, with its tools
    homepage: https://etcd.io/
    license: Apache-2.0
    tier: supported
    arch: {x86-64: amd64, arm64: arm64}
    ```

    ## Which versions

    `build` says which of upstream's versions the lock must hold: a version (in quotes if YAML would
    read a number), `latest`, the newest of some series, or a range. `parts` are further versions:
    of any upstream, of another `recipe`'s lock, or from a `text` file.

    ```yaml
    upstream: {github: example/app}
    build: [v1.2.3, "2.0", latest, {latest: minor, keep: 4}, ">= 1.2, < 2"]
    parts:
      cni: {github: containernetworking/plugins}
      wasmedge: {recipe: wasmedge}
      runc: {text: "https://raw.githubusercontent.com/example/app/{version}/runc-version"}
    ```

    ## What upstream publishes

    Archives are tar (gz, xz, zst, bz2), zip, deb, wheels, and single files in gz, xz, zst or bz2.
    `install` names members of an archive by globs, and where they go; members that no glob asks for
    may be whatever they are. `bakery ls NAME` shows them.

    A program that needs libraries which hosts may lack brings them along with `self-contained`;
    what can't be moved, such as an interpreter, runs in a `private-root`.

    ```yaml
    assets:
      - debian: {packages: [btop], suite: trixie}
        install: {usr/bin/btop: usr/bin/}
    self-contained: true
    trust: signature
    ```

    ```yaml
    assets:
      - debian: {packages: [gdb], suite: trixie}
    private-root:
      enter: {usr/bin/gdb: /usr/bin/gdb}
    ```

    ## What else is in the image

    What lies below the recipe's `files/` is in the image as it is. Everything belongs to root. What
    an archive says of setuid and capabilities, and what a Debian package gives by setcap after it
    is installed, is left out and told in the build's notes, until `modes` or `capabilities` keep
    it. ext4, and squashfs with squashfs-tools 4.6 or newer, take capabilities from anybody; for the
    other formats only root can write them, and anybody else's build is refused.

    Every path has the SELinux label that belongs to its place; `labels` says which programs have a
    domain of their own: [hosts with SELinux](selinux.md).

    ```yaml
    files: {"usr/lib/systemd/system/*.service": {template: true}}
    write: {usr/share/app/version: "{version}\n"}
    links: {usr/bin/a: app}
    edit:
      usr/lib/systemd/system/app.service:
        - {replace: /usr/local/bin/app, with: /usr/bin/app}
    drop: [usr/share/doc/**]
    modes: {usr/bin/helper: "4755"}
    capabilities: {usr/bin/ping: cap_net_raw=ep}
    labels: {usr/bin/dockerd: container_runtime_exec_t}
    allow:
      - {rule: capabilities, path: usr/bin/ping, reason: users measure how far hosts are}
    ```

    ## How it runs

    A service with an account and a configuration of its own takes three lines, beside the unit and
    the default in `files/`; `recipes/caddy` is the pattern. A generated unit makes the account and
    copies the configuration before the service starts: [how an image sets itself up](setup.md).

    ```yaml
    account: caddy
    config: {etc/caddy/Caddyfile: Caddyfile}
    start: [caddy.service]
    restart: keep
    ```

    ## Which hosts

    ```yaml
    os: {id: flatcar, level: "1.0"}
    requires: [wasmedge]
    replaces: [docker-flatcar]
    conflicts: [docker]
    format: erofs
    channels: [minor]
    ```

    ## Variants

    A variant has all that the recipe says which it extends, its files too, but for the keys of its
    own. Maps are laid over each other entry by entry, and null takes a key or an entry away.

    ```yaml
    extends: docker
    start: null
    links: {usr/bin/b: a}
    ```
    """

    summary: Annotated[OneLine, about("one line of text, for `doit list`")]
    homepage: Annotated[Address, about("where people read about the program")]
    license: Annotated[
        License, about("the program's own licence in SPDX, such as Apache-2.0 OR MIT")
    ]
    build: Annotated[
        tuple[str | Latest, ...],
        Meta(min_length=1, description="what the lock must hold: versions, `latest`, ranges"),
    ]
    arch: Annotated[Words, about("architectures, each with upstream's word for it, {arch}")]
    extends: Annotated[
        Name | None, about("the recipe this one is a variant of; null takes away what it has")
    ] = None
    upstream: Annotated[Upstream | None, about("where the versions are listed")] = None
    parts: Annotated[
        dict[str, Upstream | TextPart | RecipePart],
        about("{placeholder: where its version is listed}, pinned by the lock as well"),
    ] = field(default_factory=dict)
    assets: Annotated[
        tuple[UrlAsset | PypiAsset | NpmAsset | DebianAsset, ...], about("what upstream publishes")
    ] = ()
    self_contained: Annotated[
        bool, about("bring along the loader and libraries that programs need, of the Debian assets")
    ] = field(default=False, name="self-contained")
    private_root: Annotated[
        PrivateRoot | None,
        about("run programs in a root of the image's own: what relocation can't do"),
    ] = field(default=None, name="private-root")
    files: Annotated[
        dict[str, LocalFile],
        about("{glob below files/: treatment}; without one, files are taken verbatim"),
    ] = field(default_factory=dict)
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
    labels: Annotated[
        dict[FilePath, Label],
        about(
            "{path: what SELinux calls it, and all below it: container_runtime_exec_t}, where that"
            " is not what belongs to its place"
        ),
    ] = field(default_factory=dict)
    start: Annotated[
        tuple[Unit | Start, ...], about("units that run once the image is merged")
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
    requires: Annotated[tuple[Name, ...], about("recipes whose images must be merged too")] = ()
    replaces: Annotated[
        tuple[ExtensionName, ...], about("extensions that the host has built in, and must mask")
    ] = ()
    conflicts: Annotated[tuple[Name, ...], about("extensions it can't run beside")] = ()
    os: Annotated[
        Literal["any"] | OsLevel | OsVersion, about("the hosts that may merge the image")
    ] = "any"
    format: Annotated[
        Kind | tuple[Kind, ...],
        about(
            "the file system of the image, squashfs unless said; verity: beside it the same with"
            " its dm-verity hash tree and signature in partitions; or a list of both"
        ),
    ] = "squashfs"
    tier: Annotated[Tier, about("what is promised of its images, see SUPPORT")] = "community"
    trust: Annotated[
        Trust, about("the least that must be known about every digest in the lock")
    ] = "first-use"
    channels: Annotated[
        tuple[Literal["minor"], ...], about("further channels, one per minor series")
    ] = ()
    allow: Annotated[tuple[Waiver, ...], about("findings of rules that are accepted, and why")] = ()

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What its images are written as."""
        return self.format if isinstance(self.format, tuple) else (self.format,)

    @property
    def file_systems(self) -> tuple[Format, ...]:
        """The file system of its images, and what else is given for one."""
        return tuple([kind for kind in self.kinds if kind != "verity"]) or ("squashfs",)


def normalised(value: object) -> object:
    """Return plain data that is equal for equal meanings, for digests and for JSON."""
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True, order="deterministic")
