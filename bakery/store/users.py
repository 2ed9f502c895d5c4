"""Which bakeries share a store, so that none removes what another one's locks name.

Each leaves its recipes' folder in a small file of the store. A folder that has vanished counts no
more.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import write_whole

if TYPE_CHECKING:
    from bakery.store.folder import Store

_FOLDER = "bakeries"


@dataclass(frozen=True)
class Users:
    """The bakeries that a store knows.

    Attributes:
        recipes: the folders of recipes that are there, sorted.
        vanished: those that are not there any more.

    """

    recipes: tuple[Path, ...]
    vanished: tuple[Path, ...]


def register(store: Store, recipes: Path) -> None:
    """Let a store know that recipes use it; one that can't be written serves as well."""
    path = _path(store, recipes)
    if not os.path.lexists(path):  # a no-op build does this, too
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, f"{recipes}\n".encode())


def known(store: Store) -> Users:
    """Return the bakeries that use a store.

    Raises:
        OSError: it can't be told whether one is there.

    """
    written = (store.root / _FOLDER).glob("[!.]*")
    folders = sorted(Path(path.read_text("utf-8").rstrip("\n")) for path in written)
    there = [folder for folder in folders if folder.is_dir()]
    return Users(tuple(there), tuple(folder for folder in folders if folder not in there))


def forget(store: Store, recipes: Path) -> None:
    """Take a bakery out of what a store knows."""
    _path(store, recipes).unlink(missing_ok=True)


def _path(store: Store, recipes: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(recipes)).hexdigest()
    return store.root / _FOLDER / digest[:32]
