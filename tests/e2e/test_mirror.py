"""A mirror made, and images built of it, booted and followed, without any network."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import threading
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness import elf, needs, small
from harness.debian import ROOTS
from harness.hosts import HERE, Publisher, booted
from harness.mirror import Mirror
from harness.native import ARCH
from harness.processes import until
from harness.project import REPOSITORY, Project, digest

from bakery.recipe import debian
from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.recipe.names import ASSETS, INDEX
from bakery.release import signing, sums
from bakery.store.folder import Store

if TYPE_CHECKING:
    from pathlib import Path

    from harness.openpgp import Person

GUIDE = REPOSITORY / ".github/docs/air-gap.md"
pytestmark = [needs.ROOT, needs.programs("mksquashfs", "gpg", "unshare", "ip", "dpkg-deb")]
PUBLIC = "https://example.com/releases"
RECIPE = f"""\
summary: An application
homepage: https://example.com/
license: MIT
build: ['1.0', '2.0']
arch: {{{ARCH}: {small.ARCHES[ARCH][1]}}}
assets:
  - url: https://example.com/app-{{version}}
    install: usr/lib/app/run
  - pypi: app-data
    platform: any
    install: {{app_data/text: usr/share/app/}}
  - debian: {{packages: [tool], suite: trixie}}
    version: latest
    install: {{usr/bin/tool: usr/bin/}}
start: [app.service]
"""
RUN = "#!/bin/sh\necho {version} >/run/app\nexec sleep infinity\n"
UNIT = "[Service]\nType=exec\nExecStart=/usr/lib/app/run\n"
DEB = f"debian:trixie/pool/main/t/tool/tool_1.0-1_{small.ARCHES[ARCH][1]}.deb"


@dataclass(frozen=True)
class Bakery:
    """Who publishes, and has a network.

    Attributes:
        project: two versions of an application, made of a file, a wheel and a package.
        published: where its releases go.
        keyring: the keys that sign them.

    """

    project: Project
    published: Path
    keyring: Path

    def publish(self, version: str) -> None:
        self.project.doit(f"publish:app-{version}")
        self.project.doit("channel:app", "channel:index")


@pytest.fixture
def bakery(tmp_path: Path, person: Person) -> Bakery:
    secret = person.gpg("--armor", "--export-secret-keys", person.key("the publisher")).decode()
    published = tmp_path / "published"
    project = Project(
        tmp_path / "project",
        {
            "BAKERY_PUBLISHER": f"directory:{published}",
            "BAKERY_PUBLISH_URL": PUBLIC,
            "BAKERY_BOOT_WAIVER": f"{ARCH}: the test boots it",
            signing.KEY: secret,
        },
    )
    recipe(project)
    return Bakery(project, published, person.export(tmp_path / "keys.gpg", armour=False))


def recipe(project: Project) -> None:
    """Write the recipe and its lock, and have the project's store hold the assets."""
    unit = {"files__usr__lib__systemd__system__app.service": UNIT}
    project.add("app", **{"recipe.yaml": RECIPE, **unit})
    folder = project.root / "upstream"
    folder.mkdir()
    versions = {}
    for version in ("1.0", "2.0"):
        (folder / "run").write_text(RUN.format(version=version))
        with zipfile.ZipFile(folder / "wheel", "w") as wheel:
            wheel.writestr(zipfile.ZipInfo("app_data/text"), f"text of {version}\n")
        small._pack(folder / "tool.deb", "tool", elf.program(ARCH, "tool"), _deb_arch())
        assets = {
            f"https://example.com/app-{version}": folder / "run",
            f"pypi:app-data/app_data-{version}-py3-none-any.whl": folder / "wheel",
            DEB: folder / "tool.deb",
        }
        versions[version] = LockedVersion(
            packages={"trixie": "tool"},
            assets=tuple(
                LockedAsset(url=url, sha256=keep(project.store, path), trust="first-use")
                for url, path in assets.items()
            ),
        )
    assert debian.parse(DEB)
    lock = project.recipes / "app/lock.json"
    lock.write_bytes(lockfile.encode(Lock(versions=versions)))


def _deb_arch() -> str:
    return small.ARCHES[ARCH][1]


def keep(folder: Path, file: Path) -> str:
    """Move a file into a store; return its digest."""
    store, sha256 = Store(folder), digest(file)
    store.partials.mkdir(parents=True, exist_ok=True)
    store.adopt(file.rename(store.partials / "x"), sha256)
    return sha256


