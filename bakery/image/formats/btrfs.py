"""btrfs: for hosts that want its checksums.

Paths, content, modes, owners, times of change, label and uuid are the same every time. Bytes are
not, since mkfs.btrfs(8) up to 6.2 has no means for it: inode numbers and the order within a
folder are the disk's; the ids of device, chunk tree and subvolume are random; the root folder,
the subvolume and every inode's change time carry the clock. The tool takes owners from the disk:
users other than root need fakeroot.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bakery.image.formats import folder
from bakery.image.formats.versions import tool_version
from bakery.tools import Tool, run

if TYPE_CHECKING:
    from bakery.image.formats.job import Job
    from bakery.settings import Profile

MKFS_BTRFS = Tool(program="mkfs.btrfs", apt="btrfs-progs", zypper="btrfsprogs")
FAKEROOT = Tool(program="fakeroot", apt="fakeroot")

_ALWAYS = "--metadata single --data single --csum crc32c --nodesize 16384"


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
            *([] if os.geteuid() == 0 else [FAKEROOT.require(), "--"]),
            *(MKFS_BTRFS.require(), *_ALWAYS.split(), "--quiet", "--force", "--nodiscard"),
            *("--uuid", job.uuid, "--rootdir", tree, "--shrink", job.output),
        ],
        what="the btrfs image can't be written",
        fix=job.fix,
    )
