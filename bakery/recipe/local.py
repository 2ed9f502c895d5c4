"""What lies below a recipe's files/ and lands in its images."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING

import msgspec

from bakery.characters import hidden_at, visible
from bakery.errors import BakeryError
from bakery.text import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class RecipeFolderError(BakeryError):
    """The recipes folder, or one recipe's folder, is not as it should be."""


class Local(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file or link below a recipe's files/.

    Attributes:
        path: where it lands in the image.
        sha256: the digest of its content; of a link, None.
        executable: whether its owner may execute it.
        target: where a link points, verbatim.

    """

    path: str
    sha256: str | None = None
    executable: bool = False
    target: str | None = None


def find(folders: Iterable[Path]) -> dict[str, Path]:
    """Return where each file and link below several folders lies; later folders go first.

    Raises:
        RecipeFolderError: it can't be read, or its path can't be part of an image.

    """
    sources = {}
    for folder in folders:
        for path, source in _walk(folder, ""):
            if not path.startswith(("usr/", "opt/")):
                raise RecipeFolderError(
                    "only usr/ and opt/ reach the host",
                    where=show(source),
                    fix="ship defaults below files/usr/share/NAME and copy them with `config:`",
                )
            sources[path] = source
    return dict(sorted(sources.items()))


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                path, source = prefix + entry.name, Path(entry.path)
                if not entry.name.isprintable():
                    raise RecipeFolderError(
                        "a file's name must be printable UTF-8",
                        where=ascii(entry.path),
                        fix="rename it",
                    )
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(source, path + "/")
                elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    yield path, source
                else:
                    raise RecipeFolderError(
                        "this is neither a file nor a link", where=show(source), fix="remove it"
                    )
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(folder, error) from None


def read(path: str, source: Path) -> Local:
    """Return the file or link that lands at `path`.

    Raises:
        RecipeFolderError: it can't be read.

    """
    try:
        if source.is_symlink():
            return Local(path=path, target=_target(path, source))
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            executable = bool(os.fstat(file.fileno()).st_mode & 0o100)
    except OSError as error:
        raise _unreadable(source, error) from None
    return Local(path=path, sha256=digest, executable=executable)


def _target(path: str, source: Path) -> str:
    target = str(source.readlink())
    if hidden_at(target) is not None:
        raise RecipeFolderError(
            "the target of a link must be printable UTF-8",
            where=show(source),
            why=f"it points to {visible(target)}",
            fix="make the link anew",
        )
    if not target.startswith("/") and normpath(f"{path}/../{target}").startswith(".."):
        raise RecipeFolderError(
            "this link leads out of the image",
            where=show(source),
            why=f"it points to {target}",
            fix="write the target as hosts see it: absolute, or relative to the link",
        )
    return target


def refuse_links_out(folder: Path) -> None:
    """Refuse links in a recipe's folder, beside its files/, that lead out of it.

    Raises:
        RecipeFolderError: there is one, or the folder itself is one.

    """
    try:
        with os.scandir(folder) as entries:
            links = [Path(entry.path) for entry in entries if entry.is_symlink()]
    except OSError as error:
        raise _unreadable(folder, error) from None
    top = folder.parent.resolve() / folder.name
    for link in [folder, *links] if folder.is_symlink() else links:
        if not link.resolve().is_relative_to(top):
            raise RecipeFolderError(
                "this link leads out of the recipe's folder",
                where=show(link),
                why=f"it points to {visible(str(link.readlink()))}",
                fix="put what it points to in its place",
            )


def _unreadable(source: Path, error: OSError) -> RecipeFolderError:
    return RecipeFolderError(f"this can't be read: {error.strerror}", where=show(source))
