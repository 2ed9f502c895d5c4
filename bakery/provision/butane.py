"""Butane YAML for Flatcar and Fedora CoreOS, in the versions that give Ignition 3.3.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bakery.provision import ignition
from bakery.provision.machine import Inline
from bakery.provision.text import Octal, dump

if TYPE_CHECKING:
    from bakery.provision.machine import File, Machine, Remote

Variant = Literal["flatcar", "fcos"]

_VERSIONS: dict[Variant, str] = {"flatcar": "1.0.0", "fcos": "1.4.0"}
_HEAD = "# butane --strict < THIS_FILE > config.ign\n"


def render(machine: Machine, variant: Variant) -> str:
    """Return the configuration."""
    config = {
        "variant": variant,
        "version": _VERSIONS[variant],
        "storage": {
            "files": [_file(file) for file in machine.files],
            "links": [
                {"path": link.path, "target": link.target, "overwrite": True}
                for link in machine.links
            ],
        },
        "systemd": {"units": [ignition.unit(each) for each in machine.units]},
    }
    return _HEAD + dump(config)


def _file(file: File) -> dict[str, Any]:
    return {
        "path": file.path,
        "mode": Octal(ignition.MODE),
        "overwrite": True,
        "contents": _contents(file.contents),
    }


def _contents(contents: Remote | Inline) -> dict[str, Any]:
    if isinstance(contents, Inline) and contents.data.isascii():
        return {"inline": contents.data.decode("ascii")}
    return ignition.source(contents)
