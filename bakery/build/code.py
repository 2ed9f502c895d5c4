"""The code that decides what a step makes: its own module and all that this imports.

Imports are read from the sources: one inside a function counts, since the function may be called;
one for type checking alone does not. A file beside a module counts like a module where the module
names it, as one that copies a script does. Docstrings, blank lines and lines of comment decide
nothing.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.decoding import from_json
from bakery.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PACKAGE = Path(__file__).parents[1]
_INDEX = Path(__file__).parent / "__pycache__" / "code.json"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


class _Read(msgspec.Struct, frozen=True, array_like=True):
    """What a source file said when it was read.

    Attributes:
        stamp: its size in bytes, and its times of modification and change in nanoseconds.
        digest: SHA-256 of what counts in it.
        uses: the files of the package that it needs.

    """

    stamp: tuple[int, int, int]
    digest: str
    uses: tuple[str, ...]


class Code:
    """The code of a package.

    Args:
        package: its folder; the bakery's own unless another one is given.
        index: the file that remembers what sources say; only what has changed is read again.

    """

    def __init__(self, package: Path = _PACKAGE, index: Path = _INDEX) -> None:
        self._package = package
        self._index = index
        self._remembered: dict[str, _Read] | None = None
        self._digests: dict[str, str] = {}

    def digest(self, module: str) -> str:
        """Return the digest of a module, such as `bakery.image.stage`, and all that it imports."""
        known = self._digests.get(module)
        if known is None:
            files = self.files(module)
            text = "".join(f"{file} {files[file]}\n" for file in sorted(files))
            known = self._digests[module] = hashlib.sha256(text.encode()).hexdigest()
        return known

    def files(self, module: str) -> Mapping[str, str]:
        """Return the files of a module and of all that it imports, each with its digest."""
        digests: dict[str, str] = {}
        remembered = self._what_sources_said()
        pending = [*_sources(self._package, module)]
        changed = False
        while pending:
            file = pending.pop()
            if file in digests:
                continue
            path = f"{self._package}/{file}"
            stamp = _stamp(path)
            read = remembered.get(file)
            if read is None or read.stamp != stamp:
                read = remembered[file] = _read(self._package, file, stamp)
                changed = True
            digests[file] = read.digest
            pending += read.uses
        if changed:
            with suppress(OSError):  # it only saves time
                write_whole(self._index, msgspec.json.encode(remembered))
        return digests

    def _what_sources_said(self) -> dict[str, _Read]:
        if self._remembered is None:
            try:
                data = self._index.read_bytes()
                self._remembered = from_json(data, dict[str, _Read])
            except (OSError, msgspec.DecodeError):
                self._remembered = {}
        return self._remembered


def _stamp(path: str) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116  hundreds of them
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(package: Path, file: str, stamp: tuple[int, int, int]) -> _Read:
    path = package / file
    text = path.read_text("utf-8")
    uses: set[str] = set()
    if path.suffix == ".py":
        statements = [*_statements(ast.parse(text))]
        for statement in statements:
            for module in _imported(statement):
                uses.update(_sources(package, module))
        uses.update(_beside(package, path, text))
        text = _deciding(text, statements)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _Read(stamp, digest, tuple(sorted(uses - {file})))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a module and all statements in it, but those for type checking."""
    yield node
    blocks = ("orelse",) if _is_for_types(node) else _BLOCKS
    for block in blocks:
        for statement in getattr(node, block, ()):
            yield from _statements(statement)


def _is_for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _imported(statement: ast.AST) -> Iterator[str]:
    """Yield the full names of what a statement imports; some may be no modules."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _sources(package: Path, module: str) -> Iterator[str]:
    """Yield the files that Python reads to import a module, or a name from one."""
    first, *names = module.split(".")
    if first != package.name:
        return
    folder = ""
    for name in ["", *names]:
        path = f"{folder}{name}"
        folder = f"{path}/" if path else ""
        for file in (f"{path}.py", f"{folder}__init__.py"):
            if (package / file).is_file():
                yield file


def _beside(package: Path, path: Path, text: str) -> Iterator[str]:
    """Yield the files beside a module, none of them modules, that its text names."""
    for name in re.findall(r"[\"']([\w-]+\.\w+)[\"']", text):
        if not name.endswith(".py") and path.with_name(name).is_file():
            yield path.with_name(name).relative_to(package).as_posix()


def _deciding(text: str, statements: Iterable[ast.AST]) -> str:
    """Return a module's text without what decides nothing."""
    lines = text.splitlines()
    for statement in statements:
        if isinstance(statement, _DOCUMENTED) and ast.get_docstring(statement, clean=False):
            doc = statement.body[0]
            if lines[doc.lineno - 1].lstrip().startswith('"""'):
                last = doc.end_lineno or doc.lineno
                lines[doc.lineno - 1 : last] = [""] * (last - doc.lineno + 1)
    if any('"""' in line or "'''" in line for line in lines):
        return "\n".join(lines)  # a line like a comment may be part of a text
    return "\n".join(line for line in lines if line.strip() and line.lstrip()[0] != "#")
