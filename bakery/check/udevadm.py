"""What udevadm(8) says of rules, as systemd 252 to 262 word it."""

from __future__ import annotations

import re

VERIFIES = 254
"""The first version of systemd with `udevadm verify`."""
NO_ACCOUNT = re.compile(r"(Unknown|Failed to resolve) (user|group) '[^']*', ignoring")
"""A rule names an account that the system does not have, or not yet."""
