"""Torcx images as they were made for Docker, in both archive types."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

from harness.elf import program
from harness.tarball import tarball

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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


FLATCAR_MANIFEST = {
    "bin": [
        *("/bin/containerd", "/bin/containerd-shim", "/bin/ctr", "/bin/docker"),
        *("/bin/docker-containerd", "/bin/docker-containerd-shim", "/bin/docker-init"),
        *("/bin/docker-proxy", "/bin/docker-runc", "/bin/dockerd", "/bin/runc", "/bin/tini"),
    ],
    "network": [
        "/lib/systemd/network/50-docker.network",
        "/lib/systemd/network/90-docker-veth.network",
    ],
    "units": [
        "/lib/systemd/system/containerd.service",
        "/lib/systemd/system/docker.service",
        "/lib/systemd/system/docker.socket",
        "/lib/systemd/system/sockets.target.wants",
    ],
}
"""What app-torcx/docker of Flatcar's coreos-overlay propagates."""

_TORCX = """\
EnvironmentFile=/run/metadata/torcx
Environment=TORCX_IMAGEDIR=/docker
"""
_LIMITS = """\
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
KillMode=process
Delegate=yes
"""
FLATCAR_UNITS = {
    "containerd.service": f"""\
[Unit]
Requires=torcx.target
After=torcx.target
Description=containerd container runtime
After=network.target

[Service]
{_TORCX}Environment=CONTAINERD_CONFIG=/usr/share/containerd/config.toml
ExecStartPre=mkdir -p /run/docker/libcontainerd
ExecStartPre=ln -fs /run/containerd/containerd.sock /run/docker/libcontainerd/docker-containerd.sock
ExecStartPre=restorecon -Rv /var/run/docker
ExecStart=/usr/bin/env PATH=${{TORCX_BINDIR}}:${{PATH}} ${{TORCX_BINDIR}}/containerd \
--config ${{TORCX_UNPACKDIR}}${{TORCX_IMAGEDIR}}${{CONTAINERD_CONFIG}}
Type=notify
Restart=always
RestartSec=5
{_LIMITS}
[Install]
WantedBy=multi-user.target
""",
    "docker.service": f"""\
[Unit]
Requires=torcx.target
After=torcx.target
Description=Docker Application Container Engine
After=containerd.service docker.socket network-online.target
Wants=network-online.target
Requires=containerd.service docker.socket

[Service]
{_TORCX}Type=notify
EnvironmentFile=-/run/flannel/flannel_docker_opts.env
Environment=DOCKER_SELINUX=--selinux-enabled=true
Environment=DOCKER_OPTS=--exec-opt=native.cgroupdriver=systemd
ExecStart=/usr/bin/env PATH=${{TORCX_BINDIR}}:${{PATH}} ${{TORCX_BINDIR}}/dockerd --host=fd:// \
--containerd=/var/run/docker/libcontainerd/docker-containerd.sock $DOCKER_SELINUX $DOCKER_OPTS \
$DOCKER_CGROUPS $DOCKER_OPT_BIP $DOCKER_OPT_MTU $DOCKER_OPT_IPMASQ
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutStartSec=0
Restart=on-failure
StartLimitBurst=3
StartLimitInterval=60s
{_LIMITS}
[Install]
WantedBy=multi-user.target
""",
    "docker.socket": """\
[Unit]
Requires=torcx.target
After=torcx.target
Description=Docker Socket for the API
PartOf=docker.service

[Socket]
ListenStream=/var/run/docker.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker

[Install]
WantedBy=sockets.target
""",
}
"""Its units, with what build_torcx_store of Flatcar's scripts wrote into them."""

_CONTAINERD = """\
root = "/var/lib/containerd"
state = "/run/containerd"
subreaper = true
oom_score = -999
disabled_plugins = []

[grpc]
address = "/run/containerd/containerd.sock"
uid = 0
gid = 0
"""


def flatcar(tree: Path, programs: Iterable[Path]) -> None:
    """Lay out Flatcar's own Docker image in a folder, with programs of somebody else."""
    units = tree / "lib/systemd/system"
    network = tree / "lib/systemd/network"
    for folder in (tree / "bin", units / "sockets.target.wants", network, tree / ".torcx"):
        folder.mkdir(parents=True)
    manifest = {"kind": "image-manifest-v0", "value": FLATCAR_MANIFEST}
    (tree / ".torcx/manifest.json").write_text(json.dumps(manifest))
    for each in programs:
        shutil.copy(each, tree / "bin" / {"tini-static": "tini"}.get(each.name, each.name))
    for link, target in (
        ("containerd-shim", "containerd-shim-runc-v2"),
        ("docker-containerd", "containerd"),
        ("docker-containerd-shim", "containerd-shim"),
        ("docker-init", "tini"),
        ("docker-runc", "runc"),
    ):
        (tree / "bin" / link).symlink_to(target)
    for name, text in FLATCAR_UNITS.items():
        (units / name).write_text(text)
    (units / "sockets.target.wants/docker.socket").symlink_to("../docker.socket")
    bridges = "[Match]\nType=bridge\nName=docker*\n\n[Link]\nUnmanaged=yes\n"
    (network / "50-docker.network").write_text(bridges)
    (network / "90-docker-veth.network").write_text(
        "[Match]\nDriver=veth\n\n[Link]\nUnmanaged=yes\n"
    )
    config = tree / "usr/share/containerd/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(_CONTAINERD)
