"""What hosts with the real systemd-sysupdate believe, and for how long.

The systems are not booted: what is asked of them is done by systemd-sysupdate alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import channels, needs
from harness.github import REPOSITORY as REPOSITORY_NAME
from harness.github import GitHub
from harness.mirror import Mirror
from harness.project import REPOSITORY
from harness.released import release
from harness.sysupdate import SHIPPED, built, follower

from bakery.arch import native_arch
from bakery.http.retry import RetryPolicy
from bakery.publish import release as transaction
from bakery.publish.apart import Apart
from bakery.publish.directory import Directory
from bakery.publish.github import Github
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.publish.session import of_recipe
from bakery.release import signing, sums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.openpgp import Person

pytestmark = [
    pytest.mark.e2e,
    needs.ROOT,
    needs.programs("systemd-nspawn", "debootstrap", "gpg", "apt-get"),
]
ONCE = RetryPolicy(tries=1)
SUITES = ("bookworm", "trixie", "forky")  # systemd 252, 257 and 262
TRANSFER = """\
[Source]
Type=url-file
Path={url}/app
MatchPattern=app-@v-%a.raw
[Target]
Type=regular-file
Path=/mnt/extensions
MatchPattern=app-@v-%a.raw
InstancesMax=2
"""

WITH_KEYS = """\
ring=/etc/systemd/import-pubring.gpg
cp /mnt/etc/import-pubring.gpg $ring
sh -c "$1"
status=$?
cp $ring /mnt/etc/import-pubring.gpg
exit $status
"""


@dataclass
class Host:
    """A system that follows the channel; what it has written stays in a folder."""

    suite: str
    folder: Path
    url: str
    keys: Path = field(init=False)

    def __post_init__(self) -> None:
        machine = follower(self.suite)
        self._root = machine.folder
        self._tools = built(machine)
        self.keys = self.folder / "etc/import-pubring.gpg"
        for name in ("etc", "extensions", "transfers"):
            (self.folder / name).mkdir(parents=True)
        for suffix in (".conf", ".transfer"):
            path = self.folder / f"transfers/app{suffix}"
            if suffix == (".conf" if self.suite == "bookworm" else ".transfer"):
                path.write_text(TRANSFER.format(url=self.url))

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the system."""
        command = ["systemd-nspawn", "--quiet", "--register=no", "--volatile=overlay"]
        command += [f"--directory={self._root}", f"--bind={self.folder}:/mnt"]
        command += ["--keep-unit"] if not Path("/run/systemd/system").exists() else []
        if self._tools:
            command += [f"--bind-ro={self._tools}:/opt"]
        command += ["/bin/sh", "-c", WITH_KEYS, "sh", script]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def update(self) -> str:
        """Have the system look for updates; return what it says."""
        program = "/opt/systemd-sysupdate" if self._tools else SHIPPED
        done = self.run(f"{program} --definitions=/mnt/transfers update")
        return done.stdout + done.stderr

    @property
    def versions(self) -> set[str]:
        """The versions that it has."""
        found = (self.folder / "extensions").glob("*.raw")
        return {path.name.split("-")[1] for path in found}

    def follows(self, version: str) -> None:
        said = self.update()
        assert version in self.versions, said

    def refuses(self, version: str, why: str) -> None:
        said = self.update()
        assert version not in self.versions, said
        assert re.search(why, said, re.IGNORECASE), said


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
        self.person.export(self.ring, *ring, armour=False)
        secret = self.person.gpg("--armor", "--export-secret-keys", key).decode()
        self._monkeypatch.setenv(signing.KEY, secret)
        at = release(self.root, "app", version, {native_arch(): version.encode() * 65536})
        signature = self.person.sign(at / sums.FILE, key, armour=False)
        signature.rename(at / sums.SIGNATURE)
        ring_ = str(self.ring)
        channels.follow(
            "app",
            Directory(self.root, "us"),
            self.folder / "scratch",
            ONCE,
            BAKERY_SIGNING_KEYRING=ring_,
        )

    @property
    def channel(self) -> Path:
        return self.root / "app"


@pytest.fixture
def site(tmp_path: Path, person: Person, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, person, monkeypatch)


@pytest.fixture
def url(site: Site) -> Iterator[str]:
    with Mirror(site.root) as server:
        yield server.url.replace("localhost", "127.0.0.1")


def guide(url: str) -> str:
    """Return the guide's way to bring the keyring of a host up to date."""
    text = (REPOSITORY / ".github/docs/keys.md").read_text()
    (script,) = re.findall(r"```sh\n(   set -e\n.*?)```", text, re.DOTALL)
    return str(script).replace("https://example.com/releases/docker", f"{url}/app")


