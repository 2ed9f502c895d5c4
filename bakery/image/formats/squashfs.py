"""squashfs: the kind of image that every host mounts.

Bytes depend on neither the number of processors nor the memory nor the order of the folder; see
the manual page mksquashfs(1). The profiles come from measurements of 250 MB of static binaries.
Against the tool's own default (gzip, 128 KiB), in time and size: `fast` 0.02 and 1.06, `default`
0.08 and 0.93, `small` 1.9 and 0.84. xz makes 0.76 in the time of `small`, but hosts then read,
and start what they read, ten times as slowly. zstd needs Linux 4.14.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

from bakery.image.formats import folder
from bakery.image.formats.versions import library_version, tool_version
from bakery.image.manifest import LABEL
from bakery.recipe.capabilities import ATTRIBUTE
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
_RELEASE = re.compile(r"version (\d+)\.(\d+)")
_WITH_ATTRIBUTES = (4, 6)
_ALWAYS = "-noappend -no-xattrs -all-root -root-mode 0755 -comp zstd -b 1M"


def _options(profile: Profile) -> str:
    return f"{_ALWAYS} -Xcompression-level {_LEVELS[profile]}"


def describe(profile: Profile) -> str:
    """Return the tools, versions and options that decide the bytes of an image."""
    library = library_version("libzstd.so.1", "ZSTD_versionNumber")
    return f"{tool_version(MKSQUASHFS, '-version')}; {library}; {_options(profile)}"


def unlabelled() -> str | None:
    """Return why images get no SELinux labels here; None where they get them."""
    if _takes_attributes():
        return None
    version = tool_version(MKSQUASHFS, "-version").partition(" (")[0]
    return f"{version} can't write them; squashfs-tools 4.6 and newer can"


def write(job: Job) -> None:
    """Write the image."""
    modes = job.work / "modes"
    capabilities, labels = job.manifest.attributes, job.manifest.labels
    lines = [_mode(entry) for entry in job.manifest.entries if entry.type != "link"]
    tree, options = job.tree, _options(job.profile)
    if (capabilities or labels) and _takes_attributes():
        lines += [_attribute(path, ATTRIBUTE, value) for path, value in capabilities.items()]
        lines += [_attribute(path, LABEL, value) for path, value in labels.items()]
        options = options.replace("-no-xattrs", "-xattrs -xattrs-exclude .")
    elif capabilities:
        tree, options = job.work / "tree", options.replace("-no-xattrs", "-xattrs")
        folder.exact_copy(job.tree, tree, job.manifest)
    modes.write_bytes(b"".join(lines))
    epoch = str(job.manifest.epoch)
    run(
        [
            *(MKSQUASHFS.require(), tree, job.output, "-pf", modes),
            *(*options.split(), "-mkfs-time", epoch, "-all-time", epoch),
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


@cache
def _takes_attributes() -> bool:
    """Return whether the tool takes attributes from a pseudo file, as it does from 4.6 on."""
    told = _RELEASE.search(tool_version(MKSQUASHFS, "-version"))
    return told is not None and (int(told[1]), int(told[2])) >= _WITH_ATTRIBUTES


def _attribute(path: str, attribute: str, value: bytes) -> bytes:
    """Return the line of a pseudo file that gives a path an attribute.

    The value is in base64: release 4.6 writes beyond its memory for one in hexadecimal (0x).
    """
    name = b"/" if path == "." else os.fsencode(path).replace(b"\\", rb"\\")
    return b'"%s" x %s=0s%s\n' % (name, attribute.encode(), b64encode(value))
