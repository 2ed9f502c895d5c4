"""Read a folder once: every path's metadata, every file's digest and headers."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bakery.check import elf
from bakery.check.tree import Kind, Node, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARSED = (
    "usr/lib/extension-release.d/",
    "usr/lib/systemd/",
    "usr/lib/sysusers.d/",
    "usr/lib/tmpfiles.d/",
    "usr/lib/udev/rules.d/",
    "usr/share/dbus-1/",
)
_HEAD = 256 * 1024  # a text longer than this is no configuration file
_CHUNK = 1024 * 1024
_MOST_WORKERS = 4
_LONGEST_SHEBANG = 256  # the kernel's BINPRM_BUF_SIZE
_CAPABILITIES = "security.capability"
_MADE_BY_MKFS = "lost+found"  # of ext4; a merge ignores it
_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True)
class _Content:
    sha256: str
    elf: elf.Elf | None
    script: tuple[str, ...]
    text: str | None
    trouble: str | None


def scan(root: Path) -> Tree:
    """Return the folder as a value; no link is followed, and no file is read twice.

    Args:
        root: the folder that a host would see as `/`.

    Raises:
        OSError: a folder can't be listed. A file that can't be read is a node with its `trouble`.

    """
    workers = min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(workers) as pool:
        nodes = pool.map(lambda node: _examine(root, node), _walk(os.fspath(root)))
        return Tree({node.path: node for node in sorted(nodes, key=lambda node: node.path)})


def _walk(root: str) -> Iterator[Node]:
    yield _node(root, ".")
    waiting = ["."]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(root, folder)) as entries:  # noqa: PTH118  Path is ten times slower
            paths = sorted(f"{folder}/{entry.name}".removeprefix("./") for entry in entries)
        for path in paths:
            if path == _MADE_BY_MKFS:
                continue
            node = _node(root, path)
            if node.type == "directory":
                waiting.append(path)
            yield node


def _node(root: str, path: str) -> Node:
    full = os.path.join(root, path)  # noqa: PTH118  Path is ten times slower
    status = os.lstat(full)
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    return Node(
        path=path,
        type=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime=int(status.st_mtime),
        size=status.st_size if kind == "file" else 0,
        target=os.readlink(full) if kind == "link" else None,  # noqa: PTH115  Path is ten times slower
    )


def _examine(root: Path, node: Node) -> Node:
    if node.type != "file":
        return node
    try:
        descriptor = os.open(root / node.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with io.FileIO(descriptor) as file:
            capable = _CAPABILITIES in os.listxattr(descriptor)
            content = _content(node, file)
    except OSError as error:
        return replace(node, trouble=f"can't be read: {error.strerror}")
    return replace(
        node,
        capabilities=capable,
        sha256=content.sha256,
        elf=content.elf,
        script=content.script,
        text=content.text,
        trouble=content.trouble,
    )


def _content(node: Node, file: io.FileIO) -> _Content:
    head = file.read(_HEAD)
    digest = hashlib.sha256(head)
    if len(head) == _HEAD:
        buffer = memoryview(bytearray(_CHUNK))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    headers, trouble = _binary(head, file)
    wanted = node.path.startswith(PARSED) and node.size <= _HEAD
    return _Content(
        sha256=digest.hexdigest(),
        elf=headers,
        script=_script(head),
        text=head.decode("utf-8", "replace") if wanted else None,
        trouble=trouble,
    )


def _binary(head: bytes, file: io.FileIO) -> tuple[elf.Elf | None, str | None]:
    if not head.startswith(elf.MAGIC):
        return None, None
    stream = io.BufferedReader(file)
    try:
        return elf.read(stream), None
    except elf.ElfError as error:
        return None, f"{error.what}: {error.why}"
    finally:
        stream.detach()


def _script(head: bytes) -> tuple[str, ...]:
    if not head.startswith(b"#!"):
        return ()
    first = head[2:_LONGEST_SHEBANG].split(b"\n", 1)[0]
    return tuple(first.decode("utf-8", "replace").split())
