"""CONTRIBUTING.md and the guides around it: complete, and short."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / ".github"
CONTRIBUTING = (DOCS / "CONTRIBUTING.md").read_text("utf-8")


def test_it_goes_from_nothing_to_a_merged_recipe() -> None:
    used = re.findall(r"^(?:\$ |    )(?:bakery|doit) (\w+)", CONTRIBUTING, re.MULTILINE)
    order = ["new", "try", "lint", "build", "boot", "lock"]
    places = [used.index(each) for each in order]
    assert places == sorted(places)
    assert len(CONTRIBUTING.splitlines()) < 150


def test_the_map_of_the_code_is_what_lint_imports_enforces() -> None:
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    layers = [set(layer.split(" : ")) for layer in contract["layers"]]
    text = (DOCS / "docs/development.md").read_text("utf-8")
    section = text.partition("\n## The code\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", section, re.MULTILINE)
    named = [re.findall(r"`(\w+)`", row) for row in rows]
    order = [name for row in named for name in row]
    assert len(order) == len(set(order))
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    assert set(order) == set(depth)
    assert [depth[name] for name in order] == sorted(depth[name] for name in order)
