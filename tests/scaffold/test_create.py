"""From a server shaped like GitHub, or a plain one, to a recipe and its lock."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness.elf import program
from harness.mirror import Mirror
from harness.tarball import tarball

from bakery import settings
from bakery.errors import BakeryError
from bakery.image.errors import ImageError
from bakery.recipe import lock as lockfile
from bakery.recipe.expectations import Expectations
from bakery.recipe.folder import CHECK
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases
from bakery.scaffold import at_address, texts
from bakery.scaffold.create import create, create_of_packages
from bakery.scaffold.layout import Layout
from bakery.scaffold.observe import Observed, Question
from bakery.scaffold.release import About
from bakery.scaffold.texts import Draft
from bakery.yaml import convert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bakery.settings import Settings

API = "https://api.github.com/repos/example/app"
TAG = "v1.2.3"
X86, ARM = program("x86-64"), program("arm64")


class Bench:
    """A mirror that an upstream fills, and an empty project."""

    def __init__(self, folder: Path, mirror: Mirror) -> None:
        (folder / "recipes").mkdir()
        environment = {"BAKERY_MIRROR": mirror.url, "BAKERY_STORE": str(folder / "store")}
        self.settings: Settings = settings.load(folder, environment)
        self.said: list[str] = []
        self._mirror = mirror

    def serve(self, url: str, content: bytes) -> None:
        self._mirror.place(url).write_bytes(content)

    def release(
        self,
        files: Mapping[str, bytes],
        *,
        tag: str = TAG,
        digests: bool = True,
        about: object = None,
    ) -> None:
        """Publish a release as GitHub does, and a description of the repository."""
        assets = []
        for name, content in files.items():
            url = f"https://github.com/example/app/releases/download/{tag}/{name}"
            self.serve(url, content)
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}" if digests else None
            assets.append({"name": name, "browser_download_url": url, "digest": digest})
        release = {"tag_name": tag, "draft": False, "prerelease": False, "assets": assets}
        self.serve(f"{API}/releases/index.html", json.dumps([release]).encode())
        self.serve(f"{API}/releases/tags/{tag}", json.dumps(release).encode())
        if about is not None:
            self.serve(f"{API}/index.html", json.dumps(about).encode())

    @property
    def downloads(self) -> list[str]:
        """The files of releases that were asked for."""
        return [path for path in self._mirror.requests if "/releases/download/" in path]

    def make(self, kind: str = "github", place: str = "example/app", **options: object) -> str:
        """Make the recipe `app`; return its text."""
        given: dict[str, Any] = {"boot": False, **options}
        create("app", kind, place, settings=self.settings, echo=self.said.append, **given)
        return (self.settings.recipes / "app" / "recipe.yaml").read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror:
        yield Bench(tmp_path, mirror)


def sums(files: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return "".join(lines).encode()


def test_archives_with_a_checksum_file(bench: Bench) -> None:
    files = {
        f"app-1.2.3-linux-{word}.tar.gz": tarball(
            {
                f"app-1.2.3-linux-{word}/app": content,
                f"app-1.2.3-linux-{word}/LICENSE": b"MIT",
                f"app-1.2.3-linux-{word}/install.sh": b"#!/bin/sh\n",
            }
        )
        for word, content in (("amd64", X86), ("arm64", ARM))
    }
    about = {"description": "An app: for tests.", "license": {"spdx_id": "MIT"}, "homepage": None}
    bench.release({**files, "SHA256SUMS": sums(files)}, about=about)
    base = "https://github.com/example/app/releases/download/{version}"
    assert yaml.safe_load(bench.make()) == {
        "summary": "An app: for tests",
        "homepage": "https://github.com/example/app",
        "license": "MIT",
        "upstream": {"github": "example/app"},
        "build": [TAG, "latest"],
        "arch": {"x86-64": "amd64", "arm64": "arm64"},
        "assets": [
            {
                "url": f"{base}/app-{{bare}}-linux-{{arch}}.tar.gz",
                "checksum": {"url": f"{base}/SHA256SUMS"},
                "install": {
                    "app-{bare}-linux-{arch}/app": "usr/bin/",
                    "app-{bare}-linux-{arch}/LICENSE": "usr/share/licenses/app/",
                },
            }
        ],
        "trust": "checksum",
    }
    source = load_all(bench.settings.recipes)["app"]
    assert {asset.trust for asset in source.lock.versions[TAG].assets} == {"checksum-file"}
    assert [image.id for image in releases(source)[0].images] == [
        f"app-{TAG}-x86-64",
        f"app-{TAG}-arm64",
    ]
    assert convert.load(source.folder / CHECK, Expectations).commands[0].run == (
        'app --version 2>&1 | grep --fixed-strings "${BAKERY_VERSION#v}"'
    )
    assert "# other scripts, left out: app-1.2.3-linux-amd64/install.sh" in bench.said
    assert bench.said[-1] == "bakery try app"
    assert len(bench.downloads) == len(set(bench.downloads)) == len(files) + 1


def test_bare_programs_with_githubs_digests(bench: Bench) -> None:
    bench.release({"app": X86, "app-arm64": ARM, "app-armhf": b"x"})
    recipe = yaml.safe_load(bench.make(unit=True))
    assert recipe["arch"] == {"x86-64": "", "arm64": "-arm64"}
    assert recipe["assets"] == [
        {
            "url": "https://github.com/example/app/releases/download/{version}/app{arch}",
            "install": "usr/bin/app",
        }
    ]
    assert (recipe["license"], recipe["start"]) == ("LicenseRef-Unknown", ["app.service"])
    source = load_all(bench.settings.recipes)["app"]
    assert [file.path for file in source.files] == ["usr/lib/systemd/system/app.service"]
    assert {asset.trust for asset in source.lock.versions[TAG].assets} == {"github-digest"}
    assert any(
        "summary, license, how app.service starts app and check.yaml" in line for line in bench.said
    )


def test_a_checksum_file_for_each_asset(bench: Bench) -> None:
    files = {"app-linux-amd64": X86, "app-linux-arm64": ARM}
    own = {f"{name}.sha256": sums({name: data}) for name, data in files.items()}
    bench.release({**files, **own}, tag="app-1.0", digests=False)
    recipe = yaml.safe_load(bench.make())
    assert recipe["upstream"] == {"github": "example/app", "tag": "app-{version}"}
    assert recipe["build"] == ["1.0", "latest"]
    assert recipe["assets"][0]["checksum"] == {"url": "{url}.sha256"}


def test_a_checksum_file_for_each_processor(bench: Bench) -> None:
    files = {"app-linux-amd64": X86, "app-linux-arm64": ARM}
    own = {f"sha256sum-{n[10:]}.txt": sums({n: data}) for n, data in files.items()}
    bench.release({**files, **own}, digests=False)
    checksum = yaml.safe_load(bench.make())["assets"][0]["checksum"]["url"]
    assert checksum.endswith("/{version}/sha256sum-{arch}.txt")


def test_a_checksum_file_that_tells_nothing_is_passed_over(bench: Bench) -> None:
    bench.release({"app-linux-amd64": X86, "checksums.txt": b"none\n"}, digests=False)
    recipe = yaml.safe_load(bench.make())
    assert "checksum" not in recipe["assets"][0]
    assert "trust" not in recipe
    assert "# checksums.txt does not tell the digest of app-linux-amd64" in bench.said
    assert "# arm64: nothing is published for it, as far as names tell" in bench.said


def test_a_processor_with_another_layout_is_left_out(bench: Bench) -> None:
    bench.release(
        {
            "app-linux-amd64.tar.gz": tarball({"app": X86}),
            "app-linux-arm64.tar.gz": tarball({"app": ARM, "helper": ARM}),
        }
    )
    assert yaml.safe_load(bench.make())["arch"] == {"x86-64": "amd64"}
    assert any(line.startswith("# arm64: left out") for line in bench.said)


def test_what_needs_musls_loader_gives_way_to_what_needs_glibcs(bench: Bench) -> None:
    musls = program("x86-64", dynamic=True, loader="/lib/ld-musl-x86_64.so.1")
    bench.release({"app-x86_64-linux-musl": musls, "app-x86_64-linux-gnu": X86})
    assert yaml.safe_load(bench.make())["assets"][0]["url"].endswith("-linux-gnu")
    assert any("the other needs musl's loader, which hosts lack" in line for line in bench.said)


@pytest.mark.parametrize(
    ("loader", "reason"),
    [
        ("/lib/ld-musl-x86_64.so.1", "linked for musl, whose loader hosts lack"),
        (None, "brings ld-linux-x86-64.so.2, or os: names the host that has them"),
    ],
)
def test_libraries_that_can_not_be_had_are_told_and_no_boot_is_tried(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, loader: str | None, reason: str
) -> None:
    monkeypatch.setattr("bakery.scaffold.create.seen_in_a_boot", pytest.fail)
    nowhere = f"{bench.settings.mirror}/debian"
    bench.settings = dataclasses.replace(bench.settings, debian_mirror=nowhere)
    bench.release({"app-x86_64-linux": program("x86-64", dynamic=True, loader=loader)})
    recipe = yaml.safe_load(bench.make(boot=True))
    assert "self-contained" not in recipe
    assert len(recipe["assets"]) == 1
    assert any("# beware: app: " in line and reason in line for line in bench.said)


def test_a_draft_that_can_not_be_built_is_written_and_says_what_it_lacks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_args: object) -> None:
        raise ImageError("app needs libown.so.1", fix="add the package")

    monkeypatch.setattr("bakery.scaffold.create.stage", lacking)
    bench.release({"app-x86_64-linux": X86})
    bench.make(boot=True)
    assert "# beware: it can't be built: app needs libown.so.1; add the package" in bench.said


def test_processors_whose_programs_are_linked_otherwise_do_not_share_a_recipe(
    bench: Bench,
) -> None:
    loader = "/lib/ld-musl-x86_64.so.1"
    files = {"amd64": X86, "arm64": program("arm64", dynamic=True, loader=loader)}
    bench.release({f"app-linux-{word}": content for word, content in files.items()})
    assert yaml.safe_load(bench.make())["arch"] == {"x86-64": "amd64"}


def test_a_draft_with_libraries_is_self_contained() -> None:
    layout = Layout(
        install="usr/bin/app",
        programs=("app",),
        dynamic=("app",),
        needed=("libc.so.6",),
        for_musl=False,
        licences=False,
    )
    draft = Draft(
        name="app",
        about=About(summary="An app", homepage="https://example.org/", licence="MIT"),
        upstream={"npm": "app"},
        tag="1.0",
        words={"x86-64": "x64"},
        asset={"npm": "app-{arch}"},
        layout=layout,
        libraries=("libc6",),
        trust="checksum",
        unit=False,
    )
    written = texts.files(draft, "# schema")
    recipe = yaml.safe_load(written["recipe.yaml"])
    assert recipe["self-contained"] is True
    assert recipe["assets"][1] == {
        "debian": {"packages": ["libc6"], "suite": "trixie"},
        "version": "latest",
        "install": {"usr/share/doc/**/copyright": "usr/share/licenses/app/"},
    }
    assert "add those of the libraries" in written["recipe.yaml"]
    assert "self-contained, with libraries of Debian trixie" in " ".join(
        written["README.md"].split()
    )


def test_addresses_and_the_folder_that_lists_them(bench: Bench) -> None:
    for version, word in (("1.9", "x86_64"), ("1.10", "x86_64"), ("1.10", "aarch64")):
        wheel = io.BytesIO()
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("bin/app", X86 if word == "x86_64" else ARM)
            archive.writestr("bin/appctl", X86 if word == "x86_64" else ARM)
        bench.serve(f"https://dl.example.org/app/app-{version}-{word}.zip", wheel.getvalue())
    address = "https://dl.example.org/app/app-{version}-{arch}.zip"
    recipe = yaml.safe_load(bench.make("url", address))
    assert recipe["build"] == ["1.10", "latest"]
    assert recipe["upstream"]["listing"] == "https://dl.example.org/app/"
    assert recipe["assets"] == [{"url": address, "install": {"bin/*": "usr/bin/"}}]
    lock = lockfile.read(bench.settings.recipes / "app" / "lock.json")
    assert len(lock.versions["1.10"].assets) == 2


@pytest.mark.parametrize(
    ("address", "found", "tag"),
    [
        ("/v1.2.3/app-1.2.3-linux-amd64.tgz", "/{version}/app-{bare}-linux-{arch}.tgz", "v1.2.3"),
        ("/app/app-1.10-x86_64.zip", "/app/app-{version}-{arch}.zip", "1.10"),
        ("/app1.22.3.linux-arm64.tar.gz", "/app{version}.linux-{arch}.tar.gz", "1.22.3"),
        ("/v3/app-9.8.7-rc1.tgz", "/v3/app-{version}.tgz", "9.8.7-rc1"),
    ],
)
def test_the_version_is_found_in_an_address(address: str, found: str, tag: str) -> None:
    host = "https://1.2.3.4"
    assert at_address._with_placeholders(host + address) == (host + found, tag)


@pytest.mark.parametrize("more", [[], ["app/lib/std.mod", "app/share/table"]])
def test_what_programs_may_read_is_not_left_out_in_silence(bench: Bench, more: list[str]) -> None:
    texts = ("app/README.md", "app/LICENSE", "app/man/app.1", "app/package.json")
    files = {"app/bin/app": X86, **dict.fromkeys((*texts, *more), b"x")}
    bench.release({"app-linux-amd64.tar.gz": tarball(files)})
    bench.make()
    said = [line.partition(": left out;")[0] for line in bench.said if "beware" in line]
    assert said == (["# beware: 2 more files, such as app/lib/std.mod"] if more else [])


def test_the_address_of_one_file_is_enough(bench: Bench) -> None:
    for arch, content in (("amd64", X86), ("arm64", ARM)):
        bench.serve(f"https://dl.example.org/app/app-1.9-{arch}", content)
    recipe = yaml.safe_load(bench.make("url", "https://dl.example.org/app/app-1.9-amd64"))
    assert recipe["build"] == ["1.9", "latest"]
    assert recipe["assets"][0]["url"] == "https://dl.example.org/app/app-{version}-{arch}"
    assert recipe["arch"] == {"x86-64": "amd64", "arm64": "arm64"}


def test_a_version_may_be_chosen_where_nothing_lists_them(bench: Bench) -> None:
    bench.serve("https://dl.example.org/v2.0/linux/app", X86)
    recipe = yaml.safe_load(
        bench.make("url", "https://dl.example.org/{version}/linux/app", version="v2.0")
    )
    assert (recipe["build"], "upstream" in recipe) == (["v2.0"], False)
    assert recipe["arch"] == {"x86-64": "x86-64"}


@pytest.mark.parametrize(
    ("kind", "place", "problem"),
    [
        ("github", "example", '--github does not take "example"'),
        ("github", "a/b/c", "write OWNER/REPO on GitHub"),
        ("npm", "git+https://example.org/app.git", "write the name of an npm package"),
        ("npm", "./app", '--npm does not take "./app"'),
        ("npm", "esbuild@0.28.2", '--npm does not take "esbuild@0.28.2"'),
        ("pypi", "../app", "write the name of a project on the package index"),
        ("url", "https://example.org/app", "does not say where its version stands"),
        ("url", "https://dl.example.org/{version}/app", "no page lists the versions"),
        ("github", "example/nothing", "refuses to answer"),
    ],
)
def test_what_can_not_be_found_is_explained(
    bench: Bench, kind: str, place: str, problem: str
) -> None:
    with pytest.raises(BakeryError, match=problem):
        bench.make(kind, place)
    assert list(bench.settings.recipes.iterdir()) == []


@pytest.mark.parametrize(
    ("packages", "suite", "problem"),
    [
        (("hello-",), "trixie", '--debian does not take "hello-"'),
        (("hello", "jq=1"), "trixie", '--debian does not take "jq=1"'),
        (("hello:i386",), "trixie", "write the name of a Debian package"),
        (("hello",), "../x", '--suite does not take "../x"'),
    ],
)
def test_what_apt_would_read_as_more_than_a_name_is_refused(
    bench: Bench, packages: tuple[str, ...], suite: str, problem: str
) -> None:
    with pytest.raises(BakeryError, match=problem):
        create_of_packages("app", packages, suite, settings=bench.settings, echo=print)


def test_a_version_that_is_not_there_is_explained(bench: Bench) -> None:
    with pytest.raises(BakeryError, match=r"nothing is at the address(?s:.)*HTTP 404"):
        bench.make("url", "https://dl.example.org/{version}/app-{arch}", version="1.0")


def test_an_archive_and_a_bare_program_do_not_make_one_recipe(bench: Bench) -> None:
    bench.release({"app-linux-amd64.tar.gz": tarball({"app": X86}), "app-linux-arm64": ARM})
    assert yaml.safe_load(bench.make())["arch"] == {"x86-64": "amd64"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"app-darwin-arm64": b"x", "app.deb": b"x"}, "nothing in the release is a program"),
        (
            {"app-linux-amd64.tar.gz": tarball({"app": b"#!/usr/bin/python3\n"})},
            "scripts, which need an interpreter: app",
        ),
        ({"app-linux-amd64": ARM}, "or for arm64"),
    ],
)
def test_releases_without_programs_for_linux_are_refused(
    bench: Bench, files: Mapping[str, bytes], problem: str
) -> None:
    bench.release(files)
    with pytest.raises(BakeryError, match=problem):
        bench.make()


def test_what_is_there_is_not_overwritten(bench: Bench) -> None:
    (bench.settings.recipes / "app").mkdir()
    with pytest.raises(BakeryError, match="there is a recipe app already"):
        bench.make()
    with pytest.raises(BakeryError, match="can't be the name of a recipe"):
        create("App", "pypi", "app", settings=bench.settings, echo=bench.said.append)


def test_a_recipe_appears_whole_or_not_at_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.release({"app_linux_amd64": X86})

    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bakery.scaffold.create.lock_version", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.make()
    root = bench.settings.root
    assert {path.name for path in root.iterdir()} <= {"mirror", "recipes", "store"}
    assert not [*bench.settings.recipes.iterdir()]


def test_what_programs_say_in_a_boot_is_what_is_checked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tarball({"app/app": X86, "app/LICENSE": b"MIT"})
    bench.release({"app_linux_amd64.tgz": archive}, about={"license": {"spdx_id": "MIT"}})
    line = 'app version 2>&1 | grep --fixed-strings "${BAKERY_VERSION#v}"'
    seen = Observed(
        versions={"app": line},
        licence="GPL-3.0-only",
        listens=["tcp/80"],
        works=[Question(("curl", "http://127.0.0.1:80/"))],
    )
    monkeypatch.setattr("bakery.scaffold.create.seen_in_a_boot", lambda *_args, **_options: seen)
    recipe = yaml.safe_load(bench.make(unit=True, boot=True))
    assert recipe["license"] == "GPL-3.0-only"
    assert recipe["assets"][0]["install"] == {"app/app": "usr/bin/"}  # not another's licence
    expected = convert.load(bench.settings.recipes / "app" / CHECK, Expectations)
    runs = [command.run for command in expected.commands]
    assert runs == [line, ("curl", "http://127.0.0.1:80/")]
    assert [str(each) for each in expected.listen] == ["tcp/80"]
