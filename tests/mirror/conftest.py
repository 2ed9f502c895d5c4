"""A publisher's folder: two recipes, one of them in two versions, their channels, and the index."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import pytest
from harness.released import channel, index, release

from bakery import settings as settings_module
from bakery.arch import Arch
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.mirror import source
from bakery.mirror.choice import Selection
from bakery.mirror.run import Mirroring
from bakery.progress import Silent
from bakery.recipe.names import INDEX
from bakery.release import document, sums
from bakery.release import index as indexes

if TYPE_CHECKING:
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.errors import BakeryError

URL = "https://example.com/releases"


@pytest.fixture(scope="module")
def person(person: Person) -> Person:
    """The publisher, who has a key."""
    person.key("Publisher")
    return person


def images(text: str) -> dict[Arch, bytes]:
    """Return files that are no images."""
    return {arch: f"{text} {arch}".encode() * 999 for arch in get_args(Arch)}


@dataclass(frozen=True)
class Site:
    """Who publishes."""

    root: Path
    person: Person
    versions: dict[str, list[str]]

    def publish(self, name: str, version: str, *, text: str = "", **fields: Any) -> Path:
        """Publish a release, with a text in its images, the channel, and the index."""
        transfers = tuple(f"{name}{suffix}" for suffix in (".conf", ".transfer"))
        self.versions.setdefault(name, []).append(version)
        channel(self.root, name, URL, signer=self.person)
        folder = self.root / f"{name}-{version}"
        made = images(text or f"{name} {version}")
        release(self.root, name, version, made, transfers=transfers, **fields)
        for each in transfers:
            (folder / each).write_bytes((self.root / name / each).read_bytes())
        (folder / "notes.md").write_text(f"# {name} {version}\n")
        self.sign(folder)
        self.move(name)
        return folder

    def sign(self, folder: Path) -> None:
        """Write a folder's list anew, and its signatures."""
        notes = folder / "notes.md"
        text = notes.read_bytes() if notes.exists() else b""
        notes.unlink(missing_ok=True)
        index(folder, self.person)
        self.person.sign(folder / sums.FILE, armour=True).rename(folder / sums.ARMORED)
        if text:
            notes.write_bytes(text)

    def move(self, name: str) -> None:
        """Write the channel of a recipe anew, with its two newest versions, and the index."""
        for image in (self.root / name).glob("*.raw"):
            image.unlink()
        channel(self.root, name, URL, *self.versions[name][-2:], signer=self.person)
        self.sign(self.root / name)
        documents = [
            document.decode((self.root / f"{each}-{version}" / document.FILE).read_bytes())
            for each, versions in self.versions.items()
            for version in reversed(versions)
        ]
        listed = [
            indexes.IndexedRelease(
                name=each.name,
                version=each.version,
                tag=each.tag,
                images=tuple(
                    indexes.IndexedImage(arch=i.arch, file=i.file, size=i.size, sha256=i.sha256)
                    for i in each.images
                ),
            )
            for each in documents
        ]
        (self.root / INDEX).mkdir(exist_ok=True)
        (self.root / INDEX / f"{INDEX}.json").write_bytes(indexes.encode(listed))
        self.sign(self.root / INDEX)

    def files(self) -> dict[str, bytes]:
        """Return all files by their paths."""
        return held(self.root)


def held(root: Path) -> dict[str, bytes]:
    """Return all files below a folder by their paths."""
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, person: Person) -> Site:
    """What is published before each test."""
    site = Site(tmp_path_factory.mktemp("published"), person, {})
    for name, version in (("app", "1.0"), ("app", "1.1"), ("app", "2.0"), ("other", "v3")):
        site.publish(name, version)
    return site


@pytest.fixture
def site(made: Site, tmp_path: Path) -> Site:
    """The publisher, whose folder a test may change."""
    root = shutil.copytree(made.root, tmp_path / "site")
    return Site(root, made.person, {name: [*each] for name, each in made.versions.items()})


@pytest.fixture
def keyring(person: Person, tmp_path: Path) -> Path:
    """The publisher's keys, as somebody has them who trusts the publisher."""
    return person.export(tmp_path / "trusted.gpg", armour=False)


@dataclass(frozen=True)
class Mirrors:
    """Runs mirrors, and says what they told."""

    tmp_path: Path
    keyring: Path

    def plan(self, *places: Any, **options: Any) -> Mirroring:
        *sources, target = map(str, places)
        chosen = {
            "names": (),
            "arches": tuple(get_args(Arch)),
            "current": False,
            **{
                name: options.pop(name)
                for name in ("names", "arches", "current")
                if name in options
            },
        }
        store = options.pop("store", self.tmp_path / "store")
        environment = {"BAKERY_STORE": str(store), **options.pop("environment", {})}
        usual: dict[str, Any] = {
            "keyring": self.keyring,
            "with_assets": False,
            "settings": settings_module.load(self.tmp_path, environment),
            "begun": lambda _name: Silent(),
            "retry": RetryPolicy(tries=3, sleep=lambda _seconds: None),
        }
        return Mirroring(
            sources=sources, target=target, selection=Selection(**chosen), **usual | options
        )

    def run(self, *places: Any, **options: Any) -> list[str]:
        """Mirror, without a failure; return the lines that are told."""
        lines, failures = self.attempt(*places, **options)
        assert not failures, {tag: str(error) for tag, error in failures.items()}
        return lines

    def attempt(self, *places: Any, **options: Any) -> tuple[list[str], dict[str, BakeryError]]:
        """Mirror; return the lines that are told, and the failures."""
        said = list(self.plan(*places, **options).run())
        return [x for x in said if isinstance(x, str)], dict(
            x for x in said if isinstance(x, tuple)
        )


@pytest.fixture
def mirrors(tmp_path: Path, keyring: Path, monkeypatch: pytest.MonkeyPatch) -> Mirrors:
    quick = RetryPolicy(tries=2, sleep=lambda _seconds: None)
    monkeypatch.setattr(source, "Client", partial(Client, retry=quick))
    return Mirrors(tmp_path, keyring)
