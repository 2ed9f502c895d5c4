"""Recipes of Debian packages, at what the mirror has today: without any library of a host's."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import ROOTS
from harness.native import ARCH
from harness.packages import EMULATOR, locked_anew
from harness.project import REPOSITORY

from bakery.boot.debian import SUITES
from bakery.boot.machine import BootImage
from bakery.boot.nspawn import Nspawn
from bakery.boot.report import render
from bakery.boot.session import Deployment, boot
from bakery.recipe import debian as words
from bakery.recipe.expectations import CommandExpectation, Expectations, Journal
from bakery.recipe.load import load_all
from bakery.yaml.convert import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.debian import Debian
    from harness.project import Project

    from bakery.recipe.load import Source

pytestmark = [needs.ROOT, needs.programs("apt-get", "systemd-nspawn", "debootstrap", "mksquashfs")]

RELEASE = b"ID=_any\nEXTENSION_RELOAD_MANAGER=1\n"
# What programs do that need nothing but their image: read a configuration, at least.
WORK = {
    "bird": ("bird -p -c /usr/share/bird/bird.conf",),
    "btop": ("btop --version",),
    "chrony": ("chronyd -p -f /etc/chrony/chrony.conf", "chronyc --version"),
    "docker-debian": ("dockerd --validate", "containerd config default", "runc --version"),
    "haproxy": ("haproxy -c -f /etc/haproxy/haproxy.cfg",),
    "keepalived": ("keepalived --config-test --use-file /etc/keepalived/empty.conf",),
    "tilde": ("tilde --version",),
}
# So many more that they are tried on some days alone.
NIGHTLY = {
    "age": ("age --version",),
    "bat": ("bat --version",),
    "conntrack": ("conntrack --version",),
    "ethtool": ("ethtool --version",),
    "fd": ("fd --version",),
    "fish": ("fish --version",),
    "fzf": ("fzf --version",),
    "git": ("git init --quiet /repository", "git -C /repository for-each-ref"),
    "htop": ("htop --version",),
    "iperf3": ("iperf3 --version",),
    "jq": ("jq --null-input 6*7",),
    "just": ("just --version",),
    "kubectx": ("kubens --help",),
    "lldpd": ("lldpd -v", "lldpcli -v"),
    "lsof": ("lsof -h",),
    "mosh": ("mosh-server --version",),
    "mtr": ("mtr --version",),
    "nano": ("nano --version",),
    "nftables": ("nft --version",),
    "nvme-cli": ("nvme gen-hostnqn",),
    "python": ("python3.13 -c print(6*7)",),
    "qemu-guest-agent": ("qemu-ga --version",),
    "rclone": ("rclone version",),
    "restic": ("restic version",),
    "ripgrep": ("rg --version",),
    "rsync": ("rsync --version",),
    "skopeo": ("skopeo --version",),
    "smartmontools": ("smartctl --version", "smartd --version"),
    "socat": ("socat -V",),
    "strace": ("strace --version",),
    "syncthing": ("syncthing --version",),
    "tcpdump": ("tcpdump --version",),
    "tmux": (),  # it does nothing without a locale, and that is the host's
    "vim": ("vim --version",),
    "wireguard-tools": ("wg genkey",),
    "zsh": ("zsh --version",),
}
# Services that need a system each.
APART = {
    "buildah": ("buildah --version",),
    "frr": ("vtysh --help",),
    "nut": ("upsd -V",),
    "podman": (),  # its programs do nothing without /proc
    "strongswan": (),  # its programs are a daemon, and what asks it
}
COMMANDS = {**WORK, **NIGHTLY, **APART}
NETLINK = ("conntrack", "nftables")  # they open what qemu's user mode does not have
NAMES = [
    *WORK,
    *(pytest.param(name, marks=pytest.mark.nightly) for name in (*NIGHTLY, *APART)),
]
# These do all of their work with nothing of the host's but a shell and kill.
ALONE = ("bird", "chrony", "haproxy", "keepalived")
HIDDEN = f"""\
[Service]
InaccessiblePaths=/usr/lib/{platform.machine()}-linux-gnu /etc/ld.so.cache
BindReadOnlyPaths=/usr/lib/hiding/busybox:/usr/bin/sh /usr/lib/hiding/busybox:/usr/bin/kill
"""


@dataclass(frozen=True)
class Kitchen:
    """Recipes of packages, locked to what the mirror has, and their images."""

    project: Project

    @property
    def sources(self) -> dict[str, Source]:
        """The recipes, without those that they extend."""
        every = load_all(self.project.recipes)
        return {name: every[name] for name in COMMANDS if name in every}

    def tree(self, name: str, arch: str) -> Path:
        """Return an image's tree."""
        version = self.sources[name].lock.tags[-1]
        return self.project.dist / "stage" / f"{name}-{version}-{arch}" / "tree"

    def image(self, name: str) -> BootImage:
        """Return an image for this machine."""
        (path,) = self.project.dist.glob(f"{name}-*/{name}-*-{ARCH}.raw")
        return BootImage(path=path, name=name)

    def root(self, name: str, arch: str, folder: Path, runner: Path) -> Path:
        """Return a root with an image's files, what it makes of them, and a static program."""
        root = folder / "root"
        shutil.copytree(self.tree(name, arch), root, symlinks=True)
        (root / "etc/keepalived").mkdir(parents=True)
        (root / "dev").mkdir()
        (root / "dev/null").touch()
        (root / "etc/keepalived/empty.conf").write_text("global_defs {\n}\n")
        shutil.copy(runner, root / "runner")
        for setup in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
            subprocess.run([*setup, f"--root={root}"], check=True, capture_output=True)
        for lines in root.glob("usr/share/*/tmpfiles.conf"):  # those for the image's own accounts
            command = ["systemd-tmpfiles", "--create", f"--root={root}", "-"]
            subprocess.run(command, input=lines.read_bytes(), check=True, capture_output=True)
        return root


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Kitchen:
    """Lock and build the recipes of packages that are tried today, for both architectures."""
    names = [*(COMMANDS if request.config.getoption("--nightly") else WORK)]
    project = locked_anew(
        tmp_path_factory.mktemp("packages") / "project", names, extended=["docker"]
    )
    project.doit("-n", "2", *(f"check:{name}-[0-9]*" for name in names))
    return Kitchen(project)


