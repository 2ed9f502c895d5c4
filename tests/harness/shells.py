"""The shells that hosts have as /bin/sh, as far as this computer has them."""

from __future__ import annotations

import shutil

SHELLS = [sh for sh in ("dash", "bash --posix", "busybox sh") if shutil.which(sh.split()[0])]
