from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.catalogue import example
from harness.mirror import Mirror

from bakery import settings as settings_module
from bakery.recipe.load import load_all
from bakery.site.make import make
from bakery.site.render import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.settings import Settings

RECIPE = """\
summary: An app
homepage: https://example.com/
license: MIT
build: ["1.2"]
arch: {x86-64: amd64, arm64: arm64}
start: [app.service]
account: app
"""
README = """\
# App

Is *yours* <script>alert(1)</script>, see [the promise](../../.github/SUPPORT.md).

## Configure

| where | what |
|---|---|
| `/etc/app` | all |
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, person: Person) -> Iterator[Settings]:
    """A project with a published catalogue, which a server has."""
    person.key("Publisher")
    root = tmp_path_factory.mktemp("project")
    recipe = root / "recipes/app"
    unit = recipe / "files/usr/lib/systemd/system/app.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/usr/bin/app\nNoNewPrivileges=yes\nProtectHome=yes\n")
    (recipe / "recipe.yaml").write_text(RECIPE)
    (recipe / "lock.json").write_text('{"versions": {"1.2": {"assets": []}}}')
    (recipe / "check.yaml").write_text("listen: [tcp/80]\ncommands:\n  - run: app --version\n")
    (recipe / "README.md").write_text(README)
    published = root / "published"
    published.mkdir()
    example(published, person)
    with Mirror(published) as server:
        environment = {
            "BAKERY_PUBLISHER": f"directory:{published}",
            "BAKERY_PUBLISH_URL": server.url,
            "HOME": str(root),
        }
        yield settings_module.load(root, environment)


@pytest.fixture(scope="module")
def site(project: Settings) -> Path:
    """The folder of its site."""
    folder = project.root / "site"
    described = Site(url="https://example.com/site", source="https://github.com/owner/repo")
    make(folder, project, load_all(project.recipes), site=described)
    return folder
