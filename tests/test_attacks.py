"""The table of attacks against the commands, and the installer that one of them writes."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from harness import needs
from harness.attacks import ATTACKS, Attack, Consumer, Keys, Outcome, Site
from harness.mirror import Mirror
from harness.native import ARCH
from harness.openpgp import Person

from bakery.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS: tuple[Consumer, ...] = ("verify-release", "provision", "install", "shell")
pytestmark = needs.programs("gpg")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """What the publisher has published."""
    person = Person()
    site = Site(tmp_path_factory.mktemp("site"), Keys.make(person), "https://example.com")
    site.build()
    yield site
    person.close()


@dataclass
class World:
    """A publisher's site, its server, and somebody who trusts the publisher's keys."""

    site: Site
    server: Mirror
    folder: Path
    keyring: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def run(self, *words: str) -> tuple[bool, str]:
        """Run a command; return whether it succeeded, and what it said."""
        environment = {"BAKERY_PUBLISH_URL": self.server.url, "HOME": str(self.folder)}
        done = CliRunner().invoke(main, words, env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code == 0, done.output

    def install(self, reference: str) -> tuple[bool, str]:
        keys = ("--keyring", str(self.keyring))
        return self.run("install", reference, "--root", str(self.root), "--arch", ARCH, *keys)

    def provision(self, reference: str) -> tuple[bool, str]:
        how = ("--format", "shell", "--host", "any", "--arch", ARCH)
        return self.run("provision", reference, *how, "--keyring", str(self.keyring))

    def execute(self, script: str) -> tuple[bool, str]:
        """Run an installer whose paths are below `root`."""
        for folder in ("etc", "opt", "usr"):
            script = script.replace(f"/{folder}/", f"{self.root}/{folder}/")
        done = subprocess.run(
            ["sh", "-c", f"systemctl() {{ :; }}\n{script.partition(chr(10))[2]}"],
            env={"PATH": f"/usr/bin:/bin:{self.folder}"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr

    def has(self) -> str:
        """Return the content of the image that is installed; empty without one."""
        link = self.root / "etc/extensions/app.raw"
        if not link.is_symlink():
            return ""
        target = str(link.readlink()).removeprefix(str(self.root))
        return (self.root / target.lstrip("/")).read_text()


@pytest.fixture
def world(original: Site, tmp_path: Path) -> Iterator[World]:
    root = tmp_path / "site"
    shutil.copytree(original.root, root)
    for name in ("etc", "usr", "opt"):
        (tmp_path / "root" / name).mkdir(parents=True)
    engine = tmp_path / "root/usr/lib/systemd/systemd-sysupdate"
    engine.parent.mkdir(parents=True)
    engine.touch()
    for name in ("systemd-sysext", "systemd-sysupdate"):  # the host has them; nothing runs them
        (tmp_path / name).symlink_to("/bin/false")
    site = Site(root, original.keys, original.url)
    with Mirror(root) as server:
        server.endless = site.endless
        yield World(site, server, tmp_path, site.keys.trusted(tmp_path / "keyring"))


def meet(world: World, consumer: Consumer, attack: Attack) -> tuple[bool, str]:
    """Have a consumer meet an attack; return whether it succeeded, and what it said."""
    script = ""
    if consumer == "install":
        assert world.install(f"app-{attack.has}")[0]
    if consumer == "shell":
        good, script = world.provision(attack.asks)
        assert good, script
    attack.act(world.site)
    match consumer:
        case "verify-release":
            address = f"{world.server.url}/{attack.asks}"
            return world.run("verify-release", "--keyring", str(world.keyring), address)
        case "provision":
            return world.provision(attack.asks)
        case "install":
            return world.install(attack.asks)
        case _:
            return world.execute(script)


def judge(world: World, consumer: Consumer, attack: Attack, outcome: Outcome) -> None:
    succeeded, said = meet(world, consumer, attack)
    if outcome.verdict == "refused":
        assert not succeeded, said
        assert re.search(outcome.says, said), said
        before = f"app {attack.has} " if consumer == "install" else ""
        assert world.has().startswith(before)
        assert bool(world.has()) == bool(before)
        return
    assert succeeded, said
    version = "2.0" if outcome.verdict == "genuine" else "1.0"
    if consumer in ("install", "shell"):
        assert world.has().startswith(f"app {version} ")
    else:
        assert f"app-{version}" in said


CASES = [
    pytest.param(attack, consumer, id=f"{attack.title}-{consumer}")
    for attack in ATTACKS
    for consumer in COMMANDS
]


@pytest.mark.parametrize(("attack", "consumer"), CASES)
def test_an_attack(world: World, attack: Attack, consumer: Consumer) -> None:
    judge(world, consumer, attack, attack.outcomes[consumer])
    assert world.server.sent < 256 << 20
