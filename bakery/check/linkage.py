"""Where a dynamic binary loads its loader and its libraries from: ld.so(8)."""

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


def bundled_loader(tree: Tree, headers: Elf) -> Node | None:
    """Return the loader of an executable, if the tree has it; None if it is the host's."""
    return tree.resolve(headers.interpreter) if headers.interpreter else None


def missing_from_program(root: Root, program: Node) -> tuple[str, ...]:
    """Return the names of libraries that an executable can't load, in the order of loading.

    Libraries of libraries are followed. As in ld.so(8), a library is loaded once for all, and an
    RPATH without a RUNPATH holds for libraries as well, a RUNPATH does not.
    """
    headers = program.elf
    assert headers is not None  # noqa: S101  for the type checker: only binaries get here
    loaded = {posixpath.basename(headers.interpreter or "")}
    missing: dict[str, None] = {}
    queue: deque[tuple[Node, tuple[str, ...]]] = deque([(program, ())])
    while queue:
        node, inherited = queue.popleft()
        if node.elf is None:
            continue
        folders = _folders(node, node.elf, inherited)
        own = () if node.elf.runpath else tuple(_expand(node, node.elf.rpath))
        for name in node.elf.needed:
            if name in loaded:
                continue
            loaded.add(name)
            library = _find(root, name, folders, headers.machine)
            if library is None:
                missing[name] = None
            else:
                queue.append((library, (*own, *inherited)))
    return tuple(missing)


def missing_from_library(root: Root, library: Node, in_image: frozenset[str]) -> tuple[str, ...]:
    """Return the names of libraries that a library opened with dlopen(3) needs and nobody has.

    The program, which may be the host's, has the C library loaded already, and perhaps libraries
    of the image: so one anywhere in the image suffices.

    Args:
        root: the root that the library is in.
        library: the library.
        in_image: the names of all libraries of the image.

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


def _folders(node: Node, headers: Elf, inherited: tuple[str, ...]) -> tuple[str, ...]:
    if headers.runpath:
        return tuple(_expand(node, headers.runpath))
    return (*_expand(node, headers.rpath), *inherited)


def _expand(node: Node, folders: tuple[str, ...]) -> Iterator[str]:
    here = "/" + node.folder
    for folder in folders:
        yield _ORIGIN.sub(lambda _: here, folder)


def _find(root: Root, name: str, folders: tuple[str, ...], machine: str) -> Node | None:
    folders = (*folders, *root.library_folders(machine))
    paths = (name,) if "/" in name else (posixpath.join(folder, name) for folder in folders)
    for path in paths:
        node = root.tree.resolve(path)
        if node is not None and node.elf is not None and node.elf.machine == machine:
            return node
    return None
