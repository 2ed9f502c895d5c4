"""Images that do a work together on one host: which, of what, and what must hold then.

```yaml
images:
  docker-debian:                # a recipe of Debian packages, as it is
  docker-compose:               # a recipe, with Debian's build of its program where upstream's goes
    packages: [docker-compose]
    install: {usr/libexec/docker/cli-plugins/docker-compose: usr/libexec/docker/cli-plugins/}
  rest-server:                  # no recipe: what else it says is a recipe's
    packages: [restic-rest-server]
    install: {usr/bin/rest-server: usr/bin/}
    account: rest-server
commands:                       # and all else that check.yaml says
  - run: [docker, compose, version]
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from msgspec import structs

from bakery.boot.machine import BootImage
from bakery.boot.nspawn import Nspawn
from bakery.boot.session import Deployment, boot
from bakery.recipe.expectations import CommandExpectation, Expectations, UnitExpectation
from bakery.recipe.load import load_all
from bakery.yaml.convert import load
from harness.debian import DEBIAN_ARCH, ROOTS
from harness.native import ARCH
from harness.packages import locked_anew
from harness.project import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bakery.boot.report import BootReport
    from harness.project import Project

SCENARIOS = Path(__file__).parents[1] / "e2e" / "scenarios"
_SUITE = "trixie"
# A test's container may have the older control groups, and read-only.
_CGROUPS = CommandExpectation(
    run="test ! -d /sys/fs/cgroup/cpuset || { mount -o remount,rw /sys/fs/cgroup &&"
    " for each in /sys/fs/cgroup/*/; do mount -o remount,bind,rw $each; done; true; }"
)
_UNKNOWN = {
    "summary": "a part of a scenario",
    "homepage": "https://www.debian.org/",
    "license": "LicenseRef-scenario",
}


@dataclass(frozen=True)
class Scenario:
    """Images of one of the files in scenarios/, built at what Debian has today.

    Attributes:
        images: the images, for this computer's architecture.
        expected: what must hold.

    """

    images: Sequence[BootImage]
    expected: Expectations

    def boot(self, suite: str, journal: Path) -> BootReport:
        """Boot its images together in a container."""
        machine = Nspawn(suite=suite, cache=ROOTS, arch=ARCH)
        together = Deployment(images=self.images, expected=self.expected)
        return boot(together, machine=machine, journal=journal)


def build(name: str, folder: Path) -> Scenario:
    """Lock and build the images of a scenario."""
    text: dict[str, Any] = yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text("utf-8"))
    wanted: Mapping[str, dict[str, Any] | None] = text.pop("images")
    there = [name for name, packed in wanted.items() if packed is None]
    project = locked_anew(
        folder / "project",
        there,
        extended={other for name in wanted for other in _extended(name)},
        written={name: _recipe(name, packed) for name, packed in wanted.items() if packed},
    )
    images = (f"check:{name}-[0-9]*-{ARCH}" for name in wanted)
    project.doit("-n", "2", *images, BAKERY_PROFILE="fast")
    check = folder / "check.yaml"
    check.write_text(yaml.safe_dump(text, sort_keys=False), "utf-8")
    recipes = load_all(project.recipes)
    started = [str(unit) for name in wanted for unit in recipes[name].recipe.start]
    return Scenario(
        images=[_image(project, name) for name in wanted],
        expected=_expected(load(check, Expectations), started),
    )


def _expected(expected: Expectations, started: Iterable[str]) -> Expectations:
    units = [UnitExpectation(name=name, window=1) for name in started]  # recipes watch theirs
    return structs.replace(
        expected,
        units=(*units, *expected.units),
        commands=(_CGROUPS, *expected.commands),
    )


def _recipe(name: str, packed: Mapping[str, Any]) -> str:
    """Return a recipe, there or not, with Debian's programs in place of upstream's."""
    packed = dict(packed)
    packages = packed.pop("packages")
    asset = {"debian": {"packages": packages, "suite": _SUITE}, "install": packed.pop("install")}
    recipe = {
        **(_published(name) or _UNKNOWN),
        "upstream": {"debian": packages[0], "suite": _SUITE},
        "build": ["latest"],
        "arch": {ARCH: DEBIAN_ARCH[ARCH]},
        "assets": [asset],
        "self-contained": True,
        "trust": "signature",
        **packed,
    }
    return yaml.safe_dump({key: value for key, value in recipe.items() if value is not None})


def _published(name: str) -> dict[str, Any]:
    """Return a recipe of the repository's; nothing where there is none of that name."""
    file = REPOSITORY / "recipes" / name / "recipe.yaml"
    return yaml.safe_load(file.read_text("utf-8")) if file.is_file() else {}


def _extended(name: str) -> Iterator[str]:
    if other := _published(name).get("extends"):
        yield other
        yield from _extended(other)


def _image(project: Project, name: str) -> BootImage:
    (path,) = project.dist.glob(f"{name}-[0-9]*/{name}-[0-9]*-{ARCH}.raw")
    return BootImage(path=path, name=name)
