"""What stays in a root file system once an extension is gone: what it has made there."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bakery.check.loader import contents
from bakery.errors import BakeryError
from bakery.provision.host_root import HostRoot
from bakery.provision.plan import EXTENSIONS
from bakery.provision.program import functions
from bakery.recipe.types import EXTENSION_NAME
from bakery.tools import run

if TYPE_CHECKING:
    from pathlib import Path


def stays(name: str, root: Path) -> list[str]:
    """Return the data, configuration and accounts that an extension has made and that stay.

    Its image tells: what it gives to systemd-tmpfiles and systemd-sysusers, and the folders of the
    units that it starts. Nothing is known of an image that is not there, or can't be read.

    Args:
        name: the extension.
        root: the root of the file system, in which it still is installed.

    Raises:
        OSError: the file system can't be read.

    """
    host = HostRoot(root)
    if not re.fullmatch(EXTENSION_NAME, name):
        return []
    image = host.resolve(f"{EXTENSIONS}/{name}.raw")
    if not host.is_file(image):
        return []
    try:
        with contents(root / image.lstrip("/")) as tree:
            usr = f"{tree}/usr".replace("/proc/self/", f"/proc/{os.getpid()}/")  # sh is another
            found = run(
                ["sh", "-euc", f'{functions("record")}\nstays "$1"', "sh", name],
                env={"usr": usr, "top": str(root)},
                what=f"what {name} leaves can't be told",
            )
    except BakeryError:
        return []
    return found.splitlines()
