"""Debian systems that follow a channel: with the systemd-sysupdate of their own systemd.

Debian 13 ships it. Debian 12 builds systemd without it, so it is built here from Debian's source
of that very systemd, in the system that it is to run in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock

from bakery.arch import native_arch
from bakery.boot import debian
from bakery.boot.nspawn import Nspawn
from bakery.upstream import apt as sources
from harness.debian import ROOTS

if TYPE_CHECKING:
    from pathlib import Path

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
    """A container whose system can update its extensions."""

    @property
    def root(self) -> debian.Root:
        """A system with what systemd-sysupdate calls, and what builds it where it is missing."""
        building = BUILDING if self.suite == "bookworm" else ()
        packages = (*debian.PACKAGES, *PACKAGES, *building)
        return debian.Root(suite=self.suite, arch=self.arch, packages=packages)


def follower(suite: str) -> Follower:
    """Return a machine that boots a Debian release."""
    return Follower(suite=suite, cache=ROOTS, arch=native_arch())


def built(machine: Follower) -> Path | None:
    """Return the folder of the machine's systemd-sysupdate; None where its system ships it."""
    root = machine.provide()
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
    status = (root / "var/lib/dpkg/status").read_text("utf-8")
    stanza = next(s for s in status.split("\n\n") if s.startswith("Package: systemd\n"))
    version = next(line.split()[1] for line in stanza.splitlines() if line.startswith("Version: "))
    for name in ("lists/partial", "archives/partial"):
        (folder / "apt" / name).mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    lines = f"deb-src [signed-by={keys}] {sources.mirrors().main} {suite} main\n"
    (folder / "apt/sources.list").write_text(lines)
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
