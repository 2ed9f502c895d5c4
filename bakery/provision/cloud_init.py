"""cloud-init user-data: the shell script, run once on the first boot.

A script and not `write_files`: cloud-init verifies no digests, and the script can also uninstall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.provision import shell
from bakery.provision.text import dump

if TYPE_CHECKING:
    from bakery.provision.machine import Machine


def render(machine: Machine) -> str:
    """Return the user-data."""
    path = f"/var/lib/sysext-bakery/{'-'.join(machine.extensions)}"
    config = {
        "write_files": [
            {"path": path, "permissions": "0755", "content": shell.render(machine)},
        ],
        "runcmd": [[path]],
    }
    return "#cloud-config\n" + dump(config)
