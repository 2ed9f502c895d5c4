"""Units of the catalogue in a booted host, where their programs can be had or don't matter."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import store
from harness.tarball import tarball

if TYPE_CHECKING:
    from harness.mirror import Mirror
    from harness.project import Project

pytestmark = [
    pytest.mark.e2e,
    needs.ROOT,
    needs.programs("systemd-nspawn"),
]

KUBERNETES = "https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/"
CNI = "https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz"
NODE = """
units: [{name: kubelet.service, state: inactive}]
files: [/etc/kubernetes/manifests, /usr/libexec/kubernetes/kubelet-plugins/volume/exec/.]
commands:
  - run: mkdir -p /var/lib/kubelet && touch /var/lib/kubelet/config.yaml
  - run: systemctl restart kubelet-boot.service && systemctl start kubelet.service
  - run: [readlink, /opt/cni/bin/bridge]
    stdout: {equals: /usr/lib/cni/bridge}
  - run: [systemctl, show, --property=UpheldBy, kubelet.service]
    stdout: {equals: UpheldBy=}
  - run: systemctl stop kubelet.service && systemctl is-active kubelet.service
    status: 3
"""


def boot(project: Project, name: str, version: str) -> str:
    """Boot a recipe for x86-64 alone, at one version, on the newer systemd."""
    recipe = project.recipes / name / "recipe.yaml"
    text = re.sub(r"(?m)^build: .*", f"build: [{version}]", recipe.read_text())
    text = re.sub(r"(?m)^trust: .*\n", "", text).replace(", arm64: arm64}", "}")
    recipe.write_text(text)
    project.environment["BAKERY_STORE"] = str(store())
    return project.doit(f"boot:{name}-{version}-x86-64", BAKERY_MACHINES="nspawn:trixie")


def test_a_kubelet_runs_once_it_is_configured_and_stops_when_told(
    project: Project, mirror: Mirror
) -> None:
    digests = {}
    programs = {
        KUBERNETES + name: f"#!/bin/sh\n: {name}\nexec sleep infinity\n".encode()
        for name in ("kubeadm", "kubectl", "kubelet")
    }
    for url, data in {**programs, CNI: tarball({"./bridge": b"#!/bin/sh\n"})}.items():
        mirror.place(url).write_bytes(data)
        digests[url] = hashlib.sha256(data).hexdigest()
    project.add("kubernetes", **{"check.yaml": NODE})
    project.lock("kubernetes", "v1.36.4", digests, cni="v1.9.1")
    out = boot(project, "kubernetes", "v1.36.4")
    assert "✓ kubelet-boot.service stays active" in out
