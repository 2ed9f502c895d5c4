"""Make programs self-contained, with their loader and all libraries below usr/lib/NAME.

Programs get an interpreter and an RPATH in the image. Libraries need none of their own: the loader
follows the RPATH of whoever loads them, up to the program (ld.so(8)). Libraries that are opened at
run time are included if a string in some binary names them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.binary import elf
from bakery.binary.headers import MAGIC
from bakery.image.errors import ImageError, NothingDynamicError
from bakery.image.relocation import glibc, patchelf
from bakery.image.relocation.references import PathRewriter
from bakery.image.tree import merged
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.binary.elf import Elf
    from bakery.image.manifest import Reference
    from bakery.image.relocation.pool import Library, LibraryPool
    from bakery.image.tree import TreeBuilder

_LIBRARY = re.compile(rb"[\w.+-]+\.so(?:\.[\w.]+)?")
_END = re.compile(rb"\.so(?:\.[\w.]+)?\0")
_MUSL = re.compile(r"ld-musl-[\w-]+(?=\.so\.1$)")
_SHEBANG = re.compile(rb"#![ \t]*(/[^ \t\r\n]+)")


@dataclass(frozen=True)
class _Binary:
    path: str
    headers: Elf

    @property
    def needed(self) -> Iterator[str]:
        """The names of its loader and of the libraries that it needs."""
        if self.headers.interpreter:
            yield _name(self.headers.interpreter)
        yield from (_name(needed) for needed in self.headers.needed)


def relocate(
    tree: TreeBuilder, name: str, pool: LibraryPool, scratch: Path
) -> tuple[Reference, ...]:
    """Add what dynamic programs need, and make them independent of the host's libraries.

    Args:
        tree: an image's tree, with all of its assets installed.
        name: the extension's name on hosts.
        pool: the assets' libraries.
        scratch: a folder for temporary files.

    Returns:
        The references in binaries that don't lead to what upstream has there.

    Raises:
        ImageError: a library is in none of the assets, or nothing needs one.
        ToolFailedError: patchelf can't handle a binary.

    """
    return _Relocation(tree, name, pool, scratch).run()


class _Relocation:
    def __init__(self, tree: TreeBuilder, name: str, pool: LibraryPool, scratch: Path) -> None:
        self._tree = tree
        self._pool = pool
        self._scratch = scratch / "patched"
        self._libraries = f"usr/lib/{name}/lib"

    def run(self) -> tuple[Reference, ...]:
        queue = [binary for path in sorted(self._tree.entries) if (binary := self._read(path))]
        if not any(binary.headers.dynamic for binary in queue):
            raise NothingDynamicError
        binaries: dict[str, _Binary] = {}
        while queue:
            binary = queue.pop()
            binaries[binary.path] = binary
            queue.extend(self._add_libraries(binary))
        for path in sorted(self._tree.entries.keys() - binaries.keys()):
            self._redirect_script(path)
        for path in sorted(binaries):
            self._confine_musl(path)
        pool = self._pool
        rewriter = PathRewriter(pool.paths, pool.installed, self._tree.entries)
        return tuple(
            reference
            for _, binary in sorted(binaries.items())
            for reference in self._rewrite(binary, rewriter)
        )

    def _read(self, path: str) -> _Binary | None:
        if self._tree.entries[path].type != "file":
            return None
        with (self._tree.root / path).open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            return _Binary(path, elf.read(file))

    def _add_libraries(self, binary: _Binary) -> Iterator[_Binary]:
        """Add the libraries of a binary that are not in the tree yet, and yield them."""
        if not binary.headers.dynamic and binary.headers.kind != "library":
            return
        needed = dict.fromkeys(binary.needed, True)
        data = self._tree.read(binary.path) or b""
        named = dict.fromkeys(_library_names(data), False)
        for name, required in {**named, **needed}.items():
            path = f"{self._libraries}/{name}"
            if path in self._tree.entries:
                continue
            library = self._pool.find(name)
            if library is not None and library.content is not None:
                self._add_library(path, library)
                self._pool.installed.setdefault(merged(library.path), path)
                if added := self._read(path):
                    yield added
            elif required:
                raise ImageError(
                    f"{binary.path} needs {name}, which none of the assets has",
                    fix="add the package that has it to debian:, or take it out of exclude:",
                )

    def _add_library(self, path: str, library: Library) -> None:
        with self._pool.open(library) as stream:
            self._tree.add_stream(
                path,
                stream,
                executable=_name(path).startswith("ld-"),  # the kernel executes a loader
                origin=library.origin,
                progress=Silent(),
            )

    def _rewrite(self, binary: _Binary, rewriter: PathRewriter) -> tuple[Reference, ...]:
        headers = binary.headers
        if not headers.dynamic and headers.kind != "library":
            return ()
        before = data = self._tree.read(binary.path) or b""
        if headers.interpreter or headers.rpath or headers.runpath:
            data = patchelf.rewrite(
                self._tree.root / binary.path,
                self._scratch,
                interpreter=headers.interpreter
                and f"/{self._libraries}/{_name(headers.interpreter)}",
                folder=f"/{self._libraries}" if headers.interpreter else None,
            )
        data, references = rewriter.apply(binary.path, data)
        confined = glibc.confine(_name(binary.path), data)
        if confined != data:
            _, references = rewriter.apply(binary.path, confined)
        self._replace(binary.path, before, confined)
        return references

    def _confine_musl(self, path: str) -> None:
        """Make musl's loader search the image's libraries alone, and not the host's folders.

        Where no RPATH leads, it reads the search path from a file two folders above itself
        (ldso/dynlink.c of musl).
        """
        if loader := _MUSL.search(path):
            self._tree.add_bytes(
                f"{self._libraries.rpartition('/')[0]}/etc/{loader[0]}.path",
                f"/{self._libraries}\n".encode(),
                origin="self-contained",
            )

    def _redirect_script(self, path: str) -> None:
        """Correct the `#!` line of a script whose interpreter was installed elsewhere."""
        entry = self._tree.entries[path]
        if entry.type != "file" or not entry.mode & 0o100:
            return
        data = (self._tree.root / path).read_bytes()
        shebang = _SHEBANG.match(data)
        if shebang is None:
            return
        interpreter = merged(shebang[1].decode("utf-8", "replace")[1:])
        if new := self._pool.installed.get(interpreter):
            start, end = shebang.span(1)
            self._replace(path, data, data[:start] + f"/{new}".encode() + data[end:])

    def _replace(self, path: str, old: bytes, new: bytes) -> None:
        entry = self._tree.entries[path]
        if old != new:
            executable = bool(entry.mode & 0o100)
            origin = entry.origin or "self-contained"
            self._tree.add_bytes(path, new, origin=origin, executable=executable)


def _library_names(data: bytes) -> Iterator[str]:
    """Yield the strings that name libraries; to search for their ends is many times faster."""
    for end in _END.finditer(data):
        start = data.rfind(b"\0", 0, end.start()) + 1
        if name := _LIBRARY.fullmatch(data, start, end.end() - 1):
            yield name[0].decode()


def _name(path: str) -> str:
    return path.rpartition("/")[2]
