"""SECURITY.md names the tests of each promise, on one page."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".github"
TEXT = (FOLDER / "SECURITY.md").read_text()


def test_every_promise_names_its_tests() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 5
    assert all("../tests/" in row for row in rows)


def test_it_is_one_page() -> None:
    assert len(TEXT.splitlines()) < 80


def test_readme_points_to_security_md() -> None:
    assert "(.github/SECURITY.md)" in (FOLDER.parent / "README.md").read_text()
