"""Rules about owners, modes, times, kinds of files, and whether they can be read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bakery.check.rule import Skip, Violation, path_rule, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject

_DIRECTORY = 0o755
_READABLE = 0o444
_WORLD_WRITABLE = 0o002
_SETUID = 0o6000
_NO_OWNERS = Skip(
    "owners in a folder count for root alone, who can set them",
    fix="check the finished image: bakery check NAME-VERSION-ARCH.raw",
)
NOT_ROOT = Skip(
    "capabilities, labels and devices are known to root alone",
    fix="check the finished image as root: sudo bakery check NAME-VERSION-ARCH.raw",
)
_DAY = 86400


@rule(
    "owner",
    "error",
    reason=(
        "the number of a user on the build machine is somebody else's on the host, who may then"
        " change it"
    ),
    fix="make root the owner: chown root:root, or mksquashfs -all-root",
)
def owner(subject: Subject) -> Iterator[Violation | Skip]:
    """Find files that don't belong to root."""
    if not subject.knows_owners:
        yield _NO_OWNERS
        return
    for node in subject.tree:
        if (node.uid, node.gid) != (0, 0):
            yield Violation(node.path, f"belongs to {node.uid}:{node.gid}, not to root")


directory_mode = path_rule(
    "directory-mode",
    "error",
    where=lambda node: (
        node.type == "directory" and node.mode != _DIRECTORY and not node.mode & _WORLD_WRITABLE
    ),
    says="has mode {node.mode:04o}, and a folder should have 0755",
    reason=(
        "a merge takes a folder's mode from the image: a private /usr stops the boot and locks"
        " users out"
    ),
    fix="chmod 0755",
)

file_mode = path_rule(
    "file-mode",
    "warning",
    where=lambda node: node.type == "file" and node.mode & _READABLE != _READABLE,
    says="is a file of mode {node.mode:04o} that not everybody may read",
    reason="what users can't read, their programs can't use; and an image is no place for secrets",
    fix="chmod a+r, or leave it out",
)

world_writable = path_rule(
    "world-writable",
    "error",
    where=lambda node: node.type in ("file", "directory") and node.mode & _WORLD_WRITABLE,
    says="has mode {node.mode:04o}: everybody may write to it",
    reason="an image is trusted like the system itself: nobody but its maker may have a say in it",
    fix="chmod o-w",
)

setuid = path_rule(
    "setuid",
    "error",
    where=lambda node: node.type == "file" and node.mode & _SETUID,
    says="has mode {node.mode:04o}: it runs with its owner's rights",
    reason="a setuid program gives whoever starts it the rights of its owner, on every host",
    fix="chmod ug-s; where the program is useless without, allow it with a reason",
)


@rule(
    "capabilities",
    "error",
    reason=(
        "a program with file capabilities gives whoever starts it a part of root's rights, on"
        " every host"
    ),
    fix="take it out of `capabilities:`, or setcap -r; where the program is useless without, allow"
    " it with a reason",
)
def capabilities(subject: Subject) -> Iterator[Violation | Skip]:
    """Find files with capabilities."""
    if not subject.as_root:
        yield NOT_ROOT
    for node in subject.tree:
        if node.capabilities:
            yield Violation(node.path, f"gives whoever starts it {node.capabilities}")


@rule(
    "special-file",
    "error",
    reason="devices, sockets and pipes in an image open ways into the host that nobody looks for",
    fix="leave it out; what must exist at run time is made by a line in tmpfiles.d",
)
def special(subject: Subject) -> Iterator[Violation | Skip]:
    """Find devices, sockets and pipes."""
    if not subject.as_root and subject.file:
        yield NOT_ROOT
    for node in subject.tree:
        if node.type in ("device", "fifo", "socket"):
            yield Violation(node.path, f"is a {node.type}")


@rule(
    "time",
    "warning",
    reason=(
        "a file from the future, or from before 1970, confuses whatever compares times, systemd"
        " included"
    ),
    fix="build with SOURCE_DATE_EPOCH, which sets every time",
)
def times(subject: Subject) -> Iterator[Violation]:
    """Find times before 1970 and in the future."""
    tomorrow = time.time() + _DAY
    for node in subject.tree:
        if not 0 <= node.mtime <= tomorrow:
            shown = time.strftime("%Y-%m-%d", time.gmtime(node.mtime))
            yield Violation(node.path, f"was last changed on {shown}")


unreadable = path_rule(
    "unreadable",
    "error",
    where=lambda node: node.defect and node.sha256 is None,
    says="{node.defect}",
    reason="what can't be read while it is checked can't be read on a host",
    fix="build or download the image again",
)

not_executable = path_rule(
    "not-executable",
    "error",
    where=lambda node: node.type == "file" and node.folder == "usr/bin" and not node.executable,
    says="is a program of mode {node.mode:04o}, which nobody may execute",
    reason="what stands in usr/bin without the right to be executed can't be started",
    fix="chmod 0755",
)

empty = path_rule(
    "empty-program",
    "error",
    where=lambda node: node.executable and node.size == 0,
    says="is an executable file without content",
    reason="an empty program does nothing and says so to nobody: its download or unpacking failed",
    fix="look at the asset that it comes from",
)
