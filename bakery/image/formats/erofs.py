"""erofs: for hosts that prefer it to squashfs; bigger, and not in every kernel.

Bytes depend on the manifest and the tool alone: see the manual page mkfs.erofs(1). The tool takes
modes from the disk, so it is given a copy that has the right ones. On a full disk, releases from
1.8 on hang, crash, or write half an image and report success, most of all with several workers: so
room is looked for before, they get one worker, and what they call an error is one. Clusters above
one page need Linux 5.13.
"""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from typing import TYPE_CHECKING

from bakery.errors import SystemRefusesError
from bakery.image.formats import folder
from bakery.image.formats.versions import library_version, tool_version
from bakery.tools import Tool, execute

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
_BLOCK = 4096
_INODE = 64
_PATIENCE = 60.0
_ERROR = re.compile(r"^<E>", re.MULTILINE)
_WHAT = "the erofs image can't be written"


def _options(profile: Profile) -> str:
    return f"{_ALWAYS} {_COMPRESSION[profile]}"


def describe(profile: Profile) -> str:
    """Return the tools, versions and options that decide the bytes of an image."""
    library = library_version("liblz4.so.1", "LZ4_versionNumber")
    return f"{tool_version(MKFS_EROFS, '-V')}; {library}; {_options(profile)}"


def unlabelled() -> str | None:
    """Return why images get no SELinux labels here; None where they get them."""
    return None if "--file-contexts" in _usage() else "this mkfs.erofs is built without them"


def write(job: Job) -> None:
    """Write the image."""
    tree = job.work / "tree"
    folder.exact_copy(job.tree, tree, job.manifest.unlabelled)
    _refuse_a_full_disk(job)
    outcome = execute(
        [
            *(MKFS_EROFS.require(), *_options(job.profile).split(), "--quiet", *_workers()),
            *(["-x1"] if job.manifest.attributes or job.manifest.labels else []),
            *_contexts(job),
            *(f"-T{job.manifest.epoch}", f"-U{job.uuid}", job.output, tree),
        ],
        what=_WHAT,
        # The tool lets this variable win over -T, and writes bigger inodes for it.
        fix=job.fix,
        patience=_PATIENCE,
    )
    if outcome.status or _ERROR.search(outcome.stderr):
        raise outcome.failure(_WHAT, job.fix)


def _workers() -> tuple[str, ...]:
    """Return the option that keeps the tool to one worker, where it has several."""
    return ("--workers=1",) if "--workers" in _usage() else ()


@cache
def _usage() -> str:
    usage = execute([MKFS_EROFS.require(), "--help"], what="mkfs.erofs does not tell its options")
    return usage.stdout + usage.stderr


def _contexts(job: Job) -> tuple[str, ...]:
    """Return the option for labels, which come as regular expressions: selabel_file(5)."""
    labels = job.manifest.labels
    if not labels:
        return ()
    file = job.work / "file_contexts"
    file.write_bytes(
        b"".join(b"%s %s\n" % (_expression(path), label[:-1]) for path, label in labels.items())
    )
    return (f"--file-contexts={file}",)


def _expression(path: str) -> bytes:
    """Return what matches a path; what such a file can't have in it matches any byte."""
    full = b"/" if path == "." else b"/" + os.fsencode(path)
    return re.sub(rb"[^!-~]", b".", re.sub(rb"([][.^$?*+|(){}\\])", rb"\\\1", full))


def _refuse_a_full_disk(job: Job) -> None:
    needed = sum(-(-entry.size // _BLOCK) * _BLOCK + _INODE for entry in job.manifest.entries)
    free = shutil.disk_usage(job.output.parent).free
    if free < needed:
        raise SystemRefusesError(
            _WHAT,
            where=str(job.output),
            why=f"{free / 2**20:.1f} MiB are free there; the tool needs up to"
            f" {needed / 2**20:.1f} MiB, and does not tell when they are used up",
            fix=job.fix,
        )
