"""What a binary's headers say about where it can run.

Only the ELF header, the program headers and the dynamic table are read: what the kernel and the
loader read too (elf(5); System V gABI, chapters 4 and 5). Sections may be stripped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from bakery.binary.headers import ElfFile, damaged

if TYPE_CHECKING:
    from bakery.binary.headers import Segment

BPF = "EM_BPF"  # programs for the kernel's own machine, the same on every architecture
_MACHINES = {  # by `e_machine`, bits and byte order: ConditionArchitecture= in systemd.unit(5)
    (3, 32, "little"): "x86",
    (8, 32, "big"): "mips",
    (8, 32, "little"): "mips-le",
    (8, 64, "big"): "mips64",
    (8, 64, "little"): "mips64-le",
    (15, 32, "big"): "parisc",
    (20, 32, "big"): "ppc",
    (21, 64, "big"): "ppc64",
    (21, 64, "little"): "ppc64-le",
    (22, 64, "big"): "s390x",
    (40, 32, "little"): "arm",
    (43, 64, "big"): "sparc64",
    (62, 64, "little"): "x86-64",
    (183, 64, "little"): "arm64",
    (243, 64, "little"): "riscv64",
    (247, 64, "little"): BPF,
    (247, 64, "big"): BPF,
    (258, 64, "little"): "loongarch64",
}
_ET_EXEC, _ET_DYN = 2, 3
_PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 2, 3, 4
_PT_GNU_STACK, _PT_GNU_RELRO = 0x6474E551, 0x6474E552
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH = 0, 1, 5, 14, 15
_DT_TEXTREL, _DT_RUNPATH, _DT_FLAGS, _DT_FLAGS_1 = 22, 29, 30, 0x6FFFFFFB
_DF_TEXTREL = 0x4
_DF_1_PIE = 0x08000000
_PF_X = 1
_MOST_TABLE = 1 << 16  # bytes of a dynamic table or of notes; the longest take a few thousand


@dataclass(frozen=True, kw_only=True)
class Elf:
    """The headers of one binary.

    Attributes:
        machine: systemd's name of the architecture, or `EM_` and ELF's number where it has none.
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
    file = ElfFile(stream)
    if file.missing:
        raise damaged(f"{file.missing} bytes are missing at its end")
    by_type = {segment.type: segment for segment in file.segments}
    tags = _tags(file, by_type.get(_PT_DYNAMIC))
    soname = next(reversed(_names(file, tags, _DT_SONAME)), None)
    asked = by_type.get(_PT_INTERP)
    interpreter = file.text(asked.offset) if asked and asked.size else None
    stack = by_type.get(_PT_GNU_STACK)
    kind: Literal["executable", "library", "object"] = "library"
    if file.type == _ET_EXEC or _has_flag(tags, _DT_FLAGS_1, _DF_1_PIE):
        kind = "executable"
    elif file.type != _ET_DYN:
        kind = "object"
    elif interpreter is not None and soname is None:
        kind = "executable"
    built_for = file.machine, file.layout.bits, file.layout.order
    return Elf(
        machine=_MACHINES.get(built_for, f"EM_{file.machine}"),
        kind=kind,
        # libc.so.6 names a loader as well, so that it can be started by hand
        interpreter=interpreter if kind == "executable" else None,
        soname=soname,
        needed=_names(file, tags, _DT_NEEDED),
        runpath=_folders(_names(file, tags, _DT_RUNPATH)),
        rpath=_folders(_names(file, tags, _DT_RPATH)),
        pie=kind == "executable" and file.type == _ET_DYN,
        relro=_PT_GNU_RELRO in by_type,
        execstack=stack is not None and bool(stack.flags & _PF_X),
        textrel=_DT_TEXTREL in tags or _has_flag(tags, _DT_FLAGS, _DF_TEXTREL),
        go=_is_go(file),
    )


def _tags(file: ElfFile, table: Segment | None) -> dict[int, list[int]]:
    """Return the values in the dynamic table by their tags."""
    tags: dict[int, list[int]] = {}
    if table is None:
        return tags
    layout = file.layout.tag
    data = file.read_some(table.offset, min(table.size, _MOST_TABLE))
    for tag, value in layout.iter_unpack(data[: len(data) // layout.size * layout.size]):
        if tag == _DT_NULL:
            break
        tags.setdefault(tag, []).append(value)
    return tags


def _names(file: ElfFile, tags: dict[int, list[int]], wanted: int) -> tuple[str, ...]:
    """Return the names whose places in the table of names a tag has."""
    if wanted not in tags:
        return ()
    if _DT_STRTAB not in tags:
        raise damaged("its dynamic table lacks the names")
    table, _ = file.place(tags[_DT_STRTAB][-1])
    return tuple(file.text(table + offset) for offset in tags[wanted])


def _folders(lists: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(lists[-1].split(":")) if lists else ()


def _has_flag(tags: dict[int, list[int]], tag: int, flag: int) -> bool:
    return any(value & flag for value in tags.get(tag, ()))


def _is_go(file: ElfFile) -> bool:
    """Return whether there is a note of Go's linker, with the identity of the build (type 4)."""
    note = (4).to_bytes(4, file.layout.order) + b"Go\0\0"
    notes = (part for part in file.segments if part.type == _PT_NOTE)
    return any(note in file.read_some(part.offset, min(part.size, _MOST_TABLE)) for part in notes)
