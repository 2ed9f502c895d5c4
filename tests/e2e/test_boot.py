"""Small real images on real machines: what runs, what does not, and what is said about it."""

from __future__ import annotations

import hashlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import labels, needs
from harness.debian import ROOTS
from harness.native import ARCH
from harness.processes import running, until
from harness.project import Project, digest

from bakery.boot import vm
from bakery.boot.debian import SUITES
from bakery.boot.everywhere import Trial
from bakery.boot.machine import BootImage, Load
from bakery.boot.nspawn import Nspawn
from bakery.boot.qemu import Qemu
from bakery.boot.report import BootReport, passed, render
from bakery.boot.session import Deployment, boot
from bakery.image.manifest import Manifest, ManifestEntry
from bakery.image.squash import squash
from bakery.processors import Processors
from bakery.progress import Silent
from bakery.recipe.expectations import (
    CommandExpectation,
    Expectations,
    FileExpectation,
    ListenExpectation,
    Socket,
    Text,
    UnitExpectation,
)

if TYPE_CHECKING:
    from harness.debian import Debian
    from harness.mirror import Mirror

    from bakery.arch import Arch

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn", "debootstrap", "mksquashfs")]
SYSTEMD = {"bookworm": "252", "trixie": "257", "forky": "262"}
UNIT = "[Service]\nExecStart={program}\n"


def nspawn(suite: str) -> Nspawn:
    machine = Nspawn(suite=suite, cache=ROOTS, arch=ARCH)
    machine.prepare(Silent().tell)
    return machine


class Tree:
    """The tree of a web server's extension; busybox serves one page."""

    def __init__(self, folder: Path, busybox: Path) -> None:
        self.folder = folder
        self.release("ID=_any\nEXTENSION_RELOAD_MANAGER=1\n")
        self.write(
            "usr/lib/systemd/system/multi-user.target.d/10-web.conf",
            "[Unit]\nUpholds=web.service\n",
        )
        self.run("/usr/bin/busybox httpd -f -p 8080 -h /usr/share/web")
        self.write("usr/share/web/index.html", "version one\n")
        self.program(busybox)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text, "utf-8")

    def release(self, text: str) -> None:
        self.write("usr/lib/extension-release.d/extension-release.web", text)

    def run(self, program: str) -> None:
        self.write("usr/lib/systemd/system/web.service", UNIT.format(program=program))

    def program(self, source: Path) -> None:
        (self.folder / "usr/bin").mkdir(exist_ok=True)
        shutil.copy(source, self.folder / "usr/bin/busybox")

    def image(self, name: str = "web") -> BootImage:
        """Return it as an image, labelled for hosts with SELinux: others see no difference."""
        labels.attach_all(self.folder)
        path = self.folder.with_name(f"{name}.raw")
        squash = ["mksquashfs", str(self.folder), str(path), "-quiet", "-no-progress", "-all-root"]
        subprocess.run([*squash, "-noappend"], check=True)
        return BootImage(path=path, name=name)


@pytest.fixture
def tree(tmp_path: Path, debian: Debian) -> Tree:
    busybox = debian.program(ARCH, "busybox-static", "busybox")
    if not busybox.exists():
        busybox = busybox.parents[1] / "usr/bin/busybox"
    return Tree(tmp_path / "web", busybox)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "boot/journal.txt"


def serving(text: str) -> Expectations:
    return Expectations(
        listen=(ListenExpectation(socket=Socket("tcp", "8080"), timeout=5),),
        files=(FileExpectation(path="/usr/bin/busybox", mode="0755"),),
        commands=(
            CommandExpectation(
                run="curl --silent http://localhost:8080/", stdout=Text(equals=text)
            ),
            CommandExpectation(run=("/usr/bin/busybox", "nothing"), status=127),
        ),
    )


def deployment(*images: BootImage, text: str = "version one") -> Deployment:
    return Deployment(images=images, start=["web.service"], expected=serving(text))


def failures(report: BootReport) -> dict[str, str]:
    return {result.title: f"{result.meaning} {result.detail}" for result in report.failures}


def about_the_unit(report: BootReport) -> str:
    """Return what is wrong with it: it may be seen active in the moment before it fails."""
    return " ".join(said for title, said in failures(report).items() if "web.service" in title)


