"""A finished release folder, as it is presented to a publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.publish.model import PublishError, no_keyring
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.release import document, notes, signing, sums
from bakery.release.errors import ReleaseError
from bakery.release.reader import ReleaseReader
from bakery.text import UNSIGNED
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bakery.release.document import ReleaseDocument
    from bakery.release.keyring import Keyring

_LAST = (document.FILE, sums.ARMORED, sums.SIGNATURE, sums.FILE)


def presented(folder: Path, keyring: Keyring | None) -> DesiredRelease:
    """Return a release folder as what is to be published: images first, checksums last.

    Every file is read once more, and must be what SHA256SUMS says.

    Args:
        folder: the release.
        keyring: the keys that may have signed it; None where nothing is signed.

    Raises:
        PublishError: a file is missing or has changed; somebody else has signed it, or nothing says
            who may have; or an image has passed no boot as the bytes that it is, and that is not
            waived.

    """
    try:
        reader = ReleaseReader.open(folder.absolute().as_uri())
        files = {path.name: LocalFile.of(path) for path in folder.iterdir() if path.is_file()}
        _compare(folder, files, reader.digests)
        described = reader.document()
        text = (folder / notes.FILE).read_text("utf-8")
    except ReleaseError as error:
        raise _unfinished(folder, "\n".join(filter(None, (error.what, error.why)))) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unfinished(folder, str(error)) from error
    _check_signatures(folder, files, keyring)
    _require_boots(folder, described, files)
    ordered = sorted(files.values(), key=lambda file: (place(file.name), file.name))
    return DesiredRelease(tag=folder.name, notes=text, files=tuple(ordered))


def unsigned(desired: DesiredRelease) -> list[str]:
    """Return what there is to say of a release that nobody has signed; nothing of others."""
    if any(file.name == sums.SIGNATURE for file in desired.files):
        return []
    why = "so that no host can tell whether it is yours"
    way_out = (
        f"set {signing.KEY}, and publish it again to add a signature, unless the publisher's"
        " releases are immutable"
    )
    return [f"{UNSIGNED}{desired.tag}, {why}: {way_out}"]


def _unfinished(folder: Path, why: str) -> PublishError:
    return PublishError(
        f"{folder.name} is no finished release",
        where=str(folder),
        why=why,
        fix=f"doit build:{folder.name}",
    )


def place(name: str) -> int:
    """Return a file's rank in the order in which a release's files come: the list is last."""
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


def _check_signatures(
    folder: Path, files: Mapping[str, LocalFile], keyring: Keyring | None
) -> None:
    if keyring and sums.SIGNATURE not in files:
        raise PublishError(
            f"{folder.name} is not signed, and there are keys that should have",
            where=str(folder),
            why="what is published without a signature gets into no channel",
            fix=f"set {signing.KEY}, and sign it: doit release:{folder.name}",
        )
    for name in (sums.ARMORED, sums.SIGNATURE):
        if name not in files:
            continue
        if keyring is None:
            raise no_keyring(str(folder))
        path = folder / name
        try:
            keyring.check((folder / sums.FILE).read_bytes(), path.read_bytes(), str(path))
        except SignatureError as error:
            raise PublishError(
                f"{folder.name} is not signed by one of our keys",
                where=str(path),
                why=error.why or error.what,
                fix="don't publish it: find out who changed it, and sign anew",
            ) from None


def _require_boots(
    folder: Path, described: ReleaseDocument, files: Mapping[str, LocalFile]
) -> None:
    published = [image for image in described.images if image.files]
    if not published:
        raise PublishError(
            f"{folder.name} has no image that is a file",
            where=str(folder),
            fix="choose another `format:` for its recipe",
        )
    found = {name: (file.size, file.sha256) for name, file in files.items()}
    problems = list(document.contradictions(described, found))
    if problems or described.tag != folder.name:
        raise PublishError(
            f"{document.FILE} is not about the files beside it",
            where=str(folder),
            why="\n".join(problems) or f"it is about {described.tag}",
            fix=f"doit clean build:{folder.name}, and build it again",
        )
    waived = {each.image for each in described.waived_boots}
    for image in published:
        if not image.boots and image.file.removesuffix(".raw") not in waived:
            raise PublishError(
                f"{image.file} has passed no boot as the bytes that it is",
                where=str(folder),
                fix=f"doit boot:{image.file.removesuffix('.raw')}, which takes a machine for"
                f" {image.arch}, or qemu: BAKERY_MACHINES=qemu:trixie;\n"
                f"or say why it need not: BAKERY_BOOT_WAIVER='{image.arch}: REASON', which is"
                " published too",
            )
