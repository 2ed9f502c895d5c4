"""What hosts with the real systemd-sysupdate believe, and for how long.

Most are not booted: what is asked of them is done by systemd-sysupdate alone. Those that are off
while a key changes are.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import channels, needs
from harness.mirror import Mirror
from harness.project import REPOSITORY
from harness.released import release
from harness.sysupdate import SHIPPED, built, follower, given

from bakery.arch import native_arch
from bakery.boot.guest import image_path
from bakery.boot.machine import Load
from bakery.http.retry import RetryPolicy
from bakery.publish.directory import Directory
from bakery.release import signing, sums, sysupdate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.openpgp import Person

    from bakery.boot.guest import Guest

pytestmark = [
    pytest.mark.e2e,
    needs.ROOT,
    needs.programs("systemd-nspawn", "debootstrap", "gpg", "apt-get", "mksquashfs"),
]
ONCE = RetryPolicy(tries=1)
SUITES = ("bookworm", "trixie", "forky")  # systemd 252, 257 and 262
BOOTED = ["bookworm", pytest.param("trixie", marks=pytest.mark.nightly)]
ADDRESS = "http://127.0.0.1:8000"
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
        definition = sysupdate._TRANSFER.format(
            name="app", channel="app", stem="app-", url=ADDRESS, instances=3
        )
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
        text = base64.b64encode(keyring.read_bytes()).decode()
        self.ask(f"echo {text} | base64 -d >/etc/systemd/import-pubring.gpg")

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
        at = release(self.root, "app", version, {native_arch(): image})
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


@pytest.mark.parametrize("suite", SUITES[1:])  # the first is booted below
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


@pytest.mark.parametrize("suite", SUITES[1:])  # the first is booted below
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


@pytest.mark.parametrize("suite", BOOTED)
def test_a_booted_host_that_was_off_while_keys_changed_follows_if_it_had_both(
    site: Site, tmp_path: Path, suite: str
) -> None:
    old = site.person.key(f"the publisher of hosts with {suite}")
    new = site.person.key(f"the publisher's next of hosts with {suite}")
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
    with late.awake() as awake:
        awake.refuses("signature")
        assert awake.guest.ask(guide(ADDRESS)).status != 0
        awake.take(site.ring)
        awake.follows("2")


@pytest.mark.parametrize("suite", BOOTED)
def test_a_booted_host_that_was_off_while_a_key_was_revoked_needs_the_new_keyring(
    site: Site, tmp_path: Path, suite: str
) -> None:
    stolen = site.person.key(f"stolen from the publisher of hosts with {suite}")
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
