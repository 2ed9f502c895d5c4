"""A cache that machines share: what one project has built, another one takes over, and no lies."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from harness import needs
from harness.debian import store
from harness.nginx import nginx
from harness.openpgp import Person
from harness.project import TOOL, Project, digest
from harness.registry import docker_config, docker_registry, guarded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.debian import Debian
    from harness.mirror import Mirror
    from harness.nginx import Nginx

NAMES = ("one", "two", "three")
WRITES = {"BAKERY_REMOTE_WRITE": "yes"}
WAIVER = {"BAKERY_BOOT_WAIVER": "x86-64: nothing here boots it"}
SUMMARY = "3 built, 0 cached, 0 remote", "0 built, 0 cached, 3 remote"


class Bakery:
    """Projects with three recipes each, and the mirror that they download from."""

    def __init__(self, folder: Path, mirror: Mirror) -> None:
        self.folder = folder
        self.mirror = mirror
        self._number = 0
        for name in NAMES:
            mirror.place(f"https://example.com/{name}-1.0").write_text(f"#!/bin/sh\necho {name}\n")

    def project(self, remote: str, **environment: str) -> Project:
        """Return one that has built nothing yet."""
        self._number += 1
        root = self.folder / f"project-{self._number}"
        settings = {"BAKERY_MIRROR": self.mirror.url, "BAKERY_REMOTE": remote, **environment}
        project = Project(root, settings)
        for name in NAMES:
            project.add(name, **{"recipe.yaml": TOOL.replace("tool", name)})
            url = f"https://example.com/{name}-1.0"
            project.lock(name, "1.0", {url: digest(self.mirror.place(url))})
        return project

    def filling(self, remote: str, what: str = "build", **environment: str) -> Project:
        """Return one that has built everything, or a part, and put it into a cache."""
        project = self.project(remote, **WRITES, **environment)
        assert f"{1 if ':' in what else 3} built, 0 cached, 0 remote" in project.doit(what)
        self.mirror.requests.clear()
        return project


@pytest.fixture
def bakery(tmp_path: Path, mirror: Mirror) -> Bakery:
    return Bakery(tmp_path, mirror)


@pytest.fixture
def server(tmp_path: Path, debian: Debian) -> Iterator[Nginx]:
    with nginx(debian, tmp_path / "nginx") as running:
        yield running


@pytest.fixture
def registry(tmp_path: Path, debian: Debian) -> Iterator[str]:
    with docker_registry(debian, tmp_path / "registry") as running:
        yield f"oci://{running.host}/me/cache"


def images(project: Project) -> dict[str, str]:
    return {path.name: digest(path) for path in project.dist.glob("*/*.raw")}


def documents(project: Project) -> dict[str, Any]:
    found = {}
    for path in project.dist.glob("*/release.json"):
        document = json.loads(path.read_text())
        for image in document["images"]:
            image.pop("origin", None)
        found[path.parent.name] = document
    return found


def takes_over(taker: Project, giver: Project, bakery: Bakery) -> str:
    """Let a project take all from the cache, and return what it says."""
    said = taker.doit("build")
    assert SUMMARY[1] in said, said
    assert "FAILED" not in said
    assert bakery.mirror.requests == []
    assert not (taker.store / "sha256").exists()
    assert not (taker.dist / "stage").exists()
    assert images(taker) == images(giver)
    assert documents(taker) == documents(giver)
    origin = json.loads((taker.dist / "one-1.0/release.json").read_text())["images"][0]["origin"]
    assert f"from the cache {origin['cache']}\n" in said
    for release in taker.dist.glob("*-1.0"):
        sums = (release / "SHA256SUMS").read_text().splitlines()
        for line in sums:
            expected, name = line.split("  ")
            assert digest(release / name.lstrip("*")) == expected
    return said


def test_a_folder_gives_what_another_has_built(bakery: Bakery) -> None:
    folder = bakery.folder / "shared"
    giver = bakery.filling(f"directory:{folder}")
    said = takes_over(bakery.project(str(folder), BAKERY_OFFLINE="1"), giver, bakery)
    assert "from the cache directory:shared" in said
    assert not list((folder / "partial").iterdir())
    for path in (folder / "cas").iterdir():
        assert digest(path) == path.name


def test_a_web_server_which_is_asked_for_nothing_that_is_here(
    bakery: Bakery, server: Nginx
) -> None:
    giver = bakery.filling(server.writers_url)
    assert "secret" not in (giver.dist / "one-1.0/release.json").read_text()
    results = [line for line in server.asked if line.startswith("PUT /cache/ac/")]
    assert len(results) == 2 * len(NAMES)
    assert server.asked[-1] in results  # what a result names is there before it
    before = len(server.asked)
    taker = bakery.project(server.url)
    said = takes_over(taker, giver, bakery)
    assert f"from the cache 127.0.0.1:{server.port}/cache" in said
    asked = server.asked[before:]
    assert not [line for line in asked if not line.startswith("GET ")]
    assert len(asked) == 2 * len(NAMES) + 3 * len(NAMES)  # results; image, manifest, inventory
    for project in (giver, taker):
        assert "0 built" not in project.doit("build")
        project.doit("list")
    empty = bakery.project(server.url)
    empty.doit("list")
    empty.run("doit", "publish:one-1.0", "--dry-run", **WAIVER)
    empty.doit("clean", "build:two")
    assert server.asked[before:] == asked
    taker.doit("clean", "build:one")
    assert "0 built, 0 cached, 1 remote" in taker.doit("build:one")
    assert len(server.asked[before:]) == len(asked) + 5


def test_a_registry_gives_what_another_has_built(bakery: Bakery, registry: str) -> None:
    giver = bakery.filling(registry)
    taker = bakery.project(registry)
    said = takes_over(taker, giver, bakery)
    assert f"from the cache {registry.removeprefix('oci://')}" in said


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_readers_and_writers_of_a_registry_that_asks_who_they_are(
    bakery: Bakery, debian: Debian, kind: Any
) -> None:
    """One by passwords has no readers without rights, one by tokens has."""
    with guarded(debian, bakery.folder / "registry", kind) as running:
        remote = f"oci://{running.host}/me/cache"
        giver = bakery.filling(remote, **docker_config(bakery.folder / "docker", running.host))
        stranger = bakery.project(remote, DOCKER_CONFIG=str(bakery.folder / "nothing"))
        if kind == "bearer":
            takes_over(stranger, giver, bakery)
            shutil.rmtree(stranger.dist)
        done = stranger.run("doit", "build:one", BAKERY_PROFILE="fast", **WRITES)
        lines = _refused(done, "1 built")
        assert len([line for line in lines if "does not take what is made here" in line]) == 1
        assert len(lines) == (1 if kind == "bearer" else 2)


def test_a_web_server_that_lets_nobody_write(bakery: Bakery, server: Nginx) -> None:
    project = bakery.project(server.url)
    (line,) = _refused(project.run("doit", "build:one", **WRITES), "1 built")
    assert "does not take what is made here: HTTP 401" in line


def _refused(done: Any, summary: str = SUMMARY[0]) -> list[str]:
    """Return what a build says of a cache that it got nothing from, and that did it no harm."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert summary in done.stdout
    return [line for line in done.stdout.splitlines() if "shared cache" in line]


