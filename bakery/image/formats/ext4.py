"""ext4: uncompressed and read-only, for hosts that have nothing else.

mke2fs(8) fills the image from the folder in the order of names; debugfs(8) then sets what it
took from the disk (modes, owners, times) to the manifest's; resize2fs(8) cuts off the free rest.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bakery.image.formats.versions import tool_version
from bakery.image.manifest import LABEL
from bakery.recipe.capabilities import ATTRIBUTE
from bakery.tools import Tool, execute, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bakery.image.formats.job import Job
    from bakery.settings import Profile

MKE2FS, DEBUGFS, RESIZE2FS = (
    Tool(program=name, apt="e2fsprogs", brew="e2fsprogs")
    for name in ("mke2fs", "debugfs", "resize2fs")
)

_BLOCK = 4096
_FEATURES = (
    "none,64bit,dir_nlink,extent,extra_isize,filetype,flex_bg,huge_file,large_file,metadata_csum,"
    "sparse_super2"
)
_ALWAYS = f"-t ext4 -b {_BLOCK} -I 256 -m 0 -o linux -O {_FEATURES}"
_EXTENDED = "num_backup_sb=0,lazy_itable_init=0,nodiscard,no_copy_xattrs,root_owner=0:0"
_TYPES = {"file": 0o100000, "directory": 0o040000, "link": 0o120000}
_OTHER_INODES = 11
_CHATTER = ("debugfs", "Filesystem features:")


def describe(_profile: Profile) -> str:
    """Return the tool, version and options that decide the bytes of an image."""
    return f"{tool_version(MKE2FS, '-V')}; {_ALWAYS} -E {_EXTENDED}"


def unlabelled() -> None:
    """Return nothing: images always get SELinux labels."""


def write(job: Job) -> None:
    """Write the image."""
    # 0 would mean the clock. Older releases know the first name only, later ones prefer the other.
    now = str(max(job.manifest.epoch, 1))
    env = {"E2FSPROGS_FAKE_TIME": now, "SOURCE_DATE_EPOCH": now, "MKE2FS_CONFIG": os.devnull}
    what = "the ext4 image can't be written"
    run(
        [
            *(MKE2FS.require(), "-q", "-F", *_ALWAYS.split()),
            *("-E", f"{_EXTENDED},hash_seed={job.uuid}", "-U", job.uuid),
            *("-N", str(_OTHER_INODES + len(job.manifest.entries)), "-d", job.tree),
            *(job.output, str(_blocks(job))),
        ],
        what=what,
        env=env,
        fix=job.fix,
    )
    _edit(job, what, env)
    run([RESIZE2FS.require(), "-M", job.output], what=what, env=env, fix=job.fix)


def _blocks(job: Job) -> int:
    """Return how many blocks are enough: the content, and an ample share for what describes it."""
    content = sum(-(-entry.size // _BLOCK) for entry in job.manifest.entries)
    return content + content // 64 + len(job.manifest.entries) + 1024


def _edit(job: Job, what: str, env: Mapping[str, str]) -> None:
    script = job.work / "commands"
    script.write_bytes(b"\n".join(_commands(job)))
    command: list[str | Path] = [DEBUGFS.require(), "-w", "-f", script, job.output]
    # Failures of single commands show in what it says, not in its exit status.
    outcome = execute(command, what=what, env=env, fix=job.fix)
    said = (outcome.stdout + outcome.stderr).splitlines()
    complaints = [line for line in said if line and not line.startswith(_CHATTER)]
    if outcome.status or complaints:
        raise outcome.failure(what, job.fix)


def _commands(job: Job) -> Iterator[bytes]:
    yield b"rmdir lost+found"
    # The signedness of char on the building machine, which only an indexed folder would use.
    yield b"set_super_value flags 1"
    yield from _inode(b"/", 0o040755, job.manifest.epoch)
    yield from _attributes(job)
    for entry in job.manifest.entries:
        path = b"/" + os.fsencode(entry.path)
        yield from _inode(path, _TYPES[entry.type] | entry.mode, job.manifest.epoch)
    yield b"feature read-only"


def _attributes(job: Job) -> Iterator[bytes]:
    every = ((ATTRIBUTE, job.manifest.attributes), (LABEL, job.manifest.labels))
    if any(values for _, values in every):
        yield b"feature ext_attr"
    files: dict[bytes, bytes] = {}
    for name, values in every:
        for path, value in values.items():
            if value not in files:
                file = job.work / f"attribute-{len(files)}"
                file.write_bytes(value)
                files[value] = os.fsencode(file)
            words = files[value], os.fsencode(path), name.encode()
            yield b'ea_set -f "%s" "/%s" %s' % words


def _inode(path: bytes, mode: int, epoch: int) -> Iterator[bytes]:
    times = dict.fromkeys(("atime", "ctime", "mtime", "crtime"), f"@{epoch}")
    for field, value in {"mode": f"0{mode:o}", "uid": "0", "gid": "0", **times}.items():
        yield b'set_inode_field "%s" %s %s' % (path, field.encode(), value.encode())
