from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bakery.errors import BakeryError
from bakery.recipe.load import load_all
from bakery.recipe.local import RecipeFolderError
from bakery.recipe.model import Drop, Start
from bakery.recipe.plan import releases

if TYPE_CHECKING:
    from pathlib import Path

    from recipe.conftest import Bakery

WHOLE = r"""# yaml-language-server: $schema=../../bakery/recipe/recipe.schema.json
summary: Something useful
homepage: https://example.org/
license: Apache-2.0 OR MIT
upstream:
  listing: https://example.org/stable/
  pattern: app-(?P<version>[0-9.]+)\.tgz
build: [1.0, "1.1", ">= 1.2, < v2", latest, {latest: minor, keep: 2}]
arch: {x86-64: x86_64, arm64: aarch64}
parts:
  cni: {github: example/cni}
  runc: {text: "https://example.org/{version}/runc"}
assets:
  - url: https://example.org/{version}/{arch}/{file}.tgz
    files: [app, {name: ctl, when: ">= 1.1"}]
    arch: {x86-64: "", arm64: -arm64}
    checksum: {url: "{url}.sha256", signature: {gpg: "{url}.asc", key: ./key.asc}}
    signature: {sigstore: "{url}.json", identity: "https://a/b@{version}", issuer: "https://c"}
    install: {"{file}/*": usr/bin/, "**/*.so": usr/lib/app/}
    when: "< 3"
  - pypi: app-bin
    platform: manylinux_2_17_{arch}
    install: {"*.data/scripts/*": usr/bin/}
files: {usr/share/app/*: {template: true, when: "> 0.1"}}
write:
  usr/share/app/version: "{version}\n"
  usr/share/app/braces: {text: "{{}} {cni} {cni.bare}", when: "!= 1.1"}
links: {usr/bin/a: app, usr/bin/b: {target: "{name}", when: "> 1"}}
edit:
  usr/share/app/config: [{replace: a, with: b}, {replace: c, with: "", when: "== 1"}]
drop: [usr/share/doc/**, {path: "**/*.a", when: "< 2"}]
modes: {usr/bin/app: "4755"}
start: [app.service, {unit: app.socket, target: sockets.target, when: "> 1"}]
requires: [other]
replaces: [app-flatcar]
os: {id: flatcar, level: "1.0"}
format: erofs
trust: cited
channels: [minor]
allow: [{rule: elf, path: usr/bin/app, reason: it is old}]
""".replace("[1.0,", '["1.0",')


@pytest.fixture
def whole(bakery: Bakery) -> Bakery:
    bakery.add("app/recipe.yaml", WHOLE)
    bakery.add("app/key.asc", "a key")
    bakery.add("app/files/usr/share/app/config", "a = {arch}\n")
    bakery.recipe("requires: [app]\n", "other")
    return bakery


def test_a_recipe_with_all_that_there_is_is_loaded(whole: Bakery) -> None:
    sources = load_all(whole.folder)
    assert sorted(sources) == ["app", "other"]
    source = sources["app"]
    assert source.recipe.license == "Apache-2.0 OR MIT"
    assert isinstance(source.recipe.drop[1], Drop)
    assert isinstance(source.recipe.start[1], Start)
    assert [file.path for file in source.files] == ["usr/share/app/config"]
    assert source.keys == {"./key.asc": whole.folder / "app/key.asc"}


def test_a_variant_takes_what_it_does_not_change(whole: Bakery) -> None:
    whole.add(
        "variant/recipe.yaml",
        "extends: app\nsummary: Something else\nstart: []\n"
        "write: {usr/share/app/braces: null, usr/share/app/mine: x}\n",
    )
    whole.add("variant/files/usr/share/app/mine2", "x")
    whole.add("third/recipe.yaml", "extends: variant\nbuild: ['2.0']\n")
    sources = load_all(whole.folder)
    third = sources["third"]
    assert third.recipe.summary == "Something else"
    assert third.recipe.start == ()
    assert third.recipe.build == ("2.0",)
    assert [str(path) for path in third.recipe.write] == [
        "usr/share/app/version",
        "usr/share/app/mine",
    ]
    assert list(third.origins) == ["usr/share/app/config", "usr/share/app/mine2"]
    assert third.origins["usr/share/app/config"] == whole.folder / "app/files/usr/share/app/config"
    assert third.keys == {"./key.asc": whole.folder / "app/key.asc"}
    assert not third.lock.versions