def test_a_cache_that_is_broken_costs_time_alone(bakery: Bakery, server: Nginx) -> None:
    """One result can't be opened, one is cut off, and the image of one has other bytes."""
    giver = bakery.filling(server.writers_url)
    served = server.folder / "www/cache"
    keys = {name: _result_of(served, f"squash:{name}-1.0-x86-64") for name in NAMES}
    keys["one"].unlink()
    keys["one"].symlink_to(keys["one"])  # nobody can open what leads in a circle
    keys["two"].write_bytes(keys["two"].read_bytes()[:-9])
    image = served / "cas" / digest(giver.dist / "three-1.0/three-1.0-x86-64.raw")
    image.write_bytes(image.read_bytes()[::-1])
    taker = bakery.project(server.url)
    lines = _refused(taker.run("doit", "build"))
    assert len(lines) == 2
    assert any("is left aside: HTTP " in line for line in lines)
    assert any("result of squash:two-1.0-x86-64 is not used: " in line for line in lines)
    assert images(taker) == images(giver)


def _result_of(served: Path, step: str) -> Path:
    return next(path for path in (served / "ac").iterdir() if step in path.read_text())


def test_what_anyone_may_have_written_is_not_signed(bakery: Bakery) -> None:
    """What a trusted key has signed is, and the release says whose word that was."""
    person, other = Person(), Person()
    cache, publisher = person.key("the cache"), other.key("the publisher")
    keys = person.export(bakery.folder / "keys.gpg", cache)
    theirs = person.gpg("--armor", "--export-secret-keys", cache).decode()
    ours = other.gpg("--armor", "--export-secret-keys", publisher).decode()
    person.close()
    other.close()
    shared = str(bakery.folder / "shared")
    bakery.filling(shared, "build:one")
    signing = {"BAKERY_SIGNING_KEY": ours, **WAIVER}

    believer = bakery.project(shared)
    done = believer.run("doit", "release:one-1.0", **signing)
    assert done.returncode == 1
    assert "squash:one-1.0-x86-64 was taken from a shared cache that anyone may have" in done.stdout
    assert "BAKERY_REMOTE_TRUSTED" in done.stdout

    shutil.rmtree(shared)
    bakery.filling(shared, "build:one", BAKERY_REMOTE_KEY=theirs)
    careful = bakery.project(shared, BAKERY_REMOTE_TRUSTED=str(keys))
    assert "1 remote" in careful.doit("release:one-1.0", **signing)
    document = json.loads((careful.dist / "one-1.0/release.json").read_text())
    assert document["images"][0]["origin"] == {"cache": "directory:shared", "signed_by": cache}
    assert document["signed_by"] == publisher
    careful.doit("clean", "build:one", **signing)
    assert "1 built" in careful.doit("release:one-1.0", BAKERY_REMOTE="", **signing)
    document = json.loads((careful.dist / "one-1.0/release.json").read_text())
    assert "origin" not in document["images"][0]


