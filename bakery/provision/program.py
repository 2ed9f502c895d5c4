"""The program `extensions` of hosts that follow channels, and the units that run it.

It is one POSIX sh script, whoever lays it. All that follow a channel are updated by one service,
so that several updates are one merge.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.provision.host_config import HostFile, Laid, shipped_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.provision.host_config import HostUnit

# /usr is read-only where extensions are merged. Flatcar has this folder in its PATH.
PATH = "/opt/bin/extensions"

_FOLDER = Path(__file__).parent
_PARTS = {"# --- The record\n": "record", "# --- The rehearsal\n": "rehearse"}  # what goes where


@functools.cache
def script() -> str:
    """Return the program's text."""
    text = (_FOLDER / "extensions.sh").read_text("utf-8")
    for mark, name in _PARTS.items():
        text = text.replace(mark, f"{mark}\n{functions(name)}")
    return text


@functools.cache
def functions(name: str) -> str:
    """Return the functions in sh that scripts for hosts share, to be put into one of them."""
    text = (_FOLDER / f"{name}.sh").read_text("utf-8")
    return text.removeprefix("# shellcheck shell=sh\n")


@functools.cache
def file() -> HostFile:
    """Return the program as it is laid on a host."""
    return HostFile(path=PATH, contents=script().encode(), mode=0o755, shared=True)


def units() -> Iterator[HostUnit]:
    """Return what runs it.

    What ends interrupted updates comes after the target that starts it, so that nobody's boot waits
    until an update is watched.
    """
    names = ("update.service", "update.timer", "transactions.service")
    return (shipped_unit(f"extensions-{name}") for name in names)


def state(name: str) -> Laid:
    """Return the line of the record for what the program writes about an extension."""
    return Laid(kind="file", path=f"/var/lib/extensions.d/{name}.state", proof="*")


def settings(name: str) -> HostFile:
    """Return what has an extension's updates wait for a reboot, whatever its image says."""
    return HostFile(path=f"/etc/extensions.d/{name}.conf", contents=b"POLICY=reboot\n")
