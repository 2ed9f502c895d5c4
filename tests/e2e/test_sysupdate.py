"""The host's side, for real: booted systems follow a channel, and refuse what was tampered with."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import store
from harness.native import ARCH
from harness.project import REPOSITORY, Project, digest
from harness.sysupdate import SHIPPED, built, follower, given

from bakery.boot.machine import Load
from bakery.boot.nspawn import image_path
from bakery.recipe import lock as lockfile
from bakery.release import signing, sums
from bakery.release.errors import ReleaseError
from bakery.release.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.boot.guest import Guest

pytestmark = [
    needs.ROOT,
    needs.programs("systemd-nspawn", "debootstrap", "mksquashfs", "gpg", "apt-get"),
]
ADDRESS = "http://127.0.0.1:8000"
SETUP = """
set -e
mkdir -p /etc/extensions /etc/sysupdate.caddy.d
cp {site}/caddy/caddy{suffix} /etc/sysupdate.caddy.d/
cp {keyring} /etc/systemd/import-pubring.gpg
"""
STATE = """
readlink /etc/extensions/caddy.raw
systemctl reset-failed  # so many restarts in a minute are more than systemd allows
systemctl restart systemd-sysext.service && systemctl restart caddy.service || exit
"/proc/$(systemctl show --property=MainPID --value caddy.service)/exe" version
curl --silent --fail http://127.0.0.1/
"""


@dataclass(frozen=True)
class Publisher:
    """Caddy's two newest versions, published one after the other.

    Attributes:
        releases: the folder of the published releases.
        versions: the older and the newer one.
        states: the channel as it was after each, by version.
        site: what hosts see; its folder `caddy` is the channel.

    """

    releases: Path
    versions: list[str]
    states: Path
    site: Path

    @property
    def channel(self) -> Path:
        return self.site / "caddy"

    def image(self, version: str) -> Path:
        return self.channel / f"caddy-{version}-{ARCH}.raw"

    def offer(self, version: str) -> None:
        """Let the channel be as it was when a version was published."""
        shutil.rmtree(self.channel, ignore_errors=True)
        shutil.copytree(self.states / version, self.channel)


@pytest.fixture(scope="module")
def publisher(person: Person, tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    tmp_path = tmp_path_factory.mktemp("publisher")
    versions = lockfile.read(REPOSITORY / "recipes/caddy/lock.json").tags[-2:]
    secret = person.gpg("--armor", "--export-secret-keys", person.key("the publisher")).decode()
    project = Project(
        tmp_path / "project",
        {
            "BAKERY_STORE": str(store()),
            "BAKERY_PUBLISHER": f"directory:{tmp_path / 'published'}",
            "BAKERY_PUBLISH_URL": ADDRESS,
            "BAKERY_BOOT_WAIVER": "x86-64: the test boots it; arm64: the test boots it",
            signing.KEY: secret,
        },
    )
    project.add("caddy")
    for version in versions:
        project.doit(f"publish:caddy-{version}")
        project.doit("channel:caddy")
        shutil.copytree(tmp_path / "published/caddy", tmp_path / "states" / version)
    return Publisher(tmp_path / "published", versions, tmp_path / "states", tmp_path / "site")


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize(("suite", "suffix"), [("bookworm", ".conf"), ("trixie", ".transfer")])
def test_hosts_follow_a_channel_and_refuse_what_is_not_the_publishers(
    publisher: Publisher, person: Person, tmp_path: Path, suite: str, suffix: str
) -> None:
    machine = follower(suite)
    tools = built(machine)
    old, new = publisher.versions
    publisher.offer(old)
    keyring = publisher.releases / f"caddy-{old}/import-pubring.gpg"
    images = [publisher.site, keyring, *([tools] if tools else [])]
    site, keys, *ours = [image_path(number, path.name) for number, path in enumerate(images)]
    update = f"{f'{ours[0]}/systemd-sysupdate' if ours else SHIPPED} --component=caddy update"
    load = Load(
        setup=SETUP.format(site=site, keyring=keys, suffix=suffix),
        images=given(images),
        log=tmp_path / "console",
    )

    def state(guest: Guest) -> tuple[str, str]:
        """Return the version that is linked and the one that runs, which answers requests."""
        answer = guest.ask(STATE, limit=120)
        assert answer.status == 0, answer.stderr
        link, running, *page = answer.stdout.splitlines()
        assert "Caddy works" in "".join(page)
        return link.rpartition("/")[2], running.split()[0]

    def runs(version: str) -> tuple[str, str]:
        return publisher.image(version).name, f"v{version}"

    def refused(guest: Guest, why: str) -> None:
        answer = guest.ask(update, limit=120)
        assert answer.status not in (0, 124), answer.stdout + answer.stderr
        assert why in answer.stdout + answer.stderr
        assert state(guest) == runs(old)

    with machine.start(load) as guest:
        served = guest.ask(f"busybox httpd -p 127.0.0.1:8000 -h {site}")
        assert served.status == 0, served.stderr
        followed = guest.ask(update, limit=120)
        assert followed.status == 0, followed.stdout + followed.stderr
        assert state(guest) == runs(old)

        publisher.offer(new)
        flip(publisher.image(new))
        refused(guest, "SHA256")

        index = publisher.channel / sums.FILE
        digests = {
            name: digest(publisher.channel / name) for name in sums.decode(index.read_bytes())
        }
        index.write_bytes(sums.encode(digests))
        refused(guest, "signature")

        publisher.offer(new)
        (publisher.channel / sums.SIGNATURE).unlink()
        refused(guest, "SHA256SUMS.gpg")

        publisher.offer(new)
        stranger = person.key(f"a stranger on {suite}")
        forged = person.sign(publisher.channel / sums.FILE, stranger, armour=False)
        forged.replace(publisher.channel / sums.SIGNATURE)
        refused(guest, "signature")

        publisher.offer(new)
        followed = guest.ask(update, limit=120)
        assert followed.status == 0, followed.stdout + followed.stderr
        assert state(guest) == runs(new)


def test_consumers_can_check_a_release_and_see_what_is_wrong(
    publisher: Publisher, tmp_path: Path
) -> None:
    release = publisher.releases / f"caddy-{publisher.versions[1]}"
    keyring = release / "import-pubring.gpg"
    good = {each.name for each in verify(str(release), keyring=keyring)}
    document = json.loads((release / f"{release.name}.cdx.json").read_bytes())
    assert any(each.get("purl", "").startswith("pkg:golang/") for each in document["components"])
    assert good == {path.name for path in release.iterdir()} - {
        "SHA256SUMS",
        "SHA256SUMS.asc",
        "notes.md",
    }
    damaged = tmp_path / release.name
    shutil.copytree(release, damaged)
    flip(next(damaged.glob("*.raw")))
    with pytest.raises(ReleaseError, match="is not the file that SHA256SUMS names"):
        list(verify(str(damaged), keyring=keyring))
