"""Manifests: what a staged tree holds, entry by entry, and where every file came from."""

from __future__ import annotations

from typing import Literal

import msgspec

from bakery.decoding import from_json
from bakery.recipe.capabilities import Capabilities

LABEL = "security.selinux"
ROOT_LABEL = b"system_u:object_r:root_t:s0\0"  # as setfilecon(3) writes it


class Reference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path that a binary mentions, and that does not lead to what upstream has there.

    Attributes:
        path: the binary.
        mentions: the path in it, as it is on hosts with a merged /usr.
        moved_to: the image's path for it, too long to be written instead; None if it has none.

    """

    path: str
    mentions: str
    moved_to: str | None = None


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One path of a tree.

    Attributes:
        path: relative to the root of the tree, with forward slashes.
        type: the kind of file.
        mode: permission bits, setuid, setgid and sticky included; 0o777 for a link.
        size: bytes of a file; 0 for everything else.
        sha256: digest of a file's content.
        sha1: its SHA-1 in hexadecimal, which SPDX 2.3 requires beside the SHA-256.
        target: where a link points, verbatim.
        capabilities: rights of root's that a program gives whoever starts it, as setcap(8) spells
            them; None for none.
        label: what SELinux calls it, such as `system_u:object_r:bin_t:s0`; None for nothing.
        origin: the asset's address, or the recipe's own part (`files/`, `write`, `start`, …).

    """

    path: str
    type: Literal["file", "directory", "link"]
    mode: int
    size: int = 0
    sha256: str | None = None
    sha1: str | None = None
    target: str | None = None
    capabilities: str | None = None
    label: str | None = None
    origin: str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything below one tree's root, sorted by path; the root itself is not listed.

    Attributes:
        image: the image's full name, such as `docker-20.10.13-x86-64`.
        key: the key that the tree was staged for.
        epoch: the modification time of every entry, in seconds since 1970.
        entries: the paths, in the order of their code points.
        references: paths in binaries that lead to nothing in the image.
        notes: what is otherwise than the recipe or upstream has it, for whoever builds it.

    """

    image: str
    key: str
    epoch: int
    entries: tuple[ManifestEntry, ...]
    references: tuple[Reference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def attributes(self) -> dict[str, bytes]:
        """The attribute `security.capability` of the programs that have one, by path."""
        return {
            entry.path: Capabilities.parse(entry.capabilities).encode()
            for entry in self.entries
            if entry.capabilities
        }

    @property
    def labels(self) -> dict[str, bytes]:
        """The attribute `security.selinux` of every path that has one, and of `.`, the root."""
        found = {entry.path: f"{entry.label}\0".encode() for entry in self.entries if entry.label}
        return {".": ROOT_LABEL, **found} if found else {}

    @property
    def unlabelled(self) -> Manifest:
        """The same without labels."""
        entries = tuple(msgspec.structs.replace(entry, label=None) for entry in self.entries)
        return msgspec.structs.replace(self, entries=entries)

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(entry.size for entry in self.entries)


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as JSON, one entry a line, so that `diff` shows what differs."""
    fields = msgspec.structs.asdict(manifest)
    del fields["entries"]
    head = msgspec.json.encode(fields)
    lines = b",\n".join(b"  " + msgspec.json.encode(entry) for entry in manifest.entries)
    return head[:-1] + b',"entries":[\n' + lines + b"\n]}\n"


def decode(data: bytes) -> Manifest:
    """Return the manifest that `encode` wrote.

    Raises:
        msgspec.DecodeError: the bytes are not a manifest.

    """
    return from_json(data, Manifest)
