"""What is in a recipe's assets, and what puts a path into its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.elf import program
from harness.mirror import Mirror
from harness.project import Project, digest
from harness.tarball import tarball

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL = "https://example.org/app-1.0.tar.gz"
RECIPE = """summary: An app
homepage: https://example.org/
license: MIT
build: ["1.0"]
arch: {x86-64: amd64}
assets:
  - url: "https://example.org/app-{version}.tar.gz"
    install:
      app-{version}/app: usr/bin/
      "**/*.md": usr/share/doc/app/
write: {usr/share/app/version: "{version}"}
account: app
start: [app.service]
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror:
        members = {"app-1.0/app": program("x86-64"), "app-1.0/a.md": b"hi", "app-1.0/b/c.md": b""}
        place = mirror.place(URL)
        place.write_bytes(tarball(members))
        made = Project(tmp_path / "project", {"BAKERY_MIRROR": mirror.url})
        unit = "[Service]\nUser=app\nExecStart=/usr/bin/app\n"
        files = {"files__usr__lib__systemd__system__app.service": unit}
        made.add("app", **{"recipe.yaml": RECIPE, **files})
        made.lock("app", "1.0", {URL: digest(place)})
        yield made


def test_members_are_listed_as_install_names_them(project: Project) -> None:
    listed = project.run("bakery", "ls", "app", "**/*.md")
    lines = [URL, "  0644     2 bytes  app-1.0/a.md", "  0644     0 bytes  app-1.0/b/c.md"]
    assert listed.stdout.splitlines() == lines
    assert "  0755" in project.run("bakery", "ls", "app").stdout


def test_a_glob_that_fits_nothing_is_explained(project: Project) -> None:
    refused = project.run("bakery", "ls", "app", "app-1.0/ap")
    assert refused.returncode == 1
    assert "did you mean app-1.0/app?" in refused.stderr


@pytest.mark.parametrize(
    ("path", "source", "by"),
    [
        ("usr/bin/app", f"app-1.0/app in {URL}", "install: recipes/app/recipe.yaml:9:7\n    9 |"),
        (
            "/usr/share/doc/app/app-1.0/b/c.md",
            f"app-1.0/b/c.md in {URL}",
            "install: recipes/app/recipe.yaml:10:7",
        ),
        ("usr/share/app/version", "the recipe itself", "write: recipes/app/recipe.yaml:11:9"),
        (
            "usr/lib/sysusers.d/app.conf",
            "the build: setup",
            "account: recipes/app/recipe.yaml:12:1",
        ),
        (
            "usr/lib/systemd/system/app.service",
            "the recipe's folder",
            "files/: recipes/app/files/usr",
        ),
        ("usr/lib/systemd/system/multi-user.target.d/10-app.conf", "start", "start: recipes/app"),
    ],
)
def test_the_cause_of_a_path_is_told(project: Project, path: str, source: str, by: str) -> None:
    said = project.run("bakery", "why", "app", path)
    assert said.returncode == 0, said.stderr
    assert f"from  {source}" in said.stdout or f": {source}\n" in said.stdout
    assert f"by    {by}" in said.stdout


def test_a_path_that_is_not_there_is_explained(project: Project) -> None:
    assert "did you mean usr/bin/app?" in project.run("bakery", "why", "app", "usr/bin/ap").stderr
    assert "usr/bin/app\n" in project.run("bakery", "why", "app", "usr/bin").stderr
    assert "locked: 1.0" in project.run("bakery", "ls", "app", "--version", "2").stderr
