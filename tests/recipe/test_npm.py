from __future__ import annotations

import pytest

from bakery.recipe.npm import NpmName, NpmVersion, parse
from bakery.yaml.grammar import GrammarError


@pytest.mark.parametrize(
    ("name", "version", "address"),
    [
        ("esbuild", "0.28.2", "npm:esbuild/esbuild-0.28.2.tgz"),
        ("@esbuild/linux-x64", "0.28.2", "npm:@esbuild/linux-x64/linux-x64-0.28.2.tgz"),
        ("@a/b-1", "2.0.0-rc.1", "npm:@a/b-1/b-1-2.0.0-rc.1.tgz"),
        ("sql.js", "1.0.0", "npm:sql.js/sql.js-1.0.0.tgz"),
    ],
)
def test_an_address_says_which_version_of_which_package(
    name: str, version: str, address: str
) -> None:
    package = NpmVersion(name, version)
    assert package.address == address
    assert parse(address) == package


@pytest.mark.parametrize(
    "address",
    [
        "npm:app/other-1.0.0.tgz",
        "npm:app/app-1.0.0.zip",
        "npm:--registry=evil/--registry=evil-1.0.0.tgz",
        "npm:@scope/app-1.0.0.tgz",
        "npm:a/b/b-1.0.0.tgz",
        "npm:../app/app-1.0.0.tgz",
        "npm:app/app-file:evil.tgz",
        "pypi:app/app-1.0.0.tgz",
    ],
)
def test_other_addresses_say_nothing(address: str) -> None:
    assert parse(address) is None


def test_a_package_may_be_named_by_architecture() -> None:
    assert NpmName.parse("@esbuild/linux-{arch}").expand({"arch": "x64"}) == "@esbuild/linux-x64"


@pytest.mark.parametrize("text", ["", "a/b", "@a", "-a", ".a", "@a/b/c", "a b", "a@1", "git+ssh:x"])
def test_what_is_no_name_of_a_package_is_refused(text: str) -> None:
    with pytest.raises(GrammarError, match=r"npm package|can't be empty"):
        NpmName.parse(text)
