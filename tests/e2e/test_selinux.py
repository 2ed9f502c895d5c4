"""A host that enforces a SELinux policy, Debian's: labelled images run there, others don't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness import labels, needs
from harness.debian import ROOTS, Debian
from harness.native import ARCH
from harness.packages import locked_anew
from harness.selinux import IMAGES, SETUP, Enforcing, denials

from bakery.boot import merge, vm
from bakery.boot.machine import BootImage, Load
from bakery.image import manifest as manifests
from bakery.image.squash import squash
from bakery.provision import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.project import Project

    from bakery.boot.guest import Guest
    from bakery.image.manifest import Manifest

NAMES = ("caddy", "nats-server", "docker-debian")
VERSIONS = {"caddy": "2.11.4", "nats-server": "2.15.1"}
KINDS = {"file": "file", "directory": "dir", "link": "symlink"}
# Emulated, such a system takes minutes.
pytestmark = [
    needs.ROOT,
    needs.programs("apt-get", "debootstrap", "mksquashfs"),
    *([] if vm.accelerated() else [pytest.mark.nightly]),
]


@dataclass(frozen=True)
class Built:
    """Images for the host's policy, and one of the same that has no labels."""

    project: Project
    images: tuple[BootImage, ...]
    unlabelled: BootImage

    def manifest(self, name: str) -> Manifest:
        (path,) = self.project.dist.glob(f"stage/{name}-*-{ARCH}/manifest.json")
        return manifests.decode(path.read_bytes())


@pytest.fixture(scope="module")
def machine() -> Enforcing:
    if vm.PLATFORMS[ARCH].qemu.find() is None:
        pytest.skip("needs qemu")
    made = Enforcing(suite="trixie", cache=ROOTS, arch=ARCH)
    made.prepare(lambda *_, **__: None)
    return made


@pytest.fixture(scope="module")
def built(machine: Enforcing, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("selinux")
    project = locked_anew(folder / "project", ["docker-debian"], extended=["docker"])
    for name in VERSIONS:
        project.add(name)
    tools = labels.squashfs_tools(folder / "tools", Debian("trixie"))
    project.environment |= {
        "PATH": f"{tools}:{project.environment['PATH']}",
        "BAKERY_FILE_CONTEXTS": str(machine.contexts),
        "BAKERY_PROFILE": "fast",
    }
    tasks = [f"check:{name}-{version}-{ARCH}" for name, version in VERSIONS.items()]
    project.doit(*tasks, f"check:docker-debian-[0-9]*-{ARCH}")
    images = []
    for name in NAMES:
        (path,) = project.dist.glob(f"{name}-*/{name}-*-{ARCH}.raw")
        images.append(BootImage(path=path, name=name))
    (tree,) = project.dist.glob(f"stage/nats-server-*-{ARCH}")
    squash(
        tree / "tree",
        folder / "unlabelled.raw",
        manifest=manifests.decode((tree / "manifest.json").read_bytes()).unlabelled,
        format="squashfs",
        profile="fast",
        processors=1,
        work=folder,
    )
    return Built(project, tuple(images), BootImage(path=folder / "unlabelled.raw", name="nats"))


@pytest.fixture(scope="module")
def host(
    machine: Enforcing, built: Built, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guest]:
    images = (*built.images, built.unlabelled)
    placed = [(image, f"{IMAGES}/{image.name}") for image in built.images]
    log = tmp_path_factory.mktemp("console") / "console"
    with machine.start(Load(setup=SETUP + merge.setup(placed), images=images, log=log)) as guest:
        yield guest


PROGRAMS = ("caddy", "nats-server", "containerd", "dockerd")
DOMAINS = """\
for name in {programs}; do
  printf '%s ' "$name" "$(ps -o label= -C "$name" | cut -d: -f3 | sort -u)"
done
"""
UP = "until systemctl --quiet is-active {units}; do sleep 1; done"


def said(host: Guest, script: str, limit: float = 60) -> str:
    return host.ask(script, limit=limit).stdout.strip()


def test_every_path_is_called_what_selinux_itself_calls_it(
    machine: Enforcing, built: Built
) -> None:
    for name in NAMES:
        entries = built.manifest(name).entries
        for kind, word in KINDS.items():
            ours = {each.path: each.label for each in entries if each.type == kind}
            own = ours.pop(f"usr/share/{name}/tmpfiles.conf", None)
            assert own in (None, "system_u:object_r:lib_t:s0"), "what systemd-tmpfiles may read"
            if ours:
                theirs = machine.labels_by_selinux([*ours], word)
                assert ours == dict(zip(ours, theirs, strict=True))


def test_labelled_services_run_in_their_domains_and_nothing_is_denied(host: Guest) -> None:
    assert said(host, "getenforce") == "Enforcing"
    up = host.ask(UP.format(units="caddy nats-server containerd"), limit=120)
    assert up.status == 0, said(host, "systemctl status caddy nats-server containerd") + said(
        host, "dd if=/dev/kmsg iflag=nonblock bs=8k 2>/dev/null | grep avc:"
    )
    assert said(host, "docker version --format '{{.Server.Version}}'", limit=120)
    assert "Caddy works" in said(host, "curl --silent http://127.0.0.1/")
    assert '"status":"ok"' in said(host, "curl --silent http://127.0.0.1:8222/healthz")
    found = said(host, DOMAINS.format(programs=" ".join(PROGRAMS))).split()
    assert dict(zip(found[::2], found[1::2], strict=True)) == {
        "caddy": "initrc_t",  # the policy has no domain for these two
        "nats-server": "initrc_t",
        "containerd": "dockerd_t",
        "dockerd": "dockerd_t",
    }
    assert said(host, "systemctl --failed --plain --no-legend") == ""
    assert denials(host) == []


def test_without_labels_it_is_merged_and_not_started(host: Guest) -> None:
    link = f"ln -sf {IMAGES}/nats /var/lib/extensions/nats-server.raw"
    host.ask(f"{link} && systemctl restart systemd-sysext")
    assert "nats-server" in said(host, "systemd-sysext status")
    assert "unlabeled_t" in said(host, "ls -Z /usr/bin/nats-server")
    answer = host.ask("systemctl restart nats-server.service")
    assert answer.status != 0
    assert "Access denied" in answer.stderr


def test_status_tells_what_has_no_label(host: Guest) -> None:
    host.ask(f"cat >/run/program <<'SCRIPT'\n{program.script()}\nSCRIPT")
    asked = "sh /run/program status nats-server caddy"
    lines = said(host, asked)
    assert "obstacle SELinux is enforced" in lines.partition("caddy")[0]
    assert "obstacle" not in lines.partition("caddy")[2]
