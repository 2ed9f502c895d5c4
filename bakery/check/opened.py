"""Open anyone's image: with the kernel's own driver, or unpacked where root's rights lack."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check.subject import Context, Subject, subject_of
from bakery.check.tree import Tree
from bakery.errors import BakeryError
from bakery.image.formats.squashfs import UNSQUASHFS
from bakery.tools import Tool, ToolFailedError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.image.manifest import Manifest

_MOUNT = Tool(program="mount", apt="mount", dnf="util-linux", zypper="util-linux")
_UMOUNT = Tool(program="umount", apt="mount", dnf="util-linux", zypper="util-linux")
DISSECT = Tool(program="systemd-dissect", apt="systemd-container")
_ROOT_MODE = 0o755
GPT = "gpt"
_MAGICS = (  # file system, offset of its magic number, the number: linux/magic.h
    ("squashfs", 0, b"hsqs"),
    (GPT, 512, b"EFI PART"),
    ("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    ("ext4", 1024 + 56, b"\x53\xef"),
    ("btrfs", 65536 + 64, b"_BHRfS_M"),
)
_OPTIONS = "loop,ro,nodev,nosuid,noexec"
_NO_REPLAY = {"ext4": ",noload"}  # a journal is not replayed: the image must not be written to


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
    with contents(path) as root:
        try:
            return subject_of(root, path, context, keeps_owners=_is_root(), file=path)
        except OSError as error:
            raise _damaged("the image is damaged", path, str(error)) from error


def from_folder(folder: Path, context: Context | None = None) -> Subject:
    """Return a folder as a subject.

    With a manifest it is a staged tree: an image of it is written with the manifest's modes and
    time, and with root as the owner of everything. Nor do owners count in a folder that somebody
    else than root checks.

    Raises:
        BakeryError: a folder below it can't be listed.

    """
    context = context or Context()
    staged = context.manifest
    try:
        subject = subject_of(
            folder, folder.resolve(), context, keeps_owners=_is_root() and staged is None
        )
    except OSError as error:
        raise BakeryError("the folder can't be read", where=str(folder), why=str(error)) from error
    return subject if staged is None else replace(subject, tree=_as_written(subject.tree, staged))


def _as_written(tree: Tree, manifest: Manifest) -> Tree:
    """Return a staged tree with the modes and times that an image of it gets."""
    modes = {entry.path: entry.mode for entry in manifest.entries} | {".": _ROOT_MODE}
    return Tree(
        {
            node.path: replace(node, mode=modes.get(node.path, node.mode), mtime=manifest.epoch)
            for node in tree
        }
    )


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
def contents(path: Path) -> Iterator[Path]:
    """Yield a folder with what an image file holds.

    Raises:
        ImageUnreadableError: it is not an image, or a damaged one.
        BakeryError: only root can look into it.
        MissingToolError: reading it needs a program that is not installed.

    """
    kind = file_system(path)
    if kind is None:
        raise ImageUnreadableError(
            "this file is not an image",
            where=str(path),
            why="it holds no squashfs, erofs, ext4 or btrfs, and no partitions"
            if path.stat().st_size
            else "it is empty",
            fix="give an image such as `doit build` makes, or download it again",
        )
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
        with tempfile.TemporaryDirectory(prefix="bakery-check-") as scratch:
            _unpack(path, Path(scratch, "root"))
            yield Path(scratch, "root")


@contextmanager
def _mounted(path: Path) -> Iterator[Path]:
    """Mount an image where nobody else sees it.

    The mount is taken off its folder as soon as it is open, so it lives as long as the descriptor
    does and goes with the process, however that ends (man umount, --lazy).
    """
    image = path.resolve()
    with tempfile.TemporaryDirectory(prefix="bakery-check-") as folder:
        try:
            run(
                mount_command(image, Path(folder), _OPTIONS),
                what="the image can't be mounted",
            )
        except ToolFailedError as error:
            raise _damaged("the kernel can't mount the image", path, error.why) from error
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        finally:
            run([_UMOUNT.require(), "--lazy", folder], what="the image can't be unmounted")
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def mount_command(image: Path, folder: Path, options: str) -> list[str]:
    """Return the command that mounts an image file read-only; mount(8) has the options.

    Raises:
        MissingToolError: it is not installed.

    """
    kind = file_system(image) or "auto"
    if kind == GPT:
        return [DISSECT.require(), "--mount", "--read-only", str(image), str(folder)]
    options += _NO_REPLAY.get(kind, "")
    return [_MOUNT.require(), "-t", kind, "-o", options, "--", str(image.resolve()), str(folder)]


def _damaged(what: str, path: Path, why: str | None) -> ImageUnreadableError:
    fix = "build or download it again"
    return ImageUnreadableError(what, where=str(path), why=why, fix=fix)


def _unpack(path: Path, root: Path) -> None:
    command = [UNSQUASHFS.require(), "-no-progress", "-quiet", "-no-xattrs"]
    command += ["-data-queue", "16", "-frag-queue", "16"]  # MiB of memory
    # devices can't be made without root: the report says that the rule about them did not run
    command += ["-ignore-errors", "-dest", str(root), str(path.resolve())]
    try:
        run(command, what="unsquashfs failed")
    except ToolFailedError as error:
        raise _damaged("the image can't be unpacked", path, error.why) from error
