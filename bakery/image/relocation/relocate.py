"""Making programs self-contained: with their loader and all libraries, below usr/lib/NAME.

Programs get an interpreter and an RPATH in the image. Libraries need none of their own: the loader
follows the RPATH of whoever loads them, up to the program (ld.so(8)). Libraries that are opened at
run time come along if somebody's strings name them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.binary import elf
from bakery.image.install import StageError
from bakery.image.paths import merged
from bakery.image.relocation import glibc, patchelf
from bakery.image.relocation.references import Redirection
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.binary.elf import Elf
    from bakery.image.relocation.pool import Pool
    from bakery.image.relocation.references import Reference
    from bakery.image.tree import Tree

_LIBRARY = re.compile(rb"[\w.+-]+\.so(?:\.[\w.]+)?")
_END = re.compile(rb"\.so(?:\.[\w.]+)?\0")
_MUSL = re.compile(r"ld-musl-[\w-]+(?=\.so\.1$)")
_SHEBANG = re.compile(rb"#![ \t]*(/[^ \t\r\n]+)")


@dataclass(frozen=True)
class _Binary:
    path: str
    headers: Elf

    @property
    def wants(self) -> Iterator[str]:
        """The names of the libraries it can't do without, its loader's too."""
        if self.headers.interpreter:
            yield _name(self.headers.interpreter)
        yield from (_name(needed) for needed in self.headers.needed)


def relocate(tree: Tree, name: str, pool: Pool, scratch: Path) -> tuple[Reference, ...]:
    """Bring along what programs need, and let nothing lead to the host's libraries.

    Args:
        tree: an image's tree, with all of its assets installed.
        name: the image's, as hosts know it.
        pool: the assets' libraries.
        scratch: a folder for files on the way.

    Returns:
        The paths that binaries mention, and that don't lead to what upstream has there.

    Raises:
        StageError: a library is in none of the assets.
        ToolFailedError: patchelf can't handle a binary.

    """
    return _Relocation(tree, name, pool, scratch).run()


class _Relocation:
    def __init__(self, tree: Tree, name: str, pool: Pool, scratch: Path) -> None:
        self._tree = tree
        self._pool = pool
        self._scratch = scratch / "patched"
        self._libraries = f"usr/lib/{name}/lib"

    def run(self) -> tuple[Reference, ...]:
        waiting = [binary for path in sorted(self._tree.entries) if (binary := self._read(path))]
        if not any(binary.headers.dynamic for binary in waiting):
            raise StageError(
                "self-contained: true, but nothing in the image is a dynamic program",
                fix="remove it, or correct install:",
            )
        binaries: dict[str, _Binary] = {}
        while waiting:
            binary = waiting.pop()
            binaries[binary.path] = binary
            waiting.extend(self._brought_by(binary))
        for path in sorted(self._tree.entries.keys() - binaries.keys()):
            self._redirect_script(path)
        for path in sorted(binaries):
            self._confine_musl(path)
        pool = self._pool
        redirection = Redirection(pool.paths, pool.places, self._tree.entries)
        return tuple(
            left
            for _, binary in sorted(binaries.items())
            for left in self._rewrite(binary, redirection)
        )

    def _read(self, path: str) -> _Binary | None:
        if self._tree.entries[path].type != "file":
            return None
        with (self._tree.root / path).open("rb") as file:
            if file.read(len(elf.MAGIC)) != elf.MAGIC:
                return None
            return _Binary(path, elf.read(file))

    def _brought_by(self, binary: _Binary) -> Iterator[_Binary]:
        """Yield libraries that a binary is the first to need."""
        if not binary.headers.dynamic and binary.headers.kind != "library":
            return
        needed = dict.fromkeys(binary.wants, True)
        data = self._tree.read(binary.path) or b""
        opened = dict.fromkeys(_opened(data), False)
        for name, required in {**opened, **needed}.items():
            path = f"{self._libraries}/{name}"
            if path in self._tree.entries:
                continue
            found = self._pool.find(name)
            if found is not None and found.file is not None:
                with found.file.open("rb") as stream:
                    self._tree.add_stream(
                        path,
                        stream,
                        executable=name.startswith("ld-"),  # the kernel insists, of a loader
                        origin=found.origin,
                        meter=Silent(),
                    )
                self._pool.places.setdefault(merged(found.path), path)
                if brought := self._read(path):
                    yield brought
            elif required:
                raise StageError(
                    f"{binary.path} needs {name}, which none of the assets has",
                    fix="add the package that has it to debian:, or take it out of exclude:",
                )

    def _rewrite(self, binary: _Binary, redirection: Redirection) -> tuple[Reference, ...]:
        headers = binary.headers
        if not headers.dynamic and headers.kind != "library":
            return ()
        before = data = self._tree.read(binary.path) or b""
        if headers.interpreter or headers.rpath or headers.runpath:
            data = patchelf.rewritten(
                self._tree.root / binary.path,
                self._scratch,
                interpreter=headers.interpreter
                and f"/{self._libraries}/{_name(headers.interpreter)}",
                folder=f"/{self._libraries}" if headers.interpreter else None,
            )
        data, left = redirection.apply(binary.path, data)
        confined = glibc.confined(_name(binary.path), data)
        if confined != data:
            _, left = redirection.apply(binary.path, confined)
        self._replace(binary.path, before, confined)
        return left

    def _confine_musl(self, path: str) -> None:
        """Let musl's loader look for libraries here alone, and not in the host's folders.

        What no RPATH has it looks for where a file two folders above says (ldso/dynlink.c of musl).
        """
        if found := _MUSL.search(path):
            self._tree.add_bytes(
                f"{self._libraries.rpartition('/')[0]}/etc/{found[0]}.path",
                f"/{self._libraries}\n".encode(),
                origin="self-contained",
            )

    def _redirect_script(self, path: str) -> None:
        """Let a script that was installed run on an interpreter that was installed elsewhere."""
        entry = self._tree.entries[path]
        if entry.type != "file" or not entry.mode & 0o100:
            return
        data = (self._tree.root / path).read_bytes()
        found = _SHEBANG.match(data)
        place = found and self._pool.places.get(merged(found[1].decode("utf-8", "replace")[1:]))
        if found and place:
            new = data[: found.start(1)] + f"/{place}".encode() + data[found.end(1) :]
            self._replace(path, data, new)

    def _replace(self, path: str, old: bytes, new: bytes) -> None:
        entry = self._tree.entries[path]
        if old != new:
            executable = bool(entry.mode & 0o100)
            origin = entry.origin or "self-contained"
            self._tree.add_bytes(path, new, origin=origin, executable=executable)


def _opened(data: bytes) -> Iterator[str]:
    """Yield the strings that name libraries, found by their ends: that is many times faster."""
    for end in _END.finditer(data):
        start = data.rfind(b"\0", 0, end.start()) + 1
        if found := _LIBRARY.fullmatch(data, start, end.end() - 1):
            yield found[0].decode()


def _name(path: str) -> str:
    return path.rpartition("/")[2]
