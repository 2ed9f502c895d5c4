"""The table of attacks against booted hosts, whose systemd-sysupdate follows a channel."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.attacks import ATTACKS, Attack, Consumer, Keys, Site
from harness.openpgp import Person
from harness.sysupdate import SHIPPED, built, follower, given

from bakery.boot.machine import Load
from bakery.boot.nspawn import image_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.boot.guest import Guest

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn", "debootstrap", "gpg", "apt-get")]
ADDRESS = "http://127.0.0.1:8000"
HOSTS: dict[Consumer, str] = {"252": "bookworm", "257": "trixie", "262": "forky"}
LARGE = 64 << 20  # bytes
SETUP = """
set -e
mkdir -p /etc/extensions /etc/sysupdate.app.d
cp {keyring} /etc/systemd/import-pubring.gpg
"""
RESET = """
set -e
rm -rf /opt/extensions/app
mkdir -p /opt/extensions/app
cp {site}/app-{version}/{file} /opt/extensions/app/
ln -sf /opt/extensions/app/{file} /etc/extensions/app.raw
cp {site}/app/app.conf {site}/app/app.transfer /etc/sysupdate.app.d/
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """What the publisher has published."""
    person = Person()
    site = Site(tmp_path_factory.mktemp("original"), Keys.make(person), ADDRESS)
    site.build()
    yield site
    person.close()


@dataclass(frozen=True)
class Host:
    """A booted host and what it is served."""

    guest: Guest
    consumer: Consumer
    served: Site
    path: str
    update: str

    def holds(self, script: str) -> str:
        answer = self.guest.ask(script, limit=60)
        assert answer.status == 0, answer.stdout + answer.stderr
        return answer.stdout

    def version(self) -> str:
        """Return which image is linked."""
        return self.holds("readlink /etc/extensions/app.raw").strip().rpartition("/")[2]


@pytest.fixture(scope="module", params=HOSTS)
def host(
    request: pytest.FixtureRequest, original: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    served = Site(folder / "site", original.keys, ADDRESS)
    served.root.mkdir()
    keyring = original.keys.trusted(folder / "keyring")
    machine = follower(HOSTS[request.param])
    tools = built(machine)
    images = [served.root, keyring, *([tools] if tools else [])]
    site, keys, *ours = [image_path(number, path.name) for number, path in enumerate(images)]
    program = f"{ours[0]}/systemd-sysupdate" if ours else SHIPPED
    load = Load(setup=SETUP.format(keyring=keys), images=given(images), log=folder / "console")
    with machine.start(load) as guest:
        update = f"{program} --component=app update"
        host = Host(guest, request.param, served, site, update)
        host.holds(f"busybox httpd -p 127.0.0.1:8000 -h {site}")
        yield host


def serve(original: Site, served: Site) -> None:
    """Serve what the publisher has published, as it was."""
    for path in served.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(original.root, served.root, dirs_exist_ok=True)
    served.endless.clear()


def lengthen(served: Site) -> None:
    """Make what has no end large: larger than any list or signature."""
    for path in served.endless:
        with (served.root / path.lstrip("/")).open("r+b") as file:
            file.truncate(LARGE)


CASES = [pytest.param(attack, id=attack.title) for attack in ATTACKS if "252" in attack.outcomes]


@pytest.mark.parametrize("attack", CASES)
def test_an_attack(host: Host, original: Site, attack: Attack) -> None:
    serve(original, host.served)
    before = host.served.image("app", attack.has).name
    host.holds(RESET.format(site=host.path, version=attack.has, file=before))
    attack.act(host.served)
    lengthen(host.served)
    answer = host.guest.ask(host.update, limit=120)
    said = answer.stdout + answer.stderr
    outcome = attack.outcomes[host.consumer]
    if outcome.verdict == "refused":
        assert answer.status not in (0, 124), said
        assert re.search(outcome.says, said), said
    else:
        assert answer.status == 0, said
    if outcome.verdict in ("refused", "stayed"):
        assert host.version() == before, said
    elif outcome.verdict == "genuine":
        assert host.version() == host.served.image("app", "2.0").name, said
    else:
        assert host.version() != before, said
