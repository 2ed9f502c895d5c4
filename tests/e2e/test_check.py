"""Rules over real binaries and real images, and what a large image costs."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import labels, needs
from harness.processes import running, until

from bakery.binary import elf
from bakery.check.command import check_path

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
CHECK = (
    "import sys; from pathlib import Path; from bakery.check import command, render;"
    "print(render.json(command.check_paths([Path(sys.argv[1])])));"
    "status = Path('/proc/self/status').read_text().partition('VmHWM:')[2];"
    "print(status.split()[0], file=sys.stderr)"
)


def compiled(folder: Path, *options: str) -> elf.Elf:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    source, binary = folder / "main.c", folder / "main"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", *options, "-o", binary, source], check=True)
    with binary.open("rb") as stream:
        return elf.read(stream)


def test_a_compiler_s_default(tmp_path: Path) -> None:
    headers = compiled(tmp_path)
    assert headers.kind == "executable"
    assert (headers.pie, headers.relro, headers.execstack) == (True, True, False)
    assert headers.needed == ("libc.so.6",)


def test_static_programs(tmp_path: Path) -> None:
    headers = compiled(tmp_path, "-static")
    assert (headers.kind, headers.dynamic, headers.pie) == ("executable", False, False)
    headers = compiled(tmp_path, "-static-pie")
    assert (headers.kind, headers.dynamic, headers.pie) == ("executable", False, True)


def test_a_stripped_library_with_a_run_path(tmp_path: Path) -> None:
    options = [
        "-shared",
        "-fPIC",
        "-s",
        "-Wl,-soname,libmain.so.1",
        "-Wl,-rpath,$ORIGIN:/usr/lib/x",
    ]
    headers = compiled(tmp_path, *options, "-Wl,-z,execstack", "-Wl,-z,norelro")
    assert (headers.kind, headers.soname) == ("library", "libmain.so.1")
    assert headers.runpath == ("$ORIGIN", "/usr/lib/x")
    assert (headers.relro, headers.execstack) == (False, True)


def squash(folder: Path, image: Path, *options: str) -> None:
    command = ["mksquashfs", str(folder), str(image), "-quiet", "-no-progress"]
    command += ["-comp", "zstd", "-Xcompression-level", "1", *(options or ["-all-root"])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def script(folder: Path, interpreter: str) -> None:
    (folder / "demo").write_text(f"#!{interpreter}\n")


def image_with(tmp_path: Path, fill: Callable[[Path], None], *options: str) -> Path:
    release = tmp_path / "demo/usr/lib/extension-release.d/extension-release.demo"
    release.parent.mkdir(parents=True)
    release.write_text("ID=_any\nARCHITECTURE=x86-64\n")
    (tmp_path / "demo/usr/bin").mkdir()
    fill(tmp_path / "demo/usr/bin")
    for path in (tmp_path / "demo", *(tmp_path / "demo").rglob("*")):
        path.chmod(0o755)
    if os.geteuid() == 0:
        labels.attach_all(tmp_path / "demo")
    squash(tmp_path / "demo", tmp_path / "demo.raw", *options)
    return tmp_path / "demo.raw"


def loops(image: Path) -> str:
    return subprocess.run(
        ["losetup", "-j", image], capture_output=True, text=True, check=True
    ).stdout


def wait_until_free(image: Path) -> None:
    """Wait for others that look at the loop device, such as udev: they keep it for a while."""
    until(lambda: not loops(image))


@pytest.mark.parametrize(("content", "why"), [(b"", "it is empty"), (b"text", "no squashfs")])
def test_a_file_that_is_no_image_is_told(tmp_path: Path, content: bytes, why: str) -> None:
    image = tmp_path / "demo.raw"
    image.write_bytes(content)
    (finding,) = check_path(image)[0].findings
    assert finding.rule == "image-mount"
    assert why in finding.message


@needs.ROOT
def test_an_image_is_unmounted_again(tmp_path: Path) -> None:
    image = image_with(tmp_path, lambda folder: script(folder, "/bin/sh"))
    assert check_path(image)[0].findings == ()
    wait_until_free(image)


@needs.ROOT
def test_a_killed_check_leaves_no_mount(tmp_path: Path) -> None:
    image = image_with(tmp_path, lambda folder: script(folder, "/bin/sh"))
    code = (
        "import sys; from pathlib import Path; from bakery.check.loader import contents\n"
        "with contents(Path(sys.argv[1])) as root:\n"
        "    print((root / 'usr/bin/demo').read_text(), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, image],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running(process):
        assert process.stdout is not None
        assert process.stdout.readline() == "#!/bin/sh\n"
        assert loops(image) != ""
        process.kill()
    wait_until_free(image)


@needs.ROOT
def test_an_interrupted_check_leaves_no_mount(tmp_path: Path) -> None:
    image = image_with(tmp_path, lambda folder: script(folder, "/bin/sh"))
    scratch, programs = tmp_path / "scratch", tmp_path / "programs"
    scratch.mkdir()
    programs.mkdir()
    mount = programs / "mount"
    mount.write_text(
        f'#!/bin/sh\n{shutil.which("mount")} "$@"\nkill -INT $PPID\nexec sleep infinity\n'
    )
    mount.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "bakery", "check", image],
        env={**os.environ, "PATH": path, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "interrupted\n")
    assert list(scratch.iterdir()) == []
    wait_until_free(image)


@needs.ROOT
@pytest.mark.parametrize("owner", ["root", "nobody"])
def test_without_root_an_image_is_unpacked(tmp_path: Path, owner: str) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c"]
    if subprocess.run([*nobody, "import bakery.check.command"], check=False).returncode:
        pytest.skip("this Python, or its packages, can be read by root alone")
    options = ["-force-uid", "65534", "-force-gid", "0"] if owner == "nobody" else []
    image = image_with(tmp_path, lambda folder: script(folder, "/usr/bin/perl"), *options)
    public = Path("/tmp") / f"bakery-e2e-{os.getpid()}"  # pytest's own folder is root's alone
    public.mkdir(mode=0o777)
    try:
        public.chmod(0o777)
        shutil.copy(image, public / "demo.raw")
        (public / "demo.raw").chmod(0o644)
        done = subprocess.run(
            [*nobody, CHECK, str(public / "demo.raw")],
            capture_output=True,
            text=True,
            env={**os.environ, "TMPDIR": str(public)},
            check=False,
        )
    finally:
        shutil.rmtree(public)
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)
    found = {finding["rule"] for finding in report["findings"]}
    assert found == {"script-interpreter"} | ({"owner"} if owner == "nobody" else set())
    if owner == "nobody":
        wrong = {f["path"] for f in report["findings"] if f["rule"] == "owner"}
        assert {".", "usr/bin/demo"} <= wrong
    blind = {skipped["rule"] for skipped in report["not_run"]}
    about_recipes = {"elf-path", "image-content", "recipe-readme", "recipe-check", "license-file"}
    assert blind - about_recipes == {
        "capabilities",
        "special-file",
        "selinux-label",
        "image-dissect",
    }


def noise(folder: Path) -> None:
    for number in range(16):
        with (folder / f"tool-{number}").open("wb") as file:
            file.write(b"#!/bin/sh\n")
            for _ in range(64):
                file.write(os.urandom(MIB))


def spent(command: list[str]) -> tuple[float, str]:
    """Run a command; return its seconds of a processor, and what it wrote to standard error."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


@needs.ROOT
def test_a_large_image_costs_little_more_than_hashing_it(tmp_path: Path) -> None:
    """Under 200 MiB, and as much of a processor as to mount the image and hash every file.

    A quarter more is for Python. Seconds by the clock depend on what else the machine does.
    """
    image = image_with(tmp_path, noise)
    assert image.stat().st_size >= 1024 * MIB
    hashing = (
        f"mkdir -p {tmp_path}/m && mount -o loop,ro {image} {tmp_path}/m"
        f" && find {tmp_path}/m -type f -exec sha256sum {{}} + >/dev/null && umount {tmp_path}/m"
    )
    ours, theirs = [], []
    for _ in range(3):  # the best of each, in turns: other work on the machine slows both
        seconds, peak = spent([sys.executable, "-c", CHECK, str(image)])
        assert int(peak) * 1024 < 200 * MIB
        ours.append(seconds)
        theirs.append(spent(["sh", "-c", hashing])[0])
    assert min(ours) <= 1.25 * min(theirs)
