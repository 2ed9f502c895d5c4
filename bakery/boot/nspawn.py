"""Machines that are containers: systemd-nspawn boots a Debian system in a second or two.

The base's /usr is mounted read-only, as itself and not below an overlay: systemd-sysext stacks an
overlay upon it, and file systems can't be stacked deep. All else is small and copied, so that /var
is a plain folder in which services can make overlays of their own.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bakery.boot import cgroup, console, debian, guest, scratch
from bakery.boot.errors import MachineError
from bakery.boot.machine import Load, native_arch
from bakery.boot.process import child
from bakery.tools import Tool, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

_NSPAWN = Tool(program="systemd-nspawn", apt="systemd-container")
_UNSHARE = Tool(program="unshare", apt="util-linux")
_QEMU_WORDS = {"arm64": "aarch64", "x86-64": "x86_64"}
_LOOP_CONTROL = Path("/dev/loop-control")
_LOOP_MAJOR = 7
_SPARE_LOOPS = 64
# A container outlives its systemd-nspawn if that is killed; then it finds the lock free and ends.
_LEASH_UNIT = f"""\
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/bin/sh -c "flock {guest.SHARE}/leash true && systemctl poweroff --force --force"
[Install]
WantedBy=sysinit.target
"""
# The mount lives in a namespace of its own: it goes with the process, however that ends.
_WITH_USR = 'mount --bind "$1" "$2" && mount -o remount,bind,ro "$2" && shift 2 && exec "$@"'
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

    @property
    def root(self) -> debian.Root:
        """What the system is made of."""
        return debian.Root(suite=self.suite, arch=self.arch)

    def obstacle(self) -> str | None:
        """Return why this computer can't run such containers."""
        if self.arch == native_arch() or _translates(_QEMU_WORDS[self.arch]):
            return None
        return (
            f"this computer is {native_arch()}, and boots {self.arch} images in a container only "
            "with qemu-user-static and binfmt-support"
        )

    @contextmanager
    def start(self, load: Load) -> Iterator[guest.Guest]:
        """Start the container; see `Machine.start`."""
        nspawn = _NSPAWN.require()
        if os.geteuid() != 0:
            raise MachineError("only root can boot a container", fix="run it with sudo")
        base = self.provide()
        with scratch.opened() as folder:
            root, share = folder / "root", folder / "share"
            _copy_root(base, root)
            _fill_share(share, load)
            with _opened(share) as (reader, writer), _groups(folder.name) as groups:
                command = [
                    *("/bin/sh", "-c", _IN_GROUPS, "sh", *map(str, groups), "--"),
                    *(_UNSHARE.require(), "--mount", "--propagation=slave", "--"),
                    *("/bin/sh", "-c", _WITH_USR, "sh", str(base / "usr"), str(root / "usr")),
                    *_command(nspawn, root, share, load),
                ]
                with (
                    console.opened(load.log) as (shown, terminal),
                    child(command, terminal=terminal) as started,
                ):
                    running = guest.Guest(
                        child=started, console=shown, reader=reader, writer=writer
                    )
                    running.wait_ready()
                    yield running


def _copy_root(base: Path, root: Path) -> None:
    root.mkdir(mode=0o755)
    parts = [path for path in sorted(base.iterdir()) if path.name not in {"usr", "proc", "sys"}]
    run(["cp", "-ax", "--", *parts, root], what="the base system can't be copied")
    for name in ("usr", "proc", "sys", "var/lib/extensions"):
        (root / name).mkdir(exist_ok=True)
    system = root / "etc/systemd/system"
    units = guest.units(f"{guest.SHARE}/requests", f"{guest.SHARE}/answers")
    for name, text in {**units, "bakery-leash.service": _LEASH_UNIT}.items():
        (system / name).write_text(text, "utf-8")
        (system / "sysinit.target.wants" / name).symlink_to(f"../{name}")


def _fill_share(share: Path, load: Load) -> None:
    (share / "images").mkdir(parents=True)
    (share / "agent").write_text(guest.AGENT, "utf-8")
    (share / "setup").write_text(f"cp -a {guest.SHARE}/dev/. /dev/\n{load.setup}", "utf-8")
    _make_loops(share / "dev")
    for number, image in enumerate(load.images):
        place = share / "images" / str(number) / image.name
        place.parent.mkdir()
        if image.is_dir():
            place.mkdir()
        else:
            place.touch()
    for name in ("answers", "requests"):
        os.mkfifo(share / name, 0o600)


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


def _make_loops(folder: Path) -> None:
    """Make nodes for loop devices, those that the kernel has yet to make included.

    The kernel makes them on demand, but a container's /dev does not follow.
    """
    if not _LOOP_CONTROL.exists():
        raise MachineError(
            "this computer's kernel has no loop devices, with which images are mounted",
            where=str(_LOOP_CONTROL),
            fix="modprobe loop",
        )
    numbers = (path.name.removeprefix("loop") for path in Path("/sys/block").glob("loop*"))
    first_free = max((int(number) + 1 for number in numbers), default=0)
    folder.mkdir()
    for number in range(first_free + _SPARE_LOOPS):
        os.mknod(folder / f"loop{number}", stat.S_IFBLK | 0o660, os.makedev(_LOOP_MAJOR, number))


def _command(nspawn: str, root: Path, share: Path, load: Load) -> list[str]:
    binds = [
        f"--bind-ro={_escaped(image.absolute())}:{_escaped(guest.image_path(number, image))}"
        for number, image in enumerate(load.images)
    ]
    return [
        nspawn,
        "--quiet",
        "--boot",
        f"--directory={root}",
        f"--machine=bakery-{secrets.token_hex(4)}",
        "--hostname=bakery",
        "--register=no",
        "--private-network",
        "--console=interactive",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--system-call-filter=@keyring bpf",
        f"--bind={_LOOP_CONTROL}",
        f"--bind={_escaped(share)}:{guest.SHARE}",
        *binds,
        *_scope(),
    ]


def _systemd_runs() -> bool:
    """Return whether this computer's service manager is systemd; see sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _groups(name: str) -> AbstractContextManager[Sequence[Path]]:
    return nullcontext([]) if _systemd_runs() else cgroup.opened(name)


def _scope() -> Sequence[str]:
    """Return what the host's systemd must know, or that it has none."""
    if not _systemd_runs():
        return ["--keep-unit"]
    return list(
        chain.from_iterable(
            ("--property", f"DeviceAllow={device}")
            for device in ("block-loop rwm", f"{_LOOP_CONTROL} rw", "/dev/fuse rwm")
        )
    )


def _escaped(path: Path | str) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def _translates(word: str) -> bool:
    """Return whether the kernel runs programs of that architecture, in containers too (flag F)."""
    try:
        registered = Path(f"/proc/sys/fs/binfmt_misc/qemu-{word}").read_text("utf-8")
    except OSError:
        return False
    return "enabled" in registered and any(
        line.startswith("flags:") and "F" in line for line in registered.splitlines()
    )
