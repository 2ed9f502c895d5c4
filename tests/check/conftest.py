"""Trees and binaries to check: one good image, and the means to break it."""

from __future__ import annotations

import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_STACK, PT_GNU_RELRO = (
    1,
    2,
    3,
    4,
    0x6474E551,
    0x6474E552,
)
ET_EXEC, ET_DYN = 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_SONAME, DT_RPATH, DT_TEXTREL, DT_RUNPATH = (
    0,
    1,
    5,
    10,
    14,
    15,
    22,
    29,
)
DT_FLAGS_1, DF_1_PIE = 0x6FFFFFFB, 0x08000000
MACHINES = {"x86-64": 62, "arm64": 183}


def make_elf(
    *,
    machine: str = "x86-64",
    interpreter: str | None = None,
    needed: tuple[str, ...] = (),
    runpath: str | None = None,
    rpath: str | None = None,
    soname: str | None = None,
    pie: bool = True,
    library: bool = False,
    relro: bool = True,
    execstack: bool = False,
    textrel: bool = False,
    go: bool = False,
) -> bytes:
    """A 64-bit little-endian ELF file that holds headers and a dynamic table, and no code."""
    strings = b"\0"

    def name(text: str) -> int:
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - len(text) - 1

    tags = [(DT_NEEDED, name(library_name)) for library_name in needed]
    tags += [
        (tag, name(text))
        for tag, text in ((DT_RUNPATH, runpath), (DT_RPATH, rpath), (DT_SONAME, soname))
        if text
    ]
    tags += [(DT_TEXTREL, 0)] if textrel else []
    tags += [(DT_FLAGS_1, DF_1_PIE)] if pie and not library else []
    dynamic = bool(tags)
    kinds = [PT_LOAD, PT_GNU_STACK]
    kinds += [PT_INTERP] if interpreter else []
    kinds += [PT_DYNAMIC] if dynamic else []
    kinds += [PT_GNU_RELRO] if relro else []
    kinds += [PT_NOTE] if go else []
    start = 64 + 56 * len(kinds)
    path = (interpreter.encode() + b"\0") if interpreter else b""
    tags += [(DT_STRTAB, start + len(path)), (DT_STRSZ, len(strings)), (DT_NULL, 0)]
    table = b"".join(struct.pack("<QQ", *tag) for tag in tags) if dynamic else b""
    note = struct.pack("<III4s", 4, 4, 4, b"Go\0\0") + b"demo" if go else b""
    body = path + strings + table + note
    spans = {
        PT_LOAD: (0, start + len(body)),
        PT_INTERP: (start, len(path)),
        PT_NOTE: (start + len(path) + len(strings) + len(table), len(note)),
        PT_DYNAMIC: (start + len(path) + len(strings), len(table)),
    }
    headers = b""
    for kind in kinds:
        offset, size = spans.get(kind, (0, 0))
        flags = 4 | (1 if kind == PT_GNU_STACK and execstack else 0)
        headers += struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, 1)
    elf_type = ET_DYN if pie or library else ET_EXEC
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    rest = (elf_type, MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0)
    return ident + struct.pack("<HHIQQQIHHHHHH", *rest) + headers + body


@dataclass
class Folder:
    """A tree on disk that is written to without caring about folders and modes."""

    root: Path

    def folder(self, path: str, mode: int = 0o755) -> Path:
        place = self.root / path
        missing = [p for p in (place, *place.parents) if not p.exists()]
        place.mkdir(parents=True, exist_ok=True)
        for made in missing:
            made.chmod(0o755)
        place.chmod(mode)
        return place

    def file(self, path: str | bytes, content: bytes | str = "", mode: int = 0o644) -> Path:
        place = self.root / os.fsdecode(path)
        self.folder(str(place.parent.relative_to(self.root)))
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        return place

    def link(self, path: str, target: str) -> None:
        self.folder(str(Path(path).parent))
        (self.root / path).symlink_to(target)

    def edit(self, path: str, old: str, new: str) -> None:
        place = self.root / path
        text = place.read_text("utf-8")
        assert old in text
        place.write_text(text.replace(old, new), "utf-8")

    def remove(self, path: str) -> None:
        place = self.root / path
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()


RELEASE = "usr/lib/extension-release.d/extension-release.demo"
SERVICE = "usr/lib/systemd/system/demo.service"


def make_good(folder: Folder) -> Folder:
    """Fill a folder with an image that breaks no rule."""
    folder.root.mkdir(exist_ok=True)
    folder.root.chmod(0o755)
    folder.file(RELEASE, "ID=_any\nARCHITECTURE=x86-64\nEXTENSION_RELOAD_MANAGER=1\n")
    folder.file("usr/bin/demo", make_elf(pie=False, relro=False), 0o755)
    folder.file("usr/bin/demo-helper", "#!/bin/sh\nexec demo\n", 0o755)
    folder.file("usr/bin/demo-env", "#!/usr/bin/env bash\nexec demo\n", 0o755)
    folder.link("usr/bin/d", "demo")
    folder.link("usr/share/demo/state", "/var/lib/demo")
    folder.file("usr/share/demo/config.toml", "a = 1\n")
    folder.file(
        "usr/lib/demo/ld-linux-x86-64.so.2",
        make_elf(library=True, soname="ld-linux-x86-64.so.2"),
        0o755,
    )
    folder.file(
        "usr/lib/demo/libc.so.6",
        make_elf(library=True, soname="libc.so.6", needed=("ld-linux-x86-64.so.2",)),
    )
    dynamic = make_elf(
        interpreter="/usr/lib/demo/ld-linux-x86-64.so.2",
        needed=("libc.so.6",),
        runpath="$ORIGIN/../lib/demo",
    )
    folder.file("usr/bin/demo-dynamic", dynamic, 0o755)
    folder.file(
        SERVICE,
        "[Unit]\nDescription=Demo\nAfter=network-online.target\nWants=network-online.target\n"
        "[Service]\nUser=demo\nExecStartPre=-+/sbin/modprobe overlay\n"
        "ExecStart=/usr/bin/demo \\\n  --serve\n"
        "ExecReload=/bin/kill -HUP $MAINPID\n[Install]\nWantedBy=multi-user.target\n",
    )
    folder.file(
        "usr/lib/systemd/system/demo.socket",
        "[Socket]\nListenStream=/run/demo.sock\nSocketGroup=demo\n",
    )
    folder.file(
        "usr/lib/systemd/system/multi-user.target.d/10-demo.conf", "[Unit]\nUpholds=demo.service\n"
    )
    folder.file("usr/lib/sysusers.d/demo.conf", 'u demo - "Demo" /var/lib/demo\n')
    folder.file(
        "usr/lib/tmpfiles.d/demo.conf",
        "d /var/lib/demo 0750 demo demo -\nC /etc/demo.toml - - - - /usr/share/demo/config.toml\n",
    )
    folder.file("usr/lib/udev/rules.d/90-demo.rules", 'KERNEL=="demo", GROUP="disk", MODE="0660"\n')
    folder.file("usr/share/dbus-1/system.d/demo.conf", "<busconfig><policy/></busconfig>\n")
    return folder


@pytest.fixture(scope="session")
def elf() -> Callable[..., bytes]:
    return make_elf


@pytest.fixture
def good(tmp_path: Path) -> Folder:
    """A good image's tree, called demo."""
    return make_good(Folder(tmp_path / "demo"))
