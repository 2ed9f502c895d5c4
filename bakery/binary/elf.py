"""What a binary's headers say about where it can run.

Only the ELF header, the program headers and the dynamic table are read: what the kernel and the
loader read too (elf(5); System V gABI, chapters 4 and 5). Sections may be stripped.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from bakery.binary import headers
from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x7fELF"

_MACHINES = {  # systemd's name of the architecture, ConditionArchitecture= in systemd.unit(5)
    ("EM_X86_64", 64): "x86-64",
    ("EM_386", 32): "x86",
    ("EM_AARCH64", 64): "arm64",
    ("EM_ARM", 32): "arm",
    ("EM_RISCV", 64): "riscv64",
    ("EM_PPC64", 64): "ppc64-le",
    ("EM_S390", 64): "s390x",
    ("EM_LOONGARCH", 64): "loongarch64",
}
_DF_TEXTREL = 0x4
_DF_1_PIE = 0x08000000
_PF_X = 1
_DAMAGED = "is not a complete ELF file"


class ElfError(BakeryError):
    """A file begins like an ELF file and is none."""


@dataclass(frozen=True, kw_only=True)
class Elf:
    """The headers of one binary.

    Attributes:
        machine: systemd's name of the architecture, or ELF's own where systemd has none.
        kind: an executable, position-independent or not; a library; an object for a linker.
        interpreter: the loader it asks for; None for a static binary.
        soname: the name a library gives itself.
        needed: names of the libraries it wants, in order.
        runpath, rpath: where its libraries are looked for, `$ORIGIN` verbatim.
        pie: whether an executable can be loaded at any address.
        relro: whether relocated data is write-protected after start.
        execstack: whether it asks for an executable stack.
        textrel: whether its code is written to while it is loaded.
        go: whether Go's compiler made it, which says so in a note.

    """

    machine: str
    kind: Literal["executable", "library", "object"]
    interpreter: str | None = None
    soname: str | None = None
    needed: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    pie: bool = False
    relro: bool = False
    execstack: bool = False
    textrel: bool = False
    go: bool = False

    @property
    def dynamic(self) -> bool:
        """Whether a loader has to find other files before it runs."""
        return self.interpreter is not None or bool(self.needed)


def read(stream: BinaryIO) -> Elf:
    """Return what the headers of a binary say.

    Args:
        stream: the file, at any position; must be seekable.

    Raises:
        ElfError: the file is cut off or damaged.

    """
    try:
        return _parse(stream)
    except ElfError:
        raise
    except Exception as error:
        # whatever damaged bytes provoke in the parser, the file is what is wrong
        raise ElfError(_DAMAGED, why=str(error) or type(error).__name__) from error


def _parse(stream: BinaryIO) -> Elf:
    elf = headers.segments(stream)
    segments = list(elf.iter_segments())
    missing = _missing_bytes(segments, stream.seek(0, os.SEEK_END))
    if missing:
        raise ElfError(_DAMAGED, why=f"{missing} bytes are missing at its end")
    return _headers(elf, segments)


def _missing_bytes(segments: list[Any], size: int) -> int:
    loaded = (s.header for s in segments if s.header.p_type == "PT_LOAD")
    lacking: list[int] = [h.p_offset + h.p_filesz - size for h in loaded]
    return max(0, *lacking) if lacking else 0


def _headers(elf: Any, segments: list[Any]) -> Elf:
    by_type = {segment.header.p_type: segment for segment in segments}
    tags = _tags(by_type)
    soname = tags["DT_SONAME"][-1].soname if tags["DT_SONAME"] else None
    interpreter = by_type["PT_INTERP"].get_interp_name() if "PT_INTERP" in by_type else None
    stack = by_type.get("PT_GNU_STACK")
    kind: Literal["executable", "library", "object"] = "library"
    if elf.header.e_type == "ET_EXEC" or _has_flag(tags["DT_FLAGS_1"], _DF_1_PIE):
        kind = "executable"
    elif elf.header.e_type != "ET_DYN":
        kind = "object"
    elif interpreter is not None and soname is None:
        kind = "executable"
    machine = elf.header.e_machine
    return Elf(
        machine=_MACHINES.get((machine, elf.elfclass), str(machine)),
        kind=kind,
        # libc.so.6 names a loader as well, so that it can be started by hand
        interpreter=interpreter if kind == "executable" else None,
        soname=soname,
        needed=tuple(tag.needed for tag in tags["DT_NEEDED"]),
        runpath=tuple(tags["DT_RUNPATH"][-1].runpath.split(":")) if tags["DT_RUNPATH"] else (),
        rpath=tuple(tags["DT_RPATH"][-1].rpath.split(":")) if tags["DT_RPATH"] else (),
        pie=kind == "executable" and elf.header.e_type == "ET_DYN",
        relro="PT_GNU_RELRO" in by_type,
        execstack=stack is not None and bool(stack.header.p_flags & _PF_X),
        textrel=bool(tags["DT_TEXTREL"]) or _has_flag(tags["DT_FLAGS"], _DF_TEXTREL),
        go=any(note.n_name == "Go" for note in _notes(segments)),
    )


def _notes(segments: list[Any]) -> Iterator[Any]:
    for segment in segments:
        if segment.header.p_type == "PT_NOTE":
            yield from segment.iter_notes()


def _tags(by_type: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the entries of the dynamic table by their tags."""
    tags: dict[str, list[Any]] = defaultdict(list)
    if "PT_DYNAMIC" in by_type:
        for tag in by_type["PT_DYNAMIC"].iter_tags():
            tags[tag.entry.d_tag].append(tag)
    return tags


def _has_flag(tags: list[Any], flag: int) -> bool:
    return any(tag.entry.d_val & flag for tag in tags)
