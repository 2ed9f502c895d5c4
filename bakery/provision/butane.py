"""Butane YAML for Flatcar and Fedora CoreOS, in the versions that give Ignition 3.3.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bakery.provision import ignition
from bakery.provision.yaml_writer import Octal, dump

if TYPE_CHECKING:
    from bakery.provision.host_config import HostConfig, HostFile, RemoteContents

Variant = Literal["flatcar", "fcos"]

_VERSIONS: dict[Variant, str] = {"flatcar": "1.0.0", "fcos": "1.4.0"}
_HEAD = "# butane{strict} < THIS_FILE > config.ign\n"


def render(config: HostConfig, variant: Variant) -> str:
    """Return the configuration."""
    proxy = {"http_proxy": config.proxy, "https_proxy": config.proxy}
    document = {
        "variant": variant,
        "version": _VERSIONS[variant],
        **({"ignition": {"proxy": proxy}} if config.proxy else {}),
        **ignition.laid(config, _file),
    }
    warned_of = config.proxy is not None and config.proxy.startswith("http:")
    return _HEAD.format(strict="" if warned_of else " --strict") + dump(document)


def _file(file: HostFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "mode": Octal(file.mode),
        "overwrite": True,
        "contents": _contents(file.contents),
    }


def _contents(contents: RemoteContents | bytes) -> dict[str, Any]:
    if isinstance(contents, bytes) and ignition.is_readable(contents):
        return {"inline": contents.decode("ascii")}
    return ignition.source(contents)
