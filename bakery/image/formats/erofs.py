"""erofs: for hosts that prefer it to squashfs; bigger, and not in every kernel.

Bytes depend on the manifest and the tool alone: see the manual page mkfs.erofs(1). The tool
uses one processor and takes modes from the disk, so it is given a copy that has the right ones.
Clusters above one page need Linux 5.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.image.formats import folder
from bakery.image.formats.versions import library_version, tool_version
from bakery.tools import Tool, run

if TYPE_CHECKING:
    from bakery.image.formats.job import Job
    from bakery.settings import Profile

MKFS_EROFS = Tool(program="mkfs.erofs", apt="erofs-utils", brew="erofs-utils")

_COMPRESSION: dict[Profile, str] = {
    "fast": "-zlz4 -C65536",
    "default": "-zlz4hc,9 -C65536",
    "small": "-zlz4hc,9 -C1048576",
}
_ALWAYS = "--all-root -x-1"


def _options(profile: Profile) -> str:
    return f"{_ALWAYS} {_COMPRESSION[profile]}"


def describe(profile: Profile) -> str:
    """Return the tools, versions and options that decide the bytes of an image."""
    return "; ".join(
        (
            tool_version(MKFS_EROFS, "-V"),
            library_version("liblz4.so.1", "LZ4_versionNumber"),
            _options(profile),
        )
    )


def write(job: Job) -> None:
    """Write the image."""
    tree = job.work / "tree"
    folder.copy(job.tree, tree, job.manifest)
    run(
        [
            *(MKFS_EROFS.require(), *_options(job.profile).split(), "--quiet"),
            *(f"-T{job.manifest.epoch}", f"-U{job.uuid}", job.output, tree),
        ],
        what="the erofs image can't be written",
        # The tool lets this variable win over -T, and writes bigger inodes for it.
        env={"SOURCE_DATE_EPOCH": None},
        fix=job.fix,
    )
