"""Ignition JSON, specification 3.3.0, which Flatcar and Fedora CoreOS both read."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bakery.provision.machine import Remote

if TYPE_CHECKING:
    from bakery.provision.machine import File, Inline, Machine, Unit

MODE = 0o644


def render(machine: Machine) -> str:
    """Return the configuration."""
    config = {
        "ignition": {"version": "3.3.0"},
        "storage": {
            "files": [_file(file) for file in machine.files],
            "links": [
                {"path": link.path, "target": link.target, "overwrite": True}
                for link in machine.links
            ],
        },
        "systemd": {"units": [unit(each) for each in machine.units]},
    }
    return json.dumps(config, indent=2) + "\n"


def _file(file: File) -> dict[str, Any]:
    return {"path": file.path, "mode": MODE, "overwrite": True, "contents": source(file.contents)}


def source(contents: Remote | Inline) -> dict[str, Any]:
    """Return where a file's bytes come from: an address, or a data URL (RFC 2397)."""
    if isinstance(contents, Remote):
        verification = {"hash": f"sha256-{contents.sha256}"}
        return {"source": contents.url, "verification": verification}
    try:
        return {"source": f"data:,{quote(contents.data.decode('ascii'))}"}
    except UnicodeDecodeError:
        packed = gzip.compress(contents.data, mtime=0)
        if len(packed) < len(contents.data):
            return {"source": base64_url(packed), "compression": "gzip"}
        return {"source": base64_url(contents.data)}


def base64_url(data: bytes) -> str:
    """Return bytes as a data URL."""
    return f"data:;base64,{base64.b64encode(data).decode()}"


def unit(each: Unit) -> dict[str, Any]:
    """Return a unit; Butane and Container Linux Config have the same words for it."""
    found: dict[str, Any] = {"name": each.name}
    if each.wanted_by:
        found["enabled"] = True
    if each.text is not None:
        found["contents"] = each.text
    if each.drop_ins:
        found["dropins"] = [
            {"name": name, "contents": text} for name, text in each.drop_ins.items()
        ]
    return found
