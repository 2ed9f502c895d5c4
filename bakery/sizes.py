"""Amounts of bytes, as people write and read them."""

from __future__ import annotations

import re

from bakery.errors import SettingsError

_UNITS = "KMGTP"
_SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*([{_UNITS}]?)(?:i?B)?", re.IGNORECASE)


def parse(text: str) -> int:
    """Return the bytes that a size such as `500M`, `1.5G` or `4096` stands for.

    Units are powers of 1024, as in systemd's own settings (systemd.syntax(7)).

    Raises:
        SettingsError: the text is no size.

    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise SettingsError(f"{text!r} is no size", fix="write it as 500M, as 10G or in bytes")
    number, unit = found.groups()
    return int(float(number) * 1024 ** (_UNITS.find(unit.upper()) + 1 if unit else 0))


def text(count: int) -> str:
    """Return the amount in the largest unit that keeps a digit before the point: `61.3 MiB`."""
    amount = float(count)
    for unit in ("bytes", *(f"{letter}iB" for letter in _UNITS)):
        if amount < 1024 or unit == f"{_UNITS[-1]}iB":  # noqa: PLR2004  the step between units
            break
        amount /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
