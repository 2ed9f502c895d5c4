"""What every kind of image is written from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.manifest import Manifest
    from bakery.settings import Profile

_NAMESPACE = uuid.UUID("0c8f3d1e-6f5b-4d0e-9a5c-3b7f0f6a2d41")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One image to write.

    Attributes:
        tree: the staged folder; it holds exactly the manifest's paths.
        output: the file to write, or the folder; nothing is there yet.
        manifest: the truth about modes and times, whatever the folder's own are; no path has
            control characters or double quotes.
        profile: how hard to compress.
        processors: how many processors to use.
        work: an empty folder for temporary files, on the file system of `output`.

    """

    tree: Path
    output: Path
    manifest: Manifest
    profile: Profile
    processors: int
    work: Path

    @property
    def uuid(self) -> str:
        """The file system's identity: the same for the same image, different for any other."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.manifest.image}/{self.manifest.key}"))

    @property
    def fix(self) -> str:
        """What to do when a tool fails, which is nearly always for want of space."""
        return (
            f"if the disk is full, make room for {self.manifest.size / 2**20:.0f} MiB "
            f"in {self.output.parent}; then run the same command again"
        )


class Writer(Protocol):
    """Writes one kind of image; the modules beside this one are such."""

    def describe(self, profile: Profile) -> str:
        """Return the tools, versions and options that decide the bytes of an image.

        Raises:
            MissingToolError: a tool is not installed.
            ToolFailedError: a tool does not start, or does not tell its version.

        """

    def unlabelled(self) -> str | None:
        """Return why images get no SELinux labels here; None where they get them.

        Raises:
            MissingToolError, ToolFailedError: as above.

        """

    def write(self, job: Job) -> None:
        """Write the image; what a failure leaves behind is the caller's to remove.

        Raises:
            MissingToolError: a tool is not installed.
            ToolFailedError: a tool reported failure.
            ToolHungError: a tool did nothing any more.
            SystemRefusesError: there is no room for what a tool may need.
            OSError: a file can't be read or written.

        """
