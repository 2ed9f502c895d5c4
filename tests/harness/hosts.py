"""Hosts that follow channels: booted systems with a disk of their own, and publishers for them."""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

from bakery import settings as settings_module
from bakery.boot.machine import Load
from bakery.boot.nspawn import image_path
from bakery.image.squash import squash
from bakery.image.stage import stage
from bakery.progress import Silent
from bakery.provision import command
from bakery.recipe.load import Recipes
from bakery.recipe.plan import releases
from bakery.release import sums
from harness.debian import ROOTS
from harness.native import ARCH
from harness.provisioning import asked
from harness.released import channel, release
from harness.sysupdate import Follower, built, given

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from bakery.boot.guest import Answer, Guest
    from bakery.release.verity import VeritySigning
    from harness.openpgp import Person

SHELLS = ("dash", "bash", "busybox sh")
HERE = "http://127.0.0.1:8000"
_RECIPE = """\
summary: {name}, for a test
homepage: https://example.org/
license: MIT
build: ["{version}"]
arch: {{x86-64: x86-64, arm64: arm64}}
start: [{name}.service]
{more}
"""
_UNIT = "[Service]\nType=exec\nExecStart=/usr/lib/{name}/run\n"
_RUN = "#!/bin/sh\necho {version} >/run/{name}\n{then}\nexec sleep infinity\n"
# What the host itself writes and a power cut leaves; all else of its disk is copied at boot
_WRITTEN = ("etc/extensions", "opt", "var/lib/extensions.d")


def image(
    folder: Path,
    name: str,
    version: str,
    *,
    then: str = "",
    more: str = "",
    check: str = "",
    files: Mapping[str, str] | None = None,
    beside: str = "",
) -> Path:
    """Build an image with a service that tells its version, as recipes are built.

    Args:
        folder: where.
        name: the extension's.
        version: its version.
        then: what the service does before it only sleeps.
        more: further lines of the recipe.
        check: its check.yaml.
        files: further files, or others in their place.
        beside: another recipe that it names.

    """
    recipe = folder / "recipes" / name
    written = {
        f"usr/lib/{name}/run": _RUN.format(name=name, version=version, then=then),
        f"usr/lib/systemd/system/{name}.service": _UNIT.format(name=name),
        **(files or {}),
    }
    for path, text in written.items():
        place = recipe / "files" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if text.startswith("#!") else 0o644)
    recipe.joinpath("recipe.yaml").write_text(_RECIPE.format(name=name, version=version, more=more))
    recipe.joinpath("lock.json").write_text(f'{{"versions": {{"{version}": {{"assets": []}}}}}}')
    if check:
        recipe.joinpath("check.yaml").write_text(check)
    if beside:
        (folder / "recipes" / beside).mkdir()
    (found,) = releases(Recipes(folder / "recipes")[name])
    assert found.problem is None, found.problem
    chosen = next(each for each in found.images if each.contents.arch == ARCH)
    (folder / "tree").mkdir()
    manifest = stage(chosen, "", {}, folder / "tree", Silent())
    squash(
        folder / "tree",
        folder / "image.raw",
        manifest=manifest,
        format="squashfs",
        profile="fast",
        processors=1,
        work=folder,
    )
    return folder / "image.raw"


@dataclass(frozen=True)
class Publisher:
    """Somebody who publishes extensions in a folder, which hosts see at `HERE`.

    Attributes:
        folder: the folder.
        work: where images are built.
        person: whose newest key signs.
        url: where hosts find it.

    """

    folder: Path
    work: Path
    person: Person
    url: str = HERE
    _versions: dict[str, list[str]] = field(default_factory=dict)

    def publish(
        self,
        name: str,
        version: str,
        *,
        damaged: bool = False,
        signing: VeritySigning | None = None,
        **how: Any,
    ) -> None:
        """Publish a version, the newest of its channel; `damaged` is without release file."""
        folder = self.work / f"{name}-{version}"
        folder.mkdir(parents=True)
        data = image(folder, name, version, **how).read_bytes()
        if damaged:
            (folder / "tree/usr/lib/extension-release.d" / f"extension-release.{name}").unlink()
            data = _squashed(folder)
        release(self.folder, name, version, {ARCH: data}, signing=signing)
        self._versions.setdefault(name, []).append(version)
        self.sign(name)

    def sign(self, name: str, signer: Person | None = None, until: date | None = None) -> None:
        """Write the channel of an extension anew, to be believed until a day."""
        versions = self._versions[name]
        signer = signer or self.person
        index = channel(self.folder, name, self.url, *versions, signer=signer) / sums.FILE
        if until is not None:
            index.write_bytes(sums.encode(sums.decode(index.read_bytes()), until))
            signer.sign(index, armour=False).rename(index.with_name(sums.SIGNATURE))

    @property
    def bound(self) -> list[Path]:
        """What hosts get, to serve it to themselves."""
        return [self.folder]

    def serve(self, host: Host) -> None:
        """Have a host's network lead there."""
        site = image_path(0, self.folder.name)
        # whoever served before may not be gone yet
        host.holds(f"until busybox httpd -p 127.0.0.1:8000 -h {site}; do sleep 0.1; done")


