"""The shared cache that an address stands for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakery.remote.model import Remote

FOLDER = "directory:"


def remote(address: str) -> Remote:
    """Return the shared cache at an address, as the setting `remote` has it."""
    if address.startswith(FOLDER):
        from bakery.remote.folder import FolderRemote

        return FolderRemote(Path(address.removeprefix(FOLDER)))
    from bakery.remote.http import HttpRemote

    return HttpRemote(address)
