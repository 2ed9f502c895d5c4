"""What booted hosts with the real systemd-sysupdate believe, and for how long."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from harness import channels, needs
from harness.github import REPOSITORY as REPOSITORY_NAME
from harness.github import GitHub
from harness.native import ARCH
from harness.project import REPOSITORY
from harness.released import release
from harness.sysupdate import SHIPPED, built, follower, given

from bakery.boot.machine import Load
from bakery.boot.nspawn import image_path
from bakery.http.retry import RetryPolicy
from bakery.provision import keys
from bakery.publish import release as transaction
from bakery.publish.directory import Directory
from bakery.publish.github import Github
from bakery.publish.publishers import Apart
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.publish.session import of_recipe
from bakery.release import signing, sums, sysupdate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.boot.guest import Guest

pytestmark = [
    needs.ROOT,
    needs.programs("systemd-nspawn", "debootstrap", "gpg", "apt-get", "mksquashfs"),
]
ONCE = RetryPolicy(tries=1)
SUITES = ("bookworm", "trixie", "forky")  # systemd 252, 257 and 262
ASLEEP = ["bookworm", "trixie", pytest.param("forky", marks=pytest.mark.nightly)]
ADDRESS = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Sleeper:
    """A host that is off most of the time, and keeps its disk.

    Attributes:
        suite: its Debian release.
        disk: what it has written.
        site: the publisher's folder, which it finds at `ADDRESS`.

    """

    suite: str
    disk: Path
    site: Path

    @contextmanager
    def awake(self) -> Iterator[Awake]:
        """Boot it, for as long as a block lasts."""
        machine = replace(follower(self.suite), disk=self.disk)
        tools = built(machine)
        images = given([self.site, *([tools] if tools else [])])
        site, *ours = [image_path(number, image.name) for number, image in enumerate(images)]
        suffix = ".conf" if self.suite == "bookworm" else ".transfer"
        definition = sysupdate.transfer("app", "app", "app-", ADDRESS).decode()
        setup = f"""
            mkdir -p /etc/extensions /etc/sysupdate.app.d
            cat >/etc/sysupdate.app.d/app{suffix} <<'END'\n{definition}END
        """
        log = self.disk.with_name(f"{self.disk.name}.console")
        with machine.start(Load(setup=setup, images=images, log=log)) as guest:
            host = Awake(guest, f"{ours[0]}/systemd-sysupdate" if ours else SHIPPED)
            host.ask("systemctl start systemd-sysext.service")  # or wait until it has
            host.ask(f"busybox httpd -p {ADDRESS.partition('//')[2]} -h {site}")
            yield host

    def copied(self, disk: Path) -> Sleeper:
        """Return another host with the same disk."""
        subprocess.run(["cp", "-a", self.disk, disk], check=True)
        return replace(self, disk=disk)


@dataclass(frozen=True)
class Awake:
    """A host that has booted, and the path of its systemd-sysupdate."""

    guest: Guest
    program: str

    def ask(self, script: str) -> str:
        answer = self.guest.ask(script, limit=120)
        assert answer.status == 0, answer.stdout + answer.stderr
        return answer.stdout

    def take(self, keyring: Path) -> None:
        """Have a keyring, by a way that no key has a part in."""
        self.ask("mkdir -p /opt/bin /opt/extensions/app")
        for path, data in ((keys.PROGRAM, keys.TEXT), (keys.path("app"), keyring.read_bytes())):
            text = base64.b64encode(data).decode()
            self.ask(f"echo {text} | base64 -d >{path}")
        self.ask(f"sh {keys.PROGRAM}")

    def runs(self, *, merged: bool = True) -> str:
        """Return the version that is merged, or would be anew."""
        if not merged:
            # so many restarts in a minute are more than systemd allows
            self.ask("systemctl reset-failed && systemctl restart systemd-sysext.service")
        return self.ask("app").strip()

    def follows(self, version: str) -> None:
        self.ask(f"{self.program} --component=app update")
        assert self.runs(merged=False) == version

    def refuses(self, why: str) -> None:
        before = self.runs()
        answer = self.guest.ask(f"{self.program} --component=app update", limit=120)
        said = answer.stdout + answer.stderr
        assert answer.status not in (0, 124), said
        assert re.search(why, said, re.IGNORECASE), said
        assert self.runs(merged=False) == before


class Site:
    """Who publishes: releases of an extension and their channel."""

    def __init__(self, folder: Path, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.root = folder / "www"
        self.root.mkdir()
        self.ring = folder / "import-pubring.gpg"
        self.person = person
        self._monkeypatch = monkeypatch

    def publish(self, version: str, key: str, *ring: str) -> None:
        """Publish a release and the channel, signed by a key, with the keys of a keyring."""
        image = self.image(version)
        self.person.export(self.ring, *ring, armour=False)
        secret = self.person.gpg("--armor", "--export-secret-keys", key).decode()
        self._monkeypatch.setenv(signing.KEY, secret)
        at = release(self.root, "app", version, {ARCH: image})
        signature = self.person.sign(at / sums.FILE, key, armour=False)
        signature.rename(at / sums.SIGNATURE)
        publisher = Directory(self.root, "us")
        channels.follow("app", publisher, self.folder / "scratch", ONCE, ring=self.ring)

    def image(self, version: str) -> bytes:
        """Return an image with a program that tells its version."""
        tree = self.folder / f"app-{version}"
        for path, text in {
            "bin/app": f"#!/bin/sh\necho {version}\n",
            "lib/extension-release.d/extension-release.app": "ID=_any\n",
        }.items():
            (tree / "usr" / path).parent.mkdir(parents=True)
            (tree / "usr" / path).write_text(text)
        (tree / "usr/bin/app").chmod(0o755)
        image = tree.with_suffix(".raw")
        subprocess.run(["mksquashfs", tree, image, "-quiet", "-all-root"], check=True)
        return image.read_bytes()

    @property
    def channel(self) -> Path:
        return self.root / "app"


@pytest.fixture
def site(tmp_path: Path, person: Person, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, person, monkeypatch)


def guide(url: str) -> str:
    """Return the guide's way to bring the keyring of a host up to date."""
    text = (REPOSITORY / ".github/docs/keys.md").read_text()
    (script,) = re.findall(r"```sh\n(   set -e\n.*?)```", text, re.DOTALL)
    script = script.replace("https://example.com/releases/docker", f"{url}/app")
    return str(script).replace("/opt/extensions/docker/", "/opt/extensions/app/")


