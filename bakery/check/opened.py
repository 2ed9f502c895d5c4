"""Open anyone's image: with the kernel's own driver, or unpacked where root's rights lack."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check.subject import Context, Subject, subject_of
from bakery.errors import BakeryError
from bakery.tools import Tool, ToolFailedError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOUNT = Tool(program="mount", apt="mount", dnf="util-linux", zypper="util-linux")
_UMOUNT = Tool(program="umount", apt="mount", dnf="util-linux", zypper="util-linux")
_UNSQUASHFS = Tool(
    program="unsquashfs",
    apt="squashfs-tools",
    dnf="squashfs-tools",
    zypper="squashfs",
    brew="squashfs",
)
_MAGICS = (  # file system, offset of its magic number, the number: linux/magic.h
    ("squashfs", 0, b"hsqs"),
    ("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    ("ext4", 1024 + 56, b"\x53\xef"),
    ("btrfs", 65536 + 64, b"_BHRfS_M"),
)
_READ_ONLY = {  # a journal is not replayed: the image must not be written to
    "ext4": "loop,ro,nodev,nosuid,noexec,noload",
}
_OPTIONS = "loop,ro,nodev,nosuid,noexec"
_GPT = (512, b"EFI PART")


class ImageUnreadableError(BakeryError):
    """A file is not an image, or a damaged one."""


def from_path(path: Path, context: Context | None = None) -> Subject:
    """Return an image file or a folder as a subject; the file is closed again afterwards.

    Raises:
        BakeryError: there is no such path.
        ImageUnreadableError: the file holds no file system, or a damaged one.
        MissingToolError: reading it needs a program that is not installed.

    """
    context = context or Context()
    if path.is_dir():
        return from_folder(path, context)
    if not path.is_file():
        raise BakeryError(
            "there is nothing to check",
            where=str(path),
            fix="name an image file or a folder that exists",
        )
    with _contents(path) as root:
        try:
            return subject_of(root, path, context, keeps_owners=_is_root(), file=path)
        except OSError as error:
            raise ImageUnreadableError(
                "the image is damaged",
                where=str(path),
                why=str(error),
                fix="build or download it again",
            ) from error


def from_folder(folder: Path, context: Context | None = None) -> Subject:
    """Return a folder as a subject.

    The owners in a staged tree, which has a manifest, don't count, since an image is written with
    root as the owner of everything; nor do those in a folder that somebody else than root checks.

    Raises:
        BakeryError: a folder below it can't be listed.

    """
    context = context or Context()
    keeps_owners = _is_root() and context.manifest is None
    try:
        return subject_of(folder, folder.resolve(), context, keeps_owners=keeps_owners)
    except OSError as error:
        raise BakeryError("the folder can't be read", where=str(folder), why=str(error)) from error


def file_system(path: Path) -> str | None:
    """Return the file system that a file holds, as mount calls it; None if it is none we know."""
    with path.open("rb") as file:
        for name, offset, magic in _MAGICS:
            file.seek(offset)
            if file.read(len(magic)) == magic:
                return name
    return None


def _is_root() -> bool:
    return os.geteuid() == 0


@contextmanager
def _contents(path: Path) -> Iterator[Path]:
    kind = file_system(path)
    if kind is None:
        raise ImageUnreadableError(
            "this file is not an image",
            where=str(path),
            why=_instead(path),
            fix="give a file made by mksquashfs, mkfs.erofs, mkfs.ext4 or mkfs.btrfs",
        )
    if not _is_root() and kind != "squashfs":
        raise BakeryError(
            f"only root can look into an image of type {kind}",
            where=str(path),
            fix=f"sudo bakery check {path}",
        )
    with tempfile.TemporaryDirectory(prefix="bakery-check-") as scratch:
        root = Path(scratch) / "root"
        if _is_root():
            with _mounted(path, kind, root):
                yield root
        else:
            _unpack(path, root)
            yield root


def _instead(path: Path) -> str:
    with path.open("rb") as file:
        if not file.read(1):
            return "it is empty"
        file.seek(_GPT[0])
        if file.read(len(_GPT[1])) == _GPT[1]:
            return "it is a disk with partitions"
    return "it holds no squashfs, erofs, ext4 or btrfs"


@contextmanager
def _mounted(path: Path, kind: str, root: Path) -> Iterator[None]:
    root.mkdir()
    options = _READ_ONLY.get(kind, _OPTIONS)
    try:
        run(
            [_MOUNT.require(), "-t", kind, "-o", options, "--", path.resolve(), root],
            what="the kernel can't mount the image",
        )
    except ToolFailedError as error:
        raise ImageUnreadableError(
            f"the kernel's {kind} driver refuses the image",
            where=str(path),
            why=error.why,
            fix="build or download it again",
        ) from error
    try:
        yield
    finally:
        run([_UMOUNT.require(), root], what="the image can't be unmounted")


def _unpack(path: Path, root: Path) -> None:
    command = [_UNSQUASHFS.require(), "-no-progress", "-quiet", "-no-xattrs"]
    little_memory = ["-data-queue", "16", "-frag-queue", "16"]  # MiB each
    # devices can't be made without root: the report says that the rule about them did not run
    lenient = ["-ignore-errors"]
    try:
        run(
            [*command, *little_memory, *lenient, "-dest", root, path.resolve()],
            what="unsquashfs failed",
        )
    except ToolFailedError as error:
        raise ImageUnreadableError(
            "the image can't be unpacked",
            where=str(path),
            why=error.why,
            fix="build or download it again",
        ) from error