@pytest.mark.parametrize("suite", SUITES)
def test_a_good_image_runs_and_is_replaced_while_it_runs(
    tree: Tree, journal: Path, suite: str, tmp_path: Path
) -> None:
    first = tree.image()
    newer = Tree(tmp_path / "newer/web", tree.folder / "usr/bin/busybox")
    newer.write("usr/share/web/index.html", "version two\n")
    report = boot(
        deployment(first),
        machine=nspawn(suite),
        journal=journal,
        then=[deployment(newer.image(), text="version two")],
    )
    assert report.outcome == "passed", render(report)
    assert [each.merged for each in report.rounds] == [("web",), ("web",)]
    assert (report.systemd or "").startswith(SYSTEMD[suite])
    assert report.journal_sha256 == hashlib.sha256(journal.read_bytes()).hexdigest()
    assert "web.service" in journal.read_text("utf-8")
    assert "Starting ldconfig.service" not in journal.read_text("utf-8"), "nor does a live merge"


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(suite, marks=[] if suite == "trixie" else [pytest.mark.nightly])
        for suite in SUITES
    ],
)
def test_who_starts_a_program_has_its_capabilities(
    tree: Tree, journal: Path, suite: str, tmp_path: Path
) -> None:
    (tree.folder / "usr/lib/web").mkdir()
    shutil.copy(tree.folder / "usr/bin/busybox", tree.folder / "usr/lib/web")
    entries = tuple(_entry(path, tree.folder) for path in sorted(tree.folder.rglob("*")))
    image = tmp_path / "web.raw"
    squash(
        tree.folder,
        image,
        manifest=Manifest(image="web-1", key="key", epoch=0, entries=entries),
        format="squashfs",
        profile="fast",
        processors=1,
        work=tmp_path,
    )
    commands = (
        CommandExpectation(run=("/usr/lib/web/busybox", "chroot", "/", "/bin/true"), user="nobody"),
        CommandExpectation(
            run=("/usr/bin/busybox", "chroot", "/", "/bin/true"), user="nobody", status=1
        ),
    )
    offer = Deployment(
        images=[BootImage(path=image, name="web")],
        start=["web.service"],
        expected=Expectations(commands=commands),
    )
    report = boot(offer, machine=nspawn(suite), journal=journal)
    assert report.outcome == "passed", render(report)


def _entry(path: Path, root: Path) -> ManifestEntry:
    is_file = path.is_file()
    return ManifestEntry(
        path=str(path.relative_to(root)),
        type="file" if is_file else "directory",
        mode=0o644 if is_file and path.name != "busybox" else 0o755,
        size=path.stat().st_size if is_file else 0,
        sha256=digest(path) if is_file else None,
        capabilities="cap_sys_chroot=ep" if path.match("web/busybox") else None,
    )


def test_a_folder_is_merged_as_well(tree: Tree, journal: Path) -> None:
    image = BootImage(path=tree.folder, name="web")
    report = boot(deployment(image), machine=nspawn("trixie"), journal=journal)
    assert report.outcome == "passed", render(report)


@pytest.mark.parametrize("suite", SUITES)
def test_a_wrong_path_in_a_unit_is_explained(tree: Tree, journal: Path, suite: str) -> None:
    tree.run("/usr/bin/wed")
    report = boot(deployment(tree.image()), machine=nspawn(suite), journal=journal)
    assert "could not run /usr/bin/wed" in about_the_unit(report)
    assert report.rounds[0].merged == ("web",)


def test_a_program_for_another_c_library_is_explained(tree: Tree, journal: Path) -> None:
    program = nspawn("trixie").folder / "usr/bin/bash"
    assert b"GLIBC_2.38" in program.read_bytes()
    tree.program(program)
    report = boot(deployment(tree.image()), machine=nspawn("bookworm"), journal=journal)
    assert "newer C library" in about_the_unit(report)


