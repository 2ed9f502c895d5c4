"""This computer's architecture, by systemd's name, as all that images are built for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bakery.arch import native_arch

if TYPE_CHECKING:
    from bakery.arch import Arch

ARCH = cast("Arch", native_arch())
