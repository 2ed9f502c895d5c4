"""Debian systems that follow a channel: with the systemd-sysupdate of their own systemd.

Debian 13 ships it. Debian 12 builds systemd without it, so it is built here from Debian's source
of that very systemd, in the system that it is to run in.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from filelock import FileLock
from msgspec import structs

from bakery.boot.machine import BootImage, Load
from bakery.boot.nspawn import Nspawn, escaped, image_path
from bakery.progress import Silent
from bakery.upstream import apt as sources
from harness.debian import ROOTS
from harness.native import ARCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bakery.boot import debian, guest

PACKAGES = ("systemd-container", "gpg", "busybox")
BUILDING = (
    *("gcc", "libc6-dev", "meson", "ninja-build", "gperf", "pkg-config", "python3-jinja2"),
    *("libblkid-dev", "libcap-dev", "libcrypt-dev", "libfdisk-dev", "libmount-dev", "libssl-dev"),
)
SHIPPED = "/usr/lib/systemd/systemd-sysupdate"
BUILD = r"""
set -eu
cd /mnt
tar --extract --strip-components=1 --file "$1"
# Of all that is optional, only what systemd-sysupdate is made with.
options=$(sed -n "s/^option('\([^']*\)', .*\['auto', 'true', 'false'\].*/-D\1=false/p" \
  meson_options.txt)
meson setup build $options -Dopenssl=true -Dblkid=true -Dfdisk=true -Dsysupdate=true \
  -Dmode=release --buildtype=plain >&2
ninja -C build systemd-sysupdate >&2
mkdir -p done/src/shared
cp build/systemd-sysupdate done/
cp build/src/shared/libsystemd-shared-*.so done/src/shared/
"""


@dataclass(frozen=True, kw_only=True)
class Follower(Nspawn):
    """A container whose system can update its extensions.

    What it downloads are images as files, and only this computer's root mounts these: it has no
    user namespace, but loop devices. It runs what the tests bring, and nobody else's code.

    Attributes:
        disk: keeps what is written between boots, but for /var; None keeps nothing.

    """

    disk: Path | None = None

    @property
    def root(self) -> debian.Root:
        """A system with what systemd-sysupdate calls, and what builds it where it is missing."""
        building = BUILDING if self.suite == "bookworm" else ()
        packages = (*PACKAGES, *building)
        root = super().root
        return structs.replace(root, packages=(*root.packages, *packages), owner=0)

    @contextmanager
    def start(self, load: Load) -> Iterator[guest.Guest]:
        """Start it, and wait until early boot is over, which empties /tmp or mounts it."""
        with super().start(load) as running:
            running.ask("systemctl start sysinit.target", limit=120)
            yield running

    def _mounts(self, folder: Path, load: Load) -> str:
        """Mount /usr alone; make nodes for loop devices, for a container's /dev has none."""
        nodes = folder / "share/dev"
        nodes.mkdir()
        for number in range(128):
            os.mknod(nodes / f"loop{number}", stat.S_IFBLK | 0o660, os.makedev(7, number))
        setup = folder / "share/setup"
        setup.write_text(f"cp -a {self.share}/dev/. /dev/\n{setup.read_text('utf-8')}", "utf-8")
        for kept in (self.disk / "changes", self.disk / "work") if self.disk else ():
            kept.mkdir(parents=True, exist_ok=True)
            (folder / kept.name).rmdir()
            (folder / kept.name).symlink_to(kept)
        return super()._mounts(folder, replace(load, images=[]))

    def _arguments(self, _folder: Path, load: Load) -> list[str]:
        """Bind images as the files that they are."""
        binds = [
            f"--bind-ro={escaped(image.path)}:{image_path(number, image.name)}"
            for number, image in enumerate(load.images)
        ]
        devices = ("block-loop rwm", "/dev/loop-control rw")
        allowed = [f"--property=DeviceAllow={device}" for device in devices]
        booted = os.path.isdir("/run/systemd/system")  # noqa: PTH112
        return ["--bind=/dev/loop-control", *binds, *(allowed if booted else [])]


def follower(suite: str) -> Follower:
    """Return a machine that boots a Debian release."""
    machine = Follower(suite=suite, cache=ROOTS, arch=ARCH)
    machine.prepare(Silent().tell)
    return machine


def given(paths: Iterable[Path]) -> list[BootImage]:
    """Return files and folders as what a machine is given, each under its own name."""
    return [BootImage(path=path, name=path.name) for path in paths]


def built(machine: Follower) -> Path | None:
    """Return the folder of the machine's systemd-sysupdate; None where its system ships it."""
    root = machine.folder
    if (root / SHIPPED.lstrip("/")).exists():
        return None
    recipe = hashlib.sha256(BUILD.encode()).hexdigest()[:12]
    folder = ROOTS / f"{root.name}-sysupdate-{recipe}"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            work = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            _build(root, work, _source(machine.suite, root, work))
            (work / "done").rename(folder)
            shutil.rmtree(work)
    return folder


def _build(root: Path, work: Path, source: Path) -> None:
    command = ["systemd-nspawn", "--quiet", "--register=no", "--read-only", "--tmpfs=/tmp"]
    command += [f"--directory={root}", f"--bind={work}:/mnt"]
    command += [] if os.path.isdir("/run/systemd/system") else ["--keep-unit"]  # noqa: PTH112
    subprocess.run([*command, "sh", "-c", BUILD, "sh", source.name], check=True)


def _source(suite: str, root: Path, folder: Path) -> Path:
    """Return the archive of the source that a system's systemd was built from."""
    changes = root / "usr/share/doc/systemd/changelog.Debian.gz"  # dpkg's status is not kept
    with gzip.open(changes, "rt", encoding="utf-8") as lines:
        version = next(lines).split()[1].strip("()")
    for name in ("lists/partial", "archives/partial"):
        (folder / "apt" / name).mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    listed = f"deb-src [signed-by={keys}] {sources.mirrors().main} {suite} main\n"
    (folder / "apt/sources.list").write_text(listed)
    options = {
        "APT::Sandbox::User": "root",
        "Dir::Etc::sourcelist": str(folder / "apt/sources.list"),
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": str(folder / "apt/lists"),
        "Dir::Cache": str(folder / "apt"),
    }
    apt = ["apt-get", *(w for name, value in options.items() for w in ("-o", f"{name}={value}"))]
    subprocess.run([*apt, "update"], check=True, capture_output=True)
    download = [*apt, "source", "--download-only", f"systemd={version}"]
    subprocess.run(download, check=True, capture_output=True, cwd=folder)
    return next(folder.glob("systemd_*.orig.tar.*"))
