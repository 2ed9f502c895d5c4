"""Container Linux Config, for hosts that are still set up with Ignition 2.

That Ignition verifies SHA-512 only, and has no gzip. So the host itself compares the digests of the
images before it merges them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from bakery.provision import ignition
from bakery.provision.host_config import RemoteContents
from bakery.provision.yaml_writer import Octal, dump

if TYPE_CHECKING:
    from bakery.provision.host_config import HostConfig, HostFile, HostUnit

_HEAD = "# ct --strict < THIS_FILE > config.ign\n"
_MERGING = "systemd-sysext.service"
_VERIFY = (
    "ExecStartPre=/bin/sh -c '"
    'test ! -e {path} || echo "{sha256}  {path}" | sha256sum --check --quiet\'\n'
)


def render(config: HostConfig) -> str:
    """Return the configuration."""
    verifying = structs.replace(config, units=tuple(_unit(config, each) for each in config.units))
    return _HEAD + dump(ignition.laid(verifying, _file, filesystem="root"))


def _file(file: HostFile) -> dict[str, Any]:
    contents = file.contents
    if isinstance(contents, RemoteContents):
        source: dict[str, Any] = {"remote": {"url": contents.url}}
    elif contents.isascii():
        source = {"inline": contents.decode("ascii")}
    else:
        source = {"remote": {"url": ignition.base64_url(contents)}}
    mode = Octal(file.mode)
    return {"path": file.path, "filesystem": "root", "mode": mode, "contents": source}


def _unit(config: HostConfig, unit: HostUnit) -> HostUnit:
    checks = [
        _VERIFY.format(path=file.path, sha256=file.contents.sha256)
        for file in config.files
        if isinstance(file.contents, RemoteContents)
    ]
    if unit.name != _MERGING or not checks:
        return unit
    verify = {"10-verify.conf": "[Service]\n" + "".join(checks)}
    return structs.replace(unit, drop_ins=unit.drop_ins | verify)
