"""ELF files, read no further than is asked.

pyelftools makes an object of every section when it is asked for one, or for the dynamic table, and
parses hash tables of symbols for that, number by number: half a million in a program of 50 MB.
"""

from __future__ import annotations

from typing import Any, BinaryIO


def segments(stream: BinaryIO) -> Any:
    """Return an ELF file for whom its sections don't count, as for the kernel and the loader.

    Raises:
        Exception: the file is damaged; pyelftools has many words for that.

    """
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(stream)
    elf.header["e_shoff"] = 0
    return elf


def section(stream: BinaryIO, name: str) -> Any:
    """Return the first section of a name; None where an ELF file has none.

    Raises:
        Exception: as above.

    """
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(stream)
    wanted = name.encode() + b"\0"
    table, step, layout = elf["e_shoff"], elf["e_shentsize"], elf.structs.Elf_Shdr
    if not table:
        return None
    names = struct_parse(layout, stream, table + elf.get_shstrndx() * step)
    for number in range(elf.num_sections()):
        header = struct_parse(layout, stream, table + number * step)
        stream.seek(names["sh_offset"] + header["sh_name"])
        if stream.read(len(wanted)) == wanted:
            return elf.get_section(number)
    return None
