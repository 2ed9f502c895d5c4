"""Ignition itself, which sets up machines when they first boot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_PROGRAM = Path("/usr/lib/dracut/modules.d/30ignition/ignition")
LAST_STEP = "Ignition failed: failed to handle relabeling"  # a Debian without SELinux: all is laid
NEEDED = pytest.mark.skipif(not _PROGRAM.exists(), reason="needs the package ignition")


def apply(config: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Apply a configuration with Ignition's own stages; all but labels for SELinux."""
    scratch = root.with_name(f"{root.name}.ignition")
    scratch.mkdir()
    (scratch / "config.ign").write_text(config)
    for stage in ("fetch", "files"):
        done = subprocess.run(
            [
                *(_PROGRAM, "-platform=file", f"-stage={stage}", f"-root={root}"),
                *(f"-config-cache={scratch}/cache.json", f"-state-file={scratch}/state"),
                "-log-to-stdout",
            ],
            env={**os.environ, "IGNITION_CONFIG_FILE": str(scratch / "config.ign")},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode:
            break
    return done
