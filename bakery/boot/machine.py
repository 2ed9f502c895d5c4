"""What boots: a throw-away system that takes images and answers questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.boot.guest import Guest
    from bakery.progress import Tell


@dataclass(frozen=True, kw_only=True)
class System:
    """What is known of a system before anybody has it.

    Attributes:
        os_releases: what its os-release may say, as far as that decides which images are for it.
        systemd: the versions that it may have.

    """

    os_releases: Sequence[Mapping[str, str]]
    systemd: range


@dataclass(frozen=True, kw_only=True)
class BootImage:
    """An image and the name that the host knows it by.

    Attributes:
        path: a .raw file or a folder.
        name: what the host calls it: `docker` for `/var/lib/extensions/docker.raw`.

    """

    path: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a machine is given when it starts.

    Attributes:
        setup: a shell script that runs before systemd-sysext does.
        images: image N is at `guest.image_path(share, N, name)`: a file or a folder.
        log: the file that takes what the machine writes to its console.

    """

    setup: str
    images: Sequence[BootImage]
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
    def arch(self) -> Arch:
        """Its architecture."""

    @property
    def share(self) -> str:
        """The folder in the guest that has what it is given."""

    @property
    def known_errors(self) -> Sequence[str]:
        """Patterns of journal errors that this machine has without any image."""

    @property
    def virtual(self) -> bool:
        """Whether it has a kernel, udev and devices of its own."""

    def obstacle(self) -> str | None:
        """Return why this computer can't run such a machine at all; None when it can."""

    def prepare(self, tell: Tell) -> None:
        """Make what it boots, where that is not there yet.

        Args:
            tell: told what is being made, as that goes on.

        Raises:
            MachineError: it can't be made.
            MissingToolError: a program is not installed.

        """

    def os_release(self) -> Mapping[str, str]:
        """Return what its os-release says, as far as that is known before it boots."""

    def hierarchies(self) -> Path | None:
        """Return the folder that has its /usr; None where that can't be looked into."""

    def start(self, load: Load) -> AbstractContextManager[Guest]:
        """Start it; leaving the context ends it and removes all it wrote.

        Raises:
            MachineError: it can't be made or started.
            MissingToolError: a program is not installed.

        """
