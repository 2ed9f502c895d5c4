"""The unit by which an image sets itself up: it applies what hosts read before they merge images.

A host reads sysusers.d, sysctl.d and the like early, or when its own /usr changes; of what an
image brings, it may know nothing until the next boot, or for ever. So the image has a unit that
applies them: once in each boot, and again when an update changes them, since the unit's instance
is named after the digest of all that it applies.

It stays active after it ran, so a service that is started while /usr is unmerged for a moment does
not run it again, in vain. Services want it, and do not require it; where it fails, it is tried
again, and while the image is not merged, it is skipped.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from bakery.image import release_file, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.image.tree import TreeBuilder
    from bakery.recipe.model import Account
    from bakery.recipe.plan import Contents

TMPFILES = "tmpfiles.conf"

_UNIT = """\
# Written by the bakery: it applies what hosts may have read before this image was merged.

[Unit]
Description=Setup of {name}
DefaultDependencies=no
Conflicts=shutdown.target
After=systemd-sysext.service systemd-sysusers.service systemd-tmpfiles-setup.service
After=systemd-modules-load.service systemd-sysctl.service systemd-binfmt.service
After=systemd-udevd.service
Before=shutdown.target
RequiresMountsFor=/etc /var
ConditionPathExists=/{release_file}
StopWhenUnneeded=yes

[Service]
Type=oneshot
RemainAfterExit=yes
{commands}
Restart=on-failure
RestartSec=5
"""
_DROP_IN = """\
[Unit]
Wants={setup}
After={setup}
"""
_SHELL = "/bin/sh -c '{script}' setup"
_SYSTEMD = "/usr/lib/systemd/systemd-"
# Modules are the business of a container's host; a kernel may lack some and serve all the same.
_MODULES = _SHELL.format(
    script="/usr/bin/systemd-detect-virt --quiet --container ||"
    f' {_SYSTEMD}modules-load "$$@" || test -f "/usr/lib/modules-load.d/$$1"'
)
_BINFMT = _SHELL.format(
    script=f'test ! -w /proc/sys/fs/binfmt_misc/register || exec {_SYSTEMD}binfmt "$$@"'
)
# A queue that is busy with devices of others is no failure.
_UDEV = _SHELL.format(
    script="test ! -S /run/udev/control || { /usr/bin/udevadm control --reload &&"
    " /usr/bin/udevadm trigger --action=add && { /usr/bin/udevadm settle --timeout=30 || true; }; }"
)
_NETWORK = _SHELL.format(
    script="! /usr/bin/systemctl --quiet is-active systemd-networkd.service ||"
    " /usr/bin/networkctl reload"
)
# Policies for accounts that are not there yet are void until the bus reads them anew.
_DBUS = _SHELL.format(
    script="test ! -S /run/dbus/system_bus_socket ||"
    " /usr/bin/systemctl try-reload-or-restart dbus.service"
)
_ORDERED = (".service", ".socket")
_BUS = ("usr/share/dbus-1/system.d/", "usr/share/dbus-1/system-services/")
_SYSCTL_KEY = re.compile(r"^[ \t]*-?[ \t]*([\w./*?@:\[\]-]+)[ \t]*(?:=|$)", re.MULTILINE)
_PLAIN_WORD = re.compile(r"[\w.@+/:-]+")


def shared_tmpfiles(name: str) -> str:
    """Return where an extension has lines of tmpfiles.d that only its setup applies.

    In tmpfiles.d, a host would read at boot those that need the image's accounts, and fail.
    """
    return f"usr/share/{name}/{TMPFILES}"


def add(tree: TreeBuilder, contents: Contents) -> str | None:
    """Write an image's accounts, configuration and setup unit.

    Args:
        tree: all else that the image holds.
        contents: what the recipe asks for.

    Returns:
        The unit that has to run before the image's other units; None where there is nothing to do.

    """
    name = contents.name
    if contents.account is not None:
        _append(tree, f"usr/lib/sysusers.d/{name}.conf", _sysusers(contents.account, name))
        _append(tree, shared_tmpfiles(name), _home(tree, contents.account, name))
    _append(tree, shared_tmpfiles(name), _config(tree, contents))
    commands = list(_commands(tree, name))
    if not commands:
        return None
    text = _UNIT.format(
        name=name,
        release_file=release_file.path(name),
        commands="\n".join(f"ExecStart={command}" for command in commands),
    )
    setup = f"{name}-setup@{_digest(tree, name, text)}.service"
    tree.add_bytes(f"{units.FOLDER}{name}-setup@.service", text.encode(), origin="setup")
    for unit in _ordered(tree, contents):
        drop_in = f"{units.FOLDER}{unit}.d/10-{name}-setup.conf"
        tree.add_bytes(drop_in, _DROP_IN.format(setup=setup).encode(), origin="setup")
    return setup


def _append(tree: TreeBuilder, path: str, lines: Iterable[str]) -> None:
    """Add lines to a file, behind those that the recipe itself ships there."""
    added = "".join(f"{line}\n" for line in lines)
    if added:
        text = tree.read(path) or b""
        if text and not text.endswith(b"\n"):
            text += b"\n"
        tree.add_bytes(path, text + added.encode(), origin="setup")


def _sysusers(account: Account, image: str) -> Iterator[str]:
    """Yield the lines of sysusers.d(5) that make an account."""
    number = "-" if account.id is None else account.id
    home = account.home or f"/var/lib/{account.name}"
    title = account.title or image
    yield f'u {account.name} {number} "{title}" {home} {account.shell or "-"}'
    for group in account.groups:
        yield f"m {account.name} {group}"


def _home(tree: TreeBuilder, account: Account, image: str) -> Iterator[str]:
    """Yield the line of tmpfiles.d(5) that makes an account's home, if no other does."""
    home = account.home or f"/var/lib/{account.name}"
    lines = [
        line.split()
        for path in (*_fragments(tree, "usr/lib/tmpfiles.d/", ".conf"), shared_tmpfiles(image))
        for line in (tree.read(path) or b"").decode(errors="replace").splitlines()
    ]
    if home != "/" and not any(words[1:2] == [home] for words in lines):
        yield f"d {home} :0750 :{account.name} :{account.name}"