def alone(project: Project, script: str, **environment: str) -> str:
    """Run a script of `bakery` and `doit` where there is no network but this computer's own."""
    words = {name: shlex.join(project.command(name)) for name in ("bakery", "doit")}
    functions = "".join(f'{name}() {{ {command} "$@"; }}\n' for name, command in words.items())
    done = subprocess.run(
        ["unshare", "--net", "sh", "-euc", f"ip link set lo up\n{functions}{script}"],
        cwd=project.root,
        env={**project.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs.programs("systemd-nspawn", "debootstrap")
@pytest.mark.parametrize("suite", needs.LONG)
def test_beyond_the_air_gap(bakery: Bakery, person: Person, tmp_path: Path, suite: str) -> None:
    bakery.publish("1.0")
    target = tmp_path / "mirror"
    keyring = {"BAKERY_SIGNING_KEYRING": str(bakery.keyring)}
    dry, copy, provision, build = (
        line.replace("github:OWNER/REPO", str(bakery.published))
        .replace("./mirror", str(target))
        .replace("docker", "app")
        for line in re.findall(r"(?m)^\$ (.*)$", GUIDE.read_text())
    )
    said = alone(bakery.project, f"{dry}\n{copy}\n{copy}", **keyring)
    assert "\nto copy in all: " in said
    assert f"copied {ASSETS}: 3 files" in said
    assert said.endswith("all of it is there\n")

    # Somebody else's bakery of the same recipes, which has nothing but the mirror
    other = Project(tmp_path / "other")
    shutil.copytree(bakery.project.recipes / "app", other.recipes / "app")
    other.store.mkdir()
    ROOTS.mkdir(parents=True, exist_ok=True)
    (other.store / "machines").symlink_to(ROOTS)
    image = f"app-1.0-{ARCH}"
    alone(other, f"{build}-1.0\ndoit boot:{image}", BAKERY_MACHINES=f"nspawn:{suite}")
    assert digest(other.dist / f"app-1.0/{image}.raw") == listed(target / "app-1.0")[f"{image}.raw"]

    # A host that follows the mirror: one address is another
    disk = tmp_path / "disk"
    for name in ("etc", "usr/lib/systemd"):
        (disk / name).mkdir(parents=True)
    (disk / "usr/lib/systemd/systemd-sysupdate").touch()
    serve = f"python3 -m http.server 8000 --bind 127.0.0.1 --directory {target} >/dev/null 2>&1 &"
    wait = f"until bakery verify-release {HERE}/app --keyring {bakery.keyring}; do :; done"
    install = f"bakery install app --root {disk} --keyring {bakery.keyring}"
    provision = f"{provision.replace('http://mirror.example', HERE)} >config"
    alone(other, f"{serve}\n{wait}\n{install}\n{provision}\nkill $!", BAKERY_PUBLISH_URL=HERE)
    assert f"source: {HERE}/app-1.0/{image}.raw" in (other.root / "config").read_text()
    followed = (disk / "etc/sysupdate.app.d/app.transfer").read_text()
    assert f"Path={HERE}/app\n" in followed
    assert moved_by_hand(target / "app/app.transfer", tmp_path) == with_link(followed)
    with booted(suite, disk, Publisher(target, tmp_path, person)) as host:
        assert host.runs("app") == "1.0"
        bakery.publish("2.0")
        alone(bakery.project, copy, **keyring)
        assert "app is 2.0 now, and was 1.0" in host.updates()
        assert host.runs("app") == "2.0"
        assert "text of 2.0" in host.holds("cat /usr/share/app/text")


def moved_by_hand(transfer: Path, folder: Path) -> str:
    """Return a transfer file as the guide's line changes it on a host."""
    (line,) = re.findall(r"(?m)^sed .*$", GUIDE.read_text())
    copied = folder / "etc/sysupdate.app.d" / transfer.name
    copied.parent.mkdir(parents=True)
    shutil.copy(transfer, copied)
    line = line.replace(" /etc/", f" {folder}/etc/").replace("http://mirror.example", HERE)
    subprocess.run(["sh", "-euc", line], check=True)
    return with_link(copied.read_text())


def with_link(transfer: str) -> str:
    """Return a transfer file without what hosts leave to their program."""
    return "".join(x for x in transfer.splitlines(True) if not x.startswith("CurrentSymlink"))


def listed(folder: Path) -> dict[str, str]:
    return sums.decode((folder / sums.FILE).read_bytes())


def test_what_was_killed_is_continued(bakery: Bakery, tmp_path: Path) -> None:
    """While an image is on its way, and again while the channel's is."""
    bakery.publish("1.0")
    target = tmp_path / "mirror"
    image = f"app-1.0-{ARCH}.raw"
    with Mirror(bakery.published) as server:
        words = ("bakery", "mirror", server.url, str(target), "--keyring", str(bakery.keyring))
        release = threading.Event()
        server.held[f"/app-1.0/{image}"] = release
        with bakery.project.start(*words) as run:
            until(lambda: f"/app-1.0/{image}" in server.requests, beside=run)
            run.kill()
        release.set()
        assert [path for path in target.rglob("*") if path.is_file()] == []
        server.held.clear()

        held = threading.Event()
        server.held[f"/{INDEX}/{INDEX}.json"] = held
        server.requests.clear()
        with bakery.project.start(*words) as run:
            until(lambda: f"/{INDEX}/{INDEX}.json" in server.requests, beside=run)
            run.send_signal(signal.SIGINT)
            assert "interrupted" in run.communicate(timeout=600)[1]
        assert run.returncode == -signal.SIGINT
        held.set()
        server.held.clear()
        done = bakery.project.run(*words)
        assert done.returncode == 0, done.stderr
        server.requests.clear()
        again = bakery.project.run(*words)
        assert again.stdout.endswith("all of it is there\n")
        assert not [path for path in server.requests if path.endswith(".raw")]
    files = {path for path in bakery.published.rglob("*") if path.is_file()}
    for path in files:
        copied = target / path.relative_to(bakery.published)
        assert copied.read_bytes() == path.read_bytes()
    assert len([path for path in target.rglob("*") if path.is_file()]) == len(files)
