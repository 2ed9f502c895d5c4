"""Options of `bakery provision` and `bakery install`, as their functions take them."""

from __future__ import annotations

from typing import Any

from bakery.provision.extension import Wanted
from bakery.provision.plan import Choices


def asked(**options: Any) -> tuple[Wanted, Choices]:
    """Return what of an extension a host wants, and how it runs that, by options of both."""
    of_it: dict[str, Any] = {"arch": "x86-64"}
    of_it |= {name: options.pop(name) for name in (*of_it, "verity", "keyring") if name in options}
    return Wanted(**of_it), Choices(**options)