def test_every_self_contained_recipe_is_tried_here() -> None:
    found = {
        name
        for name, source in load_all(REPOSITORY / "recipes").items()
        if source.recipe.self_contained
    }
    assert found == COMMANDS.keys()


def test_packages_are_locked_for_both_architectures(kitchen: Kitchen) -> None:
    for source in kitchen.sources.values():
        (locked,) = source.lock.versions.values()
        debs = [words.parse(asset.url) for asset in locked.assets]
        assert {deb.arch for deb in debs if deb} >= {"amd64", "arm64"}
        assert {asset.trust for asset in locked.assets} == {"apt"}


@pytest.mark.parametrize("name", NAMES)
@needs.X86_64
def test_programs_work_in_a_root_without_libraries(
    kitchen: Kitchen, debian: Debian, tmp_path: Path, name: str
) -> None:
    busybox = debian.program("x86-64", "busybox-static", "busybox")
    root = kitchen.root(name, "x86-64", tmp_path, busybox)
    shutil.move(root / "runner", root / "busybox")  # it goes by its name
    for command in COMMANDS[name]:
        assert_confined(name, root, ["/busybox", "env", "LD_DEBUG=libs"], command)


@pytest.mark.parametrize("name", NAMES)
@needs.programs(EMULATOR)
def test_programs_work_on_the_other_architecture(
    kitchen: Kitchen, tmp_path: Path, name: str
) -> None:
    if name in NETLINK:
        pytest.skip("qemu emulates no netfilter")
    root = kitchen.root(name, "arm64", tmp_path, Path(shutil.which(EMULATOR) or ""))
    for command in COMMANDS[name]:
        assert_confined(name, root, ["/runner", "-E", "LD_DEBUG=libs"], command)


