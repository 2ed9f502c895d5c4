"""Trees and binaries to check: one good image, and the means to break it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.elf_headers import make_elf

if TYPE_CHECKING:
    from collections.abc import Callable


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
        "[Unit]\nDescription=Demo\nRequires=demo-setup.service\nWants=network-online.target\n"
        "After=demo-setup.service network-online.target\n"
        "[Service]\nUser=demo\nExecStartPre=-+/sbin/modprobe overlay\n"
        "ExecStart=/usr/bin/demo \\\n  --serve\n"
        "EnvironmentFile=/etc/demo.toml\nExecReload=/bin/kill -HUP $MAINPID\n",
    )
    folder.file(
        "usr/lib/systemd/system/demo.socket",
        "[Socket]\nListenStream=/run/demo.sock\nSocketGroup=demo\n",
    )
    folder.file(
        "usr/lib/systemd/system/demo-setup.service",
        "[Service]\nType=oneshot\nExecStart=systemd-sysusers demo.conf\n"
        "ExecStart=systemd-tmpfiles --create demo.conf\n"
        "ExecStart=-/bin/sh -c 'udevadm control --reload'\n",
    )
    folder.file(
        "usr/lib/systemd/system/multi-user.target.d/10-demo.conf", "[Unit]\nUpholds=demo.service\n"
    )
    folder.file(
        "usr/lib/systemd/system/sockets.target.d/10-demo.conf", "[Unit]\nUpholds=demo.socket\n"
    )
    folder.file("usr/lib/sysusers.d/demo.conf", 'u demo - "Demo" /var/lib/demo\n')
    folder.file(
        "usr/lib/tmpfiles.d/demo.conf",
        "d /var/lib/demo 0750 demo demo -\nC /etc/demo.toml - - - - /usr/share/demo/config.toml\n",
    )
    folder.file(
        "usr/lib/udev/rules.d/90-demo.rules",
        'KERNEL=="demo", GROUP="disk", MODE="0660", RUN+="/usr/bin/demo --plug %k"\n',
    )
    folder.file("usr/share/dbus-1/system.d/demo.conf", "<busconfig><policy/></busconfig>\n")
    return folder


@pytest.fixture(scope="session")
def elf() -> Callable[..., bytes]:
    return make_elf


@pytest.fixture
def good(tmp_path: Path) -> Folder:
    """A good image's tree, called demo."""
    return make_good(Folder(tmp_path / "demo"))
