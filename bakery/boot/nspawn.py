"""Machines that are containers: systemd-nspawn boots a Debian system in a second or two.

What boots is somebody else's code, as root: it gets a user namespace, so that its root is nobody
here. No file system but overlays can be mounted in there, so images are mounted on this computer,
in a mount namespace that ends with the container, and appear in it as folders.

The root is an overlay over the base, but for two folders: /usr is the base's, read-only, since
systemd-sysext stacks an overlay upon it, and file systems can't be stacked deep; /var is a copy, so
that services can make overlays of their own in it.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import secrets
import shlex
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bakery.arch import ARCHITECTURES, native_arch
from bakery.boot import cgroup, console, debian, guest, scratch
from bakery.boot.errors import MachineError
from bakery.boot.process import child
from bakery.check.loader import mount_command
from bakery.tools import Tool, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from bakery.boot.machine import Load

_NSPAWN = Tool(program="systemd-nspawn", apt="systemd-container")
_LINUX = (6, 3)  # the first that maps owners of squashfs (6.2) and tmpfs
# The last range of users that systemd sets apart for containers: see its UIDS-GIDS document
_OWNER = 0x6FFF0000
_USERS = 0x10000
# What a booted system does without. The others count in its user namespace only, where mknod makes
# no devices; runc wants to hand that one on.
_DROPPED = ("CAP_AUDIT_CONTROL", "CAP_LEASE", "CAP_LINUX_IMMUTABLE", "CAP_SYS_TTY_CONFIG")
_ARGUMENTS = (
    "--quiet",
    "--boot",
    "--hostname=bakery",
    "--register=no",
    "--private-network",
    "--system-call-filter=@keyring",  # keyrings belong to a user namespace; runc makes one
    "--console=interactive",
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
)
_SHARE = "/run/host/bakery"  # systemd has no units for what is mounted in there
# Programs that make containers mount a sysfs. The kernel lets them where a whole one is to be seen
# already, and systemd-nspawn shows parts: see mount_too_revealing() of Linux. This one has no
# network devices in it, and belongs to nobody in there.
_SYSFS = "/run/host/sysfs"
_LEASH = "bakery-leash.service"
# A container outlives its systemd-nspawn if that is killed; then it finds the lock free and ends.
_LEASH_UNIT = f"""\
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/bin/sh -c "flock {_SHARE}/leash true && systemctl poweroff --force --force"
[Install]
WantedBy=sysinit.target
"""
_IN_GROUPS = (
    'until [ "$1" = -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'
)


@dataclass(frozen=True, kw_only=True)
class Nspawn(debian.Debian):
    """A container of a Debian system.

    Another architecture than this computer's needs qemu-user and binfmt_misc.
    """

    backend: ClassVar = "nspawn"
    known_errors: ClassVar = (r"^dbus-daemon: .*Failed to set fd limit",)
    virtual: ClassVar = False
    share: ClassVar = _SHARE

    @property
    def root(self) -> debian.Root:
        """What the system is made of."""
        folder = "etc/systemd/system"
        units = guest.units(_SHARE, f"{_SHARE}/requests", f"{_SHARE}/answers")
        units[_LEASH] = _LEASH_UNIT
        return debian.Root(
            suite=self.suite,
            arch=self.arch,
            files={f"{folder}/{name}": text for name, text in units.items()},
            links={f"{folder}/{path}": target for path, target in guest.wants(units).items()},
            owner=_OWNER,
        )

    def obstacle(self) -> str | None:
        """Return why this computer can't run such containers."""
        if self.arch != native_arch() and not _translates(ARCHITECTURES[self.arch].kernel):
            return (
                f"this computer is {native_arch()}, and boots {self.arch} images in a container"
                " only with qemu-user-static and binfmt-support"
            )
        if _kernel(platform.release()) < _LINUX:
            return (
                f"containers need Linux {_LINUX[0]}.{_LINUX[1]}, and this is {platform.release()}"
            )
        return None

    @contextmanager
    def start(self, load: Load) -> Iterator[guest.Guest]:
        """Start the container; see `Machine.start`."""
        nspawn = _NSPAWN.require()
        if os.geteuid() != 0:
            raise MachineError("only root can boot a container", fix="run it with sudo")
        with scratch.opened() as folder:
            root, share = _prepare_root(self.folder, folder, self.root.owner), folder / "share"
            _fill_share(share, load, self.root.owner)
            with _opened(share) as (reader, writer), _groups(folder.name) as groups:
                command = [
                    *("/bin/sh", "-c", _IN_GROUPS, "sh", *map(str, groups), "--"),
                    *(debian.UNSHARE.require(), "--mount", "--net", "--propagation=slave", "--"),
                    *("/bin/sh", "-c", self._mounts(folder, load), "sh"),
                    *(nspawn, *_ARGUMENTS, f"--directory={root}"),
                    f"--machine=bakery-{secrets.token_hex(4)}",
                    f"--bind={escaped(share)}:{_SHARE}",
                    f"--bind={escaped(folder / 'sysfs')}:{_SYSFS}",
                    *self._arguments(folder, load),
                    *([] if _systemd_runs() else ["--keep-unit"]),
                ]
                with (
                    console.opened(load.log) as (shown, terminal),
                    child(
                        command,
                        terminal=terminal,
                        variables={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                    ) as started,
                ):
                    running = guest.Guest(
                        child=started, console=shown, reader=reader, writer=writer
                    )
                    running.wait_ready()
                    yield running

    def _mounts(self, folder: Path, load: Load) -> str:
        """Return the script that mounts what the container gets, then runs its arguments.

        The mounts live in a namespace of their own: they go with the process, however that ends.
        """
        (folder / "base").symlink_to(self.folder)
        layers = "lowerdir=base,upperdir=changes,workdir=work"  # whatever is in their full paths
        (folder / "fstab").write_text(
            f"none ./root overlay {layers}\n"
            "base/usr ./root/usr none bind,ro\n"
            "var ./root/var none bind\n"
            "none ./sysfs sysfs\n",
            "utf-8",
        )
        lines = ["set -e", shlex.join(["cd", str(folder)]), "mount --all --fstab fstab"]
        for number, image in enumerate(load.images):
            mounted = folder / f"image-{number}"
            mounted.mkdir()
            if not image.path.is_dir():
                lines.append(shlex.join(mount_command(image.path, mounted, "loop,ro,nodev")))
        return "\n".join([*lines, 'exec "$@"'])

    def _arguments(self, folder: Path, load: Load) -> list[str]:
        """Return the options that give the container its users, and the images as theirs."""
        binds = []
        for number, image in enumerate(load.images):
            source = image.path.absolute() if image.path.is_dir() else folder / f"image-{number}"
            inside = escaped(image_path(number, image.name))
            binds.append(f"--bind-ro={escaped(source)}:{inside}:idmap")
        return [
            f"--private-users={_OWNER}:{_USERS}",
            "--private-users-ownership=off",
            f"--drop-capability={','.join(_DROPPED)}",
            *binds,
        ]


def image_path(number: int, name: str) -> str:
    """Return where a container finds the image of that number and name."""
    return guest.image_path(_SHARE, number, name)


def _prepare_root(base: Path, folder: Path, owner: int) -> Path:
    """Make what the root file system is mounted of, and return where that will be."""
    for name in ("root", "changes", "work", "sysfs"):
        (folder / name).mkdir(mode=0o755)
        os.chown(folder / name, owner, owner)
    run(["cp", "-a", "--", base / "var", folder], what="the base system can't be copied")
    return folder / "root"


def _fill_share(share: Path, load: Load, owner: int) -> None:
    folders = [share, share / "images"]
    folders += [share / "images" / str(number) for number in range(len(load.images))]
    for folder in folders:
        folder.mkdir()
    (share / "agent").write_text(guest.AGENT, "utf-8")
    (share / "setup").write_text(load.setup, "utf-8")
    for name in ("answers", "requests"):
        os.mkfifo(share / name, 0o600)
        os.chown(share / name, owner, owner)
    for folder in folders[1:]:
        os.chown(folder, owner, owner)


@contextmanager
def _opened(share: Path) -> Iterator[tuple[int, int]]:
    """Hold the guest's leash; yield its channel's ends, for reading and for writing."""
    with (
        (share / "leash").open("wb") as leash,
        (share / "answers").open("r+b", buffering=0) as answers,
        (share / "requests").open("r+b", buffering=0) as requests,
    ):
        fcntl.flock(leash, fcntl.LOCK_EX)
        yield answers.fileno(), requests.fileno()


def _systemd_runs() -> bool:
    """Return whether this computer's service manager is systemd; see sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _groups(name: str) -> AbstractContextManager[Sequence[Path]]:
    return nullcontext([]) if _systemd_runs() else cgroup.opened(name)


def escaped(path: Path | str) -> str:
    """Return a path as nspawn's options take it, in which colons separate."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def _kernel(release: str) -> tuple[int, int]:
    version = re.match(r"(\d+)\.(\d+)", release)
    return (int(version[1]), int(version[2])) if version else (0, 0)


def _translates(word: str) -> bool:
    """Return whether the kernel runs programs of that architecture, in containers too (flag F)."""
    try:
        registered = Path(f"/proc/sys/fs/binfmt_misc/qemu-{word}").read_text("utf-8")
    except OSError:
        return False
    return "enabled" in registered and any(
        line.startswith("flags:") and "F" in line for line in registered.splitlines()
    )