@pytest.mark.parametrize("suite", SUITES)
def test_hosts_believe_a_list_until_its_day(site: Site, tmp_path: Path, suite: str) -> None:
    key = site.person.key(f"the publisher for {suite}")
    site.publish("1", key, key)
    with Sleeper(suite, tmp_path / "host", site.root).awake() as host:
        host.take(site.ring)
        host.follows("1")

        site.publish("2", key, key)
        index = site.channel / sums.FILE
        index.write_bytes(sums.encode(sums.decode(index.read_bytes()), date(2026, 1, 1)))
        site.person.sign(index, key, armour=False).replace(site.channel / sums.SIGNATURE)
        if suite == "forky":
            host.refuses("best before")
        else:
            host.follows("2")
        site.publish("3", key, key)
        host.follows("3")


@pytest.mark.parametrize("suite", ASLEEP)
def test_a_host_that_was_off_while_keys_changed_follows_if_it_had_both(
    site: Site, tmp_path: Path, suite: str
) -> None:
    old = site.person.key(f"the publisher for {suite}")
    new = site.person.key(f"the publisher's next for {suite}")
    site.publish("1", old, old, new)
    host = Sleeper(suite, tmp_path / "host", site.root)
    with host.awake() as awake:
        awake.take(site.person.export(tmp_path / "old", old, armour=False))
        awake.follows("1")
    late = host.copied(tmp_path / "late")  # which goes on with the old key alone
    with host.awake() as awake:
        assert awake.runs() == "1"
        awake.ask(guide(ADDRESS))

    # Both are off while the new key takes over
    site.publish("2", new, old, new)
    with host.awake() as awake:
        awake.follows("2")
        site.publish("3", new, new)
        awake.ask(guide(ADDRESS))
        awake.follows("3")
    with late.awake() as awake:
        awake.refuses("signature")
        assert awake.guest.ask(guide(ADDRESS)).status != 0
        awake.take(site.ring)
        awake.follows("3")


@pytest.mark.parametrize("suite", ASLEEP)
def test_a_host_that_was_off_while_a_key_was_revoked_needs_the_new_keyring(
    site: Site, tmp_path: Path, suite: str
) -> None:
    stolen = site.person.key(f"stolen from the publisher for {suite}")
    new = site.person.key(f"the one after what was stolen, with {suite}")
    site.publish("1", stolen, stolen)
    host = Sleeper(suite, tmp_path / "host", site.root)
    with host.awake() as awake:
        awake.take(site.ring)
        awake.follows("1")

    # It is off while the thief publishes 2, and the publisher revokes the key and publishes 3
    site.publish("2", stolen, stolen)
    thieves = shutil.copytree(site.channel, tmp_path / "thieves")
    site.person.revoke(stolen)
    revoked = site.person.export(tmp_path / "revoked", stolen, armour=False)
    site.publish("3", new, new)
    honest = shutil.copytree(site.channel, tmp_path / "honest")

    def serve(folder: Path) -> None:
        shutil.rmtree(site.channel)
        shutil.copytree(folder, site.channel)

    careless = host.copied(tmp_path / "careless")
    with host.awake() as awake:
        awake.refuses("signature")  # of 3: it has the stolen key alone
        awake.take(site.ring)
        serve(thieves)
        awake.refuses("signature")
        serve(honest)
        awake.follows("3")
    with careless.awake() as awake:
        awake.take(revoked)
        serve(thieves)
        awake.follows("2")  # what the guide warns of: the revocation alone does not help


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(suite, marks=[] if suite == "trixie" else [pytest.mark.nightly])
        for suite in SUITES
    ],
)
def test_hosts_follow_a_channel_apart_from_immutable_releases(
    site: Site, tmp_path: Path, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = site.person.key(f"the publisher for {suite}")
    site.person.export(site.ring, key, armour=False)
    secret = site.person.gpg("--armor", "--export-secret-keys", key).decode()
    monkeypatch.setenv(signing.KEY, secret)
    host = Sleeper(suite, tmp_path / "host", site.root)
    with GitHub() as github, host.awake() as awake:
        github.immutable = True
        releases = Github(REPOSITORY_NAME, "us", environment=github.environment)
        apart = Apart(releases, Directory(site.root, "us"))
        for version in ("1", "2", "3"):
            image = site.image(version)
            at = release(tmp_path / "made", "app", version, {ARCH: image})
            site.person.sign(at / sums.FILE, key, armour=False).rename(at / sums.SIGNATURE)
            files = tuple(map(LocalFile.of, sorted(at.iterdir())))
            made = DesiredRelease(tag=at.name, notes="", files=files)
            transaction.publish(made, releases, ONCE)
            session = channels.session(
                releases,
                tmp_path / "work",
                ONCE,
                channels=apart,
                ring=site.ring,
            )
            session.move("app", of_recipe("app", minors=False))
            awake.take(site.channel / signing.KEYRING)
            awake.follows(version)
        assert all(each.immutable for each in github.public)
