"""Whether what is published at an address is what the address names: that release, that channel.

A signature says who made something, not that it is what was asked for: who serves files can put one
signed release in the place of another, or a channel in the place of a release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from bakery.recipe.names import INDEX, release_name
from bakery.recipe.version import Version
from bakery.release import document, index, sums, sysupdate
from bakery.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.release.document import ReleaseDocument
    from bakery.release.index import IndexedRelease
    from bakery.release.reader import ReleaseReader


def is_release(reader: ReleaseReader) -> bool:
    """Return whether an index is a release's; else it is a channel's.

    Raises:
        ReleaseError: it is neither's.

    """
    if document.FILE in reader.digests:
        return True
    if index.CHANNEL in reader.digests:
        return False
    raise ReleaseError(
        "this is neither a release nor a channel",
        where=reader.base,
        why=f"{sums.FILE} names neither {document.FILE} nor {index.CHANNEL}",
        fix="give the address or folder of a whole release or channel",
    )


def release(reader: ReleaseReader) -> ReleaseDocument:
    """Return what release.json says: it is the release that the address names, file by file.

    Raises:
        ReleaseError: it can't be read, or describes something else.

    """
    described = reader.document()
    compare(reader, described)
    name = asked(reader)
    if described.tag != name:
        raise _other(reader, "release", f"{document.FILE} describes {described.tag}")
    return described


def compare(reader: ReleaseReader, described: ReleaseDocument) -> None:
    """Refuse a release.json that says something else than the list of digests beside it.

    Raises:
        ReleaseError: it does.

    """
    files = {name: (None, digest) for name, digest in reader.digests.items()}
    _refuse(reader, document.FILE, document.contradictions(described, files))


def compare_size(reader: ReleaseReader, file: str, name: str, *, size: int, told: int) -> None:
    """Refuse a release.json or channel.json that tells another size of an image.

    Args:
        reader: reads them.
        file: which of the two it is.
        name: the image's file.
        size: its bytes.
        told: how many it has by that file.

    Raises:
        ReleaseError: it does.

    """
    if size != told:
        _refuse(reader, file, [f"{name} has {size} bytes, and {told} there"])


def channel(reader: ReleaseReader) -> tuple[IndexedRelease, ...]:
    """Return the releases in a channel: it is the one that the address names, file by file.

    Raises:
        ReleaseError: it can't be read, or is something else.

    """
    listed = _listed(reader, index.CHANNEL, "publish the channel again")
    name = asked(reader)
    others = [each.tag for each in listed if name not in _channels(each)]
    own = sysupdate.names(name)
    transfers = [file for file in reader.digests if file.endswith(sysupdate.SUFFIXES)]
    others += [file for file in transfers if file not in own]
    if others:
        raise _other(reader, "channel", f"it holds {', '.join(others)}")
    _refuse(reader, index.CHANNEL, _contradictions(listed, reader.digests))
    return listed


def everything(reader: ReleaseReader) -> tuple[IndexedRelease, ...]:
    """Return the releases in the index of everything.

    Raises:
        ReleaseError: it can't be read.

    """
    fix = "tell who publishes there: `doit channel:index` writes it"
    return _listed(reader, f"{INDEX}.json", fix)


def _listed(reader: ReleaseReader, file: str, fix: str) -> tuple[IndexedRelease, ...]:
    try:
        return index.decode(reader.read(file)).releases
    except ValueError as error:
        raise ReleaseError(
            f"{file} can't be read", where=reader.base, why=str(error), fix=fix
        ) from None


def asked(reader: ReleaseReader) -> str:
    """Return the name at the end of an address: what whoever gives the address asks for."""
    return unquote(reader.base.rpartition("/")[2])


def _channels(listed: IndexedRelease) -> tuple[str, str]:
    """Return the names of the channels that may hold a release: its recipe's, its minor series'."""
    return listed.name, release_name(listed.name, Version.parse(listed.version).minor)


def _contradictions(listed: Iterable[IndexedRelease], digests: Mapping[str, str]) -> Iterator[str]:
    images = {file.file: file for each in listed for image in each.images for file in image.files}
    for file, image in images.items():
        if file not in digests:
            yield f"{sums.FILE} does not name {file}"
        elif digests[file] != image.sha256:
            yield f"{file} has another digest there, {image.sha256}"
    for file in digests:
        if file.endswith(".raw") and file not in images:
            yield f"it does not list {file}"


def _refuse(reader: ReleaseReader, file: str, contradictions: Iterable[str]) -> None:
    problems = list(contradictions)
    if problems:
        raise ReleaseError(
            f"{file} contradicts the files beside it",
            where=f"{reader.base}/{file}",
            why="\n".join(problems),
            fix="don't use it, and tell who published it",
        )


def _other(reader: ReleaseReader, kind: str, why: str) -> ReleaseError:
    return ReleaseError(
        f"this is not {asked(reader)}, but another {kind}",
        where=reader.base,
        why=why,
        fix="don't use it, and tell who published it; a folder of your own must have the name of "
        f"the {kind} that is in it",
    )
