"""Hosts that follow a registry: booted systems, and Docker's registry or a hostile one."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from harness import host_registry, needs
from harness import ignition as apply
from harness.host_registry import ADDRESS, HOST, LOGINS, RegistryPublisher
from harness.hosts import Host, booted, provision
from harness.native import ARCH
from harness.openpgp import Person
from harness.registry import docker_registry

from bakery import settings as settings_module
from bakery.boot.nspawn import image_path
from bakery.provision import extension, ignition, registry, shell
from bakery.provision.extension import Wanted
from bakery.provision.plan import Choices, plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.debian import Debian

    from bakery.provision.extension import Extension

pytestmark = [
    needs.ROOT,
    needs.programs("systemd-nspawn", "debootstrap", "mksquashfs", "gpg", "apt-get"),
    needs.X86_64,
]
HERE = f"http://127.0.0.1:17716/{HOST}"
# Says over and over that there are layers
ENDLESS = r"""
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1:5000', Listen => 5, ReuseAddr => 1);
$SIG{PIPE} = 'IGNORE';
while (my $client = $server->accept) {
  while (<$client> =~ /\S/) {}
  print $client "HTTP/1.0 200 OK\r\n\r\n" . '{"layers":[';
  1 while print $client '{"size":1},' x 1000;
  close $client;
}
"""


@pytest.fixture
def publisher(tmp_path: Path, person: Person, debian: Debian) -> Iterator[RegistryPublisher]:
    person.key(f"the publisher of {tmp_path.name}")
    storage = host_registry.STORAGE.format(tmp_path / "registry")
    with docker_registry(debian, tmp_path / "here", storage=storage) as running:
        made = RegistryPublisher.make(tmp_path, person, debian, running)
        made.publish("app", "1.0")
        yield made


@pytest.fixture
def stranger() -> Iterator[Person]:
    person = Person()
    person.key("somebody else")
    yield person
    person.close()


def resolved(publisher: RegistryPublisher, reference: str) -> Extension:
    """Return a release or channel of a publisher's folder, as it is in the registry."""
    settings = settings_module.load(publisher.folder, {"HOME": "/root"})
    published = (publisher.folder / reference).as_uri()
    found = extension.resolve(published, settings=settings, wanted=Wanted(arch=ARCH))
    return replace(found, url=registry.image(ADDRESS, found.sha256), local=None)


def log_in(host: Host, password: str = "") -> None:
    """Give a host a login, as its administrator would."""
    text = json.dumps(host_registry.logins(password) if password else host_registry.logins())
    host.holds(f"umask 077; mkdir -p /etc/extensions.d; echo {shlex.quote(text)} >{LOGINS}")


def refused(host: Host, why: str) -> None:
    """See that an update of app fails, changes nothing, and says where and why."""
    before = host.holds("systemd-sysext status --json=short")
    said = host.refuses("app")
    assert re.search(why, said), said
    assert f"{ADDRESS}/app: " in said, said
    assert said.count("\n") == 1, said
    assert host.holds("systemd-sysext status --json=short") == before
    told = host.status("app")
    assert told["follows"] == f"{ADDRESS}/app"
    assert told["failed"] in said
    assert host.holds("systemctl list-units --failed --legend=no 'extensions-registry*'") == ""


@pytest.mark.parametrize("suite", needs.LONG)
def test_hosts_follow_a_registry(suite: str, tmp_path: Path, publisher: RegistryPublisher) -> None:
    """Without a login, with a wrong one, with the right one; a good update and a bad one."""
    disk = tmp_path / "disk"
    provision(disk, publisher, "app")
    found = resolved(publisher, "app-1.0")
    (publisher.folder / "install").write_text(shell.render(plan([found], Choices())))
    with booted(suite, disk, publisher, watch=1) as host:
        publisher.publish("app", "2.0")
        refused(host, "its token server 127.0.0.1:8100 answers 401; is it private")
        log_in(host, "guess")
        refused(host, "its token server 127.0.0.1:8100 answers 401; see what is in")
        log_in(host)
        assert host.updates() == "extensions: app is 2.0 now, and was 1.0\n"
        assert host.runs("app") == "2.0"

        publisher.publish("app", "3.0", then="exit 3")
        assert "app 3.0 does not hold, and is not taken again" in host.refuses()
        assert host.runs("app") == "2.0"
        assert host.extensions("rollback", "app").status == 0
        assert host.runs("app") == "1.0"

        ask = f"curl --silent --output /dev/null --write-out '%{{http_code}}' {HERE}/me/bakery"
        assert host.holds(f"{ask}/app/SHA256SUMS") == "200"
        assert host.holds(f"{ask}/other/SHA256SUMS") == "403"
        assert host.ask(f"setpriv --reuid=nobody {ask}/app/SHA256SUMS").stdout == "000"

        assert host.extensions("remove", "app").status == 0
        left = host.holds("ls /etc/extensions /opt/extensions").split()
        assert left == ["/etc/extensions:", "/opt/extensions:"]

        script = f"sh {image_path(0, publisher.folder.name)}/install"
        host.holds(script)
        host.holds("until [ -e /run/app ]; do sleep 0.1; done")
        assert host.runs("app") == "1.0"
        host.holds(f"{script} uninstall")
        assert host.holds("ls /etc/extensions /opt/extensions").split() == left


