"""Container Linux Config, for hosts that are still set up with Ignition 2.

That Ignition verifies SHA-512 only, and has no gzip. So the host itself compares the digests of the
images before it merges them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakery.provision import ignition, record
from bakery.provision.host_config import InlineContents, RemoteContents
from bakery.provision.yaml_writer import Octal, dump

if TYPE_CHECKING:
    from bakery.provision.host_config import HostConfig, HostFile

_HEAD = "# ct --strict < THIS_FILE > config.ign\n"
_MERGING = "systemd-sysext.service"
_VERIFY = (
    "ExecStartPre=/bin/sh -c '"
    'test ! -e {path} || echo "{sha256}  {path}" | sha256sum --check --quiet\'\n'
)


def render(config: HostConfig) -> str:
    """Return the configuration."""
    document = {
        "storage": {
            "files": [_file(file) for file in (*config.files, *record.files(config))],
            "links": [
                {"path": link.path, "filesystem": "root", "target": link.target, "overwrite": True}
                for link in config.links
            ],
        },
        "systemd": {"units": [_unit(config, ignition.unit(each)) for each in config.units]},
    }
    return _HEAD + dump(document)


def _file(file: HostFile) -> dict[str, Any]:
    contents = file.contents
    if isinstance(contents, RemoteContents):
        source: dict[str, Any] = {"remote": {"url": contents.url}}
    elif contents.data.isascii():
        source = {"inline": contents.data.decode("ascii")}
    else:
        source = {"remote": {"url": ignition.base64_url(contents.data)}}
    mode = Octal(file.mode)
    return {"path": file.path, "filesystem": "root", "mode": mode, "contents": source}


def _unit(config: HostConfig, unit: dict[str, Any]) -> dict[str, Any]:
    if unit["name"] != _MERGING:
        return unit
    checks = [
        _VERIFY.format(path=file.path, sha256=file.contents.sha256)
        for file in config.files
        if not isinstance(file.contents, InlineContents)
    ]
    verify = {"name": "10-verify.conf", "contents": "[Service]\n" + "".join(checks)}
    return unit | {"dropins": [*unit.get("dropins", []), *([verify] if checks else [])]}
