"""Files in registries, by addresses like those of web servers: oci://HOST/PATH/TAG/FILE.

oci://HOST/PATH@sha256:DIGEST is a file, too, which no tag needs to name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bakery.http import limits
from bakery.http.client import Client
from bakery.http.errors import RefusedError
from bakery.http.limits import too_large
from bakery.registry.client import Registry
from bakery.registry.contents import Contents, Reader
from bakery.registry.manifest import Descriptor
from bakery.registry.reference import SCHEME, Reference, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from bakery.http.credentials import Token


@dataclass(frozen=True, kw_only=True)
class Files(Client):
    """Reads files at addresses, those in registries too; see `Client`.

    What a tag holds is looked up once: all that is read of it belongs together.
    """

    _found: dict[str, tuple[Registry, Contents | None]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def copy(
        self,
        url: str,
        write: Callable[[bytes], object],
        *,
        size: int = limits.ASSET,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Hand on a file's bytes, each once and in order, and return how many there are."""
        if not url.startswith(SCHEME):
            return super().copy(url, write, size=size, token=token, headers=headers)
        registry, descriptor = self._file(url)
        if descriptor.size > size:
            raise too_large(size)
        registry.copy(descriptor, write)
        return descriptor.size

    def read_dated(self, url: str, *, size: int = limits.DOCUMENT) -> tuple[bytes, datetime | None]:
        """Return a small file, and when it was changed last; a registry doesn't say."""
        if not url.startswith(SCHEME):
            return super().read_dated(url, size=size)
        data = bytearray()
        self.copy(url, data.extend, size=size)
        return bytes(data), None

    def _file(self, url: str) -> tuple[Registry, Descriptor]:
        folder, _, name = url.rpartition("/")
        try:
            if "@sha256:" in name:
                return self._blob(Reference.parse(url))
            registry, contents = self._folder(folder)
        except ValueError as error:
            why = f"it is not oci://HOST/PATH/NAME, as addresses in registries are: {error}"
            raise RefusedError(why) from None
        found = contents and contents.files.get(unquote(name))
        if not found:
            raise _missing()
        return registry, found

    def _blob(self, reference: Reference) -> tuple[Registry, Descriptor]:
        registry, digest = Registry(reference, client=self), str(reference.digest)
        size = registry.blob(digest)
        if size is None:
            raise _missing()
        return registry, Descriptor(media_type="", digest=digest, size=size)

    def _folder(self, address: str) -> tuple[Registry, Contents | None]:
        """Return what is at an address without a file's name."""
        if address not in self._found:
            repository, _, name = address.rpartition("/")
            registry = Registry(Reference.parse(repository), client=self)
            contents = Reader(registry).read(tag_of(unquote(name)))
            named = contents if contents and contents.name == unquote(name) else None
            self._found[address] = registry, named
        return self._found[address]


def _missing() -> RefusedError:
    return RefusedError("the registry has no such file", status=HTTPStatus.NOT_FOUND)
