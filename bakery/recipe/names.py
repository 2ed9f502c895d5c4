"""Names of recipes, releases and images: put together here, and nowhere taken apart.

A tag such as `docker-20.10.13` is an address. Which recipe and version it stands for is said by the
release's own release.json.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bakery.recipe.version import Version

NAME = r"[a-z0-9][a-z0-9-]*"
VERITY = ".verity.raw"
"""What names of images for dm-verity end in."""
INDEX = "bakery"
"""The release that holds the index of everything that is published."""
ASSETS = "assets"
"""The release that holds upstream's assets in a mirror, each under its digest."""


@dataclass(frozen=True)
class ImageName:
    """What an image is called: `docker-20.10.13-x86-64`.

    Attributes:
        name: the recipe's name, which hosts see the extension under.
        version: upstream's tag.
        arch: the architecture, by systemd's name.

    """

    name: str
    version: str
    arch: str

    @property
    def release(self) -> str:
        """The release that it belongs to, such as `docker-20.10.13`."""
        return release_name(self.name, self.version)

    @property
    def file(self) -> str:
        """The file that it is published as."""
        return f"{self}.raw"

    @property
    def verity_file(self) -> str:
        """The file of the image for dm-verity beside it."""
        return f"{self}{VERITY}"

    def __str__(self) -> str:
        return f"{self.release}-{self.arch}"


def release_name(name: str, version: str) -> str:
    """Return what a release is called, which is its tag at publishers and its folder's name."""
    return f"{name}-{version}"


def refusal(name: str) -> tuple[str | None, str] | None:
    """Return why no recipe can have a name, where that needs a reason, and what to do instead.

    None where one can. The releases of `docker-99` would be called what docker's at 99 are.
    """
    if not re.fullmatch(NAME, name):
        return None, "use lower-case letters, digits and -"
    if name in (INDEX, ASSETS):
        what = "index of everything that is published" if name == INDEX else "folder of assets"
        return f"the {what} has this name", "choose another name"
    words = name.split("-")
    for at in range(1, len(words)):
        stem, rest = "-".join(words[:at]), "-".join(words[at:])
        if Version.is_written(rest):
            why = f"{rest} reads as a version: its releases would be called like {stem}'s"
            fix = f"leave no version behind a - in the name: call it {stem}{rest}, for instance"
            return why, fix
    return None
