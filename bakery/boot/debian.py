"""Debian systems: made once by debootstrap, cached by what went into them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery import interrupts
from bakery.arch import ARCHITECTURES
from bakery.boot import guest
from bakery.boot.errors import MachineError
from bakery.boot.machine import System
from bakery.check import os_release
from bakery.files import move_tree, remove
from bakery.tools import NETWORK_PATIENCE, Tool, run
from bakery.upstream import apt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.arch import Arch
    from bakery.progress import Tell

_DEBIAN = {"ID": "debian"}  # before a release, that is all
SYSTEMS = {
    "bookworm": System(os_releases=[{**_DEBIAN, "VERSION_ID": "12"}], systemd=range(252, 253)),
    "trixie": System(os_releases=[{**_DEBIAN, "VERSION_ID": "13"}], systemd=range(257, 258)),
    "forky": System(
        os_releases=[_DEBIAN, {**_DEBIAN, "VERSION_ID": "14"}], systemd=range(258, 1000)
    ),
}
SUITES = tuple(SYSTEMS)

UNSHARE = Tool(program="unshare", apt="util-linux")
_DEBOOTSTRAP = Tool(program="debootstrap", apt="debootstrap")
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_REPORT_INTERVAL = 0.5  # seconds
_SYSEXT = "usr/lib/systemd/system/systemd-sysext.service"

# What images may count on, as on Flatcar: a service manager, iproute2, iptables, curl
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "procps",
    "iproute2",
    "iptables",
    "curl",
    "ca-certificates",
)
# Before version 255 nothing loads the units that a merge brings: hosts do it as Flatcar does.
_RELOADS_ITSELF = 255
_RELOAD = "[Service]\nExecStartPost=/bin/systemctl daemon-reload\n"
# Later ones load them, and again those that are left while the host goes down: for nothing.
_STOP = f"""\
[Service]
ExecStop=
ExecStop=/bin/sh -c 'test -e {guest.OVER} && no=--no-reload; exec systemd-sysext unmerge $no'
"""
# Emptied: every boot copies /var. The journal's folder has ACLs that name groups by
# number; without it the journal is kept in memory.
_UNUSED = (
    *("var/cache", "var/log"),
    *(f"var/lib/{name}" for name in ("apt", "dpkg", "pam", "systemd")),
)
_FILES = {
    "etc/hostname": "bakery\n",
    "etc/hosts": "127.0.0.1 localhost bakery\n::1 localhost bakery\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
}
# Newer than any /usr: a merge makes that new, and a system that boots would bring caches up to
# date, such as ldconfig's. After a live merge nothing does, so images must work without; see
# ConditionNeedsUpdate= in systemd.unit(5).
_UPDATED = ("etc/.updated", "var/.updated")
_YEAR_2100 = 4_102_444_800_000_000_001  # nanoseconds; without a fraction the text would count
# Masked: nothing here is for them to find, and a merge runs them all again; systemd.generator(7)
_GENERATORS = "usr/lib/systemd/system-generators"
_LINKS = {
    "etc/systemd/system/sysinit.target.wants/systemd-sysext.service": f"/{_SYSEXT}",
    **{
        f"etc/systemd/system/{unit}": "/dev/null"
        for unit in (
            "apt-daily.timer",
            "apt-daily-upgrade.timer",
            "dpkg-db-backup.timer",
            "e2scrub_all.timer",
            "e2scrub_reap.service",
            "fstrim.timer",
            "getty.target",
        )
    },
}


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into a root file system.

    Attributes:
        suite: Debian's name for the release, such as `bookworm`.
        arch: in systemd's words.
        packages: what is installed beside Debian's essential packages.
        files: further files by path, and their text.
        links: symbolic links by path, and where they point.
        owner: the user and group that stand for root; everybody else's numbers follow it.

    """

    suite: str
    arch: Arch
    packages: tuple[str, ...] = PACKAGES
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    owner: int = 0

    @property
    def name(self) -> str:
        """Its folder's name: readable, and different for everything that differs."""
        everything = [self, _FILES, _LINKS, _RELOAD, _STOP, _UNUSED, _UPDATED, _GENERATORS]
        digest = hashlib.sha256(msgspec.json.encode(everything, order="sorted")).hexdigest()
        return f"{self.suite}-{self.arch}-{digest[:12]}"


