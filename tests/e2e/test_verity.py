"""Images for dm-verity, beside what systemd-repart makes of the same."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import ROOTS
from harness.native import ARCH
from harness.verity import Publisher, Repart

from bakery.boot import guest, merge, vm
from bakery.boot.debian import SUITES
from bakery.boot.machine import BootImage, Load
from bakery.boot.qemu import Qemu
from bakery.check.command import check_path
from bakery.check.subject import Context
from bakery.files import sha256
from bakery.image.verity import image
from bakery.image.verity.image import Seed
from bakery.progress import Silent
from bakery.provision.extension import Wanted, resolve
from bakery.provision.verity import POLICY
from bakery.release import document
from bakery.settings import load as load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.mirror import Mirror
    from harness.project import Project

    from bakery.arch import Arch
    from bakery.release.document import ReleasedImage

pytestmark = [needs.ROOT, needs.programs("debootstrap", "apt-get", "mksquashfs")]
# Emulated, one takes minutes
LONG = [pytest.param(suite, marks=[pytest.mark.nightly]) for suite in SUITES]
RECIPE = """\
summary: says hi, for tests
homepage: https://example.com/
license: MIT
build: ["1.0"]
arch: {x86-64: x86_64}
assets:
  - url: https://example.com/{name}-{version}
    install: usr/bin/tool
format: verity
"""
SEED = hashlib.sha256(b"seed").digest()[:16]
BLOCK = 4096


@pytest.fixture(scope="module")
def repart() -> Repart:
    return Repart()


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(tmp_path_factory.mktemp("publisher"))


def squashfs(folder: Path, plain: Path) -> None:
    command = ["mksquashfs", str(folder), str(plain), "-quiet", "-no-progress", "-comp", "zstd"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def erofs(folder: Path, plain: Path) -> None:
    subprocess.run(["mkfs.erofs", "--quiet", plain, folder], check=True, capture_output=True)


def ext4(folder: Path, plain: Path) -> None:
    command: list[str | Path] = ["mke2fs", "-q", "-t", "ext4", "-d", folder, plain, "16M"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journals")


@pytest.fixture
def signed(publisher: Publisher, tmp_path: Path) -> Path:
    """An extension with a text, signed."""
    tree, plain = tmp_path / "tree", tmp_path / "demo.raw"
    release = tree / "usr/lib/extension-release.d/extension-release.demo"
    release.parent.mkdir(parents=True)
    release.write_text("ID=_any\n")
    (tree / "usr/share").mkdir()
    (tree / "usr/share/demo").write_text("signed\n")
    squashfs(tree, plain)
    path = tmp_path / f"demo-1.0-{ARCH}.verity.raw"
    sign = publisher.signer.sign
    image.make(plain, path, arch=ARCH, sha256=sha256(plain), sign=sign)
    return path


@pytest.mark.parametrize("suite", LONG)
def test_a_machine_merges_a_signed_image_over_dm_verity(
    suite: str, signed: Path, publisher: Publisher, journals: Path
) -> None:
    if vm.PLATFORMS[ARCH].qemu.find() is None:
        pytest.skip("needs qemu")
    machine = Qemu(suite=suite, cache=ROOTS, arch=ARCH)
    machine.prepare(Silent().tell)
    demo = BootImage(path=signed, name="demo")
    placed = [(demo, guest.image_path(vm.SHARE, 0, "demo"))]
    log = journals / f"{suite}.console"
    with machine.start(Load(setup=merge.setup(placed), images=[demo], log=log)) as host:
        host.ask("systemctl start systemd-sysext.service")  # or wait until it has
        tree = image.read(signed).superblock.uuid.hex  # names have the root hash before 262 alone
        assert host.ask("cat /usr/share/demo").stdout == "signed\n", log.read_text()
        assert tree in host.ask("cat /sys/block/dm-*/dm/uuid").stdout
        trusted = publisher.certificate.read_text()
        assert host.ask("cat /etc/verity.d/*.crt").stdout == trusted
        # 252 knows no policy, 262 asks for a signature with one alone. The kernel keeps a device
        # for a moment, and systemd takes one that has the same root hash.
        policy = "" if suite == "bookworm" else f"--image-policy={POLICY}"
        host.ask("systemd-sysext unmerge; until test ! -e /sys/block/dm-0; do sleep 0.1; done")
        host.ask(f"rm /etc/verity.d/*; systemd-sysext merge {policy}")
        assert host.ask("cat /usr/share/demo").status != 0


@pytest.fixture
def tool(project: Project, mirror: Mirror, publisher: Publisher) -> Project:
    """A project with one image to build, which hosts are to have publisher's certificate for."""
    program = b"#!/bin/sh\necho hi\n"
    url = "https://example.com/tool-1.0"
    mirror.place(url).write_bytes(program)
    project.add("tool", **{"recipe.yaml": RECIPE})
    project.lock("tool", "1.0", {url: hashlib.sha256(program).hexdigest()})
    shutil.copy(publisher.certificate, project.root / "verity.crt")
    project.environment["BAKERY_BOOT_WAIVER"] = "x86-64: the test is about something else"
    return project


def released(project: Project) -> ReleasedImage:
    data = (project.dist / "tool-1.0/release.json").read_bytes()
    (found,) = document.decode(data).images
    return found


