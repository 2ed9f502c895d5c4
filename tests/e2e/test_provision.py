"""A machine set up by Ignition, then updated, cleared and set up again by the shell script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import ignition, needs
from harness.mirror import Mirror
from harness.project import REPOSITORY
from harness.provisioning import asked
from harness.released import channel, release
from harness.sysupdate import follower, given

from bakery import settings as settings_module
from bakery.boot import nspawn
from bakery.boot.machine import Load
from bakery.provision import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.openpgp import Person

    from bakery.boot.guest import Guest
    from bakery.provision.command import Output

USR_A, ROOT = "5DFBF5F4-2848-4BAC-AA5E-0D9A20B745A6", "3884DD41-8582-4404-B9A8-E9B84F2DF50E"
FILES = {
    "usr/lib/systemd/system/greeter.service": """\
[Service]
ExecStart=/bin/sh -c 'cp /usr/share/greeter/version /run/greeter; exec sleep infinity'
""",
    "usr/lib/systemd/system/multi-user.target.d/10-greeter.conf": """\
[Unit]
Upholds=greeter.service
""",
    "usr/lib/extension-release.d/extension-release.greeter": """\
ID=_any
EXTENSION_RELOAD_MANAGER=1
""",
}
HERE = "http://127.0.0.1:8000"  # in the guest
ABROAD, PROXY = "http://images.example", "http://127.0.0.1:3128"
OTHERS = """
mkdir -p /var/lib/extensions/other/usr/lib/extension-release.d /var/lib/extensions/other/usr/share
echo ID=_any >/var/lib/extensions/other/usr/lib/extension-release.d/extension-release.other
echo "somebody's" >/var/lib/extensions/other/usr/share/other
"""
# As a mirror in the machine's network would be there
SERVED = """
cat >/etc/systemd/system/site.service <<'END'
[Unit]
Before=network-online.target
[Service]
ExecStart=busybox httpd -f -p 127.0.0.1:8000 -h %s
[Install]
WantedBy=network-online.target
END
systemctl enable site.service
"""
KEYS = """
home=$(mktemp -d)
gpg --homedir "$home" --no-default-keyring --keyring %s --with-colons --list-keys |
  grep -A1 ^pub | sed -n 's/^fpr:*\\([0-9A-F]*\\):/\\1/p' | sort
"""
# Forwards requests for any host to the server of the tests.
FORWARD = """
use IO::Socket::INET;
my $proxy = IO::Socket::INET->new(LocalAddr => '127.0.0.1:3128', Listen => 5, ReuseAddr => 1);
while (my $client = $proxy->accept) {
  my $request = <$client>;
  $request =~ s,http://[^/]+,,;
  $request =~ s,HTTP/1.1,HTTP/1.0,;
  while (my $header = <$client>) { last if $header =~ /^\\r?$/; }
  my $server = IO::Socket::INET->new('127.0.0.1:8000') or next;
  print $server "$request\\r\\n";
  print $client $_ while <$server>;
  close $client;
}
"""
GREETING = "timeout 200 sh -c 'until grep -qx %s /run/greeter; do sleep 0.1; done'"


pytestmark = [
    needs.ROOT,
    ignition.NEEDED,
    needs.X86_64,
]
needs_nspawn = needs.programs("systemd-nspawn")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two versions of an extension with a service."""
    folder = tmp_path / "published"
    for version in ("1.0", "2.0"):
        tree, image = tmp_path / version, tmp_path / f"{version}.raw"
        for path, text in {**FILES, "usr/share/greeter/version": f"{version}\n"}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        subprocess.run(["mksquashfs", tree, image, "-quiet", "-all-root"], check=True)
        release(folder, "greeter", version, {"x86-64": image.read_bytes()})
    return folder


@pytest.fixture
def server(published: Path) -> Iterator[Mirror]:
    """Serves it."""
    with Mirror(published) as mirror:
        yield mirror


