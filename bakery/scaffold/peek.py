"""What an asset holds: its programs and licences, told by their headers and names."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping  # noqa: TC003  types are read at run time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from bakery.archive.unpack import kind_of, members
from bakery.binary import elf
from bakery.binary.headers import MAGIC
from bakery.scaffold.errors import NewRecipeError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from bakery.arch import Arch
    from bakery.archive.unpack import Member

_LICENCE = re.compile(r"(?:UN)?LICEN[SC]E\b.*|COPYING\b.*|NOTICE\b.*|COPYRIGHT", re.IGNORECASE)
_FOR_PEOPLE = re.compile(  # and for package managers
    r"\.dist-info/|(?:^|/)(?:docs?|man\d?|licen[sc]es|completions?|autocomplete)/|\.(?:md|txt|rst"
    r"|html|[1-9]|py|pyi|js|[cm]js|d\.ts|typed)$|(?:^|/)(?:package\.json|[A-Z]{4,}[^/]*)$"
)
_LONGEST = 1 << 20


class Program(msgspec.Struct, frozen=True):
    """A program for one processor.

    Attributes:
        path: of the archive's member, or the name of the file.
        interpreter: the loader that it asks for; None where it needs none.
        needed: the names of the libraries that it wants.

    """

    path: str
    interpreter: str | None = None
    needed: tuple[str, ...] = ()

    @property
    def dynamic(self) -> bool:
        """Whether it needs a loader and libraries."""
        return self.interpreter is not None or bool(self.needed)


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What an asset holds.

    Attributes:
        single: whether it is one file, compressed or not.
        files: the paths of all files.
        programs: those that hosts would run.
        licences: the paths of licences.
        others: programs that lie where only other programs look.
        scripts: executable scripts.
        data: all else, but texts for people and wrappers of the index's language.
        libraries: what its libraries need, and its links point to, by name.
        metadata: of a wheel: its METADATA file.
        wording: the text of the first licence.

    """

    single: bool
    files: tuple[str, ...]
    programs: tuple[Program, ...]
    licences: tuple[str, ...]
    others: tuple[str, ...]
    scripts: tuple[str, ...]
    data: tuple[str, ...]
    libraries: Mapping[str, tuple[str, ...]] = {}
    metadata: str
    wording: str

    @property
    def for_musl(self) -> bool:
        """Whether a program in it asks for musl's loader."""
        return any("/ld-musl-" in (program.interpreter or "") for program in self.programs)

    def needed(self) -> set[str]:
        """Return the names of the loaders and libraries that its programs need and it has not."""
        loaders = (PurePosixPath(each.interpreter or "").name for each in self.programs)
        todo = [*filter(None, loaders), *(name for each in self.programs for name in each.needed)]
        known: set[str] = set()
        while todo:
            if (name := PurePosixPath(todo.pop()).name) not in known:
                known.add(name)
                todo += self.libraries.get(name, ())
        return known - self.libraries.keys()


def peek(path: Path, filename: str, arch: Arch) -> Content:
    """Return what an asset holds that is worth installing.

    Args:
        path: the file.
        filename: what upstream calls it, which tells its kind.
        arch: the processor that its programs must be for.

    Raises:
        NewRecipeError: it has no program for that processor.
        HostileArchiveError: the archive has something in it that no honest publisher packs.
        BrokenArchiveError: it is cut short, altered, or no archive.

    """
    seen = _Seen(arch)
    for member, stream in members(path, filename, lambda _: True):
        if stream is not None:
            seen.add(member, stream)
        elif member.target is not None:
            seen.libraries[PurePosixPath(member.path).name] = (PurePosixPath(member.target).name,)
    if not seen.programs:
        raise _nothing(filename, arch, seen.machines, seen.scripts)
    chosen = _in_sight(seen.programs)
    return Content(
        single=kind_of(filename) in {"plain", "compressed"},
        files=tuple(seen.files),
        programs=tuple(chosen),
        licences=tuple(_licences(seen.files)),
        others=tuple(program.path for program in seen.programs if program not in chosen),
        scripts=tuple(seen.scripts),
        data=tuple(_data(seen)),
        libraries=seen.libraries,
        metadata=seen.metadata,
        wording=seen.wording,
    )


class _Seen:
    """What the files of an asset are, as they come by."""

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        self.programs: list[Program] = []
        self.files: list[str] = []
        self.scripts: list[str] = []
        self.machines: set[str] = set()
        self.libraries: dict[str, tuple[str, ...]] = {}
        self.metadata = self.wording = ""

    def add(self, member: Member, stream: BinaryIO) -> None:
        self.files.append(member.path)
        if member.path.endswith(".dist-info/METADATA"):
            self.metadata = stream.read(_LONGEST).decode(errors="replace")
        elif not self.wording and _licences([member.path]):
            self.wording = stream.read(_LONGEST).decode(errors="replace")
        elif (start := stream.read(len(MAGIC))) == MAGIC:
            headers = _headers(start, stream)
            self.machines.add(headers.machine)
            if headers.kind == "executable" and headers.machine == self._arch:
                self.programs.append(Program(member.path, headers.interpreter, headers.needed))
            elif headers.kind == "library" and headers.machine == self._arch:
                self.libraries[PurePosixPath(member.path).name] = headers.needed
        elif start.startswith(b"#!") and member.executable:
            self.scripts.append(member.path)


def _headers(start: bytes, stream: BinaryIO) -> elf.Elf:
    with tempfile.TemporaryFile() as copy:  # the parser seeks, members of archives can't
        copy.write(start)
        shutil.copyfileobj(stream, copy)
        return elf.read(copy)


def _in_sight(programs: list[Program]) -> list[Program]:
    """Return the programs that people run: in a wheel's scripts, in bin/ or on top; else all."""

    def depth(program: Program) -> int:
        folder = PurePosixPath(program.path).parent
        if folder.match("*.data/scripts"):
            return 0
        return 1 if folder.name in {"bin", "sbin"} or len(folder.parts) <= 1 else 2

    best = min(map(depth, programs))
    return [program for program in programs if depth(program) == best]


def _data(seen: _Seen) -> list[str]:
    """Return what programs may read, as far as names tell."""
    runs = {*seen.scripts, *(program.path for program in seen.programs)}
    return [file for file in seen.files if file not in runs and not _FOR_PEOPLE.search(file)]


def _licences(files: list[str]) -> list[str]:
    """Return licences on top, or where wheels have them; the first of each name."""
    by_name: dict[str, str] = {}
    for file in files:
        path = PurePosixPath(file)
        own = len(path.parts) <= 2 or path.parent.match("*.dist-info/licenses")  # noqa: PLR2004  on top or one below
        if own and _LICENCE.fullmatch(path.name):
            by_name.setdefault(path.name, file)
    return list(by_name.values())


def _nothing(filename: str, arch: Arch, machines: set[str], scripts: list[str]) -> NewRecipeError:
    why = "it has no ELF file at all"
    if machines:
        why = f"its binaries are libraries, or for {', '.join(sorted(machines))}"
    if scripts:
        why += f"; it has scripts, which need an interpreter: {', '.join(scripts[:3])}"
    return NewRecipeError(
        f"no program for {arch} is in it",
        where=filename,
        why=why,
        fix="write the recipe by hand (the reference has the language), or look for another asset",
    )
