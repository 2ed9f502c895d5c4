"""Read a folder once: every path's metadata, every file's digest and headers."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from typing import TYPE_CHECKING, Any

from bakery.binary import elf
from bakery.binary.headers import MAGIC, ElfError
from bakery.check.fragment_files import is_tmpfiles
from bakery.check.licenses import is_license_file
from bakery.check.tree import Kind, Node, Tree
from bakery.image.manifest import LABEL
from bakery.recipe.capabilities import ATTRIBUTE, Capabilities
from bakery.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

PARSED = (
    "etc/extension-release.d/",
    "usr/lib/extension-release.d/",
    "usr/lib/systemd/",
    "usr/lib/sysusers.d/",
    "usr/lib/tmpfiles.d/",
    "usr/lib/udev/rules.d/",
    "usr/lib/sysctl.d/",
    "usr/lib/modules-load.d/",
    "usr/lib/binfmt.d/",
    "usr/share/dbus-1/",
    "usr/share/polkit-1/actions/",
)
_HEAD = 256 * 1024  # a text longer than this is no configuration file
_CHUNK = 1024 * 1024
_MOST_WORKERS = 4
_LARGE = 1024 * 1024
_LONGEST_SHEBANG = 256  # the kernel's BINPRM_BUF_SIZE
_STRICT = "user.extension-release.strict"  # see systemd-sysext(8)
_FALSE = (b"0", b"no", b"n", b"false", b"f", b"off")
_LOST_AND_FOUND = "lost+found"  # of ext4; a merge ignores it
_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def scan(root: Path) -> Tree:
    """Read a folder; no link is followed, and every file is read once.

    Args:
        root: the folder that a host would see as `/`.

    Raises:
        OSError: a folder can't be listed. A file that can't be read becomes a node with a `defect`.

    """
    folder = os.fspath(root)
    nodes: list[Node] = []
    with Workers(min(_MOST_WORKERS, len(os.sched_getaffinity(0)))) as pool:
        large: list[Future[Node]] = []
        for path in _walk(folder):
            status = os.lstat(f"{folder}/{path}")
            if status.st_size >= _LARGE:
                large.append(pool.submit(_examine, f"{folder}/{path}", path, status))
            else:  # handing it over costs more than reading it
                nodes.append(_examine(f"{folder}/{path}", path, status))
        nodes.extend(future.result() for future in large)
    nodes.sort(key=lambda node: node.path)
    return Tree({node.path: node for node in nodes})


def node_of(file: Path, path: str) -> Node:
    """Return the node that a file of any place is at a path of a tree.

    Raises:
        OSError: there is no such file.

    """
    return _examine(os.fspath(file), path, file.lstat())


def _walk(root: str) -> Iterator[str]:
    yield "."
    queue = [""]
    while queue:
        folder = queue.pop()
        with os.scandir(f"{root}/{folder}") as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{folder}{entry.name}"
            if path != _LOST_AND_FOUND:
                yield path
                if entry.is_dir(follow_symlinks=False):
                    queue.append(f"{path}/")


def _examine(full: str, path: str, status: os.stat_result) -> Node:
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    content = {}
    if kind == "file":
        try:
            content = _read(full, path, status.st_size)
        except OSError as error:
            content = {"defect": f"can't be read: {error.strerror}"}
    return Node(
        path=path,
        type=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime=int(status.st_mtime),
        size=status.st_size if kind == "file" else 0,
        label=_label(full),
        target=os.readlink(full) if kind == "link" else None,  # noqa: PTH115  Path is slow
        **content,
    )


def _read(full: str, path: str, size: int) -> dict[str, Any]:
    """Return what a node has of its file's content and attributes."""
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        head = os.read(descriptor, min(size, _HEAD))
        digest = hashlib.sha256(head)
        if size > _HEAD:
            buffer = memoryview(bytearray(_CHUNK))
            while count := os.readv(descriptor, [buffer]):
                digest.update(buffer[:count])
        headers, defect = _binary(head, size, descriptor)
        return {
            "capabilities": _capabilities(descriptor),
            "strict": not _is_parsed(path, size) or _is_strict(descriptor),
            "sha256": digest.hexdigest(),
            "elf": headers,
            "script": _script(head),
            "text": head.decode("utf-8", "replace") if _is_parsed(path, size) else None,
            "defect": defect,
        }
    finally:
        os.close(descriptor)


def _is_parsed(path: str, size: int) -> bool:
    parsed = path.startswith(PARSED) or is_tmpfiles(path) or is_license_file(path)
    return size <= _HEAD and parsed


def _attribute(file: str | int, name: str) -> bytes | None:
    try:
        return os.getxattr(file, name, follow_symlinks=isinstance(file, int))
    except OSError:  # there is none
        return None


def _capabilities(descriptor: int) -> str | None:
    attribute = _attribute(descriptor, ATTRIBUTE)
    if attribute is None:
        return None
    return str(Capabilities.decode(attribute) or "some that nobody can read")


def _label(full: str) -> str | None:
    """Return a label; SELinux itself makes one up for what has none."""
    label = (_attribute(full, LABEL) or b"").rstrip(b"\0").decode(errors="replace")
    return None if not label or ":unlabeled_t" in label else label


def _is_strict(descriptor: int) -> bool:
    return (_attribute(descriptor, _STRICT) or b"").strip().lower() not in _FALSE


def _binary(head: bytes, size: int, descriptor: int) -> tuple[elf.Elf | None, str | None]:
    if not head.startswith(MAGIC):
        return None, None
    with io.BytesIO(head) if size <= _HEAD else open(descriptor, "rb", closefd=False) as stream:
        try:
            return elf.read(stream), None
        except ElfError as error:
            return None, f"{error.what}: {error.why}"


def _script(head: bytes) -> tuple[str, ...]:
    if not head.startswith(b"#!"):
        return ()
    first = head[2:_LONGEST_SHEBANG].split(b"\n", 1)[0]
    return tuple(first.decode("utf-8", "replace").split())
