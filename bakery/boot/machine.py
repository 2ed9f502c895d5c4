"""What boots: a throw-away system that takes images and answers questions."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bakery.boot.guest import Guest

Arch = Literal["x86-64", "arm64"]


@dataclass(frozen=True, kw_only=True)
class BootImage:
    """An image and the name that the host knows it by.

    Attributes:
        path: a .raw file or a folder.
        name: what the host calls it: `docker` for `/var/lib/extensions/docker.raw`.

    """

    path: Path
    name: str

    @property
    def link(self) -> str:
        """The name of its link in /var/lib/extensions."""
        return self.name if self.path.is_dir() else f"{self.name}.raw"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a machine is given when it starts.

    Attributes:
        setup: a shell script that runs before systemd-sysext does.
        images: image N is found in the guest at `guest.image_path(N, path)`.
        log: the file that takes what the machine writes to its console.

    """

    setup: str
    images: Sequence[Path]
    log: Path


class Machine(Protocol):
    """A kind of system that images are tried on."""

    @property
    def backend(self) -> str:
        """What runs it, such as `nspawn`."""

    @property
    def system(self) -> str:
        """The system that boots, such as `bookworm`."""

    @property
    def known_errors(self) -> Sequence[str]:
        """Patterns of journal errors that this machine has without any image."""

    def obstacle(self) -> str | None:
        """Return why this computer can't run such a machine at all; None when it can."""

    def start(self, load: Load) -> AbstractContextManager[Guest]:
        """Start it; leaving the context ends it and removes all it wrote.

        Raises:
            MachineError: it can't be made or started.
            MissingToolError: a program is not installed.

        """


def native_arch() -> str:
    """Return this computer's architecture in systemd's words."""
    words = {"x86_64": "x86-64", "aarch64": "arm64"}
    return words.get(platform.machine(), platform.machine())