@needs.ROOT
@needs.programs("systemd-nspawn")
def test_a_boot_is_taken_over_for_the_machines_that_it_was_on(bakery: Bakery) -> None:
    shared = str(bakery.folder / "shared")
    booted = {"BAKERY_STORE": str(store()), "BAKERY_MACHINES": "nspawn:bookworm"}
    giver = bakery.project(shared, **booted)
    assert "passed on nspawn, bookworm" in giver.doit("boot:one", **WRITES)
    taker = bakery.project(shared, **booted)
    said = taker.doit("boot:one", PATH=_without_nspawn(bakery.folder))
    assert said.count("from the cache directory:shared") == 2  # the image, and its boot
    assert "passed earlier on nspawn:bookworm, systemd 252" in taker.doit("boot:one")
    done = taker.run("doit", "boot:one", BAKERY_MACHINES="nspawn:elsewhere")
    assert done.returncode != 0
    assert "from the cache" not in done.stdout


def _without_nspawn(folder: Path) -> str:
    """Return a PATH on which nothing can be booted."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("mksquashfs", "unsquashfs", "gpg", "sh"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    return str(programs)


def test_the_key_is_what_another_machine_would_ask_for(bakery: Bakery) -> None:
    """Nothing of where a project lies decides its keys; what decides an image does."""
    shared = bakery.folder / "shared"
    giver = bakery.filling(str(shared))
    taker = bakery.project(f"directory:{shared}")
    recipe = taker.recipes / "two/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("usr/bin/two", "usr/bin/second"))
    assert "1 built, 0 cached, 2 remote" in taker.doit("build")
    assert bakery.mirror.requests == ["/example.com/two-1.0"]
    same, other = "one-1.0-x86-64.raw", "two-1.0-x86-64.raw"
    assert images(taker)[same] == images(giver)[same]
    assert images(taker)[other] != images(giver)[other]
