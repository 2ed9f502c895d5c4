"""Units of the catalogue in a booted host, where their programs can be had or don't matter."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import store
from harness.project import digest
from harness.tarball import tarball

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.debian import Debian
    from harness.mirror import Mirror
    from harness.project import Project

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn")]

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


def boot(project: Project, name: str, version: str, *, suite: str = "trixie") -> str:
    """Boot a recipe for x86-64 alone, at one version, on the systemd of a suite."""
    recipe = project.recipes / name / "recipe.yaml"
    text = re.sub(r"(?m)^build: .*", f"build: [{version}]", recipe.read_text())
    text = re.sub(r"(?m)^trust: .*\n|, arm64: \w+(?=}$)", "", text)
    recipe.write_text(text)
    project.environment["BAKERY_STORE"] = str(store())
    return project.doit(f"boot:{name}-{version}-x86-64", BAKERY_MACHINES=f"nspawn:{suite}")


def version_of(debian: Debian, package: str) -> str:
    """Return the version that a Debian package has from upstream."""
    found = re.search(r"_(?:\d+%3a)?([\d.]+)", debian.package("x86-64", package).name)
    assert found is not None
    return found[1]


def place(mirror: Mirror, files: Mapping[str, bytes]) -> dict[str, str]:
    """Put files on the mirror; return the digest of each."""
    for url, data in files.items():
        mirror.place(url).write_bytes(data)
    return {url: digest(mirror.place(url)) for url in files}


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


@pytest.mark.nightly
@pytest.mark.parametrize("debian", ["forky"], indirect=True)
def test_containerd_reads_the_configuration_that_it_is_given(
    project: Project, mirror: Mirror, debian: Debian
) -> None:
    version, runc = version_of(debian, "containerd"), f"v{version_of(debian, 'runc')}"
    github = "https://github.com"
    names = ("containerd", "containerd-shim-runc-v2", "ctr")
    members = {
        f"bin/{name}": debian.program("x86-64", "containerd", name).read_bytes() for name in names
    }
    folder = f"{github}/containerd/containerd/releases/download/v{version}"
    digests = place(
        mirror,
        {
            f"{folder}/containerd-static-{version}-linux-amd64.tar.gz": tarball(members),
            f"{github}/opencontainers/runc/releases/download/{runc}/runc.amd64": debian.program(
                "x86-64", "runc", "runc"
            ).read_bytes(),
        },
    )
    project.add("containerd")
    project.lock("containerd", f"v{version}", digests, runc=runc)
    out = boot(project, "containerd", f"v{version}", suite="forky")
    assert out.count("✓ command: containerd config dump") == 2


@pytest.mark.nightly
@pytest.mark.parametrize("debian", ["trixie"], indirect=True)
def test_docker_and_its_containerd_read_the_configuration_that_they_are_given(
    project: Project, mirror: Mirror, debian: Debian
) -> None:
    version = version_of(debian, "docker.io")
    url = f"https://download.docker.com/linux/static/stable/x86_64/docker-{version}.tgz"
    digests = place(mirror, {url: debian.docker_tarball("x86-64").read_bytes()})
    project.add("docker")
    project.lock("docker", version, digests)
    out = boot(project, "docker", version)
    assert out.count("✓ command: containerd config dump") == 2
