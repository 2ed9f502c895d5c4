"""Trees as values: every path with its metadata, and what is in its file."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.binary.elf import Elf

Kind = Literal["file", "directory", "link", "device", "fifo", "socket"]

_FIRMWARE = "usr/lib/firmware/"
_MOST_LINKS = 40
_MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One path of a tree, with all that rules need to know of it.

    Attributes:
        path: relative to the root, which itself is `.`; bytes that are not UTF-8 are surrogates.
        type: the kind of file.
        mode: permission bits, setuid, setgid and sticky included.
        uid, gid: the owner, as numbers.
        mtime: modification time, in seconds since 1970.
        size: bytes of a file; 0 for everything else.
        target: where a link points, verbatim.
        capabilities: the file's Linux capabilities, as setcap(8) spells them; None for none.
        label: what SELinux calls it; None for nothing, or for nobody who is not root.
        strict: whether a release file holds only for images of the name in its own name.
        sha256: digest of a file's content, in hexadecimal; None where it could not be read.
        elf: the headers of a binary.
        script: the words after `#!`.
        text: the content of a small file in a folder that rules parse.
        defect: why the file could not be read or parsed.

    """

    path: str
    type: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: str | None = None
    capabilities: str | None = None
    label: str | None = None
    strict: bool = True
    sha256: str | None = None
    elf: Elf | None = None
    script: tuple[str, ...] = ()
    text: str | None = None
    defect: str | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)

    @property
    def folder(self) -> str:
        """The path without its last part."""
        return posixpath.dirname(self.path)

    @property
    def executable(self) -> bool:
        """Whether it is a file that somebody may execute."""
        return self.type == "file" and bool(self.mode & 0o111)


@dataclass(frozen=True)
class Tree:
    """All nodes by path, in the order of their code points."""

    nodes: Mapping[str, Node]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def get(self, path: str) -> Node | None:
        """Return the node at a path, without following links."""
        return self.nodes.get(path)

    def below(self, folder: str, *suffixes: str) -> Iterator[Node]:
        """Yield the nodes below a folder, at any depth; with suffixes, only names that have one."""
        after = chr(ord("/") + 1)
        first = bisect_left(self._paths, f"{folder}/")
        last = bisect_left(self._paths, folder + after)
        for path in self._paths[first:last]:
            if not suffixes or path.endswith(suffixes):
                yield self.nodes[path]

    def rooted(self, folder: str) -> Tree:
        """Return the nodes below a folder as a tree of their own."""
        below = ((node.path[len(folder) + 1 :], node) for node in self.below(folder))
        return Tree({path: replace(node, path=path) for path, node in below})

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        return tuple(self.nodes)

    def resolve(self, path: str) -> Node | None:
        """Return the node at an absolute path of a host; None if this tree has none there.

        The tree's links are followed. /bin, /sbin, /lib and /lib64 are links into /usr, as on
        every host that can merge an image.
        """
        node = self.get(self.followed(path))
        return None if node is None or node.type == "link" else node

    def followed(self, path: str) -> str:
        """Return the path of a tree to which an absolute path of a host leads by this tree's links.

        Links that lead in a circle end at one of them.
        """
        path = inside(path)
        for _ in range(_MOST_LINKS):
            node = self.get(path)
            step = self._first_link(path) if node is None or node.type == "link" else None
            if step is None:
                break
            link, rest = step
            path = inside(posixpath.join("/", link.folder, link.target or "", rest))
        return path

    def _first_link(self, path: str) -> tuple[Node, str] | None:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            node = self.get("/".join(parts[:count]))
            if node is not None and node.type == "link":
                return node, "/".join(parts[count:])
        return None


def binaries(nodes: Iterable[Node]) -> Iterator[tuple[Node, Elf]]:
    """Yield the binaries among nodes, without firmware: other processors than the host's run it."""
    for node in nodes:
        if node.elf is not None and not node.path.startswith(_FIRMWARE):
            yield node, node.elf


def inside(path: str) -> str:
    """Return an absolute path of a host with a merged /usr as a path of a tree."""
    clean = posixpath.normpath("/" + path).lstrip("/") or "."
    first, slash, rest = clean.partition("/")
    return _MERGED.get(first, first) + slash + rest


def destination(link: Node) -> str:
    """Return where a link points on a host, as a path of a tree."""
    return inside(posixpath.join("/", link.folder, link.target or ""))
