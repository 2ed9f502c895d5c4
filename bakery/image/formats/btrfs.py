"""btrfs: for hosts that want its checksums.

Paths, content, modes, owners, times of change, label and uuid are the same every time. Bytes are
not, since mkfs.btrfs(8) up to 6.2 has no means for it: inode numbers and the order within a
folder are the disk's; the ids of device, chunk tree and subvolume are random; the root folder,
the subvolume and every inode's change time carry the clock.

The tool takes owners from the disk. For users other than root, a user namespace shows their files
as root's, or fakeroot does where the system refuses such; that does not reach all releases of the
tool, so what it wrote is looked at.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bakery.errors import SystemRefusesError
from bakery.image.formats import folder
from bakery.image.formats.versions import tool_version
from bakery.tools import Tool, execute, run

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.formats.job import Job
    from bakery.settings import Profile

MKFS_BTRFS = Tool(program="mkfs.btrfs", apt="btrfs-progs", zypper="btrfsprogs")
FAKEROOT = Tool(program="fakeroot", apt="fakeroot")
_BTRFS = Tool(program="btrfs", apt="btrfs-progs", zypper="btrfsprogs")
_UNSHARE = Tool(program="unshare", apt="util-linux")

_WHAT = "the btrfs image can't be written"
_FILES = "5"  # the tree of files and folders: BTRFS_FS_TREE_OBJECTID
_OWNER = re.compile(r" uid (\d+) gid (\d+) ")
_ALWAYS = "--metadata single --data single --csum crc32c --nodesize 16384"

unlabelled = folder.unlabelled  # where files get labels, so do images


def describe(_profile: Profile) -> str:
    """Return the tool, version and options that decide what the image holds."""
    return f"{tool_version(MKFS_BTRFS, '--version')}; {_ALWAYS}"


def write(job: Job) -> None:
    """Write the image."""
    tree = job.work / "tree"
    folder.copy(job.tree, tree, job.manifest)
    job.output.touch()
    run(
        [
            *([] if os.geteuid() == 0 else _as_root()),
            *(MKFS_BTRFS.require(), *_ALWAYS.split(), "--quiet", "--force", "--nodiscard"),
            *("--uuid", job.uuid, "--rootdir", tree, "--shrink", job.output),
        ],
        what=_WHAT,
        fix=job.fix,
    )
    _refuse_others_files(job.output)


def _as_root() -> list[str]:
    """Return the words before a command that have it see this user's files as root's.

    Raises:
        MissingToolError: the system refuses user namespaces, and fakeroot is not installed.

    """
    unshare = _UNSHARE.find()
    if unshare is not None:
        words = [unshare, "--user", "--map-root-user", "--"]
        if execute([*words, "true"], what="no user namespace can be made").status == 0:
            return words
    return [FAKEROOT.require(), "--"]


def _refuse_others_files(image: Path) -> None:
    """Read the image's owners back.

    Raises:
        SystemRefusesError: somebody else than root owns something in it.
        ToolFailedError: they can't be read.

    """
    said = run(
        [_BTRFS.require(), "inspect-internal", "dump-tree", "-t", _FILES, image],
        what="the btrfs image can't be read back",
    )
    owners = set(_OWNER.findall(said))
    if owners != {("0", "0")}:
        found = ", ".join(":".join(owner) for owner in sorted(owners)) or "nobody"
        raise SystemRefusesError(
            _WHAT,
            where=str(image),
            why=f"its files belong to {found} instead of root: this system refuses user"
            " namespaces, and fakeroot does not reach this mkfs.btrfs",
            fix="build it as root, choose another `format:`, or allow user namespaces:\n"
            "sysctl kernel.unprivileged_userns_clone=1, or on Ubuntu\n"
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        )
