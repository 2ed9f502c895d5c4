"""Where a dynamic binary finds its loader and its libraries on a host: ld.so(8)."""

from __future__ import annotations

import posixpath
import re
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.binary.elf import Elf
    from bakery.check.root import Root
    from bakery.check.tree import Node, Tree

_GLIBC = re.compile(r"(lib(c|m|dl|rt|pthread|resolv|util|anl)\.so\.\d|ld-linux.*\.so\.\d)")
_ORIGIN = re.compile(r"\$(ORIGIN|\{ORIGIN\})")


def own_loader(tree: Tree, headers: Elf) -> Node | None:
    """Return the loader that an executable asks for, if it is in the tree."""
    return tree.resolve(headers.interpreter) if headers.interpreter else None


def missing_from_program(root: Root, program: Node) -> tuple[str, ...]:
    """Return the libraries that an executable can't load out of the image, in the order it asks.

    Libraries of libraries are followed. A library once loaded serves everybody, as the loader has
    it; an RPATH without a RUNPATH is handed down to libraries, a RUNPATH is not.
    """
    headers = program.elf
    assert headers is not None  # noqa: S101  for the type checker: only binaries get here
    loaded = {posixpath.basename(headers.interpreter or "")}
    missing: dict[str, None] = {}
    waiting: deque[tuple[Node, tuple[str, ...]]] = deque([(program, ())])
    while waiting:
        node, handed_down = waiting.popleft()
        if node.elf is None:
            continue
        folders = _folders(node, node.elf, handed_down)
        own = () if node.elf.runpath else tuple(_expand(node, node.elf.rpath))
        for name in node.elf.needed:
            if name in loaded:
                continue
            loaded.add(name)
            found = _find(root, name, folders, headers.machine)
            if found is None:
                missing[name] = None
            else:
                waiting.append((found, (*own, *handed_down)))
    return tuple(missing)


def missing_from_library(root: Root, library: Node, in_image: frozenset[str]) -> tuple[str, ...]:
    """Return what a library that some program opens at run time needs and nobody has.

    The program, which may be the host's, has the C library loaded already, and perhaps others of
    the image: so a library somewhere in the image counts as found.

    Args:
        root: where the library is.
        library: the library.
        in_image: names of all the image's libraries.

    """
    headers = library.elf
    assert headers is not None  # noqa: S101  for the type checker: only binaries get here
    return tuple(
        name
        for name in headers.needed
        if name not in in_image
        and not _GLIBC.fullmatch(name)
        and _find(root, name, _folders(library, headers, ()), headers.machine) is None
    )


def _folders(node: Node, headers: Elf, handed_down: tuple[str, ...]) -> tuple[str, ...]:
    if headers.runpath:
        return tuple(_expand(node, headers.runpath))
    return (*_expand(node, headers.rpath), *handed_down)


def _expand(node: Node, folders: tuple[str, ...]) -> Iterator[str]:
    here = "/" + node.folder
    for folder in folders:
        yield _ORIGIN.sub(lambda _: here, folder)


def _find(root: Root, name: str, folders: tuple[str, ...], machine: str) -> Node | None:
    folders = (*folders, *root.library_folders(machine))
    places = (name,) if "/" in name else (posixpath.join(folder, name) for folder in folders)
    for place in places:
        node = root.tree.resolve(place)
        if node is not None and node.elf is not None and node.elf.machine == machine:
            return node
    return None
