"""SECURITY.md names files that are there, on one page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / ".github"
TEXT = (FOLDER / "SECURITY.md").read_text()
LINKS = re.findall(r"\]\(([^)#]+)\)", TEXT)


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_what_it_names_is_there(link: str) -> None:
    assert (FOLDER / link).exists()


def test_every_promise_names_its_tests() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 5
    assert all("../tests/" in row for row in rows)


def test_it_is_one_page() -> None:
    assert len(TEXT.splitlines()) < 80


def test_readme_points_there() -> None:
    assert "(.github/SECURITY.md)" in (FOLDER.parent / "README.md").read_text()
