"""What a recipe's folder holds, beside `files/`."""

from __future__ import annotations

FILE = "recipe.yaml"
LOCK = "lock.json"
CHECK = "check.yaml"
