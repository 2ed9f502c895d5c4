"""Faults, each caught on every machine with words that name its cause."""

from __future__ import annotations

import re
import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import ROOTS
from harness.native import ARCH

from bakery.boot.debian import SUITES
from bakery.boot.everywhere import Trial
from bakery.boot.machine import BootImage
from bakery.boot.nspawn import Nspawn
from bakery.boot.report import BootReport, render
from bakery.boot.session import Deployment
from bakery.progress import Silent
from bakery.recipe.expectations import Expectations, UnitExpectation

if TYPE_CHECKING:
    from pathlib import Path

    from harness.debian import Debian

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn", "debootstrap")]
UNIT = "usr/lib/systemd/system/app.service"
OTHER = "usr/lib/systemd/system/other.service"
UPHELD = "usr/lib/systemd/system/multi-user.target.d/10-app.conf"
RELEASE = "usr/lib/extension-release.d/extension-release.app"
SERVE = "/usr/bin/busybox httpd -f -p 8080"


def service(program: str, more: str = "") -> str:
    return f"[Service]\nExecStart={program}\n{more}"


FAULTS: dict[str, tuple[dict[str, str], str, int]] = {
    "port clash": (
        {UNIT: service(SERVE, "Restart=no\n"), OTHER: service(SERVE)},
        "listens on the same address already",
        5,
    ),
    "dies after 3 s": ({UNIT: service("sleep 3")}, "did not stay up", 5),
    "dies after 25 s": ({UNIT: service("sh -c 'sleep 25; exit 1'")}, "did not stay up", 30),
    "restarts for ever": (
        {UNIT: service("sh -c 'sleep 1; exit 1'", "Restart=always\n")},
        "did not stay up",
        5,
    ),
    "needs a kernel module": (
        {UNIT: service("sleep infinity", "ExecStartPre=/sbin/modprobe nbd\n")},
        "needs a kernel module",
        5,
    ),
    "writes to /usr": (
        {UNIT: service("sh -c 'echo state >/usr/share/app/state && exec sleep infinity'")},
        "read-only on a host with extensions",
        5,
    ),
    "missing file in /etc": (
        {UNIT: service("sh -c 'cat /etc/app/app.conf && exec sleep infinity'")},
        "reads a file in /etc that is not there",
        5,
    ),
    "hangs at start": (
        {UNIT: service("sleep infinity", "Type=notify\nTimeoutStartSec=infinity\n")},
        "hangs while it starts",
        5,
    ),
    "wrong StateDirectory": (
        {
            UNIT: service(
                "sh -c 'echo 1 >/var/lib/app/state && exec sleep infinity'",
                "StateDirectory=other\n",
            )
        },
        "StateDirectory=",
        5,
    ),
    "bad udev rule": (
        {
            UNIT: service("sleep infinity"),
            "usr/lib/udev/rules.d/90-app.rules": 'KERNEL="x", TAGG+="y"\n',
        },
        "90-app.rules",
        5,
    ),
    "sysctl that must hold": (
        {
            UNIT: service("sleep infinity"),
            "usr/lib/sysctl.d/app.conf": "net.ipv4.ip_default_ttl = 300\n",
        },
        "net.ipv4.ip_default_ttl is 64, and not 300",
        5,
    ),
    "stops a service of the host": (
        {UNIT: "[Unit]\nConflicts=dbus.service\n" + service("sleep infinity")},
        "dbus.service was stopped by app.service, which has Conflicts=dbus.service",
        5,
    ),
    "a file at /usr/bin": ({"usr/bin": "#!/bin/sh\n"}, "hides /usr/bin, a folder of every host", 5),
}


@pytest.fixture
def busybox(debian: Debian) -> Path:
    root = debian.unpacked(ARCH, "busybox-static")
    return next(path for path in (root / "bin/busybox", root / "usr/bin/busybox") if path.exists())


def image(folder: Path, files: dict[str, str], busybox: Path) -> BootImage:
    files = {
        RELEASE: "ID=_any\nEXTENSION_RELOAD_MANAGER=1\n",
        UPHELD: "[Unit]\nUpholds=app.service" + (" other.service\n" if OTHER in files else "\n"),
        "usr/share/app/note": "\n",
        **files,
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    if (folder / "usr/bin").is_file():
        return BootImage(path=folder, name="app")
    (folder / "usr/bin").mkdir()
    shutil.copy(busybox, folder / "usr/bin/busybox")
    return BootImage(path=folder, name="app")


def boots(image: BootImage, folder: Path, window: int) -> list[BootReport]:
    unit = UnitExpectation(name="app.service", window=window, timeout=10)
    expected = Expectations(units=(unit,) if window > 5 else ())
    machines = [Nspawn(suite=suite, cache=ROOTS, arch=ARCH) for suite in SUITES]
    for machine in machines:
        machine.prepare(Silent().tell)
    trial = Trial(
        deployments=[Deployment(images=[image], expected=expected)],
        folder=folder,
        turn=nullcontext,
        tell=lambda machine, step, *, lasting=False: None,  # noqa: ARG005
    )
    return trial.on(machines)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_everywhere_and_its_cause_named(
    tmp_path: Path, busybox: Path, fault: str
) -> None:
    files, words, window = FAULTS[fault]
    for report in boots(image(tmp_path / "app", files, busybox), tmp_path / "boots", window):
        assert report.outcome == "failed", render(report)
        said = " ".join(render(report).split())
        assert words in said, said
        assert not re.search(r"did not \w+ within", said), f"what is known is waited for: {said}"


def test_without_a_fault_it_passes_everywhere(tmp_path: Path, busybox: Path) -> None:
    good = image(tmp_path / "app", {UNIT: service(SERVE)}, busybox)
    for report in boots(good, tmp_path / "boots", 6):
        assert report.outcome == "passed", render(report)