def _squashed(folder: Path) -> bytes:
    import subprocess

    target = folder / "damaged.raw"
    options = ["-quiet", "-all-root", "-no-progress"]
    subprocess.run(["mksquashfs", folder / "tree", target, *options], check=True)
    return target.read_bytes()


@dataclass(frozen=True, kw_only=True)
class DiskFollower(Follower):
    """A follower whose configuration, images and state outlive its boots, on `disk`."""

    disk: Path

    def _mounts(self, folder: Path, load: Load) -> str:
        root = folder / "root"
        before, run, after = super()._mounts(folder, load).rpartition('exec "$@"')
        etc = shlex.join(["cp", "-a", f"{self.disk}/etc/.", f"{root}/etc/"])
        binds = []
        for place in _WRITTEN:
            kept, seen = self.disk / place, root / place
            kept.mkdir(parents=True, exist_ok=True)
            binds.append(shlex.join(["mkdir", "-p", str(seen)]))
            binds.append(shlex.join(["mount", "--bind", str(kept), str(seen)]))
        return "\n".join([before, etc, *binds, run + after])


@dataclass(frozen=True)
class Host:
    """A booted host."""

    guest: Guest
    _shells: Iterator[str] = field(default_factory=lambda: cycle(SHELLS))

    def ask(self, script: str, limit: float = 60) -> Answer:
        return self.guest.ask(script, limit=limit)

    def holds(self, script: str, limit: float = 60) -> str:
        answer = self.ask(script, limit)
        assert answer.status == 0, f"{script}\n{answer.stdout}{answer.stderr}{self.log()}"
        return answer.stdout.strip()

    def extensions(self, *words: str) -> Answer:
        """Run the program, by each shell in turn; return what it says."""
        shell = next(self._shells)
        return self.ask(f"{shell} /opt/bin/extensions {shlex.join(words)} 2>&1", limit=300)

    def update(self, *names: str) -> Answer:
        return self.extensions("update", *names)

    def updates(self, *names: str) -> str:
        """Update, which works."""
        done = self.update(*names)
        assert done.status == 0, done.stdout + self.log()
        return done.stdout

    def refuses(self, *names: str) -> str:
        """Update, which fails."""
        done = self.update(*names)
        assert done.status == 1, done.stdout + self.log()
        return done.stdout

    def status(self, name: str) -> dict[str, Any]:
        (told,) = json.loads(self.holds(f"/opt/bin/extensions status --json {name}"))
        return dict(told)

    def runs(self, name: str) -> str:
        """Return the version whose service runs now."""
        return self.holds(f"systemctl is-active --quiet {name}.service && cat /run/{name}")

    def images(self, name: str) -> list[str]:
        listed = self.holds(f"ls /opt/extensions/{name}").split()
        start, end = f"{name}-", f"-{ARCH}.raw"
        return [each[len(start) : -len(end)] for each in listed if each.endswith(end)]

    def log(self) -> str:
        return self.ask("journalctl --boot --no-pager --output=short | tail -n 60").stdout


def provision(disk: Path, publisher: Publisher, *names: str, policy: Any = "reload") -> None:
    """Lay extensions onto a disk by `bakery install`, as its user would."""
    for folder in ("etc", "usr/lib/systemd"):
        (disk / folder).mkdir(parents=True, exist_ok=True)
    (disk / "usr/lib/systemd/systemd-sysupdate").touch()
    url = publisher.folder.as_uri()
    settings = settings_module.load(disk, {"BAKERY_PUBLISH_URL": url, "HOME": str(disk)})
    for name in names:
        command.install(name, disk, *asked(arch=ARCH, policy=policy), settings)


@contextmanager
def booted(
    suite: str, disk: Path, publisher: Publisher, *, watch: int = 2, settings: str = ""
) -> Iterator[Host]:
    """Boot a host from its disk; what it follows is served in it."""
    (disk / "etc/extensions.conf").write_text(f"WATCH={watch}\nSETTLE=5\n{settings}")
    machine = DiskFollower(suite=suite, cache=ROOTS, arch=ARCH, disk=disk)
    machine.prepare(Silent().tell)
    tools = built(machine)
    bound = [*publisher.bound, *([tools] if tools else [])]
    load = Load(setup="", images=given(bound), log=disk.with_name(f"{disk.name}.console"))
    with machine.start(load) as guest:
        host = Host(guest)
        if tools:  # where the system ships none; the program looks here, too
            place = image_path(len(publisher.bound), tools.name)
            host.holds(f"ln -s {place}/systemd-sysupdate /opt/bin/ || true")
        publisher.serve(host)
        host.holds("systemctl is-system-running --wait >/dev/null; true", limit=120)
        yield host