@pytest.fixture
def abroad(published: Path, server: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it served at the addresses that machines will know, by a proxy for them."""
    for address in (HERE, ABROAD):
        folder = published / address.replace("//", "/")
        folder.parent.mkdir(exist_ok=True)
        folder.symlink_to("..")
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")


def provision(
    reference: str, url: str, output: Output, mirror: str | None = None, **options: Any
) -> str:
    wanted = asked(**{"host": "any", "unsigned": True} | options)
    settings = settings_module.load(Path("/"), {"BAKERY_PUBLISH_URL": url, "HOME": "/root"})
    return command.provision([reference], *wanted, settings=settings, output=output, mirror=mirror)


def holds(guest: Guest, script: str) -> str:
    answer = guest.ask(script, limit=60)
    assert answer.status == 0, f"{script}\n{answer.stdout}{answer.stderr}"
    return answer.stdout


def test_ignition_refuses_other_bytes(tmp_path: Path, published: Path, server: Mirror) -> None:
    config = provision("greeter-1.0", server.url, "ignition")
    (published / "greeter-1.0/greeter-1.0-x86-64.raw").write_bytes(b"something else")
    done = ignition.apply(config, tmp_path / "root")
    assert ignition.LAST_STEP not in done.stdout
    assert "hash verification failed" in done.stdout + done.stderr


@needs_nspawn
def test_a_machine_comes_up_and_follows_the_script(
    tmp_path: Path, published: Path, server: Mirror
) -> None:
    root, scripts = tmp_path / "root", tmp_path / "scripts"
    done = ignition.apply(provision("greeter-1.0", server.url, "ignition"), root)
    assert ignition.LAST_STEP in done.stdout

    bound = [root, published, scripts]
    places = [nspawn.image_path(number, path.name) for number, path in enumerate(bound)]
    scripts.mkdir()
    text = provision(str(published / "greeter-2.0"), f"file://{places[1]}", "shell")
    (scripts / "install").write_text(text)
    (scripts / "wrong").write_text(text.replace("greeter-2.0", "greeter-1.0"))
    load = Load(
        setup=f"cp -a {places[0]}/etc/. /etc/\ncp -a {places[0]}/opt/. /opt/\n",
        images=given(bound),
        log=tmp_path / "console",
    )
    run = f"sh {places[2]}"
    with follower("bookworm").start(load) as guest:
        holds(guest, "systemctl is-system-running --wait || systemctl --failed")
        holds(guest, GREETING % "1.0")

        assert guest.ask(f"{run}/wrong").status == 1
        assert "1.0" in holds(guest, "cat /usr/share/greeter/version")

        holds(guest, f"{run}/install")
        holds(guest, "systemctl restart greeter")
        holds(guest, GREETING % "2.0")
        assert holds(guest, "ls /opt/extensions/greeter").split() == [
            "greeter-2.0-x86-64.raw",
            "installed",
        ]

        holds(guest, f"{run}/install uninstall")
        assert holds(guest, "ls /opt/extensions /etc/extensions").split() == [
            "/etc/extensions:",
            "/opt/extensions:",
        ]
        assert guest.ask("systemctl is-active greeter").stdout == "inactive\n"
        assert guest.ask("test -e /usr/share/greeter").status == 1

        holds(guest, f"rm -f /run/greeter; {run}/install")
        holds(guest, GREETING % "2.0")


@needs_nspawn
@pytest.mark.usefixtures("abroad")
@pytest.mark.parametrize("suite", ["trixie", pytest.param("forky", marks=[pytest.mark.nightly])])
def test_a_machine_follows_a_channel(
    tmp_path: Path, published: Path, person: Person, suite: str
) -> None:
    """Through a mirror, then with a proxy: there is no such host as images.example."""
    person.key("the publisher")
    channel(published, "greeter", ABROAD, "1.0", signer=person)
    for name, options in (("mirrored", {"mirror": HERE}), ("proxied", {"proxy": PROXY})):
        script = provision("greeter", ABROAD, "shell", unsigned=False, **options)
        (published / name).write_text(script)
    (published / "images.example").symlink_to(".")
    (published / "proxy").write_text(FORWARD)
    site = nspawn.image_path(0, published.name)
    load = Load(setup=OTHERS, images=given([published]), log=tmp_path / "console")
    merge = "systemctl show --property=InvocationID systemd-sysext.service"
    update = "systemctl start extensions-update.service"
    version = "cat /usr/share/greeter/version"
    with follower(suite).start(load) as guest:
        holds(guest, f"busybox httpd -p 127.0.0.1:8000 -h {site}")
        holds(guest, f"perl {site}/proxy >/dev/null 2>&1 &")
        holds(guest, "echo WATCH=1 >/etc/extensions.conf")
        vendors = holds(guest, KEYS % "/usr/lib/systemd/import-pubring.[gp]*")
        holds(guest, f"sh {site}/mirrored")
        holds(guest, GREETING % "1.0")
        assert holds(guest, KEYS % "/etc/systemd/import-pubring.gpg").split() == sorted(
            [*vendors.split(), *person.fingerprints()]
        )
        holds(guest, "systemctl is-active extensions-update.timer")
        holds(guest, "systemctl is-enabled systemd-sysext.service")
        before = holds(guest, merge)
        holds(guest, update)
        assert holds(guest, merge) == before

        channel(published, "greeter", ABROAD, "1.0", "2.0", signer=person)
        holds(guest, update)
        assert holds(guest, version) == "2.0\n"
        often = f"for each in 1 2 3 4 5 6; do sh {site}/mirrored || exit; done"
        assert "stays at 2.0" in holds(guest, often)
        assert holds(guest, version) == "2.0\n"

        holds(guest, f"sh {site}/mirrored uninstall")
        assert holds(guest, "ls -d /etc/sysupdate.* /opt/extensions/* || true") == ""
        assert holds(guest, "cat /usr/share/other") == "somebody's\n"

        holds(guest, f"sh {site}/proxied")
        assert holds(guest, version) == "1.0\n"
        holds(guest, update)
        assert holds(guest, version) == "2.0\n"


@needs_nspawn
@pytest.mark.usefixtures("abroad")
def test_a_machine_takes_the_newest_when_it_first_boots(
    tmp_path: Path, published: Path, person: Person
) -> None:
    """Its configuration was written when 1.0 was the newest."""
    person.key("the publisher")
    channel(published, "greeter", HERE, "1.0", signer=person)
    root = tmp_path / "root"
    text = provision("greeter", HERE, "ignition", newest=True, unsigned=False)
    assert ignition.LAST_STEP in ignition.apply(text, root).stdout
    channel(published, "greeter", HERE, "1.0", "2.0", signer=person)
    bound = [root, published]
    laid, site = (nspawn.image_path(number, path.name) for number, path in enumerate(bound))
    setup = f"cp -a {laid}/etc/. /etc/\nmkdir -p /opt\ncp -a {laid}/opt/. /opt/\n" + SERVED % site
    setup += (
        "systemctl preset extensions-first-greeter.service extensions-keys.service\n"  # Ignition's
    )
    load = Load(setup=setup, images=given(bound), log=tmp_path / "console")
    with follower("trixie").start(load) as guest:
        # Ignition lays units before systemd begins; here the target may be there already
        holds(guest, "systemctl daemon-reload && systemctl restart multi-user.target")
        holds(guest, GREETING % "2.0")
        assert holds(guest, "systemctl --failed --legend=no") == ""
        assert holds(guest, "ls /opt/extensions/greeter/*.raw").endswith("greeter-2.0-x86-64.raw\n")


@needs_nspawn
def test_a_script_that_can_do_no_good_changes_nothing(
    tmp_path: Path, published: Path, server: Mirror
) -> None:
    channel(published, "greeter", HERE, "1.0")
    tree, image = tmp_path / "tree", tmp_path / "image"
    (tree / "usr/share").mkdir(parents=True)
    subprocess.run(["mksquashfs", tree, image, "-quiet", "-all-root"], check=True)
    release(published, "greeter", "3.0", {"x86-64": image.read_bytes()})
    for reference in ("greeter", "greeter-1.0", "greeter-3.0"):
        text = provision(reference, server.url, "shell").replace(server.url, HERE)
        (published / f"install-{reference}").write_text(text)
    site = nspawn.image_path(0, published.name)
    load = Load(setup=OTHERS, images=given([published]), log=tmp_path / "console")
    state = "find /etc /opt /var/lib/extensions -newer /run/began -o -path '*greeter*' | sort"

    with follower("bookworm").start(load) as guest:
        holds(guest, f"busybox httpd -p 127.0.0.1:8000 -h {site}")

        def refuses(script: str, why: str) -> None:
            before = holds(guest, state)
            answer = guest.ask(f"sh {site}/install-{script}")
            assert answer.status == 1
            assert why in answer.stderr
            assert holds(guest, state) == before

        holds(guest, "mkdir -p /etc/extensions/greeter.raw; touch /run/began")
        refuses("greeter-1.0", "somebody else's files")
        holds(guest, "rmdir /etc/extensions/greeter.raw; touch /run/began")
        refuses("greeter", "has no systemd-sysupdate")
        holds(guest, f"sh {site}/install-greeter-1.0")
        holds(guest, GREETING % "1.0")
        answer = guest.ask(f"sh {site}/install-greeter-3.0")
        assert answer.status == 1
        assert "what was merged before is merged again" in answer.stderr
        assert (
            holds(guest, "cat /usr/share/greeter/version /usr/share/other") == "1.0\nsomebody's\n"
        )


@needs_nspawn
def test_a_machine_is_set_up_by_hand(tmp_path: Path, published: Path, person: Person) -> None:
    """By the lines of the README, then by those of the guide to channels."""
    person.key("the publisher")
    channel(published, "greeter", HERE, "1.0", "2.0", signer=person)
    (lines,) = re.findall(
        r"```sh\n(install -D .*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL
    )
    lines = lines.replace("docker-29.7.2", "greeter-1.0").replace("docker", "greeter")
    (published / "by-hand").write_text(lines)
    guide = (REPOSITORY / ".github/docs/channels.md").read_text()
    (lines,) = re.findall(r"```sh\n(set -e\nurl=.*?)```", guide, re.DOTALL)
    lines = lines.replace("https://github.com/OWNER/REPO/releases/download", HERE)
    (published / "follow").write_text(lines.replace("caddy", "greeter"))
    site = nspawn.image_path(0, published.name)
    load = Load(setup="", images=given([published]), log=tmp_path / "console")
    with follower("trixie").start(load) as guest:
        holds(guest, f"busybox httpd -p 127.0.0.1:8000 -h {site}")
        holds(guest, f"cd {site}/greeter-1.0 && sh -eux {site}/by-hand")
        holds(guest, GREETING % "1.0")
        holds(guest, "systemctl is-enabled systemd-sysext")
        holds(guest, f"sh -u {site}/follow")
        assert holds(guest, "cat /usr/share/greeter/version") == "2.0\n"
        holds(guest, "echo WATCH=1 >/etc/extensions.conf")
        vendors = holds(guest, KEYS % "/usr/lib/systemd/import-pubring.gpg").split()
        found = holds(guest, KEYS % "/etc/systemd/import-pubring.gpg").split()
        assert found == sorted([*vendors, *person.fingerprints()])


@needs.programs("sfdisk", "partx", "mkfs.ext4")
def test_an_extension_is_laid_into_a_disk_of_flatcars(tmp_path: Path, server: Mirror) -> None:
    """Its partitions have their numbers, types and roles, and are empty but for a few folders."""
    disk, script = tmp_path / "flatcar.img", tmp_path / "script"
    disk.touch()
    os.truncate(disk, 48 << 20)
    layout = f"label: gpt\n3: size=16384, type={USR_A}\n9: type={ROOT}\n"
    subprocess.run(["sfdisk", "--quiet", disk], input=layout.encode(), check=True)
    command = ["partx", "--raw", "--noheadings", "--output", "NR,START,SECTORS", str(disk)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for number, start, size in (line.split() for line in listed.splitlines()):
        tree = tmp_path / number
        for name in ("etc", "usr", "opt") if number == "9" else ("bin",):
            (tree / name).mkdir(parents=True)
        at = ["-E", f"offset={int(start) * 512}", str(disk), f"{int(size) // 2}k"]
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", tree, *at], check=True)
    guide = (REPOSITORY / ".github/docs/first-boot.md").read_text()
    (lines,) = re.findall(r"```sh\n(set -e\npart.*?)```", guide, re.DOTALL)
    look = 'mount --options "$(part 9)" flatcar.img /mnt\nls /mnt/opt/extensions/greeter\n'
    script.write_text(lines.replace("caddy-2.11.7", "greeter-1.0") + look)
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "BAKERY_PUBLISH_URL": server.url, "PATH": programs}
    done = subprocess.run(
        ["unshare", "--mount", "sh", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("greeter-1.0-x86-64.raw\ninstalled\n")
