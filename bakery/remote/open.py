"""The shared cache that an address stands for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakery.remote.model import Remote

FOLDER = "directory:"


def remote(address: str) -> Remote:
    """Return the shared cache at an address, as the setting `remote` has it.

    Raises:
        SettingsError: it is none.

    """
    if address.startswith(FOLDER):
        from bakery.remote.folder import FolderRemote

        return FolderRemote(Path(address.removeprefix(FOLDER)))
    if address.startswith("oci:"):
        from bakery.remote.registry import RegistryRemote

        return RegistryRemote.at(address)
    from bakery.remote.http import HttpRemote

    return HttpRemote(address)