@pytest.mark.parametrize("suite", needs.LONG)
def test_a_hostile_registry_changes_nothing(
    suite: str, tmp_path: Path, publisher: RegistryPublisher, stranger: Person
) -> None:
    """Other bytes, too few of them, a stranger's signature; nobody, and a list without end."""
    disk = tmp_path / "disk"
    provision(disk, publisher, "app")
    publisher.publish("app", "2.0")
    image = publisher.folder / f"app/app-2.0-{ARCH}.raw"
    data = image.read_bytes()
    blob = publisher.blob(hashlib.sha256(data).hexdigest())
    with booted(suite, disk, publisher, watch=1) as host:
        log_in(host)
        blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        refused(host, "SHA256|[Cc]hecksum")
        blob.write_bytes(data[: len(data) // 2])
        refused(host, "app-2.0-")
        blob.write_bytes(data)
        publisher.sign("app", stranger)
        refused(host, "signature")
        publisher.sign("app")

        host.holds("kill $(cat /run/registry.pid)")
        refused(host, "onnect")
        host.holds(f"cat >/run/endless <<'END'\n{ENDLESS}\nEND")
        host.holds("setsid perl /run/endless >/dev/null 2>&1 & echo $! >/run/endless.pid")
        host.holds(
            f"until curl --silent --max-time 1 http://{HOST} >/run/x; [ $? != 7 ]; do :; done"
        )
        refused(host, "SHA256SUMS")
        host.holds("kill $(cat /run/endless.pid)")
        publisher.serve(host)
        host.updates()
        assert (host.runs("app"), host.images("app")) == ("2.0", ["1.0", "2.0"])


@apply.NEEDED
@pytest.mark.parametrize("suite", needs.LONG)
def test_machines_come_up_with_what_is_in_a_registry(
    suite: str, tmp_path: Path, publisher: RegistryPublisher
) -> None:
    """One version; a channel whose version is named; a channel's newest when it first boots."""
    publisher.publish("other", "1.0")
    publisher.publish("third", "1.0")
    disk = tmp_path / "disk"
    wanted = ("app-1.0", False), ("other", False), ("third", True)
    for reference, newest in wanted:
        found = resolved(publisher, reference)
        text = ignition.render(plan([found], Choices(newest=newest, fetches=False)))
        laid = tmp_path / f"root-{reference}"
        assert apply.LAST_STEP in apply.apply(text, laid).stdout
        shutil.copytree(laid, disk, symlinks=True, dirs_exist_ok=True)
    publisher.publish("other", "2.0")
    publisher.publish("third", "2.0")
    (disk / "etc/extensions.d").mkdir(exist_ok=True)
    (disk / LOGINS.lstrip("/")).write_text(json.dumps(host_registry.logins()))
    with booted(suite, disk, publisher, watch=1) as host:
        # Ignition's preset; the registry is there as soon as the network is
        first = "extensions-keys extensions-first-app extensions-first-other extensions-first-third"
        host.holds(f"systemctl daemon-reload; systemctl preset {first}; systemctl start {first}")
        assert [host.runs(name) for name in ("app", "other", "third")] == ["1.0", "1.0", "2.0"]
        host.updates()
        assert [host.runs(name) for name in ("app", "other", "third")] == ["1.0", "2.0", "2.0"]
        host.holds(f"rm /opt/extensions/other/other-1.0-{ARCH}.raw; systemctl restart {first}")
        assert host.holds("readlink /etc/extensions/other.raw").endswith(f"other-2.0-{ARCH}.raw")
        assert host.holds("systemctl --failed --legend=no") == ""
        for name in ("app", "other", "third"):
            assert host.extensions("remove", name).status == 0
        assert host.holds("ls /etc/extensions /opt/extensions").split() == [
            *("/etc/extensions:", "/opt/extensions:")
        ]
        assert host.ask("ls /etc/systemd/system/extensions-first-*").status == 2