def assert_confined(name: str, root: Path, runner: Sequence[str], command: str) -> None:
    """Let a program work in a root; its loader must look for nothing but the image's libraries."""
    done = subprocess.run(
        ["chroot", root, *runner, *f"/usr/bin/{command}".split()],
        env={"PATH": f"{os.defpath}:/usr/sbin", "HOME": "/"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    looked = re.findall(r"trying file=(\S+)", done.stderr)
    loaded = re.findall(r"calling init: (/\S+)", done.stderr)
    assert looked
    assert loaded
    assert all(path.startswith(f"/usr/lib/{name}/lib/") for path in looked + loaded)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("names", [WORK, pytest.param(NIGHTLY, marks=pytest.mark.nightly)])
def test_they_work_beside_the_libraries_of_any_host(
    kitchen: Kitchen, suite: str, names: Iterable[str], tmp_path: Path
) -> None:
    attend(kitchen, suite, names, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", APART)
def test_each_works_in_a_system_of_its_own(kitchen: Kitchen, name: str, suite: str) -> None:
    kitchen.project.doit(f"boot:{name}-[0-9]*-{ARCH}", BAKERY_MACHINES=f"nspawn:{suite}")


@pytest.mark.parametrize("suite", SUITES)
def test_services_work_where_the_host_has_no_libraries(
    kitchen: Kitchen, debian: Debian, suite: str, tmp_path: Path
) -> None:
    """Each in its own view of the file system, since the host's systemd has to have some."""
    busybox = debian.program(ARCH, "busybox-static", "busybox")
    hiding = tmp_path / "hiding"
    write(hiding, "extension-release.d/extension-release.hiding", RELEASE)
    write(hiding, "hiding/busybox", busybox.read_bytes()).chmod(0o755)
    hidden = []
    for name in ALONE:
        write(hiding, f"systemd/system/{name}.service.d/90-hiding.conf", HIDDEN.encode())
        process = f"$(systemctl show --property=MainPID --value {name})"
        nothing = f"nsenter --mount --target={process} /bin/true"
        hidden.append(CommandExpectation(run=nothing, status=127))
    image = BootImage(path=hiding, name="hiding")
    attend(kitchen, suite, ALONE, tmp_path, beside=[image], expected=hidden)


def write(folder: Path, path: str, data: bytes) -> Path:
    """Write a file below usr/lib in an image's folder."""
    place = folder / "usr/lib" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


def attend(
    kitchen: Kitchen,
    suite: str,
    names: Iterable[str],
    folder: Path,
    *,
    beside: Iterable[BootImage] = (),
    expected: Iterable[CommandExpectation] = (),
) -> None:
    """Boot images together; what the check.yaml of each recipe says must hold, and more."""
    sources = [kitchen.sources[name] for name in names]
    checks = [load(source.folder / "check.yaml", Expectations) for source in sources]
    everything = Deployment(
        images=[*map(kitchen.image, names), *beside],
        start=[str(unit) for source in sources for unit in source.recipe.start],
        expected=Expectations(
            units=tuple(unit for check in checks for unit in check.units),
            listen=tuple(socket for check in checks for socket in check.listen),
            files=tuple(file for check in checks for file in check.files),
            commands=(*(command for check in checks for command in check.commands), *expected),
            journal=Journal(
                ignore=tuple(pattern for check in checks for pattern in check.journal.ignore)
            ),
        ),
    )
    machine = Nspawn(suite=suite, cache=ROOTS, arch=ARCH)
    report = boot(everything, machine=machine, journal=folder / "journal")
    assert report.outcome == "passed", render(report)