def default_path(tree: TreeBuilder, contents: Contents, default: str) -> str:
    """Return where the default of a configuration lies: below an image's name, or a base's."""
    paths = [f"usr/share/{name}/{default}" for name in (contents.name, *contents.bases)]
    return next(filter(tree.entries.__contains__, paths), paths[0])


def _config(tree: TreeBuilder, contents: Contents) -> Iterator[str]:
    """Yield the lines of tmpfiles.d(5) that copy defaults; what is there already is kept."""
    for path, config in contents.config:
        mode, owner, group = (each or "-" for each in (config.mode, config.owner, config.group))
        default = default_path(tree, contents, config.default)
        yield f"C /{path} {mode} {owner} {group} - /{default}"


def _commands(tree: TreeBuilder, name: str) -> Iterator[str]:
    """Yield the commands that apply what a tree holds: accounts first, since files need them."""
    if files := _names(tree, "usr/lib/sysusers.d/", ".conf"):
        yield f"/usr/bin/systemd-sysusers {files}"
    files = _names(tree, "usr/lib/tmpfiles.d/", ".conf")
    if (shared := shared_tmpfiles(name)) in tree.entries:
        files = f"{files} /{shared}".lstrip()
    if files:
        yield f"/usr/bin/systemd-tmpfiles --create {files}"
    if files := _names(tree, "usr/lib/modules-load.d/", ".conf"):
        yield f"{_MODULES} {files}"
    if prefixes := _sysctl_prefixes(tree):
        yield f"{_SYSTEMD}sysctl {' '.join(f'--prefix={prefix}' for prefix in prefixes)}"
    if files := _names(tree, "usr/lib/binfmt.d/", ".conf"):
        yield f"{_BINFMT} {files}"
    if _names(tree, "usr/lib/udev/rules.d/", ".rules"):
        yield _UDEV
    if _names(tree, "usr/lib/systemd/network/", ".network", ".netdev"):
        yield _NETWORK
    if any(path.startswith(_BUS) for path in tree.entries):
        yield _DBUS


def _fragments(tree: TreeBuilder, folder: str, *suffixes: str) -> Sequence[str]:
    return sorted(
        path
        for path in tree.entries
        if path.startswith(folder) and "/" not in path[len(folder) :] and path.endswith(suffixes)
    )


def _names(tree: TreeBuilder, folder: str, *suffixes: str) -> str:
    """Return the files of a folder as words of a command line (systemd.service(5)).

    Tools are given names and not paths, so that a file of that name in /etc counts instead.
    """
    return " ".join(_word(path[len(folder) :]) for path in _fragments(tree, folder, *suffixes))


def _word(text: str) -> str:
    if _PLAIN_WORD.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def _sysctl_prefixes(tree: TreeBuilder) -> Sequence[str]:
    """Return the settings that a tree's sysctl.d(5) is about, patterns up to their first `*`.

    systemd-sysctl then reads all of the host's files for these: what an administrator says of
    them in /etc holds, and no other setting is touched.
    """
    prefixes: dict[str, None] = {}
    for path in _fragments(tree, "usr/lib/sysctl.d/", ".conf"):
        for key in _SYSCTL_KEY.findall((tree.read(path) or b"").decode(errors="replace")):
            literal = re.split(r"[*?\[]", key)[0]
            if literal != key:
                literal = re.sub(r"[^./]*$", "", literal).rstrip("./")
            prefixes[literal] = None
    return sorted(prefixes)


def _digest(tree: TreeBuilder, name: str, unit: str) -> str:
    """Return the digest of a setup unit and all files that it applies."""
    digest = hashlib.sha256(unit.encode())
    folders = ("sysusers.d", "tmpfiles.d", "modules-load.d", "sysctl.d", "binfmt.d")
    applied = [f"usr/lib/{each}/" for each in folders]
    applied += ["usr/lib/udev/rules.d/", "usr/lib/systemd/network/", *_BUS, shared_tmpfiles(name)]
    for path, entry in sorted(tree.entries.items()):
        if path.startswith(tuple(applied)):
            digest.update(f"{path}\0{entry.sha256}\0{entry.target}\0".encode())
    return digest.hexdigest()[:12]


def _ordered(tree: TreeBuilder, contents: Contents) -> Sequence[str]:
    """Return the units that wait for the setup: what the image starts, and what it ships."""
    shipped = {
        path.removeprefix(units.FOLDER)
        for path in _fragments(tree, units.FOLDER, *_ORDERED)
        if tree.entries[path].type == "file"
    }
    started = {unit.name for unit in contents.start}
    return sorted((shipped | started) - {f"{contents.name}-setup@.service"})
