"""squashfs: the kind of image that every host mounts.

Bytes depend on neither the number of processors nor the memory nor the order of the folder; see
the manual page mksquashfs(1). The profiles come from measurements of 250 MB of static binaries.
Against the tool's own default (gzip, 128 KiB), in time and size: `fast` 0.02 and 1.06, `default`
0.08 and 0.93, `small` 1.9 and 0.84. xz makes 0.76 in the time of `small`, but hosts then read,
and start what they read, ten times as slowly. zstd needs Linux 4.14.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bakery.image.formats.versions import library_version, tool_version
from bakery.tools import Tool, run

if TYPE_CHECKING:
    from bakery.image.formats.job import Job
    from bakery.image.manifest import ManifestEntry
    from bakery.settings import Profile

MKSQUASHFS, UNSQUASHFS = (
    Tool(program=name, apt="squashfs-tools", zypper="squashfs", brew="squashfs")
    for name in ("mksquashfs", "unsquashfs")
)

_LEVELS: dict[Profile, int] = {"fast": 1, "default": 6, "small": 19}
_ALWAYS = "-noappend -no-xattrs -all-root -root-mode 0755 -comp zstd -b 1M"


def _options(profile: Profile) -> str:
    return f"{_ALWAYS} -Xcompression-level {_LEVELS[profile]}"


def describe(profile: Profile) -> str:
    """Return the tools, versions and options that decide the bytes of an image."""
    return "; ".join(
        (
            tool_version(MKSQUASHFS, "-version"),
            library_version("libzstd.so.1", "ZSTD_versionNumber"),
            _options(profile),
        )
    )


def write(job: Job) -> None:
    """Write the image."""
    modes = job.work / "modes"
    modes.write_bytes(
        b"".join(_mode(entry) for entry in job.manifest.entries if entry.type != "link")
    )
    epoch = str(job.manifest.epoch)
    run(
        [
            *(MKSQUASHFS.require(), job.tree, job.output, "-pf", modes),
            *(*_options(job.profile).split(), "-mkfs-time", epoch, "-all-time", epoch),
            *("-processors", str(job.processors), "-mem", f"{128 + 64 * job.processors}M"),
            *("-exit-on-error", "-quiet", "-no-progress"),
        ],
        what="the squashfs image can't be written",
        # The tool refuses options for times beside this variable, which only limits them.
        fix=job.fix,
    )


def _mode(entry: ManifestEntry) -> bytes:
    """Return the line of a pseudo file that sets an entry's mode and owner."""
    path = os.fsencode(entry.path).replace(b"\\", rb"\\")
    return b'"%s" m %o 0 0\n' % (path, entry.mode)
