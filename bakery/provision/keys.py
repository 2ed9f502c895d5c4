"""The keys that hosts believe: those that sign channels, the vendor's, and what is there already.

Up to version 257 systemd reads import-pubring.gpg, from 258 on import-pubring.pgp and, where there
is none, import-pubring.gpg. Before 262 the file in /etc hides the vendor's in /usr/lib, so it has
to hold the vendor's keys as well. `keys.sh` does the same on hosts that run.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.provision import record
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import HostFile, shipped_unit
from bakery.tools import ToolFailedError
from bakery.upstream.signature import gpg

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.provision.host_config import HostUnit
    from bakery.provision.host_root import HostRoot

PROGRAM = "/opt/bin/extensions-keys"
TEXT = Path(__file__).with_name("keys.sh").read_bytes()
_RINGS = ("/etc/systemd/import-pubring.gpg", "/etc/systemd/import-pubring.pgp")
_VENDORS = ("/usr/lib/systemd/import-pubring.gpg", "/usr/lib/systemd/import-pubring.pgp")
_ADDED = "/etc/systemd/extensions-keys"


def path(name: str) -> str:
    """Return where the keys of an extension's channel are, for `PROGRAM` to add."""
    return f"{record.FOLDER}/{name}/import-pubring.gpg"


def program() -> HostFile:
    """Return the program that adds them on a host."""
    return HostFile(path=PROGRAM, contents=TEXT, shared=True)


def unit() -> HostUnit:
    """Return the unit that runs it at boot."""
    return shipped_unit("extensions-keys.service")


def changes(host: HostRoot, ours: Iterable[bytes] = ()) -> dict[str, bytes | None]:
    """Return the files that bring a root file system's keys up to date; None where one goes.

    What is added is remembered, and taken out when no extension and no vendor has it any more.

    Args:
        host: the root file system.
        ours: the keys of extensions that are about to be installed.

    Raises:
        ProvisionError: one holds something else than keys, or in a form that gpg can't convert.

    """
    laid = [path(name) for name in host.names(record.FOLDER)]
    found = (*ours, *(_packets(host, each) for each in (*laid, *_VENDORS)))
    now = {hashlib.sha256(each).hexdigest(): each for each in found if each}
    gone = {f"{_ADDED}/{name}" for name in host.names(_ADDED) if name not in now}
    old = [host.read(each) or b"" for each in gone]
    changed: dict[str, bytes | None] = dict.fromkeys(gone)
    for target in _RINGS:
        if target != _RINGS[0] and not host.exists(target):
            continue
        keys = before = _packets(host, target)
        for each in filter(None, old):
            keys = keys.replace(each, b"", 1)
        for digest, each in now.items():
            if each not in keys:
                keys = each + keys  # the newer first: gpg takes the first of two
                changed[f"{_ADDED}/{digest}"] = each
        if keys != before:
            changed[target] = keys or None
    return changed


def _packets(host: HostRoot, file: str) -> bytes:
    try:
        return gpg.packets(host.read(host.resolve(file)) or b"")
    except ToolFailedError as error:
        where = f"{host.path}{file}"
        raise ProvisionError(
            "keys can't be added to a file that holds something else",
            where=where,
            why=str(error.why),
            fix=f"convert it: gpg --no-default-keyring --keyring {where} --export >keys, see that "
            "they are all there, and put them in its place",
        ) from None
