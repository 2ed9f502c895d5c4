"""Ignition JSON, specification 3.3.0, which Flatcar and Fedora CoreOS both read."""

from __future__ import annotations

import base64
import functools
import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from bakery.provision import record
from bakery.provision.host_config import RemoteContents

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakery.provision.host_config import HostConfig, HostFile, HostUnit

_READABLE = 4096  # bytes of text; longer ones are compressed


def render(config: HostConfig) -> str:
    """Return the configuration as JSON."""
    proxy = {"httpProxy": config.proxy, "httpsProxy": config.proxy}
    version = {"version": "3.3.0"} | ({"proxy": proxy} if config.proxy else {})
    document = {"ignition": version, **laid(config, _file)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def laid(
    config: HostConfig, file: Callable[[HostFile], dict[str, Any]], **link: str
) -> dict[str, Any]:
    """Return files, links and units as Ignition, Butane and Container Linux Config have them.

    Args:
        config: what the host gets.
        file: returns a file as the format writes it.
        link: what it says of each link.

    """
    links = [
        {"path": each.path, **link, "target": each.target, "overwrite": True}
        for each in config.links
    ]
    files = [file(each) for each in (*config.files, *record.files(config))]
    units = [_unit(each) for each in config.units]
    return {"storage": {"files": files, "links": links}, "systemd": {"units": units}}


def _file(file: HostFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "mode": file.mode,
        "overwrite": True,
        "contents": source(file.contents),
    }


def source(contents: RemoteContents | bytes) -> dict[str, Any]:
    """Return a file's `contents`: an address with its digest, or a data URL (RFC 2397)."""
    if isinstance(contents, RemoteContents):
        verification = {"hash": f"sha256-{contents.sha256}"}
        return {"source": contents.url, "verification": verification}
    return dict(_inline(contents))


@functools.lru_cache(maxsize=64)
def _inline(data: bytes) -> dict[str, str]:
    if is_readable(data):
        return {"source": f"data:,{quote(data.decode('ascii'))}"}
    packed = gzip.compress(data, mtime=0)
    if len(packed) < len(data):
        return {"source": base64_url(packed), "compression": "gzip"}
    return {"source": base64_url(data)}


def is_readable(data: bytes) -> bool:
    """Return whether a content is text for people, to be written as such."""
    return data.isascii() and len(data) <= _READABLE


def base64_url(data: bytes) -> str:
    """Return bytes as a data URL in base64 (RFC 2397)."""
    return f"data:;base64,{base64.b64encode(data).decode()}"


def _unit(each: HostUnit) -> dict[str, Any]:
    document: dict[str, Any] = {"name": each.name}
    if each.wanted_by:
        document["enabled"] = True
    if each.text is not None:
        document["contents"] = each.text
    if each.drop_ins:
        document["dropins"] = [
            {"name": name, "contents": text} for name, text in each.drop_ins.items()
        ]
    return document
