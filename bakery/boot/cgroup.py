"""A control group for each container: two service managers in one remove each other's groups.

Where systemd runs, systemd-nspawn asks it for a scope. Elsewhere it takes its caller's group, which
all containers would share.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.boot.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOUNTS = Path("/proc/self/mountinfo")
_OWN = Path("/proc/self/cgroup")


@contextmanager
def opened(name: str) -> Iterator[Sequence[Path]]:
    """Yield a new group in each hierarchy that systemd uses; what is left of them is removed.

    A process joins one by writing its number to its `cgroup.procs`; see cgroups(7).

    Raises:
        MachineError: none can be made.

    """
    groups = _groups(name)
    try:
        _make(groups)
    except OSError as error:
        raise MachineError(
            "no control group can be made for the container",
            where=str(error.filename),
            why=error.strerror,
            fix="mount it writable; in a container, that is --privileged --cgroupns=private",
        ) from error
    try:
        yield groups
    finally:
        remove(name)


def _make(groups: Sequence[Path]) -> None:
    for number, group in enumerate(groups):
        try:
            group.mkdir()
        except OSError:
            for made in groups[:number]:
                made.rmdir()
            raise


def remove(name: str) -> None:
    """Remove the groups of that name, as far as no process is in them."""
    for group in _groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):  # a process of a container that was ended by force may linger
                Path(folder).rmdir()


def _groups(name: str) -> list[Path]:
    return [parent / name for parent in parents(_MOUNTS.read_text(), _OWN.read_text())]


def parents(mountinfo: str, own: str) -> list[Path]:
    """Return a process's groups in systemd's own hierarchy and in the unified one.

    A hierarchy may be mounted several times, as where /sys is bound into a chroot. Then the first
    mount counts that can be written to and shows the process's group.

    Args:
        mountinfo: proc_pid_mountinfo(5).
        own: /proc/PID/cgroup, whose lines are `NUMBER:CONTROLLERS:PATH`.

    """
    paths = {
        controllers: path
        for _, controllers, path in (line.split(":", 2) for line in own.splitlines())
    }
    by_device: dict[str, list[tuple[bool, Path]]] = {}
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        device, root, mount_point, options = mount.split()[2:6]
        kind, _, hierarchy = source.split()
        controllers = {"cgroup2": "", "cgroup": "name=systemd"}.get(kind)
        if controllers not in paths or (controllers and controllers not in hierarchy.split(",")):
            continue
        below = os.path.relpath(paths[controllers], _unescaped(root))
        fits = "rw" in options.split(",") and not below.startswith("..")
        by_device.setdefault(device, []).append((fits, Path(_unescaped(mount_point), below)))
    return [max(mounts, key=lambda mount: mount[0])[1] for mounts in by_device.values()]


def _unescaped(path: str) -> str:
    """Return a path with the octal escapes of mountinfo resolved."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)
