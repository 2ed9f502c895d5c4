"""What the script does on a host before it changes anything, in each shell."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import needs
from harness.shells import SHELLS

from bakery.provision import record

FOLDER = Path(record.__file__).parent


@dataclass(frozen=True)
class Machine:
    """A host whose extensions are in folders of a test."""

    root: Path
    shell: str

    @property
    def links(self) -> Path:
        return self.root / "etc/extensions"

    @property
    def images(self) -> Path:
        return self.root / "opt/extensions"

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        head = f"set -eu\nrecords={self.images}\nextensions={self.links}\n"
        parts = [(FOLDER / name).read_text() for name in ("record.sh", "setup.sh")]
        return subprocess.run(
            [*self.shell.split(), "-c", "\n".join((head, *parts, script))],
            capture_output=True,
            env={**os.environ, "TMPDIR": str(self.root)},
            text=True,
            check=False,
        )

    def claim(self, name: str, *lines: str) -> subprocess.CompletedProcess[str]:
        plan = "".join(f"{line}\n" for line in lines)
        return self.run(f'claim {name} <<END\n{plan}END\nnothing_foreign\ncat "$work/{name}.own"\n')

    def has(self, name: str, *lines: str) -> None:
        """Let an extension be installed."""
        written = self.images / name / "installed"
        written.parent.mkdir()
        written.write_text("".join(f"{line}\n" for line in lines))

    def link(self, name: str, target: object) -> None:
        (self.links / f"{name}.raw").symlink_to(str(target))


@pytest.fixture(params=SHELLS)
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    found = Machine(tmp_path, request.param)
    for folder in (found.links, found.images):
        folder.mkdir(parents=True)
    return found


def test_what_is_new_or_ours_is_claimed(machine: Machine) -> None:
    ours = f"link {machine.links}/app.raw */app-*.raw"
    machine.has("app", ours)
    machine.link("app", "/opt/app-1.raw")
    machine.link("mask", "/dev/null")
    new = f"link {machine.links}/other.raw /x"
    done = machine.claim("app", ours, new, f"link {machine.links}/mask.raw /dev/null")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [ours, new]


def test_what_is_somebody_elses_is_refused(machine: Machine) -> None:
    machine.link("app", "/srv/app.raw")
    (machine.links / "app").mkdir()
    done = machine.claim("app", f"link {machine.links}/app.raw /opt/app-1.raw")
    assert done.returncode == 1
    assert f"  {machine.links}/app\n  {machine.links}/app.raw\n" in done.stderr
    assert done.stderr.endswith("nothing was changed\n")


@pytest.mark.parametrize("first", ["engine", "app"])
def test_what_conflicts_is_refused(machine: Machine, first: str) -> None:
    conflict = f"conflicts {machine.links}/app.raw"
    machine.has(first, *[conflict] * (first == "engine"))
    machine.link(first, "/opt/x.raw")
    second = "app" if first == "engine" else "engine"
    done = machine.claim(second, *[conflict] * (second == "engine"))
    assert done.returncode == 1
    assert f"{second} can't run beside" in done.stderr


@needs.programs("systemd-analyze")
@pytest.mark.parametrize(
    ("runs", "floor", "stays"),
    [("2.0", "1.0", True), ("1.10", "1.9", True), ("1.9", "1.10", False), ("1.0", "1.0", False)],
)
def test_what_is_newer_stays(machine: Machine, runs: str, floor: str, *, stays: bool) -> None:
    folder = machine.images / "app"
    folder.mkdir()
    image = folder / f"app-{runs}-x86-64.raw"
    image.touch()
    machine.link("app", image)
    new = folder / f"app-{floor}-x86-64.raw"
    done = machine.run(
        f"keep_newer app {new} '{folder}/app-*-x86-64.raw'\nif is_older {new}; then echo old; fi"
    )
    assert done.returncode == 0, done.stderr
    assert ("old" in done.stdout.split()) == stays


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_a_download_leaves_nothing(machine: Machine, number: int) -> None:
    image = machine.images / "app/app-1.0-x86-64.raw"
    done = machine.run(
        f'get() {{ echo part >"$1"; kill -{number} $$; }}\nfetch {image} https://example.com/ 0 5'
    )
    assert done.returncode in {128 + number, -number}, done.stderr
    assert [path for path in machine.root.rglob("*") if not path.is_dir()] == []
    assert sorted(path.name for path in machine.root.iterdir()) == ["etc", "opt"]
    assert list(machine.images.iterdir()) == []
