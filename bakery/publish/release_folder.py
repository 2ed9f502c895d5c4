"""A finished release folder, as it is presented to a publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.publish.model import PublishError
from bakery.publish.release import LocalFile, Wanted
from bakery.release import document, notes, sums

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bakery.release.document import ReleaseDocument

_LAST = (document.FILE, sums.ARMORED, sums.SIGNATURE, sums.FILE)


class UnbootedError(PublishError):
    """An image has passed no boot, and nobody says why that may be."""


def presented(folder: Path) -> Wanted:
    """Return a release folder as what is to be published: images first, checksums last.

    Every file is read once more, and must be what SHA256SUMS says.

    Raises:
        UnbootedError: an image has passed no boot as the bytes that it is, and that is not waived.
        PublishError: a file is missing or has changed.

    """
    try:
        files = {path.name: LocalFile.of(path) for path in folder.iterdir() if path.is_file()}
        described = document.decode((folder / document.FILE).read_bytes())
        listed = sums.decode((folder / sums.FILE).read_bytes())
        text = (folder / notes.FILE).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise PublishError(
            f"{folder.name} is no finished release",
            where=str(folder),
            why=str(error),
            fix=f"doit build:{folder.name}",
        ) from error
    _compare(folder, files, listed)
    _require_boots(folder, described, files)
    ordered = sorted(files.values(), key=lambda file: (_place(file.name), file.name))
    return Wanted(tag=folder.name, notes=text, files=tuple(ordered))


def _place(name: str) -> int:
    if name.endswith(".raw"):
        return -2
    return _LAST.index(name) if name in _LAST else -1


def _compare(folder: Path, files: Mapping[str, LocalFile], listed: Mapping[str, str]) -> None:
    for name, sha256 in listed.items():
        if name not in files or files[name].sha256 != sha256:
            raise PublishError(
                f"{name} is missing"
                if name not in files
                else f"{name} has changed since it was built",
                where=str(folder),
                fix=f"doit clean build:{folder.name}, and build it again",
            )


def _require_boots(
    folder: Path, described: ReleaseDocument, files: Mapping[str, LocalFile]
) -> None:
    published = [image for image in described.images if image.file.endswith(".raw")]
    if not published:
        raise PublishError(
            f"{folder.name} has no image that is a file",
            where=str(folder),
            fix="choose another `format:` for its recipe",
        )
    for image in published:
        if image.file not in files or files[image.file].sha256 != image.sha256:
            raise PublishError(
                f"{image.file} is not what {document.FILE} says",
                where=str(folder),
                fix=f"doit build:{folder.name}",
            )
        if not image.boots and not _is_waived(image.file.removesuffix(".raw"), described):
            raise UnbootedError(
                f"{image.file} has passed no boot as the bytes that it is",
                where=str(folder),
                fix=f"doit boot:{image.file.removesuffix('.raw')}\n"
                f"or say why it need not: BAKERY_BOOT_WAIVER='{image.arch}: REASON', which is"
                " published too",
            )


def _is_waived(image: str, described: ReleaseDocument) -> bool:
    waived = (described.boot_waiver or "").split("; ")
    return any(each.startswith(f"{image} on ") for each in waived)
