"""A shared cache in a registry: a result's tag is its key, its manifest names all that it has.

So the registry keeps what results need, and may remove it with them.
"""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bakery.errors import SettingsError
from bakery.http.errors import RefusedError
from bakery.registry.client import Registry
from bakery.registry.manifest import EMPTY, TITLE, Descriptor, Manifest
from bakery.registry.reference import SCHEME, Reference
from bakery.remote.http import hasty
from bakery.remote.model import LARGEST_RESULT, GoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bakery.http.client import Client
    from bakery.remote.model import Blob

_RESULT = "application/vnd.sysext-bakery.result.v1"
_BYTES = "application/octet-stream"
_TITLE = "result.json"


class RegistryRemote:
    """A repository of its own in a registry; logins are those of docker, where there are any."""

    def __init__(self, reference: Reference, client: Client | None = None) -> None:
        self._registry = Registry(reference, client=client or hasty())

    @classmethod
    def at(cls, address: str) -> RegistryRemote:
        """Return the cache at `oci://HOST/PATH`.

        Raises:
            SettingsError: it is no such address.

        """
        try:
            return cls(Reference.parse(address))
        except ValueError as error:
            raise SettingsError(
                f"the setting remote can't be {address!r}", fix=f"give it {error}"
            ) from None

    @property
    def name(self) -> str:
        """Its host and path."""
        return str(self._registry.reference).removeprefix(SCHEME)

    def result(self, key: str) -> bytes | None:
        """Return what lies under a key; None where nothing does."""
        stored = self._registry.manifest(key)
        layer = stored.manifest().layer(_TITLE) if stored else None
        return self._registry.read(layer, LARGEST_RESULT) if layer else None

    def fetch(self, blob: Blob, target: Path, advance: Callable[[int], object]) -> None:
        """Write a blob to a file."""
        try:
            self._registry.pull(_described(blob), target)
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise GoneError(blob) from None
            raise
        advance(blob.size)

    def put(self, blob: Blob, content: Path | bytes, *, damaged: bool = False) -> None:
        """Bring a blob there unless it is."""
        del blob, damaged  # the registry compares the digest itself
        self._registry.push(content, _BYTES)

    def put_result(self, key: str, data: bytes, blobs: Sequence[Blob]) -> None:
        """Bring there what lies under a key from now on."""
        result = self._registry.push(data, "application/json")
        layers = [replace(result, annotations={TITLE: _TITLE}), *map(_described, blobs)]
        assert self._config  # noqa: S101  a manifest's configuration must be there before it
        self._registry.put(Manifest.of(_RESULT, layers), key)

    @cached_property
    def _config(self) -> Descriptor:
        return self._registry.push(b"{}", EMPTY)


def _described(blob: Blob) -> Descriptor:
    return Descriptor(media_type=_BYTES, digest=f"sha256:{blob.sha256}", size=blob.size)
