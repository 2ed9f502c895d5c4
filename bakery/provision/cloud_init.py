"""cloud-init user-data: the shell script, run once on the first boot.

A script and not `write_files`: cloud-init verifies no digests, and the script can also uninstall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.provision import shell
from bakery.provision.yaml_writer import dump

if TYPE_CHECKING:
    from bakery.provision.host_config import HostConfig


def render(config: HostConfig) -> str:
    """Return the user-data."""
    path = f"/var/lib/sysext-bakery/{'-'.join(config.extensions)}"
    document = {
        "write_files": [
            {"path": path, "permissions": "0755", "content": shell.render(config)},
        ],
        "runcmd": [[path]],
    }
    return "#cloud-config\n" + dump(document)
