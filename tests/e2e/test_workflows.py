"""The workflows themselves, run by act: releases from the plan to the channels, changes, updates.

Of pull-request.yaml the jobs run that are about recipes. The others are the lint and the tests that
this test is one of.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.act import Run, Runner
from harness.debian import store
from harness.github import DOWNLOADS, REPOSITORY, TOKEN, GitHub, PullRequest
from harness.mirror import Mirror
from harness.project import REPOSITORY as SOURCE
from harness.verity import Publisher

from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.release import signing, sums
from bakery.settings import CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.openpgp import Person

pytestmark = [needs.ROOT, needs.programs("strace", "systemd-nspawn", "git", "gh", "gpg")]

NAMES = ("hello", "greeter", "server")
PROGRAM = b"#!/bin/sh\necho hi\n"
RECIPE = """\
summary: says {name}, for tests
homepage: https://example.com/
license: MIT
build: {versions}
arch: {{x86-64: x86_64}}
assets:
  - url: https://example.com/{{name}}-{{version}}
    {vouched}install: usr/bin/{name}
"""
CHECKSUM = 'checksum: {url: "{url}.sums"}\n    '
MACHINE = "nspawn:bookworm"


class Fork:
    """A fork of this repository with recipes of its own.

    `main` has three; `added` adds one whose checksum upstream publishes, `poisoned` one whose lock
    has another digest, and says that upstream vouches for it; `asked` asks for one more version.
    """

    def __init__(self, root: Path, mirror: Mirror) -> None:
        self.root = root
        self.mirror = mirror

    def make(self, keyring: bytes, certificates: bytes) -> None:
        _copy_files(self.root)
        (self.root / signing.KEYRING).write_bytes(keyring)
        (self.root / CERTIFICATE).write_bytes(certificates)
        for name in NAMES:
            self.recipe(name, ["1.0"])
            self.lock(name, PROGRAM)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("three recipes")
        for branch, data in (("added", PROGRAM), ("poisoned", PROGRAM + b"rm -r /\n")):
            self.git("switch", "--quiet", "--create", branch, "main")
            self.recipe(branch, ["1.0"], CHECKSUM)
            self.lock(branch, data, "checksum-file")
            vouched = hashlib.sha256(PROGRAM).hexdigest()
            url = f"https://example.com/{branch}-1.0"
            self.mirror.place(f"{url}.sums").write_text(f"{vouched}  {branch}-1.0\n")
            self.commit(f"another recipe: {branch}")
        self.git("switch", "--quiet", "--create", "asked", "main")
        self.recipe("hello", ["1.0", "1.1"])
        self.mirror.place("https://example.com/hello-1.1").write_bytes(PROGRAM)
        self.commit("another version of hello")
        self.git("switch", "--quiet", "main")

    def recipe(self, name: str, versions: list[str], vouched: str = "") -> None:
        folder = self.root / "recipes" / name
        folder.mkdir(parents=True, exist_ok=True)
        text = RECIPE.format(name=name, versions=json.dumps(versions), vouched=vouched)
        (folder / "recipe.yaml").write_text(text)
        (folder / "check.yaml").write_text(f"commands: [{{run: {name}, stdout: {{equals: hi}}}}]\n")
        (folder / "README.md").write_text(f"# {name}\n\nSays hi.\n")

    def lock(self, name: str, data: bytes, trust: lockfile.TrustKind = "first-use") -> None:
        """Lock version 1.0, and let upstream have it."""
        url = f"https://example.com/{name}-1.0"
        self.mirror.place(url).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        asset = LockedAsset(url=url, sha256=digest, size=len(data), trust=trust)
        lock = Lock(versions={"1.0": LockedVersion(assets=(asset,))})
        (self.root / "recipes" / name / "lock.json").write_bytes(lockfile.encode(lock))

    def commit(self, message: str) -> None:
        self.git("add", ".")
        own = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
        self.git(*own, "commit", "--quiet", "--message", message)

    def git(self, *words: str) -> str:
        command = ["git", *words]
        done = subprocess.run(command, cwd=self.root, check=True, text=True, capture_output=True)
        return done.stdout


def _copy_files(root: Path) -> None:
    """Copy what is committed here, or is about to be, but for recipes and tests."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=SOURCE, capture_output=True, text=True, check=True)
    for name in filter(None, done.stdout.split("\0")):
        if not name.startswith(("recipes/", "tests/")) and (SOURCE / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCE / name, root / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("act")


@pytest.fixture(scope="module")
def github(folder: Path) -> Iterator[GitHub]:
    """GitHub, which `gh` finds at a socket, since it takes no other address for github.com."""
    settings = folder / "home/.config/gh/config.yml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"http_unix_socket: {folder / 'github'}\n")
    with GitHub() as server, server.listening(folder / "github"):
        yield server


@pytest.fixture(scope="module")
def mirror(folder: Path) -> Iterator[Mirror]:
    (folder / "mirror").mkdir()
    with Mirror(folder / "mirror") as server:
        yield server


@pytest.fixture(scope="module")
def key(person: Person) -> str:
    return person.key("releases")


@pytest.fixture(scope="module")
def secret(person: Person, key: str) -> str:
    return person.gpg("--armor", "--export-secret-keys", key).decode()


@pytest.fixture(scope="module")
def publisher(folder: Path) -> Publisher:
    return Publisher(folder)


@pytest.fixture(scope="module")
def fork(folder: Path, mirror: Mirror, person: Person, key: str, publisher: Publisher) -> Fork:
    fork = Fork(folder / "repository", mirror)
    fork.make(person.gpg("--export", key), publisher.certificates.pem)
    return fork


@pytest.fixture(scope="module")
def runner(github: GitHub, secret: str, publisher: Publisher, folder: Path, fork: Fork) -> Runner:
    return Runner(
        source=fork.root,
        folder=folder,
        variables={
            "BAKERY_PUBLISHER": f"github:{REPOSITORY}",
            "BAKERY_MACHINES": MACHINE,
            "BAKERY_VERITY": "1",
            "BAKERY_SITE": "yes",
        },
        secrets={
            "GITHUB_TOKEN": TOKEN,
            "BAKERY_SIGNING_KEY": secret,
            "BAKERY_VERITY_KEY": publisher.key.read_text(),
        },
        environment={
            "GITHUB_API_URL": github.shown,
            "BAKERY_PUBLISH_URL": f"{github.shown}{DOWNLOADS}",
            "GITHUB_REPOSITORY": REPOSITORY,
            "BAKERY_MIRROR": fork.mirror.url,
            "BAKERY_STORE": str(store()),  # where Debian systems are kept, too
        },
    )


@pytest.fixture(scope="module")
def released(runner: Runner) -> Run:
    run = runner.run("release.yaml")
    shutil.copytree(runner.artifacts / "site", runner.folder / "deployed")
    return run


def seeing(run: Run, secret: str) -> dict[str, set[str]]:
    """Return which programs of which jobs have seen a secret."""
    jobs: dict[str, set[str]] = {}
    for process in run.processes():
        if process.sees(secret):
            jobs.setdefault(process.job, set()).add(process.program)
    return jobs


def test_three_recipes_are_baked_booted_signed_published_and_followed(
    released: Run, github: GitHub, runner: Runner, publisher: Publisher
) -> None:
    tags = {release.tag for release in github.public}
    assert tags >= {f"{name}-1.0" for name in NAMES} | set(NAMES), released.output[-5000:]
    for name in NAMES:
        (release,) = [each for each in github.public if each.tag == f"{name}-1.0"]
        document = json.loads(release.files["release.json"])
        (image,) = document["images"]
        assert image["boots"]
        assert f"{name}-1.0-x86-64.raw" in release.files
        assert "SHA256SUMS.gpg" in release.files
        digest = hashlib.sha256(release.files[f"{name}-1.0-x86-64.raw"]).hexdigest()
        assert digest in " ".join(runner.attested)
        verity = image["verity"]
        assert verity["signed_by"] == publisher.signer.fingerprint
        assert release.files["verity.crt"] == publisher.certificates.pem
        digest = hashlib.sha256(release.files[verity["file"]]).hexdigest()
        assert digest == verity["sha256"]
        assert digest in " ".join(runner.attested)


def test_the_key_reaches_only_what_signs(released: Run, secret: str) -> None:
    assert seeing(released, secret.splitlines()[3]) == {  # gpg reads it
        "sign": {"bash", "xargs", "doit", "python3"},
        "sign-channels": {"bash", "bakery"},
    }


def test_the_key_for_dm_verity_reaches_only_what_completes_releases(
    released: Run, secret: str, publisher: Publisher
) -> None:
    line = publisher.key.read_text().splitlines()[3]
    assert seeing(released, line) == {"sign": seeing(released, secret.splitlines()[3])["sign"]}


def test_the_token_reaches_only_what_asks_the_publisher(released: Run) -> None:
    assert seeing(released, TOKEN) == {
        "plan": {"bash", "bakery"},
        "publish": {"bash", "xargs", "bakery"},
        "sign-channels": {"bash", "bakery"},
        "channels": {"bash", "bakery"},
    }


def test_nothing_is_built_or_booted_where_things_are_signed(released: Run) -> None:
    started = released.processes()
    squashed = [p.job for p in started if p.program == "mksquashfs" and "-comp" in p.command]
    assert sorted(squashed) == ["build"] * len(NAMES) + ["rebuild"] * len(NAMES)
    nspawn = [p for p in started if p.program == "systemd-nspawn"]
    booted = [p.job for p in nspawn if "--version" not in p.command]
    assert booted == ["boot"] * len(NAMES)
    signed = {p.job for p in started if p.program == "gpg" and "--detach-sign" in p.command}
    assert signed == {"sign", "sign-channels"}


def test_the_site_tells_of_what_was_released(released: Run, runner: Runner) -> None:
    assert released.passed
    site = runner.folder / "deployed"
    status = (site / "status.html").read_text()
    assert "3 of 3 releases were published" in status
    for name in NAMES:
        assert f"{name}-1.0" in status
        assert "1.0" in (site / name / "index.html").read_text()
        assert [*(site / name / "get").glob(f"follow-{name}-*-shell.sh")]
        assert not (site / name / "channel.json").exists()  # they are beside the releases


@pytest.mark.nightly
def test_pages_serves_channels_and_site_at_once(
    runner: Runner, github: GitHub, released: Run
) -> None:
    assert released.passed
    own = {"BAKERY_CHANNELS": "directory:channels", "BAKERY_CHANNELS_URL": "https://o.example/r"}
    environment = {**runner.environment, "BAKERY_CHANNELS_URL": own.pop("BAKERY_CHANNELS_URL")}
    both = replace(runner, variables={**runner.variables, **own}, environment=environment)
    run = both.run("release.yaml")
    assert run.passed
    site = both.artifacts / "site"
    for name in NAMES:
        channel, page = site / name, (site / name / "index.html").read_text()
        listed = sums.decode((channel / sums.FILE).read_bytes())  # the channel's, and whole
        assert {"channel.json", f"{name}.transfer", f"{name}-1.0-x86-64.raw"} <= listed.keys()
        for file, digest in listed.items():
            assert hashlib.sha256((channel / file).read_bytes()).hexdigest() == digest
        assert (channel / sums.SIGNATURE).is_file()
        assert f"the newest of {name}" in page
    assert "https://o.example/r/hello" in (site / "bakery.json").read_text()
    assert (site / "bakery/bakery.json").is_file()
    assert not {"github-pages-channels", "site"} & {each.tag for each in github.public}


def test_a_pull_request_bakes_and_boots_what_it_touches(runner: Runner) -> None:
    run = runner.run("pull-request.yaml", "pull_request", branch="added", job="bake")
    started = run.processes()
    squashed = [p for p in started if p.program == "mksquashfs" and "-comp" in p.command]
    assert len(squashed) == 1
    nspawn = [p for p in started if p.program == "systemd-nspawn"]
    assert len([p for p in nspawn if "--version" not in p.command]) == 1
    assert "added-1.0-x86-64" in run.output
    assert not seeing(run, TOKEN)


@pytest.mark.parametrize("branch", ["added", "poisoned"])
def test_a_pull_request_is_refused_whose_lock_claims_what_upstream_does_not_say(
    runner: Runner, branch: str
) -> None:
    run = runner.start("pull-request.yaml", "pull_request", branch=branch, job="locks")
    assert run.passed == (branch == "added"), run.output[-3000:]
    assert seeing(run, TOKEN) == {"locks": {"bash", "bakery"}}


def test_new_versions_are_proposed_in_one_pull_request(
    runner: Runner, github: GitHub, fork: Fork
) -> None:
    number = next(github.ids)
    other = PullRequest(number, "stranger:update", "main", "Lock new versions", "as it was")
    github.pulls.append(other)
    for _ in range(2):  # opened, and brought up to date
        run = runner.run("update.yaml", "schedule", branch="asked")
        changed = fork.git("diff", "--name-only", "asked", "update").split()
        assert changed == ["recipes/hello/lock.json"]
        locked = json.loads(fork.git("show", f"update:{changed[0]}"))
        assert [*locked["versions"]] == ["1.0", "1.1"]
        (own,) = [pull for pull in github.pulls if pull is not other]
        assert (own.head, own.base, own.state) == ("me:update", "main", "open")
        assert "hello" in own.body
    assert other.body == "as it was"
    assert github.dispatched == [("pull-request.yaml", "update")] * 2
    transport = {"sh", "git-receive-pack"}  # this remote is a folder
    assert seeing(run, TOKEN) == {"update": {"bash", "bakery", "git", "gh", *transport}}
