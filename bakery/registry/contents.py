"""What a tag holds, as files: the titled layers of a manifest, or of those in an index.

Whoever publishes may list all files of an index in one manifest of it; else each is looked into.
Names are those of annotations, since a tag can't have every character of a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from bakery.registry.manifest import Descriptor, Manifest, UnreadableError
from bakery.registry.reference import tag_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.registry.client import Registry
    from bakery.registry.manifest import Index

NAME = "org.opencontainers.image.ref.name"
"""The annotation that says what a tag is called in truth."""
FILES = "application/vnd.sysext-bakery.files.v1"
"""The artifact type of the manifest in an index that lists the files of all of it."""

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@:~-]*")  # no path leads out of a folder
_MOST = 64  # manifests in an index


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a tag holds.

    Attributes:
        name: what it is called.
        digest: of the manifest or index that has the tag.
        kind: what that is for, by its artifact type.
        files: the files, by name.

    """

    name: str
    digest: str
    kind: str
    files: Mapping[str, Descriptor]


class Reader:
    """Reads what tags hold; what a digest names is asked for once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[str, dict[str, Descriptor]] = {}

    def read(self, tag: str) -> Contents | None:
        """Return what a tag holds; None where there is none.

        Raises:
            TransientError, RefusedError: the registry does not answer.
            UnreadableError: what is there can't be read.

        """
        stored = self._registry.manifest(tag)
        if stored is None:
            return None
        document = stored.index() if stored.is_index else stored.manifest()
        digest, name = stored.digest, _name(tag, document.annotations)
        if digest not in self._known:
            self._known[digest] = _titled(self._layers(document))
        files = self._known[digest]
        return Contents(name=name, digest=digest, kind=document.kind, files=files)

    def _layers(self, document: Manifest | Index) -> Iterator[Descriptor]:
        if isinstance(document, Manifest):
            yield from document.layers
            return
        listed = [each for each in document.manifests if each.artifact_type == FILES]
        if len(document.manifests) > _MOST:
            raise UnreadableError(f"it is an index of {len(document.manifests)} manifests")
        for each in listed or document.manifests:
            stored = self._registry.manifest(each.digest)
            if stored is None:
                raise UnreadableError("it is an index of what is not there")
            if not stored.is_index:
                yield from stored.manifest().layers


def _titled(layers: Iterable[Descriptor]) -> dict[str, Descriptor]:
    files: dict[str, Descriptor] = {}
    for layer in layers:
        if layer.title and _FILE.fullmatch(layer.title):
            files.setdefault(layer.title, layer)
    return files


def _name(tag: str, annotations: Mapping[str, str]) -> str:
    named = annotations.get(NAME, tag)
    try:
        return named if tag_of(named) == tag else tag
    except ValueError:
        return tag
