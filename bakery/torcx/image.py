"""Torcx images, opened: tar balls and squashfs with /.torcx/manifest.json (image-manifest-v0)."""

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
from bakery.image.formats.squashfs import UNSQUASHFS
from bakery.image.tree import TreeBuilder
from bakery.progress import Silent
from bakery.provision.place import ProvisionError
from bakery.tools import run

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".torcx.tgz", ".torcx.squashfs")
MANIFEST = ".torcx/manifest.json"
HOMES = {
    "bin": "usr/bin",
    "units": "usr/lib/systemd/system",
    "network": "usr/lib/systemd/network",
    "sysusers": "usr/lib/sysusers.d",
    "tmpfiles": "usr/lib/tmpfiles.d",
    "udev_rules": "usr/lib/udev/rules.d",
}
"""Where an extension has what each list of the manifest propagates."""

_MOVED = {"bin": "usr/bin", "sbin": "usr/bin", "usr": "usr"} | {
    name: f"usr/{name}" for name in ("lib", "lib64", "libexec", "share")
}
_FOLDERS_OF_UNITS = (".d", ".wants", ".requires")


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["image-manifest-v0"]
    value: dict[str, Any] = {}


class TorcxImage(msgspec.Struct, frozen=True, kw_only=True):
    """What is in an image, while it is open.

    Attributes:
        files: its files and links by path.
        places: where an extension has them, by path; what has no place is missing.
        absent: paths that its manifest names, and that are not there.
        has_manifest: whether it has one; places are else told by folders alone.

    """

    files: dict[str, Path]
    places: dict[str, str]
    absent: tuple[str, ...]
    has_manifest: bool


@contextmanager
def opened(file: Path) -> Iterator[TorcxImage]:
    """Unpack an image for the time of the context.

    Raises:
        ProvisionError: it is no Torcx image, or its manifest can't be read.
        BakeryError: it is hostile or damaged.

    """
    if not file.is_file():
        raise ProvisionError(
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
            place = Path(parent, name)
            path = place.relative_to(root).as_posix()
            if place.is_symlink() or place.is_file():
                yield path, place
            elif not place.is_dir():
                raise ProvisionError(
                    "the image is refused",
                    where=path,
                    why="it is no file, folder or link",
                    fix="find out who put it there; an image has no use for it",
                )


def _image(file: Path, files: dict[str, Path]) -> TorcxImage:
    lists = _lists(file, files.get(MANIFEST))
    places = {path: place for path in files if (place := _moved(path)) is not None}
    absent = []
    for kind, home in HOMES.items():
        for listed in (lists or {}).get(kind, ()):
            path = listed.strip("/")
            found = {each: _below(home, path, each) for each in files if _is_in(each, path)}
            places |= found
            if not found:
                absent.append(listed)
    return TorcxImage(
        files=files, places=places, absent=tuple(absent), has_manifest=lists is not None
    )


def _lists(file: Path, place: Path | None) -> dict[str, list[str]] | None:
    if place is None or place.is_symlink():
        return None
    try:
        manifest = msgspec.json.decode(place.read_bytes(), type=_Manifest)
        known = {kind: manifest.value.get(kind) or [] for kind in HOMES}
        return msgspec.convert(known, dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProvisionError(
            "the Torcx manifest can't be read",
            where=f"{file}, {MANIFEST}",
            why=str(error),
            fix="correct it: it is JSON of the kind image-manifest-v0",
        ) from None


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _below(home: str, listed: str, path: str) -> str:
    """Return where a file goes that is listed itself, or lies in a folder that is."""
    keeps_name = path == listed or listed.endswith(_FOLDERS_OF_UNITS)
    base = posixpath.dirname(listed) if keeps_name else listed
    return f"{home}/{posixpath.relpath(path, base or '.')}"


def _moved(path: str) -> str | None:
    top, _, rest = path.partition("/")
    home = _MOVED.get(top)
    return f"{home}/{rest}" if home and rest else None
