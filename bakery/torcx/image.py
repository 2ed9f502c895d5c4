"""Open Torcx images: tar balls and squashfs with /.torcx/manifest.json (image-manifest-v0)."""

from __future__ import annotations

import os
import posixpath
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from bakery.archive.unpack import members
from bakery.check.loader import file_system
from bakery.errors import BakeryError
from bakery.image.formats.squashfs import UNSQUASHFS
from bakery.image.tree import TreeBuilder
from bakery.progress import Silent
from bakery.tools import run

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".torcx.tgz", ".torcx.squashfs")
MANIFEST = ".torcx/manifest.json"
DESTINATIONS = {
    "bin": "usr/bin",
    "units": "usr/lib/systemd/system",
    "network": "usr/lib/systemd/network",
    "sysusers": "usr/lib/sysusers.d",
    "tmpfiles": "usr/lib/tmpfiles.d",
    "udev_rules": "usr/lib/udev/rules.d",
}
"""The folder of an extension for each list of the manifest."""

_MOVED = {"bin": "usr/bin", "sbin": "usr/bin", "usr": "usr"} | {
    name: f"usr/{name}" for name in ("lib", "lib64", "libexec", "share")
}
_FOLDERS_OF_UNITS = (".d", ".wants", ".requires")


class TorcxError(BakeryError):
    """A Torcx image can't be converted."""


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["image-manifest-v0"]
    value: dict[str, Any] = {}


class TorcxImage(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an image, while it is open.

    Attributes:
        files: its files and links, unpacked, by path.
        destinations: the path in an extension, by path; files without one are left out.
        absent: paths that its manifest names and that do not exist.
        has_manifest: whether it has one; else folders alone decide on the destinations.

    """

    files: dict[str, Path]
    destinations: dict[str, str]
    absent: tuple[str, ...]
    has_manifest: bool


@contextmanager
def open_image(file: Path) -> Iterator[TorcxImage]:
    """Unpack an image for the time of the context.

    Raises:
        TorcxError: it is no Torcx image, or its manifest can't be read.
        BakeryError: it is hostile or damaged.

    """
    if not file.is_file():
        raise TorcxError(
            "there is no such image",
            where=str(file),
            fix="copy it from a host: they are below /var/lib/torcx/store",
        )
    with tempfile.TemporaryDirectory(prefix="bakery-torcx-") as scratch:
        root = Path(scratch, "root")
        if file_system(file) == "squashfs":
            command = [UNSQUASHFS.require(), "-no-progress", "-quiet", "-no-xattrs"]
            run([*command, "-dest", root, file.absolute()], what="the image can't be unpacked")
        else:
            root.mkdir()
            _untar(file, root)
        files = dict(_walk(root))
        yield _image(file, files)


def _untar(file: Path, root: Path) -> None:
    tree = TreeBuilder(root)
    for member, stream in members(file, file.name, lambda _: True, kind="tar"):
        if stream is not None:
            tree.add_stream(
                member.path,
                stream,
                executable=member.executable,
                origin=file.name,
                meter=Silent(),
            )
        elif member.target is not None:
            tree.add_link(member.path, member.target, origin=file.name)
    for entry in tree.entries.values():
        if entry.type == "file":
            (root / entry.path).chmod(entry.mode)


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, files in os.walk(root):
        for name in (*files, *folders):
            file = Path(parent, name)
            path = file.relative_to(root).as_posix()
            if file.is_symlink() or file.is_file():
                yield path, file
            elif not file.is_dir():
                raise TorcxError(
                    "the image is refused",
                    where=path,
                    why="it is no file, folder or link",
                    fix="find out who put it there; an image has no use for it",
                )


def _image(file: Path, files: dict[str, Path]) -> TorcxImage:
    lists = _lists(file, files.get(MANIFEST))
    destinations = {path: moved for path in files if (moved := _moved(path)) is not None}
    absent = []
    for kind, folder in DESTINATIONS.items():
        for listed in (lists or {}).get(kind, ()):
            path = listed.strip("/")
            matching = {each: _below(folder, path, each) for each in files if _is_in(each, path)}
            destinations |= matching
            if not matching:
                absent.append(listed)
    return TorcxImage(
        files=files, destinations=destinations, absent=tuple(absent), has_manifest=lists is not None
    )


def _lists(file: Path, manifest_file: Path | None) -> dict[str, list[str]] | None:
    if manifest_file is None or manifest_file.is_symlink():
        return None
    try:
        manifest = msgspec.json.decode(manifest_file.read_bytes(), type=_Manifest)
        known = {kind: manifest.value.get(kind) or [] for kind in DESTINATIONS}
        return msgspec.convert(known, dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TorcxError(
            "the Torcx manifest can't be read",
            where=f"{file}, {MANIFEST}",
            why=str(error),
            fix="correct it: it is JSON of the kind image-manifest-v0",
        ) from None


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _below(folder: str, listed: str, path: str) -> str:
    """Return the destination of a file that is listed itself, or is in a listed folder."""
    keeps_name = path == listed or listed.endswith(_FOLDERS_OF_UNITS)
    base = posixpath.dirname(listed) if keeps_name else listed
    return f"{folder}/{posixpath.relpath(path, base or '.')}"


def _moved(path: str) -> str | None:
    top, _, rest = path.partition("/")
    folder = _MOVED.get(top)
    return f"{folder}/{rest}" if folder and rest else None