@dataclass(frozen=True, kw_only=True)
class Debian(ABC):
    """What machines with a Debian system have in common.

    Attributes:
        suite: one of `SUITES`: `bookworm` has systemd 252, `trixie` 257, `forky` 262.
        cache: the folder that keeps the systems between boots; several processes may share it.
        arch: in systemd's words.
        mirror: the archive that systems are made from; None for the one that apt uses.

    """

    suite: str
    cache: Path
    arch: Arch
    mirror: str | None = None

    @property
    def system(self) -> str:
        """The system that boots."""
        return self.suite

    @property
    @abstractmethod
    def root(self) -> Root:
        """What the system is made of."""

    @property
    def folder(self) -> Path:
        """Where its root file system is, once it is made."""
        return self.cache / self.root.name

    def hierarchies(self) -> Path:
        """Return its root file system, which has its /usr."""
        return self.folder

    def os_release(self) -> Mapping[str, str]:
        """Return what its os-release says; empty before it is made."""
        path = self.folder / "usr/lib/os-release"
        return os_release.parse(path.read_text("utf-8")).values if path.is_file() else {}

    def prepare(self, tell: Tell) -> None:
        """Make its root file system where it is not there yet; see `Machine.prepare`.

        Raises:
            MachineError: it can't be made here.
            UpstreamError: no Debian mirror is known.
            MissingToolError: debootstrap or unshare is not installed.
            ToolFailedError: debootstrap failed.

        """
        from filelock import FileLock

        root, folder = self.root, self.folder
        if folder.is_dir():
            return
        if os.geteuid() != 0:
            raise MachineError("only root can make a Debian system", fix="run it with sudo")
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / f".{root.name}.lock"):
            if not folder.is_dir():
                partial = self.cache / f".{root.name}.partial"
                remove(partial)  # of a run that was killed
                with interrupts.removing(partial):
                    _bootstrap(root, partial, apt.mirrors(self.mirror).main, tell)
                    _configure(root, partial)
                    move_tree(partial, folder)


def _bootstrap(root: Root, folder: Path, mirror: str, tell: Tell) -> None:
    """Install Debian; of the archive's Release file the signature counts, and not its age."""
    script = _SCRIPTS / root.suite
    log = folder.with_suffix(".log")
    tell(
        f"making the Debian {root.suite} that boots, once; this takes a minute or two", lasting=True
    )
    with _followed(log, tell):
        run(
            [
                *("/bin/sh", "-c", 'exec >"$0" 2>&1; exec "$@"', log),
                # what it mounts goes when it does, however it ends
                *(UNSHARE.require(), "--mount", "--propagation=slave", "--"),
                _DEBOOTSTRAP.require(),
                "--variant=minbase",
                "--force-check-gpg",
                f"--arch={ARCHITECTURES[root.arch].debian}",
                f"--include={','.join(root.packages)}",
                root.suite,
                folder,
                mirror,
                *([] if script.exists() else [_SCRIPTS / "sid"]),
            ],
            what=f"debootstrap could not make a Debian {root.suite} system",
            env={"DEBIAN_FRONTEND": "noninteractive"},
            network=True,
            patience=NETWORK_PATIENCE,
            fix=f"see {log}; another mirror is set with {apt.VARIABLE}",
        )
    log.unlink()


@contextmanager
def _followed(log: Path, tell: Tell) -> Iterator[None]:
    """Tell the newest step in debootstrap's log, again and again, in a thread."""
    log.write_bytes(b"")
    over = threading.Event()

    def follow() -> None:
        last = ""
        while not over.wait(_REPORT_INTERVAL):
            steps = re.findall(r"(?m)^I: (.+)$", log.read_text("utf-8", "replace"))
            if steps and steps[-1] != last:
                last = steps[-1]
                tell(f"debootstrap: {last}")

    thread = threading.Thread(target=follow, name="debootstrap", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _configure(root: Root, folder: Path) -> None:
    for unused in _UNUSED:
        shutil.rmtree(folder / unused, ignore_errors=True)
        (folder / unused).mkdir()
    files = {**_FILES, **dict.fromkeys(_UPDATED, ""), **root.files}
    reload = _RELOAD if systemd_version(folder) < _RELOADS_ITSELF else _STOP
    files["etc/systemd/system/systemd-sysext.service.d/10-reload.conf"] = reload
    for path, text in files.items():
        file = _cleared(folder / path)
        file.write_text(text, "utf-8")
        file.chmod(0o644)
    for path in _UPDATED:
        os.utime(folder / path, ns=(_YEAR_2100, _YEAR_2100))
    generators = (each.name for each in (folder / _GENERATORS).iterdir())
    masked = {f"etc/systemd/system-generators/{name}": "/dev/null" for name in generators}
    for path, target in {**_LINKS, **masked, **root.links}.items():
        _cleared(folder / path).symlink_to(target)
    (folder / "var/lib/extensions").mkdir(exist_ok=True)
    if root.owner:
        _shift(folder, root.owner)


def _shift(folder: Path, owner: int) -> None:
    """Move all owners up by a number: a user namespace that begins there sees them as before."""
    for parent, folders, files in os.walk(folder):
        for path in (parent, *(f"{parent}/{name}" for name in files)):
            _shift_one(path, owner)
        for name in folders:
            if Path(parent, name).is_symlink():
                _shift_one(f"{parent}/{name}", owner)


def _shift_one(path: str, owner: int) -> None:
    status = os.lstat(path)
    os.lchown(path, status.st_uid + owner, status.st_gid + owner)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(path, stat.S_IMODE(status.st_mode))  # noqa: PTH101  chown took setuid bits away


def _cleared(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def systemd_version(folder: Path) -> int:
    """Return the version of the systemd in a root file system.

    Raises:
        MachineError: there is none.

    """
    for library in folder.glob("usr/lib/**/libsystemd-shared-*.so"):
        if match := re.search(r"shared-(\d+)", library.name):
            return int(match[1])
    raise MachineError("there is no systemd in the root file system", where=str(folder))