@pytest.mark.parametrize("suite", SUITES)
def test_a_renamed_image_is_explained(tree: Tree, journal: Path, suite: str) -> None:
    renamed = tree.image("wed")
    report = boot(deployment(renamed), machine=nspawn(suite), journal=journal)
    said = failures(report)["wed is merged"]
    assert "install it as web.raw" in said
    assert re.search(r"carries no (extension-)?release data", said)


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ("ID=fedora\n", "web is for fedora, and this is debian 13"),
        ("ID=debian\nVERSION_ID=7\n", "web is for debian 7, and this is debian 13"),
    ],
)
def test_an_image_for_something_else_is_not_for_this_one(
    tree: Tree, journal: Path, release: str, words: str
) -> None:
    tree.release(release)
    report = boot(deployment(tree.image()), machine=nspawn("trixie"), journal=journal)
    assert report.outcome == "not for this one"
    assert not passed([report])
    assert words in render(report)


def test_an_image_for_another_architecture_is_explained(tree: Tree, journal: Path) -> None:
    tree.release("ID=_any\nARCHITECTURE=riscv64\n")
    report = boot(deployment(tree.image()), machine=nspawn("trixie"), journal=journal)
    assert "for riscv64 computers" in failures(report)["web is merged"]


def test_an_image_of_one_system_is_tried_on_that_one(tree: Tree, project: Project) -> None:
    project.store.mkdir()
    (project.store / "machines").symlink_to(ROOTS)
    tree.release("ID=debian\nVERSION_ID=13\nEXTENSION_RELOAD_MANAGER=1\n")
    words = ["bakery", "boot", "--on", "nspawn:trixie", "--on", "nspawn:bookworm"]
    done = project.run(*words, str(tree.image().path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not for this one: nspawn, bookworm" in done.stdout
    assert "passed on nspawn, trixie" in done.stdout


def test_what_does_not_hold_is_named(tree: Tree, journal: Path) -> None:
    tree.run("/bin/sh -c 'echo \"<3>that is bad\"; exec /usr/bin/busybox httpd -f -p 8081'")
    report = boot(deployment(tree.image()), machine=nspawn("trixie"), journal=journal)
    failed = failures(report)
    assert "only on *:8081" in failed["tcp/8080 is listened on"]
    assert "exit status is 7" in failed["command: curl --silent http://localhost:8080/"]
    assert "that is bad" in failed["the journal has no errors"]


def test_a_command_that_hangs_is_cut_off(tree: Tree, journal: Path) -> None:
    command = CommandExpectation(run="sleep 1000", timeout=1)
    hanging = Deployment(
        images=[tree.image()], start=["web.service"], expected=Expectations(commands=(command,))
    )
    report = boot(hanging, machine=nspawn("trixie"), journal=journal)
    assert "exit status is 124" in failures(report)["command: sleep 1000"]


def test_two_boots_at_once_are_no_matter(tree: Tree, tmp_path: Path) -> None:
    image = tree.image()
    with ThreadPoolExecutor(2) as pool:
        reports = list(
            pool.map(
                lambda suite: boot(
                    deployment(image), machine=nspawn(suite), journal=tmp_path / suite / "journal"
                ),
                SUITES,
            )
        )
    for report in reports:
        assert report.outcome == "passed", render(report)


def test_one_processor_is_enough_for_two_boots_that_only_wait(tree: Tree, tmp_path: Path) -> None:
    told: list[str] = []

    def tell(part: str, step: str, *, lasting: bool = False) -> None:  # noqa: ARG001
        told.append(part)

    watched = Expectations(units=(UnitExpectation(name="web.service", window=5),))
    trial = Trial(
        deployments=[Deployment(images=[tree.image()], expected=watched)],
        folder=tmp_path / "journals",
        turn=partial(Processors(1).take, 1),
        tell=tell,
    )
    reports = trial.on([nspawn(suite) for suite in SUITES[:2]])
    assert [report.outcome for report in reports] == ["passed", "passed"], told
    turns = [machine for machine, _ in groupby(told)]
    assert len(turns) > len(reports), told


def test_machines_know_nothing_of_each_others_units(tmp_path: Path) -> None:
    """They have units of the same names, whose control groups must not be the same."""
    with ExitStack() as stack:
        loads = (Load(setup="", images=[], log=tmp_path / suite) for suite in SUITES[:2])
        one, other = (
            stack.enter_context(nspawn(suite).start(load))
            for suite, load in zip(SUITES[:2], loads, strict=True)
        )
        for guest in (one, other):
            assert guest.ask("systemd-run --quiet --unit=same sleep infinity").status == 0
        members = "find /sys/fs/cgroup -path '*/same.service/cgroup.procs' -exec cat {} +"
        for guest in (one, other):
            processes = guest.ask(members).stdout.split()
            assert processes
            assert "0" not in processes, "a process of another machine"


@pytest.mark.parametrize("suite", SUITES)
def test_what_runs_containers_works_in_one(tmp_path: Path, suite: str) -> None:
    """The kernel lets nobody show more of proc and sysfs than is shown already."""
    with nspawn(suite).start(Load(setup="", images=[], log=tmp_path / "log")) as guest:
        unshared = "unshare --mount --net --pid --fork"
        for kind in ("proc", "sysfs"):
            assert guest.ask(f"{unshared} mount -t {kind} {kind} /mnt").status == 0, kind
        assert guest.ask("ls /run/host/sysfs/class/net").stdout == "lo\n"


def test_another_architecture_is_skipped_and_not_passed(tree: Tree, journal: Path) -> None:
    other: Arch = "arm64" if ARCH == "x86-64" else "x86-64"
    machine = Nspawn(suite="trixie", cache=ROOTS, arch=other)
    if machine.obstacle() is None:
        pytest.skip("this computer runs programs of the other architecture")
    report = boot(deployment(tree.image()), machine=machine, journal=journal)
    assert report.outcome == "skipped"
    assert other in (report.skipped or "")


ALONE = """\
import sys
from pathlib import Path
from bakery.recipe.expectations import CommandExpectation, Expectations
from bakery.arch import native_arch
from bakery.boot.machine import BootImage
from bakery.boot.nspawn import Nspawn
from bakery.boot.session import Deployment, boot

image, journal, cache = map(Path, sys.argv[1:4])
command = sys.argv[4]
boot(
    Deployment(
        images=[BootImage(path=image, name="web")],
        expected=Expectations(commands=(CommandExpectation(run=command, timeout=1000),)),
    ),
    machine=Nspawn(suite="trixie", cache=cache, arch=native_arch()),
    journal=journal,
    shell=sys.stdin.isatty(),
)
"""


def alone(image: Path, journal: Path, command: str) -> list[str]:
    """Return what boots an image in a process of its own, and runs a command there."""
    return [sys.executable, "-c", ALONE, *map(str, (image, journal, ROOTS)), command]


RECIPE = """summary: a note
homepage: https://example.com
license: MIT
build: ['1.0']
arch: {x86-64: x, arm64: a}
assets: [{url: 'https://example.com/note-{version}', install: usr/share/note/text}]
"""


def devices_of(image: Path) -> list[str]:
    """Return the loop devices of an image, or of images below a folder."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            if str(image) in path.read_text("utf-8"):
                found.append(path.parts[3])
    return found


def test_a_killed_boot_leaves_no_process_and_no_mount(tree: Tree, tmp_path: Path) -> None:
    image = tree.image().path
    nspawn("trixie")
    console = tmp_path / "journal.console"
    command = alone(image, tmp_path / "journal", "sleep 1000")
    with running(subprocess.Popen(command)) as process:
        until(lambda: console.exists() and b"Multi-User" in console.read_bytes())
        assert devices_of(image)
        process.kill()
    until(lambda: not devices_of(image))


def test_an_interrupted_boot_leaves_nothing(
    project: Project, mirror: Mirror, tmp_path: Path
) -> None:
    """Ctrl-C in doit, while another thread of it waits for the guest."""
    url = "https://example.com/note-1.0"
    mirror.place(url).write_text("a note\n")
    project.add("note", **{"recipe.yaml": RECIPE, "check.yaml": "commands: [{run: sleep 1000}]\n"})
    project.lock("note", "1.0", {url: digest(mirror.place(url))})
    project.store.mkdir()
    (project.store / "machines").symlink_to(ROOTS)
    nspawn("trixie")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    image = f"note-1.0-{ARCH}"
    console = project.dist / "boot" / image / "nspawn:trixie.journal.console"
    project.environment |= {"BAKERY_MACHINES": "nspawn:trixie", "TMPDIR": str(temporary)}
    with project.start("doit", f"boot:{image}") as process:
        until(lambda: console.exists() and b"Multi-User" in console.read_bytes())
        (folder,) = temporary.glob("bakery-guest-*")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGINT
    assert "interrupted" in out
    assert err == ""
    assert list(temporary.iterdir()) == []
    until(lambda: not devices_of(project.dist / image))
    assert list(Path("/sys/fs/cgroup").glob(f"*/{folder.name}")) == []


def test_by_hand_the_journal_is_kept_and_a_name_stands_for_one_image(
    tree: Tree, project: Project, tmp_path: Path
) -> None:
    project.store.mkdir()
    (project.store / "machines").symlink_to(ROOTS)
    image = tree.image().path
    words = ["bakery", "boot", "--on", "nspawn:trixie", "--start", "web.service", str(image)]
    done = project.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    journal = Path(done.stdout.partition("journal: ")[2].strip())
    assert "web.service" in journal.read_text("utf-8")

    (tmp_path / "other").mkdir()
    other = shutil.copy(image, tmp_path / "other/web-1.raw")
    done = project.run(*words, str(other))
    assert done.returncode == 1
    assert "two images are called web" in done.stderr


def empty_groups() -> set[Path]:
    """Return the control groups of machines that are gone; those of others, which run, are not."""
    found = set(Path("/sys/fs/cgroup").glob("**/bakery-guest-*"))
    used = set()
    for group in found:
        with suppress(OSError):
            if any(path.read_text() for path in group.rglob("cgroup.procs")):
                used.add(group)
    return {group for group in found - used if group.exists()}


@pytest.mark.parametrize("bind", ["--bind", "--rbind"])
def test_a_second_mount_of_the_control_groups_does_no_harm(
    tree: Tree, project: Project, tmp_path: Path, bind: str
) -> None:
    project.store.mkdir()
    (project.store / "machines").symlink_to(ROOTS)
    (tmp_path / "again").mkdir()
    script = f'mount {bind} /sys/fs/cgroup "$0"; exec "$@"'
    wrapped = ["unshare", "--mount", "sh", "-ec", script, str(tmp_path / "again")]
    words = ["bakery", "boot", "--on", "nspawn:trixie", str(tree.image().path)]
    before = empty_groups()
    done = subprocess.run(
        [*wrapped, *project.command(*words)],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: empty_groups() <= before)


def test_who_waits_for_a_system_to_be_made_knows_it(tree: Tree, project: Project) -> None:
    words = ["bakery", "boot", "--on", "nspawn:trixie", str(tree.image().path)]
    done = project.run(*words, BAKERY_DEBIAN_MIRROR="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "nspawn:trixie: making the Debian trixie that boots, once" in done.stderr
    assert "debootstrap could not make a Debian trixie system" in done.stderr


def test_systems_can_be_made_ahead(project: Project) -> None:
    project.store.mkdir()
    (project.store / "machines").symlink_to(ROOTS)
    done = project.run("bakery", "machines", BAKERY_MACHINES="nspawn:trixie nspawn:forky")
    folders = [nspawn(suite).root.name for suite in ("trixie", "forky")]
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines()] == folders


def test_a_shell_can_be_used_in_the_booted_system(tree: Tree, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = alone(tree.image().path, tmp_path / "journal", "true")
    said = b""
    shell = subprocess.Popen(command, stdin=theirs, stdout=theirs, start_new_session=True)
    with running(shell) as process:
        os.close(theirs)
        while b"root@bakery" not in said:
            assert select.select([ours], [], [], 120)[0], said
            said += os.read(ours, 4096)
        os.write(ours, b"echo $((6 * 7)); systemd-sysext status --no-pager; exit\r")
        with suppress(OSError):  # a terminal's end
            while data := os.read(ours, 4096):
                said += data
    os.close(ours)
    assert process.returncode == 0
    assert b"42" in said
    assert b"web" in said.partition(b"42")[2]


@pytest.mark.parametrize("suite", needs.LONG)
def test_a_virtual_machine_runs_it_too(tree: Tree, journal: Path, suite: str) -> None:
    if vm.PLATFORMS[ARCH].qemu.find() is None:
        pytest.skip("needs qemu")
    machine = Qemu(suite=suite, cache=ROOTS, arch=ARCH)
    report = boot(deployment(tree.image()), machine=machine, journal=journal)
    assert report.outcome == "passed", render(report)
    assert "Linux version" in journal.read_text("utf-8")