@pytest.mark.parametrize("suite", SUITES)
def test_hosts_believe_a_list_until_its_day(
    site: Site, url: str, tmp_path: Path, suite: str
) -> None:
    key = site.person.key(f"the publisher for {suite}")
    site.publish("1", key, key)
    host = Host(suite, tmp_path / "host", url)
    shutil.copy(site.channel / signing.KEYRING, host.keys)
    host.follows("1")

    site.publish("2", key, key)
    index = site.channel / sums.FILE
    index.write_bytes(sums.encode(sums.decode(index.read_bytes()), date(2026, 1, 1)))
    site.person.sign(index, key, armour=False).replace(site.channel / sums.SIGNATURE)
    if suite == "forky":
        host.refuses("2", "best before")
    else:
        host.follows("2")
    site.publish("3", key, key)
    host.follows("3")


@pytest.mark.parametrize("suite", SUITES)
def test_hosts_follow_from_one_key_to_the_next(
    site: Site, url: str, tmp_path: Path, suite: str
) -> None:
    old = site.person.key(f"the publisher for {suite}")
    new = site.person.key(f"the publisher's next for {suite}")
    site.publish("1", old, old)
    host = Host(suite, tmp_path / "host", url)
    late = Host(suite, tmp_path / "late", url)
    for each in (host, late):
        shutil.copy(site.channel / signing.KEYRING, each.keys)
        each.follows("1")

    site.publish("2", old, old, new)
    for each in (host, late):
        each.follows("2")
    done = host.run(guide(url))
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.keys.read_bytes() == (site.channel / signing.KEYRING).read_bytes()

    # Both are off while the new key takes over
    site.publish("3", new, old, new)
    host.follows("3")
    late.refuses("3", "signature")
    assert late.run(guide(url)).returncode != 0
    late.keys.write_bytes(site.ring.read_bytes())
    late.follows("3")

    site.publish("4", new, new)
    assert host.run(guide(url)).returncode == 0
    host.follows("4")


@pytest.mark.parametrize("suite", SUITES)
def test_a_stolen_key_is_believed_until_hosts_have_it_no_more(
    site: Site, url: str, tmp_path: Path, suite: str
) -> None:
    stolen = site.person.key(f"stolen from the publisher for {suite}")
    new = site.person.key(f"the publisher's next for {suite}")
    site.publish("1", stolen, stolen)
    host = Host(suite, tmp_path / "host", url)
    shutil.copy(site.channel / signing.KEYRING, host.keys)
    host.follows("1")

    site.publish("2", stolen, stolen)
    site.person.revoke(stolen)
    site.person.export(host.keys, stolen, new, armour=False)
    host.follows("2")  # what the guide warns of

    site.publish("3", new, new)
    assert {path.name.split("-")[1] for path in site.channel.glob("*.raw")} == {"3"}
    host.keys.write_bytes(site.ring.read_bytes())
    host.follows("3")


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(suite, marks=[] if suite == "trixie" else [pytest.mark.nightly])
        for suite in SUITES
    ],
)
def test_hosts_follow_a_channel_apart_from_immutable_releases(
    site: Site, url: str, tmp_path: Path, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = site.person.key(f"the publisher for {suite}")
    site.person.export(site.ring, key, armour=False)
    secret = site.person.gpg("--armor", "--export-secret-keys", key).decode()
    monkeypatch.setenv(signing.KEY, secret)
    host = Host(suite, tmp_path / "host", url)
    with GitHub() as github:
        github.immutable = True
        releases = Github(REPOSITORY_NAME, "us", environment=github.environment)
        apart = Apart(releases, Directory(site.root, "us"))
        for version in ("1", "2", "3"):
            at = release(
                tmp_path / "made", "app", version, {native_arch(): version.encode() * 65536}
            )
            site.person.sign(at / sums.FILE, key, armour=False).rename(at / sums.SIGNATURE)
            files = tuple(map(LocalFile.of, sorted(at.iterdir())))
            made = DesiredRelease(tag=at.name, notes="", files=files)
            transaction.publish(made, releases, ONCE)
            session = channels.session(
                releases,
                tmp_path / "work",
                ONCE,
                channels=apart,
                BAKERY_SIGNING_KEYRING=str(site.ring),
            )
            session.move("app", of_recipe("app", minors=False))
            shutil.copy(site.channel / signing.KEYRING, host.keys)
            host.follows(version)
        assert all(each.immutable for each in github.public)
