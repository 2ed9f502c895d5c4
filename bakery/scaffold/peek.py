"""What an asset holds: its programs and licences, told by their headers and names."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
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


@dataclass(kw_only=True)
class Content:
    """What an asset holds.

    Attributes:
        single: whether it is one file, compressed or not.
        files: the paths of all files.
        executables: all programs for the processor.
        scripts: executable scripts.
        libraries: what its libraries need, and its links point to, by name.
        machines: what its ELF files are for.
        metadata: of a wheel: its METADATA file.
        wording: the text of the first licence.

    """

    single: bool
    files: list[str] = field(default_factory=list)
    executables: list[Program] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    libraries: dict[str, tuple[str, ...]] = field(default_factory=dict)
    machines: set[str] = field(default_factory=set)
    metadata: str = ""
    wording: str = ""

    @property
    def programs(self) -> list[Program]:
        """Those that people run: in a wheel's scripts, in bin/ or on top; else all."""
        best = min(map(_depth, self.executables))
        return [program for program in self.executables if _depth(program) == best]

    @property
    def others(self) -> list[str]:
        """Programs that lie where only other programs look."""
        programs = self.programs
        return [each.path for each in self.executables if each not in programs]

    @property
    def licences(self) -> list[str]:
        """The paths of licences: on top, or where wheels have them; the first of each name."""
        by_name: dict[str, str] = {}
        for path in filter(_is_licence, self.files):
            by_name.setdefault(PurePosixPath(path).name, path)
        return list(by_name.values())

    @property
    def data(self) -> list[str]:
        """All else, but texts for people and wrappers of the index's language."""
        runs = {*self.scripts, *(program.path for program in self.executables)}
        return [file for file in self.files if file not in runs and not _FOR_PEOPLE.search(file)]

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
    content = Content(single=kind_of(filename) in {"plain", "compressed"})
    for member, stream in members(path, filename, lambda _: True):
        if stream is not None:
            _add(content, member, stream, arch)
        elif member.target is not None:
            link = PurePosixPath(member.path).name
            content.libraries[link] = (PurePosixPath(member.target).name,)
    if not content.executables:
        raise _nothing(filename, arch, content)
    return content


def _add(content: Content, member: Member, stream: BinaryIO, arch: Arch) -> None:
    content.files.append(member.path)
    if member.path.endswith(".dist-info/METADATA"):
        content.metadata = stream.read(_LONGEST).decode(errors="replace")
    elif not content.wording and _is_licence(member.path):
        content.wording = stream.read(_LONGEST).decode(errors="replace")
    elif (start := stream.read(len(MAGIC))) == MAGIC:
        headers = _headers(start, stream)
        content.machines.add(headers.machine)
        if headers.kind == "executable" and headers.machine == arch:
            content.executables.append(Program(member.path, headers.interpreter, headers.needed))
        elif headers.kind == "library" and headers.machine == arch:
            content.libraries[PurePosixPath(member.path).name] = headers.needed
    elif start.startswith(b"#!") and member.executable:
        content.scripts.append(member.path)


def _headers(start: bytes, stream: BinaryIO) -> elf.Elf:
    with tempfile.TemporaryFile() as copy:  # the parser seeks, members of archives can't
        copy.write(start)
        shutil.copyfileobj(stream, copy)
        return elf.read(copy)


def _depth(program: Program) -> int:
    folder = PurePosixPath(program.path).parent
    if folder.match("*.data/scripts"):
        return 0
    return 1 if folder.name in {"bin", "sbin"} or len(folder.parts) <= 1 else 2


def _is_licence(file: str) -> bool:
    path = PurePosixPath(file)
    own = len(path.parts) <= 2 or path.parent.match("*.dist-info/licenses")  # noqa: PLR2004  on top or one below
    return own and _LICENCE.fullmatch(path.name) is not None


def _nothing(filename: str, arch: Arch, content: Content) -> NewRecipeError:
    why = "it has no ELF file at all"
    if content.machines:
        why = f"its binaries are libraries, or for {', '.join(sorted(content.machines))}"
    if content.scripts:
        why += f"; it has scripts, which need an interpreter: {', '.join(content.scripts[:3])}"
    return NewRecipeError(
        f"no program for {arch} is in it",
        where=filename,
        why=why,
        fix="write the recipe by hand (the reference has the language), or look for another asset",
    )
