"""Images set themselves up on booted hosts, again after updates, and through 200 merges."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import ROOTS
from harness.native import ARCH

from bakery.boot import vm
from bakery.boot.debian import SUITES
from bakery.boot.guest import image_path
from bakery.boot.machine import BootImage, Load
from bakery.boot.merge import links
from bakery.boot.nspawn import Nspawn
from bakery.boot.qemu import Qemu
from bakery.image.squash import squash
from bakery.image.stage import stage
from bakery.progress import Silent
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.boot.guest import Guest
    from bakery.boot.machine import Machine

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn", "debootstrap", "mksquashfs")]
MERGES = 200

RECIPE = """\
summary: a service that needs an account, its configuration and settings of the kernel
homepage: https://example.org/
license: MIT
build: ["{version}"]
arch: {{x86-64: x86-64, arm64: arm64}}
account: {{name: app, groups: [app-readers], title: An app}}
config:
  etc/app/app.conf: {{default: app.conf, mode: "0640", group: app}}
  etc/app/plain.conf: app.conf
start: [app.service]
"""
# It fails, and is not tried again, when it is started before all is set up.
SERVICE = """\
[Service]
Type=exec
User=app
ExecStartPre=grep --quiet setting /etc/app/app.conf
ExecStartPre=test -d /run/app-made
ExecStartPre=grep --quiet 1 /proc/sys/net/ipv4/ip_forward
ExecStart=/usr/bin/app
"""
FILES = {
    "usr/bin/app": "#!/bin/sh\nexec sleep infinity\n",
    "usr/lib/systemd/system/app.service": SERVICE,
    "usr/lib/tmpfiles.d/app.conf": "d /run/app-made\n",
    "usr/lib/sysctl.d/50-app.conf": "net.ipv4.ip_forward = 1\nnet.ipv4.tcp_syncookies = 2\n",
    "usr/lib/modules-load.d/app.conf": "dummy\n",
    "usr/lib/binfmt.d/app.conf": ":app:M::\\x7fAPPx::/usr/bin/app:\n",
    "usr/lib/udev/rules.d/90-app.rules": (
        'ACTION=="add", KERNEL=="null", SUBSYSTEM=="mem", SYMLINK+="app-null"\n'
    ),
    "usr/share/app/app.conf": "setting = 1\n",
}
SETTLED = "systemctl is-system-running --wait >/dev/null\n"
# What the service wants is the instance of the setup that belongs to the image that is merged.
UP = """\
until systemctl is-active --quiet app.service &&
  systemctl is-active --quiet $(systemctl show --property=Wants --value app.service)
do sleep 0.1; done
"""
# A service is restarted by hand while its /usr comes and goes, with and without a reload between.
LOOP = f"""\
i=0
while [ $i -lt {MERGES} ]; do
  i=$((i + 1))
  if [ $((i % 2)) = 0 ]; then
    systemctl restart --no-block app.service
    systemd-sysext refresh
  else
    systemd-sysext unmerge
    systemctl restart --no-block app.service
    [ $((i % 3)) = 0 ] && systemctl daemon-reload
    systemd-sysext merge
  fi
  [ $((i % 5)) = 0 ] && systemctl daemon-reload
done >/dev/null 2>&1
systemctl daemon-reload
"""


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Two versions of an image; the newer one says more in its sysctl.d, and another default."""
    more = "net.ipv4.conf.all.log_martians = 1\n"
    newer = {
        **FILES,
        "usr/lib/sysctl.d/50-app.conf": FILES["usr/lib/sysctl.d/50-app.conf"] + more,
        "usr/share/app/app.conf": "setting = 2\n",
    }
    return [_build(tmp_path / "1", FILES), _build(tmp_path / "2", newer)]


def _build(folder: Path, files: dict[str, str]) -> Path:
    recipe = folder / "recipes/app"
    for path, text in files.items():
        place = recipe / "files" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (recipe / "recipe.yaml").write_text(RECIPE.format(version=folder.name))
    (recipe / "lock.json").write_text(f'{{"versions": {{"{folder.name}": {{"assets": []}}}}}}')
    (release,) = releases(load_all(folder / "recipes")["app"])
    assert release.problem is None
    image = next(image for image in release.images if image.contents.arch == ARCH)
    (folder / "tree").mkdir()
    manifest = stage(image, "", {}, folder / "tree", Silent())
    built = folder / "app.raw"
    squash(
        folder / "tree",
        built,
        manifest=manifest,
        format="squashfs",
        profile="fast",
        processors=1,
        work=folder,
    )
    return built


@contextmanager
def booted(machine: Machine, images: list[Path], before: str = "") -> Iterator[Guest]:
    boot_images = [BootImage(path=image, name="app") for image in images]
    setup = before + links([(boot_images[0], image_path(machine.share, 0, "app"))])
    load = Load(setup=setup, images=boot_images, log=images[0].with_name("console"))
    machine.prepare(Silent().tell)
    with machine.start(load) as guest:
        guest.ask(SETTLED, limit=120)
        assert guest.ask(UP, limit=70).status == 0, _state(guest)
        yield guest


