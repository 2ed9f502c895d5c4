"""Rules about paths: what a merge would ignore, and what it would hide or break on a host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check.rule import Violation, path_rule, rule
from bakery.image.tree import is_macos_metadata
from bakery.recipe.host_folders import HOST_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node

_LINKS_OF_HOSTS = {  # path: the systems where it is a link
    "usr/sbin": frozenset({"_any", "flatcar", "fedora", "arch"}),
    "usr/lib64": frozenset({"_any", "arch"}),
    "usr/lib32": frozenset({"_any", "arch"}),
    "usr/local/sbin": frozenset({"_any", "fedora"}),
}
_CACHES = re.compile(
    r"usr/(share/("
    r"icons/[^/]+/icon-theme\.cache|glib-2\.0/schemas/gschemas\.compiled|applications/mimeinfo\.cache"
    r"|mime/(mime\.cache|magic|globs2?|types|aliases|subclasses|icons|treemagic|XMLnamespaces)"
    r"|info/dir|fonts/.*/fonts\.(dir|scale)|man/.*mandb|vulkan/.*\.cache)"
    r"|lib(64)?/(.*/)?(ld\.so\.cache|giomodule\.cache|loaders\.cache|immodules\.cache)"
    r"|lib/(locale/locale-archive|udev/hwdb\.bin|systemd/catalog/database|modules/[^/]+/modules\..*)"
    r"|ld\.so\.cache)"
)
_DATABASES = re.compile(
    r"usr/(lib/sysimage(/.*)?|share/rpm(/.*)?|lib/rpm-state(/.*)?|lib/apk/db(/.*)?|lib/pacman(/.*)?|lib/opkg(/.*)?"
    r"|(.*/)?var/lib/(dpkg|rpm)(/.*)?)"
)
_LIBRARIES = r"usr/lib(64|32|/[a-z0-9_]+-linux-(gnu|musl)[a-z0-9]*)?/"
OWNED = re.compile(
    _LIBRARIES + r"(ld-linux.*\.so\.\d|ld-\d.*\.so|ld-musl-.*"
    r"|lib(c|m|dl|rt|pthread|resolv|util|nss_[a-z]+)(-2\.\d+)?\.so(\.\d+)?"
    r"|lib(systemd|udev)\.so.*)"
    r"|usr/lib/systemd/(systemd(-(journald|udevd|logind|networkd|resolved|sysext|executor|shutdown))?"
    r"|libsystemd-(shared|core)-.*)"
    r"|usr/lib/systemd/system/(basic|sysinit|multi-user|graphical|default|sockets|timers|network|local-fs"
    r"|network-online|shutdown|initrd)\.target"
    r"|usr/lib/systemd/system/(systemd-(journald|udevd|logind|networkd|resolved|sysext|sysctl|sysusers"
    r"|modules-load|binfmt|remount-fs|user-sessions|(tmpfiles|udev|journal)-[a-z-]+)|dbus)\.(service|socket)"
    r"|usr/lib/systemd/system/(getty|serial-getty|user|user-runtime-dir|modprobe)@\.service"
    r"|usr/bin/(sh|bash|env|ls|cat|cp|mv|rm|mount|umount|login|su|systemctl|journalctl|busctl|systemd-sysext"
    r"|systemd-tmpfiles|systemd-sysusers|init|udevadm)"
)
_UNDECODED = re.compile("[\udc80-\udcff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@rule(
    "outside-usr-opt",
    "error",
    reason=(
        "hosts merge /usr and /opt alone (of a confext /etc alone), and silently ignore the rest of"
        " an image"
    ),
    fix="move it below usr/ (in a confext, below etc/)",
)
def outside(subject: Subject) -> Iterator[Violation]:
    """Find paths that a merge ignores."""
    for node in subject.tree:
        if node.path == "." or "/" in node.path:
            continue
        if subject.kind == "sysext" and node.path in ("etc", "var"):
            yield Violation(
                node.path,
                "is ignored by a merge",
                fix=(
                    f"ship it below usr/share/{subject.name}/ and let a line in"
                    f" usr/lib/tmpfiles.d/{subject.name}.conf"
                    f" copy it: C /{node.path}/… - - - - /usr/share/{subject.name}/…"
                    " (`config:` in a recipe does it)"
                ),
            )
        elif node.path not in subject.hierarchies:
            yield Violation(node.path, "is ignored by a merge")
        elif node.type != "directory":
            yield Violation(
                node.path, f"is a {node.type}, not a folder", fix="make it a real folder"
            )


@rule(
    "over-host-link",
    "error",
    reason=(
        "where a host has a link, the image's folder replaces it, and all that the link led to"
        " is gone"
    ),
    fix=(
        "move the content: sbin into usr/bin, lib64 into usr/lib/NAME, and correct units that"
        " name the old path"
    ),
)
def over_link(subject: Subject) -> Iterator[Violation]:
    """Find folders where hosts have a link."""
    system = subject.release.get("ID") or "_any"
    for path, systems in _LINKS_OF_HOSTS.items():
        node = subject.tree.get(path)
        if node is not None and node.type == "directory" and system in systems:
            yield Violation(path, "is a directory, and hosts have a link of that name")


@rule(
    "host-folder",
    "error",
    reason=(
        "a merge shows it in place of the host's folder, and hides all that is in that: without"
        " /usr/bin nothing starts any more"
    ),
    fix="install into the folder, or choose another path",
)
def host_folder(subject: Subject) -> Iterator[Violation]:
    """Find files and links at the paths of folders that hosts have."""
    for node in subject.tree:
        if node.path in HOST_FOLDERS and node.type != "directory" and "/" in node.path:
            yield Violation(
                node.path,
                f"is a {node.type}, and hosts have a folder there",
                fix=f"install into {node.path}/, with the slash at its end, or choose another path",
            )


opt = path_rule(
    "opt-shipped",
    "warning",
    where=lambda node: node.path == "opt",
    says="is merged over the host's own /opt",
    reason="a merged /opt is read-only as a whole, and hides what users keep or mount below it",
    fix="install into usr/lib/NAME, with links from usr/bin",
)

usr_local = path_rule(
    "usr-local-shipped",
    "warning",
    where=lambda node: node.path == "usr/local" and node.type == "directory",
    says="is merged over the host's own /usr/local",
    reason=(
        "on some systems /usr/local is writable and the users' own; the image hides what is there"
    ),
    fix="install into usr/bin, usr/lib/NAME, usr/share",
)

os_release = path_rule(
    "os-release-shipped",
    "error",
    where=lambda node: node.path in ("usr/lib/os-release", "usr/lib/initrd-release"),
    says="replaces the host's own",
    reason=(
        "the host's own os-release is replaced: it no longer knows what it is, and refuses every"
        " image"
    ),
    fix="leave it out; the release file in usr/lib/extension-release.d says what the image is for",
)

caches = path_rule(
    "singleton-cache",
    "error",
    where=lambda node: _CACHES.fullmatch(node.path),
    says="shadows the host's own cache",
    reason=(
        "a cache describes a whole system: the image's replaces the host's, which then misses"
        " its own files"
    ),
    fix="leave it out: `drop:` in a recipe",
)

databases = path_rule(
    "package-database",
    "error",
    where=lambda node: node.type != "directory" and _DATABASES.fullmatch(node.path),
    says="shadows the host's record of its packages",
    reason="the image's package database replaces the host's, which then forgets what is installed",
    fix="leave it out: `drop:` in a recipe",
)

owned = path_rule(
    "host-owned",
    "error",
    where=lambda node: OWNED.fullmatch(node.path),
    says="replaces what every host has",
    reason="every host has it in the version that fits it; replaced, the host does not boot or run",
    fix="leave it out; a library that the image's programs need belongs into usr/lib/NAME",
)

macos = path_rule(
    "macos-metadata",
    "error",
    where=lambda node: node.type != "directory" and is_macos_metadata(node.path),
    says="is metadata of macOS",
    reason="it describes a file to macOS; in usr/bin it is taken for a program",
    fix="leave it out; tar on macOS adds none with COPYFILE_DISABLE=1",
)


@rule(
    "name-case",
    "warning",
    reason=(
        "names that differ only in case are taken for each other by people, and by some file"
        " systems"
    ),
    fix="rename or drop one of them",
)
def case(subject: Subject) -> Iterator[Violation]:
    """Find names in one folder that differ only in case."""
    seen: dict[tuple[str, str], Node] = {}
    for node in subject.tree:
        first = seen.setdefault((node.folder, node.name.casefold()), node)
        if first is not node:
            yield Violation(node.path, f"differs only in case from {first.name}")


@rule(
    "name-encoding",
    "error",
    reason="programs that list files fail on names that are not UTF-8, or hold control characters",
    fix="rename it with letters that can be printed",
)
def encoding(subject: Subject) -> Iterator[Violation]:
    """Find names that can't be printed."""
    for node in subject.tree:
        if _UNDECODED.search(node.name):
            yield Violation(node.path, "has a name that is not UTF-8")
        elif _CONTROL.search(node.name):
            yield Violation(node.path, "has control characters in its name")
