"""The table of mistakes, and a folder of recipes to make them in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SMALLEST = {
    "summary": "summary: Something useful",
    "homepage": "homepage: https://example.org/",
    "license": "license: MIT",
    "build": 'build: ["1.0"]',
    "arch": "arch: {x86-64: x86_64, arm64: aarch64}",
}
TABLE = Path(__file__).parent / "mistakes.md"
_FENCE = re.compile(r"^```(?P<info>.*)\n(?P<body>(?:.*\n)*?)```$", re.MULTILINE)


@dataclass(frozen=True)
class Mistake:
    """One section of the table: files by path below recipes/, and the message they must get."""

    title: str
    files: dict[str, bytes] = field(default_factory=dict)
    message: str = ""
    seen_by_editors: bool = False


def completed(text: str) -> str:
    """Return a recipe with the keys of the smallest one that it lacks."""
    given = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    lines = [line for key, line in SMALLEST.items() if key not in given]
    return "\n".join([text.rstrip("\n"), *lines, ""])


def _mistake(title: str, section: str) -> Mistake:
    files: dict[str, bytes] = {}
    message = ""
    for found in _FENCE.finditer(section):
        kind, *words = found["info"].split()
        encoding = "latin-1" if "latin-1" in words else "utf-8"
        path = next((word for word in words if "." in word or "/" in word), "app/recipe.yaml")
        body = found["body"]
        if kind == "text":
            message = body.rstrip("\n")
        else:
            whole = kind != "yaml" or "whole" in words
            files[path] = (body if whole else completed(body)).encode(encoding)
    return Mistake(title, files, message, "Editors show it too." in section)


def mistakes() -> list[Mistake]:
    _, *sections = re.split(r"^### ", TABLE.read_text("utf-8"), flags=re.MULTILINE)
    return [_mistake(*section.split("\n", 1)) for section in sections]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mistake" in metafunc.fixturenames:
        table = mistakes()
        metafunc.parametrize("mistake", table, ids=[mistake.title for mistake in table])


class Bakery:
    """A recipes folder that is filled file by file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, path: str, content: str | bytes, *, mode: int = 0o644) -> Path:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        return place

    def recipe(self, text: str, name: str = "app") -> Path:
        return self.add(f"{name}/recipe.yaml", completed(text))


@pytest.fixture
def bakery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bakery:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    return Bakery(tmp_path / "recipes")