def test_a_release_has_both_images_and_a_channel_leads_to_either(
    tool: Project, publisher: Publisher
) -> None:
    folder = tool.dist / "tool-1.0"
    signed = folder / "tool-1.0-x86-64.verity.raw"
    tool.doit("build:tool", **publisher.environment)
    unsigned = released(tool).verity
    assert unsigned
    assert unsigned.signed_by is None, "nothing is signed before it has been booted"
    said = tool.doit("release:tool-1.0")
    assert f"is not signed; its root hash: {unsigned.root_hash}" in said
    tool.doit("publish:tool-1.0", "channel:tool", **publisher.environment)
    made = released(tool).verity
    assert made
    assert (made.root_hash, made.signed_by) == (unsigned.root_hash, publisher.signer.fingerprint)
    assert made.sha256 == sha256(signed)
    done = tool.run("bakery", "check", "--certificate", str(publisher.certificate), str(signed))
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("tool-1.0", "tool"):
        done = tool.run("bakery", "verify-release", "--unsigned", f"published/{name}")
        assert done.returncode == 0, done.stderr
        assert signed.name in done.stdout
        assert "verity.crt" in done.stdout
    published = tool.root / "published"
    transfer = (published / "tool/tool.verity.transfer").read_text()
    assert transfer.count("MatchPattern=tool-@v-%a.verity.raw") == 1
    assert transfer.count("MatchPattern=tool-@v-%a.raw") == 1  # on the host
    settings = load_settings(tool.root, {"BAKERY_PUBLISH_URL": published.as_uri()})
    chosen = resolve("tool", settings=settings, wanted=Wanted(arch="x86-64", verity=True))
    assert (chosen.file, chosen.sha256) == (signed.name, made.sha256)
    assert chosen.certificates == publisher.certificates.pem
    assert chosen.component
    assert chosen.component.transfers["tool.transfer"].decode() == transfer
    plain = resolve("tool", settings=settings, wanted=Wanted(arch="x86-64"))
    assert (plain.file, plain.certificates) == ("tool-1.0-x86-64.raw", b"")


def test_a_signature_made_elsewhere_stays(
    tool: Project, publisher: Publisher, tmp_path: Path
) -> None:
    tool.doit("build:tool")
    path = str(tool.dist / "tool-1.0/tool-1.0-x86-64.verity.raw")
    root = tool.run("bakery", "sign-image", path, "--root-hash").stdout
    (tmp_path / "made.p7s").write_bytes(publisher.signer.sign(root).pkcs7)
    done = tool.run("bakery", "sign-image", path, "--signature", str(tmp_path / "made.p7s"))
    assert done.returncode == 0, done.stderr
    tool.doit("release:tool-1.0")
    verity = released(tool).verity
    assert verity
    assert (verity.root_hash, verity.signed_by) == (root, publisher.signer.fingerprint)
    assert verity.sha256 == sha256(tool.dist / "tool-1.0" / verity.file)
    before = (tool.dist / "tool-1.0" / verity.file).read_bytes()
    tool.doit("release:tool-1.0", **publisher.environment)
    assert (tool.dist / "tool-1.0" / verity.file).read_bytes() == before


@pytest.mark.parametrize(
    ("write", "sizes"),
    [(squashfs, ""), (erofs, "SizeMinBytes=3M"), (ext4, "SizeMinBytes=1M")],
)
def test_images_of_others_keep_the_rules(
    write: Callable[[Path, Path], None],
    sizes: str,
    repart: Repart,
    publisher: Publisher,
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    release = tree / "usr/lib/extension-release.d/extension-release.demo"
    release.parent.mkdir(parents=True)
    release.write_text(f"ID=_any\nARCHITECTURE={ARCH}\n")
    (tree / "usr/lib/demo").write_bytes(os.urandom(200 * BLOCK))
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    plain = tmp_path / "plain.raw"
    write(tree, plain)
    made = repart.make(
        plain,
        tmp_path / "demo.raw",
        arch=ARCH,
        seed=SEED,
        publisher=publisher,
        sizes=sizes,
    )
    report, _ = check_path(made, Context(certificates=publisher.certificates))
    assert {each.rule for each in report.findings} <= {"selinux-label"}


# The last of less than 4 MiB are where libfdisk leaves partitions more room than they asked for;
# with 128 blocks the tree has one level, with 129 two, with 16385 three.
@pytest.mark.parametrize(
    ("write", "arch", "blocks", "signed"),
    [
        (squashfs, "x86-64", 10, True),
        (squashfs, "arm64", 200, False),
        (squashfs, "x86-64", 400, False),
        (squashfs, "arm64", 2600, True),
        (erofs, "arm64", 300, True),
        (ext4, "x86-64", 500, True),
        (None, "arm64", 1, True),
        (None, "x86-64", 128, True),
        (None, "x86-64", 129, True),
        (None, "arm64", 761, True),
        (None, "arm64", 762, True),
        (None, "x86-64", 16385, True),
    ],
)
def test_the_bytes_are_those_of_systemd_repart(  # noqa: PLR0917
    write: object,
    arch: Arch,
    blocks: int,
    signed: bool,  # noqa: FBT001
    repart: Repart,
    publisher: Publisher,
    tmp_path: Path,
) -> None:
    noise = tmp_path / "tree/usr/noise"
    noise.parent.mkdir(parents=True)
    noise.write_bytes(os.urandom(blocks * BLOCK))
    plain = tmp_path / "plain.raw"
    if callable(write):
        write(noise.parent.parent, plain)
    else:
        shutil.move(noise, plain)
    theirs = repart.make(
        plain,
        tmp_path / "theirs.raw",
        arch=arch,
        seed=SEED,
        publisher=publisher if signed else None,
    )
    ours = tmp_path / "ours.raw"
    root = image.make(
        plain,
        ours,
        arch=arch,
        sha256=sha256(plain),
        seed=Seed(SEED),
        sign=publisher.signer.sign if signed else None,
    )
    assert ours.read_bytes() == theirs.read_bytes()
    assert image.read(theirs).root_hash == root
