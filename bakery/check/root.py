"""Roots: the file systems in which absolute paths are looked up, the host's and private ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.tree import Node, Tree

_PRIVATE = re.compile(r"usr/lib/[^/]+/root")
_TRIPLETS = {arch: f"{names.kernel}-linux-gnu" for arch, names in ARCHITECTURES.items()}


@dataclass(frozen=True, kw_only=True)
class Root:
    """A root file system, as far as the image brings it.

    Attributes:
        folder: its path in the image; None for the host's, into which the image is merged.
        tree: the image's part of it.
        nodes: the nodes of the tree that are in no other root.

    """

    folder: str | None
    tree: Tree
    nodes: tuple[Node, ...]

    @property
    def private(self) -> bool:
        """Whether everything in it comes from the image."""
        return self.folder is not None

    def path(self, node: Node) -> str:
        """Return a node's path in the image."""
        return f"{self.folder}/{node.path}" if self.folder else node.path

    def library_folders(self, machine: str) -> tuple[str, ...]:
        """Return the default search path of a private root's loader, which is Debian's.

        The host's is empty here: nothing of the image may rely on the host's libraries.
        """
        if not self.private:
            return ()
        folders = (f"/usr/lib/{_TRIPLETS[machine]}",) if machine in _TRIPLETS else ()
        return (*folders, "/usr/lib", "/usr/lib64")


def roots(tree: Tree) -> Iterator[Root]:
    """Yield the host's root, then the private ones of an image: usr/lib/NAME/root."""
    private = [
        node.path
        for node in tree.below("usr/lib")
        if _PRIVATE.fullmatch(node.path) and tree.get(f"{node.path}/usr")
    ]
    inside = {node.path for folder in private for node in tree.below(folder)}
    yield Root(
        folder=None, tree=tree, nodes=tuple(node for node in tree if node.path not in inside)
    )
    for folder in private:
        own = tree.rooted(folder)
        yield Root(folder=folder, tree=own, nodes=tuple(own))
