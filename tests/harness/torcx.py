"""Torcx images as they were made for Docker, in both archive types."""

from __future__ import annotations

import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

from harness.elf import program
from harness.tarball import tarball

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SERVICE = """\
[Unit]
Description=Docker Application Container Engine
After=network.target containerd.service torcx.target
Requires=torcx.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/run/metadata/torcx
Environment=TORCX_IMAGEDIR=/docker
Environment=DOCKER_OPTS=
ExecStartPre=${TORCX_UNPACKDIR}${TORCX_IMAGEDIR}/bin/containerd $DOCKER_OPTS
ExecStart=/usr/bin/env PATH=${TORCX_BINDIR}:${PATH} ${TORCX_BINDIR}/dockerd

[Install]
WantedBy=multi-user.target
"""
ASSETS = {
    "bin": ["/bin"],
    "units": [
        "/lib/systemd/system/docker.service",
        "/lib/systemd/system/docker.service.d",
        "/lib/systemd/system/multi-user.target.wants",
    ],
    "network": ["/lib/systemd/network/50-docker.network"],
    "sysusers": ["/lib/sysusers.d/docker.conf"],
    "tmpfiles": [],
    "udev_rules": ["/rules/90-docker.rules"],
}


def contents(*, dynamic: bool = False, **assets: list[str]) -> dict[str, bytes | str]:
    """Return a Torcx image's files, and as text its links' targets."""
    manifest = {"kind": "image-manifest-v0", "value": ASSETS | assets}
    units = "lib/systemd/system"
    return {
        ".torcx/manifest.json": json.dumps(manifest).encode(),
        "bin/dockerd": program("x86-64", dynamic=dynamic),
        "bin/containerd": program("x86-64", "containerd"),
        "bin/docker-containerd": "containerd",
        f"{units}/docker.service": SERVICE.encode(),
        f"{units}/docker.service.d/10-limits.conf": b"[Service]\nLimitNOFILE=1048576\n",
        f"{units}/multi-user.target.wants/docker.service": "../docker.service",
        "lib/systemd/network/50-docker.network": b"[Match]\nName=docker*\n",
        "lib/sysusers.d/docker.conf": b"g docker -\n",
        "rules/90-docker.rules": b'KERNEL=="docker0"\n',
        "etc/docker/daemon.json": b"{}\n",
    }


def tar(path: Path, files: Mapping[str, bytes | str], *odd: tarfile.TarInfo) -> Path:
    """Write a tar ball, and odd members after all others."""
    path.write_bytes(tarball({f"./{name}": data for name, data in files.items()}, *odd))
    return path


def squash(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write a squashfs."""
    tree = path.with_suffix(".tree")
    tree.mkdir()
    with tarfile.open(tar(path.with_suffix(".tgz"), files)) as archive:
        archive.extractall(tree, filter="fully_trusted")
    command: list[Any] = ["mksquashfs", tree, path, "-quiet", "-no-progress", "-all-root"]
    subprocess.run(command, check=True)
    return path
