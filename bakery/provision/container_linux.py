"""Container Linux Config, for machines that are still set up with Ignition 2.

That Ignition verifies SHA-512 only, and it has no gzip. So the machine compares the images itself,
before it merges them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakery.provision import ignition
from bakery.provision.machine import Inline, Remote
from bakery.provision.text import Octal, dump

if TYPE_CHECKING:
    from bakery.provision.machine import File, Machine

_HEAD = "# ct --strict < THIS_FILE > config.ign\n"
_MERGING = "systemd-sysext.service"
_VERIFY = (
    "ExecStartPre=/bin/sh -c '"
    'test ! -e {path} || echo "{sha256}  {path}" | sha256sum --check --quiet\'\n'
)


def render(machine: Machine) -> str:
    """Return the configuration."""
    config = {
        "storage": {
            "files": [_file(file) for file in machine.files],
            "links": [
                {"path": link.path, "filesystem": "root", "target": link.target, "overwrite": True}
                for link in machine.links
            ],
        },
        "systemd": {"units": [_unit(machine, ignition.unit(each)) for each in machine.units]},
    }
    return _HEAD + dump(config)


def _file(file: File) -> dict[str, Any]:
    contents = file.contents
    if isinstance(contents, Remote):
        given: dict[str, Any] = {"remote": {"url": contents.url}}
    elif contents.data.isascii():
        given = {"inline": contents.data.decode("ascii")}
    else:
        given = {"remote": {"url": ignition.base64_url(contents.data)}}
    mode = Octal(ignition.MODE)
    return {"path": file.path, "filesystem": "root", "mode": mode, "contents": given}


def _unit(machine: Machine, unit: dict[str, Any]) -> dict[str, Any]:
    if unit["name"] != _MERGING:
        return unit
    checks = [
        _VERIFY.format(path=file.path, sha256=file.contents.sha256)
        for file in machine.files
        if not isinstance(file.contents, Inline)
    ]
    verify = {"name": "10-verify.conf", "contents": "[Service]\n" + "".join(checks)}
    return unit | {"dropins": [*unit.get("dropins", []), *([verify] if checks else [])]}
