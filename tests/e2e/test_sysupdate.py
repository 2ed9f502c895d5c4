"""The host's side, for real: booted systems follow a channel, and refuse what was tampered with."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness.debian import CACHE
from harness.openpgp import Person
from harness.project import REPOSITORY, Project, digest
from harness.sysupdate import SHIPPED, built, follower

from bakery.check.boot.guest import image_path
from bakery.check.boot.machine import Load, native_arch
from bakery.recipe import lock as lockfile
from bakery.release import signing, sums
from bakery.release.verify import VerifyError, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.check.boot.guest import Guest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can boot a container"),
    *(
        pytest.mark.skipif(shutil.which(tool) is None, reason=f"needs {tool}")
        for tool in ("systemd-nspawn", "debootstrap", "mksquashfs", "gpg", "apt-get")
    ),
]
ADDRESS = "http://127.0.0.1:8000"
SETUP = """
set -e
mkdir -p /etc/extensions /etc/sysupdate.caddy.d
cp {channel}/caddy/caddy{suffix} /etc/sysupdate.caddy.d/
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
    """Caddy's two newest versions, released and signed, and a channel that carries them."""

    releases: Path
    versions: list[str]
    channel: Path

    @property
    def folder(self) -> Path:
        return self.channel / "caddy"

    def image(self, version: str) -> Path:
        return self.folder / f"caddy-{version}-{native_arch()}.raw"

    def publish(self, *versions: str) -> None:
        """Make the channel anew: images first, the index and its signature last."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for version in versions:
            release = self.releases / f"caddy-{version}"
            for path in (*release.glob("*.raw"), *release.glob("caddy.*")):
                shutil.copy(path, self.folder)
        self.index()

    def index(self) -> None:
        """Write the index of what is there, signed."""
        data = sums.encode({path.name: digest(path) for path in self.folder.glob("*.raw")})
        signature = signing.sign(data)
        (self.folder / sums.FILE).write_bytes(data)
        (self.folder / sums.SIGNATURE).write_bytes(signature.binary)


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    someone = Person()
    yield someone
    someone.close()


@pytest.fixture(scope="module")
def publisher(person: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    tmp_path = tmp_path_factory.mktemp("publisher")
    versions = lockfile.read(REPOSITORY / "recipes/caddy/lock.json").tags[-2:]
    secret = person.gpg("--armor", "--export-secret-keys", person.key("the publisher")).decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(signing.KEY, secret)
        project = Project(
            tmp_path / "project",
            {
                "BAKERY_STORE": str(CACHE / "store"),
                "BAKERY_PUBLISH_URL": ADDRESS,
                signing.KEY: secret,
            },
        )
        project.add("caddy")
        project.doit(*(f"build:caddy-{version}" for version in versions))
        yield Publisher(project.dist, versions, tmp_path / "channel")


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
    publisher.publish(old)
    keyring = publisher.releases / f"caddy-{old}/import-pubring.gpg"
    images = [publisher.channel, keyring, *([tools] if tools else [])]
    channel, keys, *ours = [image_path(number, path) for number, path in enumerate(images)]
    update = f"{f'{ours[0]}/systemd-sysupdate' if ours else SHIPPED} --component=caddy update"
    load = Load(
        setup=SETUP.format(channel=channel, keyring=keys, suffix=suffix),
        images=images,
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
        served = guest.ask(f"busybox httpd -p 127.0.0.1:8000 -h {channel}")
        assert served.status == 0, served.stderr
        followed = guest.ask(update, limit=120)
        assert followed.status == 0, followed.stdout + followed.stderr
        assert state(guest) == runs(old)

        publisher.publish(old, new)
        flip(publisher.image(new))
        refused(guest, "SHA256")

        data = sums.encode({p.name: digest(p) for p in publisher.folder.glob("*.raw")})
        (publisher.folder / sums.FILE).write_bytes(data)
        refused(guest, "signature")

        publisher.publish(old, new)
        (publisher.folder / sums.SIGNATURE).unlink()
        refused(guest, "SHA256SUMS.gpg")

        publisher.publish(old, new)
        stranger = person.key(f"a stranger on {suite}")
        forged = person.sign(publisher.folder / sums.FILE, stranger, armour=False)
        forged.replace(publisher.folder / sums.SIGNATURE)
        refused(guest, "signature")

        publisher.publish(old, new)
        followed = guest.ask(update, limit=120)
        assert followed.status == 0, followed.stdout + followed.stderr
        assert state(guest) == runs(new)


def test_consumers_can_check_a_release_and_see_what_is_wrong(
    publisher: Publisher, tmp_path: Path
) -> None:
    release = publisher.releases / f"caddy-{publisher.versions[1]}"
    keyring = release / "import-pubring.gpg"
    good = {each.name for each in verify(str(release), keyring=keyring)}
    assert good == {path.name for path in release.iterdir()} - {
        "SHA256SUMS",
        "SHA256SUMS.asc",
        "notes.md",
    }
    damaged = tmp_path / "damaged"
    shutil.copytree(release, damaged)
    flip(next(damaged.glob("*.raw")))
    with pytest.raises(VerifyError, match="is not the file that SHA256SUMS names"):
        list(verify(str(damaged), keyring=keyring))