def update(image: Path, number: int) -> str:
    """Return the script by which an administrator brings another image, and sees it work."""
    placed = (BootImage(path=image, name="app"), image_path(Nspawn.share, number, "app"))
    reload = "systemctl restart systemd-sysext.service && systemctl daemon-reload\n"
    return links([placed]) + reload + UP


def said(guest: Guest, script: str, limit: float = 60) -> str:
    answer = guest.ask(script, limit=limit)
    assert answer.status == 0, answer.stdout + answer.stderr + _state(guest)
    return answer.stdout.strip()


def _state(guest: Guest) -> str:
    script = (
        "systemctl status --no-pager --lines=30 'app*'; journalctl --boot -p warning | tail -50"
    )
    return guest.ask(script).stdout


def container(suite: str) -> Nspawn:
    return Nspawn(suite=suite, cache=ROOTS, arch=ARCH)


@pytest.mark.parametrize("suite", SUITES)
def test_all_is_applied_before_the_service_starts_and_again_after_an_update(
    suite: str, images: list[Path]
) -> None:
    # an administrator's word counts, and that of who had the file before
    admin = "echo net.ipv4.tcp_syncookies=0 >/etc/sysctl.d/90-admin.conf\n"
    with booted(container(suite), images, admin) as guest:
        assert said(
            guest, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/tcp_syncookies"
        ) == ("1\n0")
        assert said(guest, "id --name --groups app") == "app app-readers"
        assert said(guest, "stat --format='%U %G %a' /etc/app/app.conf /etc/app/plain.conf") == (
            "root app 640\nroot root 644"
        )
        assert said(guest, "stat --format='%U %G %a' /var/lib/app") == "app app 750"
        errors = said(guest, "journalctl --boot --quiet --priority=err --unit='app*' --output=cat")
        assert errors == ""
        said(guest, "echo setting = mine >/etc/app/app.conf; chmod 600 /etc/app/*.conf")
        said(guest, update(images[1], 1))
        assert said(guest, "cat /proc/sys/net/ipv4/conf/all/log_martians") == "1"
        assert said(guest, "cat /etc/app/app.conf") == "setting = mine"
        assert said(guest, "stat --format=%a /etc/app/*.conf") == "640\n600", "as the recipe says"

        said(guest, "echo 0 >/proc/sys/net/ipv4/ip_forward")
        said(guest, update(images[0], 0))
        assert said(guest, "cat /proc/sys/net/ipv4/ip_forward") == "1", "the way back is one, too"
        assert said(guest, "systemctl list-units --plain --no-legend 'app-setup@*' | wc -l") == "1"


@pytest.mark.parametrize("suite", SUITES)
def test_an_image_that_comes_to_a_running_host_is_set_up(suite: str, images: list[Path]) -> None:
    with booted(container(suite), images) as guest:
        leave = "rm /var/lib/extensions/*; systemctl restart systemd-sysext.service"
        said(guest, f"{leave}; systemctl stop app.service 'app-setup@*'; systemctl daemon-reload")
        said(
            guest,
            "rm -r /etc/app /run/app-made; echo 0 >/proc/sys/net/ipv4/ip_forward; userdel app",
        )
        said(guest, update(images[0], 0))


@pytest.mark.parametrize("suite", needs.LONG)
def test_a_service_is_up_after_200_merges_and_restarts(suite: str, images: list[Path]) -> None:
    with booted(container(suite), images) as guest:
        answer = guest.ask(LOOP, limit=1500)
        assert answer.status == 0, _state(guest)
        assert guest.ask(UP, limit=70).status == 0, _state(guest)
        assert said(guest, "systemctl is-active 'app-setup@*'") == "active"
        # a service that requires its setup fails with it: 19 times in such a loop
        failed = guest.ask("journalctl --boot --output=cat | grep 'Dependency failed for app'")
        assert failed.stdout == ""
        assert said(guest, "systemctl list-units --state=failed --plain --no-legend 'app*'") == ""


@pytest.mark.parametrize("suite", needs.LONG)
def test_a_machine_of_its_own_gets_modules_formats_and_devices(
    suite: str, images: list[Path]
) -> None:
    if vm.PLATFORMS[ARCH].qemu.find() is None:
        pytest.skip("needs qemu")
    with booted(Qemu(suite=suite, cache=ROOTS, arch=ARCH), images) as guest:
        assert said(guest, "readlink /dev/app-null") == "null"
        assert said(guest, "head -2 /proc/sys/fs/binfmt_misc/app") == (
            "enabled\ninterpreter /usr/bin/app"
        )
        assert said(guest, "ls -d /sys/module/dummy") == "/sys/module/dummy"
