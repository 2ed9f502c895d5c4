"""Open Torcx images: tar balls and squashfs with /.torcx/manifest.json (image-manifest-v0)."""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from bakery import interrupts
from bakery.archive.unpack import members
from bakery.check.loader import file_system
from bakery.decoding import from_data, from_json
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
_LINKS = 64  # parts of a path, those of links that it leads through included
_PRIVILEGED = stat.S_ISUID | stat.S_ISGID
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
        folders: links to folders of the image, such as lib to usr/lib.
        privileged: the files that are setuid or setgid, or have capabilities.
        absent: paths that its manifest names and that do not exist.
        has_manifest: whether it has one; else folders alone decide on the destinations.

    """

    files: dict[str, Path]
    destinations: dict[str, str]
    folders: frozenset[str]
    privileged: frozenset[str]
    absent: tuple[str, ...]
    has_manifest: bool

    def place(self, path: str) -> str:
        """Return where a path of the image, which begins with a slash, is in the extension."""
        inside = found(path, self.files)
        moved = self.destinations.get(inside) or _moved(inside) or _MOVED.get(inside)
        return f"/{moved or 'usr'}".replace("/usr/sbin", "/usr/bin")


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
    privileged: list[str] = []
    with interrupts.temporary_folder("bakery-torcx-") as scratch:
        root = scratch / "root"
        if file_system(file) == "squashfs":
            command = [UNSQUASHFS.require(), "-no-progress", "-quiet", "-no-xattrs"]
            run([*command, "-dest", root, file.absolute()], what="the image can't be unpacked")
        else:
            root.mkdir()
            privileged = _untar(file, root)
        files = dict(_walk(root))
        modes = ((path, each) for path, each in files.items() if not each.is_symlink())
        privileged += [path for path, each in modes if each.stat().st_mode & _PRIVILEGED]
        for path in privileged:
            files[path].chmod(files[path].stat().st_mode & ~_PRIVILEGED)
        yield _image(file, files, frozenset(privileged))


def _untar(file: Path, root: Path) -> list[str]:
    """Unpack a tar ball; return the files that are setuid or setgid, which they are no more."""
    tree = TreeBuilder(root)
    privileged = []
    for member, stream in members(file, file.name, lambda _: True, kind="tar"):
        if member.privileges:
            privileged.append(member.path)
        if stream is not None:
            tree.add_stream(
                member.path,
                stream,
                executable=member.executable,
                origin=file.name,
                progress=Silent(),
            )
        elif member.target is not None:
            tree.add_link(member.path, member.target, origin=file.name)
    for entry in tree.entries.values():
        if entry.type == "file":
            (root / entry.path).chmod(entry.mode)
    return privileged


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


def _image(file: Path, files: dict[str, Path], privileged: frozenset[str]) -> TorcxImage:
    lists = _lists(file, files.get(MANIFEST))
    folders = frozenset(path for path, each in files.items() if _is_folder_link(path, each, files))
    destinations = {
        path: moved for path in files if (moved := _moved(path)) is not None and path not in folders
    }
    absent = []
    for kind, folder in DESTINATIONS.items():
        for listed in (lists or {}).get(kind, ()):
            path = found(listed, files)
            matching = {each: _below(folder, path, each) for each in files if _is_in(each, path)}
            destinations |= matching
            if not matching:
                absent.append(listed)
    return TorcxImage(
        files=files,
        destinations=destinations,
        folders=folders,
        privileged=privileged,
        absent=tuple(absent),
        has_manifest=lists is not None,
    )


def found(path: str, files: dict[str, Path]) -> str:
    """Return what a path of the image leads to: through its links, with /usr or without it."""
    resolved = _resolved(path, files)
    for each in (resolved, resolved.removeprefix("usr/"), f"usr/{resolved}"):
        if any(_is_in(file, each) for file in files):
            return each
    return resolved


def _resolved(path: str, files: dict[str, Path]) -> str:
    done = ""
    rest = [part for part in path.split("/") if part]
    for _ in range(_LINKS):
        if not rest:
            break
        done = posixpath.join(done, rest.pop(0))
        link = files.get(done)
        if rest and link is not None and link.is_symlink():
            target = posixpath.join("/", posixpath.dirname(done), str(link.readlink()))
            rest = [part for part in posixpath.normpath(target).split("/") if part] + rest
            done = ""
    return posixpath.join(done, *rest)


def _is_folder_link(path: str, file: Path, files: dict[str, Path]) -> bool:
    """Return whether this is a link to a folder of the image, such as lib to usr/lib."""
    return file.is_symlink() and any(
        each.startswith(f"{_resolved(f'{path}/x', files).removesuffix('/x')}/") for each in files
    )


def _lists(file: Path, manifest_file: Path | None) -> dict[str, list[str]] | None:
    if manifest_file is None or manifest_file.is_symlink():
        return None
    try:
        manifest = from_json(manifest_file.read_bytes(), _Manifest)
        known = {kind: manifest.value.get(kind) or [] for kind in DESTINATIONS}
        return from_data(known, dict[str, list[str]])
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
