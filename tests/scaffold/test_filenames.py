"""Files of real releases, as their projects name them: which is the program for Linux?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bakery.scaffold.filenames import checksum_files, pick, program_name, signatures

if TYPE_CHECKING:
    from bakery.arch import Arch

RELEASES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "releases.yaml").read_text())


@pytest.mark.parametrize("project", RELEASES)
def test_the_program_for_linux_is_picked(project: str) -> None:
    release = RELEASES[project]
    found = pick(release["files"], project.split("/"), release["version"])
    best = {arch: names[0] for arch, names in found.items()}
    assert best == {arch: release[arch] for arch in ("x86-64", "arm64") if release[arch]}


@pytest.mark.parametrize(
    ("project", "asset", "first"),
    [
        ("k3s-io/k3s", "k3s", "sha256sum-amd64.txt"),
        ("k3s-io/k3s", "k3s-arm64", "sha256sum-arm64.txt"),
        ("containerd/nerdctl", "nerdctl-2.0.3-linux-amd64.tar.gz", "SHA256SUMS"),
        ("opencontainers/runc", "runc.arm64", "runc.sha256sum"),
        ("derailed/k9s", "k9s_Linux_amd64.tar.gz", "checksums.sha256"),
        ("kubernetes/minikube", "minikube-linux-amd64", "minikube-linux-amd64.sha256"),
        ("docker/compose", "docker-compose-linux-aarch64", "docker-compose-linux-aarch64.sha256"),
        ("docker/compose", "docker-compose-linux-x86_64", "checksums.txt"),
        ("oven-sh/bun", "bun-linux-x64.zip", "SHASUMS256.txt"),
        ("jqlang/jq", "jq-linux-arm64", "sha256sum.txt"),
        ("WasmEdge/WasmEdge", "WasmEdge-0.14.1-manylinux_2_28_aarch64.tar.gz", "SHA256SUM"),
        ("getsops/sops", "sops-v3.9.4.linux.amd64", "sops-v3.9.4.checksums.txt"),
        ("gohugoio/hugo", "hugo_0.142.0_linux-amd64.tar.gz", "hugo_0.142.0_checksums.txt"),
        ("aristocratos/btop", "btop-x86_64-linux-musl.tbz", None),
    ],
)
def test_the_checksum_file_is_found(project: str, asset: str, first: str | None) -> None:
    arch: Arch = "arm64" if "arm64" in asset or "aarch64" in asset else "x86-64"
    found = checksum_files(RELEASES[project]["files"], asset, arch)
    assert next(iter(found), None) == first


@pytest.mark.parametrize(
    "name",
    [
        *("SHASUM256.txt", "sha256sum.txt", "coder_2.18.5_checksums.txt", "checksums.txt"),
        *("vault_1.18.4_SHA256SUMS", "app.tar.gz.sha256", "app.tar.gz.sha256sum"),
    ],
)
def test_checksum_files_have_many_names(name: str) -> None:
    assert checksum_files(["app.tar.gz", name, f"{name}.sig"], "app.tar.gz", "x86-64") == [name]


@pytest.mark.parametrize("name", ["SHA512SUMS", "app.tar.gz.md5", "app.tar.gz.sha1", "notes.txt"])
def test_other_files_are_no_checksum_files(name: str) -> None:
    assert checksum_files(["app.tar.gz", name], "app.tar.gz", "x86-64") == []


def test_signatures_of_a_file_are_found() -> None:
    names = ["app", "app.asc", "app.sigstore.json", "application.asc", "app.sha256", "app.minisig"]
    assert signatures(names, "app") == ["app.asc", "app.sigstore.json", "app.minisig"]


@pytest.mark.parametrize(
    ("filename", "program"),
    [
        ("jq-linux-amd64", "jq"),
        ("runc.arm64", "runc"),
        ("k3s", "k3s"),
        ("cloud-hypervisor-static-aarch64", "cloud-hypervisor"),
        ("sops-v3.9.4.linux.amd64", "sops"),
        ("docker-compose-linux-x86_64", "docker-compose"),
        ("restic_3.9.4_linux_amd64", "restic"),
        ("containerd-shim-runc-v2", "containerd-shim-runc-v2"),
    ],
)
def test_programs_lose_what_their_file_name_says_of_the_release(
    filename: str, program: str
) -> None:
    assert program_name(filename, "3.9.4") == program