def test_hidden_folders_and_files_are_no_recipes(bakery: Bakery) -> None:
    bakery.add(".git/x", "")
    bakery.add("_drafts/recipe.yaml", "-")
    bakery.add("README.md", "")
    assert load_all(bakery.folder) == {}


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeFolderError, match="there are no recipes"):
        load_all(tmp_path / "none")


def outcome(bakery: Bakery, text: str) -> None:
    """Read a recipe and its releases: anything but a value or a BakeryError fails the test."""
    bakery.add("app/recipe.yaml", text)
    try:
        for source in load_all(bakery.folder).values():
            for release in releases(source):
                assert release.problem is None or release.problem.render()
    except BakeryError as error:
        message = error.render()
    else:
        return
    message.encode()
    where, _, _ = message.partition("\n")
    assert where


FUZZ = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIGNS = st.one_of(
    st.text(alphabet="{}[]:,-&*!|>'\"%@`#?~ \t\n\\/.<=", max_size=3),
    st.sampled_from(["null", "yes", "2024-01-01", "1.0", "!!set", "<<: ", "{x}", "..", "0o7"]),
    st.text(max_size=3),
)


@FUZZ
@given(st.data())
def test_changed_characters_give_a_recipe_or_an_error(whole: Bakery, data: st.DataObject) -> None:
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(SIGNS) + text[at + data.draw(st.integers(0, 8)) :]
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    outcome(whole, text)


@FUZZ
@given(st.data())
def test_changed_lines_give_a_recipe_or_an_error(whole: Bakery, data: st.DataObject) -> None:
    lines = WHOLE.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        one, two = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        match data.draw(st.sampled_from(["remove", "repeat", "swap", "indent", "truncate"])):
            case "remove":
                lines[one] = ""
            case "repeat":
                lines.insert(one, lines[two])
            case "swap":
                lines[one], lines[two] = lines[two], lines[one]
            case "indent":
                lines[one] = " " * data.draw(st.integers(0, 6)) + lines[one].lstrip()
            case _:
                lines[one] = lines[one][: data.draw(st.integers(0, 30))]
    outcome(whole, "\n".join(lines) + "\n")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(alphabet="ab1.{}/", max_size=5)).map(
        repr
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.text(alphabet="ab", min_size=1, max_size=2), inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=4,
)
KEYS = re.findall(r"^(\w+):", WHOLE, re.MULTILINE)


@FUZZ
@given(st.sampled_from([*KEYS, "extends", "conflicts"]), VALUES)
@example("extends", "{}")
@example("extends", "[[app]]")
@example("license", "'" + "(" * 5000 + "'")
@example("license", "'MIT OR __import__(1)'")
@example("upstream", "{listing: 'https://a/', pattern: '" + "(" * 5000 + "'}")
@example("upstream", "{listing: 'https://a/', pattern: '[[a](?P<version>x)'}")
@example("upstream", "{listing: 'https://a/', pattern: 'x{99999999999}'}")
@example("build", "['" + "9" * 5000 + "']")
def test_another_value_for_a_key_gives_a_recipe_or_an_error(
    whole: Bakery, key: str, value: str
) -> None:
    kept = re.sub(rf"^{key}:.*\n(?:[ ].*\n)*", "", WHOLE, flags=re.MULTILINE)
    outcome(whole, f"{kept}{key}: {value}\n")


@pytest.mark.parametrize("name", ["app", "other"])
def test_a_folder_in_the_place_of_a_file(whole: Bakery, name: str) -> None:
    (whole.folder / name / "recipe.yaml").unlink()
    shutil.copytree(whole.folder / "app", whole.folder / name / "recipe.yaml", dirs_exist_ok=True)
    with pytest.raises(BakeryError, match="Is a directory"):
        load_all(whole.folder)
