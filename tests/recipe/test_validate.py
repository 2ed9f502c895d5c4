from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery.recipe.load import load_all
from bakery.yaml.location import DocumentError

if TYPE_CHECKING:
    from recipe.conftest import Bakery

ASSET = """\
parts: {cni: {github: example/cni}}
assets:
  - url: "https://example.org/URL"
    FILES
    checksum:
      url: "CHECKSUM"
      signature:
        {minisign: "SIGNATURE", key: RWaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
    signature: {sigstore: "{url}.json", identity: "IDENTITY", issuer: "https://example.org"}
    install: {"MEMBER": "usr/lib/PLACE"}
"""


def asset(**texts: str) -> str:
    given = {
        "URL": "app",
        "FILES": "",
        "CHECKSUM": "{url}.sha256",
        "SIGNATURE": "{url}.sig",
        "IDENTITY": "a",
        "MEMBER": "*",
        "PLACE": "app/",
    }
    recipe = ASSET
    for word, text in {**given, **texts}.items():
        recipe = recipe.replace(word, text)
    return recipe


@pytest.mark.parametrize(
    "recipe",
    [
        asset(URL="{version}{bare}{version.bare}{major}{minor}{arch}{name}{cni}{cni.bare}"),
        asset(URL="{file}", FILES="files: [a]", MEMBER="{file}", PLACE="{file}"),
        asset(FILES="", CHECKSUM="https://example.org/{version}/{arch}"),
        asset(URL="{file}", FILES="files: [a]", CHECKSUM="{url}.{file}"),
        "write: {'usr/{{x}}': '{{not_a_placeholder}}'}\n",
        "upstream: {github: a/b}\nbuild: ['>= 1, < 2', latest, {latest: major}]\n",
        "license: GPL-2.0-only WITH Classpath-exception-2.0 AND (MIT OR LicenseRef-Own)\n",
        "start: ['dev-disk.swap', 'getty@tty1.service', 'a\\x2db.mount', 'x:y.automount']\n",
        "drop: ['**/*.a', '*/x', 'usr/share/..x/', opt/a]\n",
    ],
)
def test_a_recipe_that_is_right_is_loaded(bakery: Bakery, recipe: str) -> None:
    bakery.recipe(recipe)
    load_all(bakery.folder)


@pytest.mark.parametrize(
    ("recipe", "unknown"),
    [
        (asset(URL="{url}"), "{url}"),
        (asset(URL="{major.bare}"), "{major.bare}"),
        (asset(CHECKSUM="{url}.{file}"), "{file}"),
        (asset(SIGNATURE="{url}.{file}"), "{file}"),
        (asset(IDENTITY="{vers}"), "{vers}"),
        (asset(MEMBER="{url}"), "{url}"),
        (asset(MEMBER="{a}/{b}"), "{a}"),
        (asset(PLACE="{cni2}/"), "{cni2}"),
        ("links: {usr/a: {target: '{file}'}}\n", "{file}"),
        ("parts: {cni: {text: 'https://example.org/{vers}'}}\n", "{vers}"),
    ],
)
def test_placeholders_mean_something_only_in_their_place(
    bakery: Bakery, recipe: str, unknown: str
) -> None:
    bakery.recipe(recipe)
    with pytest.raises(DocumentError) as caught:
        load_all(bakery.folder)
    assert caught.value.what == f"unknown placeholder {unknown}"
    assert caught.value.why is not None
    line, caret = caught.value.why.splitlines()
    assert line[caret.index("^") : caret.rindex("^") + 1] == unknown
