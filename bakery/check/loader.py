"""Load any image or folder as a subject: mounted by the kernel, or unpacked by other users."""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.check import partitions
from bakery.check.subject import Context, Subject, subject_of
from bakery.check.tree import Tree
from bakery.errors import BakeryError
from bakery.image.formats.squashfs import UNSQUASHFS
from bakery.tools import Tool, ToolFailedError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.partitions import Extent

_MOUNT = Tool(program="mount", apt="mount", dnf="util-linux", zypper="util-linux")
GPT = "gpt"
_MAGICS = (  # file system, offset of its magic number, the number: linux/magic.h
    ("squashfs", 0, b"hsqs"),
    (GPT, 512, b"EFI PART"),
    ("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    ("ext4", 1024 + 56, b"\x53\xef"),
    ("btrfs", 65536 + 64, b"_BHRfS_M"),
)
_MNT_DETACH = 2  # of umount(2)
_OPTIONS = "loop,ro,nodev,nosuid,noexec"
_LISTED = re.compile(r"^\S{10} (\d+)/(\d+) .*? squashfs-root/?(.*)$", re.MULTILINE)
_NO_REPLAY = {"ext4": ",noload"}  # a journal is not replayed: the image must not be written to


class ImageUnreadableError(BakeryError):
    """A file is not an image, or a damaged one."""


def load(path: Path, context: Context | None = None) -> Subject:
    """Load an image file or a folder.

    Args:
        path: the file or folder.
        context: what is known about it.

    Raises:
        ImageUnreadableError: the file holds no file system, or a damaged one.
        MissingToolError: reading it needs a program that is not installed.
        BakeryError: there is no such path, or reading it needs root.

    """
    context = context or Context()
    if path.is_dir():
        return load_folder(path, context)
    if not path.is_file():
        raise BakeryError(
            "there is nothing to check",
            where=str(path),
            fix="name an image file or a folder that exists",
        )
    with contents(path) as root:
        try:
            subject = subject_of(root, path, context, as_root=_is_root(), file=path)
            subject = replace(subject, is_gpt=file_system(path) == GPT)
        except OSError as error:
            raise _damaged("the image is damaged", path, str(error)) from error
    return subject if subject.knows_owners else _with_owners(subject, path)


def load_folder(folder: Path, context: Context | None = None) -> Subject:
    """Load a folder; owners do not count in one that somebody else than root checks.

    Raises:
        BakeryError: a folder below it can't be listed.

    """
    try:
        return subject_of(folder, folder.resolve(), context or Context(), as_root=_is_root())
    except OSError as error:
        raise BakeryError("the folder can't be read", where=str(folder), why=str(error)) from error


def file_system(path: Path, start: int = 0) -> str | None:
    """Return the type of the file system that begins at a byte, as in mount(8); None if unknown.

    The types are those that systemd merges, and `gpt` for a partition table.
    """
    with path.open("rb") as file:
        for name, offset, magic in _MAGICS:
            file.seek(start + offset)
            if file.read(len(magic)) == magic:
                return name
    return None


def _inside(path: Path) -> tuple[str, Extent | None]:
    """Return the type of an image file's file system, and where it is if that is a part of it.

    Raises:
        ImageUnreadableError: there is none.

    """
    kind, extent = file_system(path), None
    why = "it is empty" if not path.stat().st_size else "it holds no squashfs, erofs, ext4 or btrfs"
    if kind == GPT:
        try:
            extent = partitions.file_system(path)
        except ValueError as error:
            raise _damaged("its partitions can't be read", path, str(error)) from None
        kind = file_system(path, extent.offset)
    if kind is None or kind == GPT:
        raise ImageUnreadableError(
            "this file is not an image",
            where=str(path),
            why=why,
            fix="give an image such as `doit build` makes, or download it again",
        )
    return kind, extent


def _is_root() -> bool:
    return os.geteuid() == 0


@contextmanager
def contents(path: Path) -> Iterator[Path]:
    """Yield a folder with what an image file holds.

    Raises:
        ImageUnreadableError: it is not an image, or a damaged one.
        BakeryError: only root can look into it.
        MissingToolError: reading it needs a program that is not installed.

    """
    kind, _ = _inside(path)
    if not _is_root() and kind != "squashfs":
        raise BakeryError(
            f"only root can look into an image of type {kind}",
            where=str(path),
            fix=f"sudo bakery check {path}",
        )
    if _is_root():
        with _mounted(path) as root:
            yield root
    else:
        with interrupts.temporary_folder("bakery-check-") as scratch:
            _unpack(path, scratch / "root")
            yield scratch / "root"


@contextmanager
def _mounted(path: Path) -> Iterator[Path]:
    """Mount an image where nobody else sees it.

    The mount is detached from its folder once that is open: it then ends with the descriptor, so
    also when the process is killed: umount(2).
    """
    image = path.resolve()
    with interrupts.temporary_folder("bakery-check-") as folder:
        try:
            run(mount_command(image, folder, _OPTIONS), what="the image can't be mounted")
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except ToolFailedError as error:
            raise _damaged("the kernel can't mount the image", path, error.why) from error
        finally:  # by no program, which a signal that comes just then would end
            ctypes.CDLL(None).umount2(os.fsencode(folder), _MNT_DETACH)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def mount_command(image: Path, folder: Path, options: str) -> list[str]:
    """Return the command that mounts an image file read-only; mount(8) has the options.

    Of an image with partitions it is the file system alone, which nothing vouches for then.

    Raises:
        ImageUnreadableError: there is no file system in it.
        MissingToolError: it is not installed.

    """
    kind, extent = _inside(image)
    options += _NO_REPLAY.get(kind, "")
    if extent:
        options += f",offset={extent.offset},sizelimit={extent.size}"
    return [_MOUNT.require(), "-t", kind, "-o", options, "--", str(image.resolve()), str(folder)]


def _damaged(what: str, path: Path, why: str | None) -> ImageUnreadableError:
    fix = "build or download it again"
    return ImageUnreadableError(what, where=str(path), why=why, fix=fix)


def _unpack(path: Path, root: Path) -> None:
    command = [UNSQUASHFS.require(), "-no-progress", "-quiet", "-user-xattrs"]
    command += ["-data-queue", "16", "-frag-queue", "16"]  # MiB of memory
    # devices can't be made without root: the report says that the rule about them did not run
    command += ["-ignore-errors", *_offset(path), "-dest", str(root), str(path.resolve())]
    try:
        run(command, what="unsquashfs failed")
    except ToolFailedError as error:
        raise _damaged("the image can't be unpacked", path, error.why) from error


def _offset(path: Path) -> list[str]:
    _, extent = _inside(path)
    return ["-offset", str(extent.offset)] if extent else []


def _with_owners(subject: Subject, path: Path) -> Subject:
    """Return an unpacked image with the owners that unsquashfs lists: all else became the user's.

    An owner of something whose name can't be made out is taken for that of the root folder.
    """
    command = [UNSQUASHFS.require(), "-lln", *_offset(path), str(path.resolve())]
    listing = run(command, what="the owners of the image's files can't be listed")
    tree = subject.tree
    owners: dict[str, tuple[int, int]] = {}
    for uid, gid, listed in _LISTED.findall(listing):
        names = (listed or ".", listed.partition(" -> ")[0], ".")
        owner = int(uid), int(gid)
        if owner != (0, 0):
            owners[next(name for name in names if name in tree.nodes)] = owner
    nodes = {}
    for node in tree:
        user, group = owners.get(node.path, (0, 0))
        nodes[node.path] = replace(node, uid=user, gid=group)
    return replace(subject, tree=Tree(nodes), knows_owners=True)
