"""The reference: every key has a meaning and an example, and every example is right."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bakery import settings
from bakery.cli import reference
from bakery.recipe import lock
from bakery.recipe.load import Recipes
from bakery.recipe.model import Recipe
from bakery.recipe.template import VERSION_PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / ".github/docs/reference.md"
MODELS = [
    kind
    for top in reference.LANGUAGES.values()
    for kind in reference.kinds(top)
    if issubclass(kind, msgspec.Struct)
]
EXAMPLE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SMALLEST = {
    "summary": "An app",
    "homepage": "https://example.org/",
    "license": "MIT",
    "build": "[1.2.3]",
    "arch": "{x86-64: amd64, arm64: arm64}",
}


def examples(kind: type) -> list[tuple[str, str]]:
    return EXAMPLE.findall(inspect.cleandoc(kind.__doc__ or ""))


def loaded(kind: type, language: str, text: str, folder: Path) -> Any:
    """Return what the bakery itself reads of an example."""
    if language == "json":
        return lock.decode(text.encode(), folder / "lock.json")
    app = folder / "recipes/app"
    (app / "files/usr/lib/systemd/system").mkdir(parents=True)
    for name in ("files/usr/lib/systemd/system/app.service", "release.asc", "minisign.pub"):
        (app / name).touch()
    (app / "cosign.pub").touch()
    is_check = kind.__module__.endswith("expectations")
    smallest = "".join(f"{key}: {value}\n" for key, value in SMALLEST.items())
    for other in ("docker", "wasmedge"):
        (folder / "recipes" / other).mkdir()
        start = "start: [docker.service]\n"
        (folder / "recipes" / other / "recipe.yaml").write_text(smallest + start)
    given = set() if is_check else set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    lines = "".join(f"{key}: {value}\n" for key, value in SMALLEST.items() if key not in given)
    (app / "recipe.yaml").write_text(lines + ("" if is_check else text))
    if is_check:
        (app / "check.yaml").write_text(text)
    source = Recipes(folder / "recipes")["app"]
    return source.expected if is_check else source.recipe


def shown(value: Any) -> Iterator[tuple[type, str]]:
    """Yield each model and key that a value sets to something else than the default."""
    if isinstance(value, msgspec.Struct):
        for info in msgspec.structs.fields(value):
            here = getattr(value, info.name)
            if info.required or here not in (info.default, (), {}):
                owner = next(
                    c for c in type(value).__mro__ if info.name in inspect.get_annotations(c)
                )
                yield owner, info.encode_name
            yield from shown(here)
    elif isinstance(value, dict):
        for part in (*value, *value.values()):
            yield from shown(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from shown(part)


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_examples_set_every_key_of_their_model(
    kind: type, tmp_path_factory: pytest.TempPathFactory
) -> None:
    holder = lock.Lock if kind in (lock.LockedVersion, lock.LockedAsset) else kind
    seen: set[str] = set()
    for language, text in examples(holder):
        value = loaded(holder, language, text, tmp_path_factory.mktemp("example"))
        seen |= {key for owner, key in shown(value) if owner is kind}
    assert seen == set(reference.meanings(kind))


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_every_key_has_a_meaning(kind: type) -> None:
    assert [key for key, said in reference.meanings(kind).items() if not said] == []


def test_the_example_of_settings_sets_each_of_them(tmp_path: Path) -> None:
    ((_, text),) = examples(settings.Settings)
    (tmp_path / "pyproject.toml").write_text(text)
    held = settings.load(tmp_path, {"XDG_CACHE_HOME": "/nowhere"})
    assert set(held.origins.values()) == {"pyproject.toml, [tool.bakery]"}
    named = {each.name for each in dataclasses.fields(settings.Settings)}
    assert set(reference.meanings(settings.Settings)) == named


def test_every_key_and_placeholder_is_on_the_page() -> None:
    page = reference.page()
    for kind in MODELS:
        assert [key for key in reference.meanings(kind) if f"| `{key}` |" not in page] == []
    assert [word for word in VERSION_PLACEHOLDERS if f"`{{{word}}}`" not in page] == []


def test_the_recipe_in_the_guide_is_right(tmp_path: Path) -> None:
    ((language, text),) = EXAMPLE.findall((COMMITTED.parent / "setup.md").read_text("utf-8"))
    assert loaded(Recipe, language, text, tmp_path).account == "caddy"


def test_the_committed_page_is_up_to_date() -> None:
    assert COMMITTED.read_text("utf-8") == reference.page(), (
        "write it anew: bakery reference > .github/docs/reference.md"
    )
