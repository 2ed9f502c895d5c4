"""The npm registry as it really is: versions, and a recipe that is locked, built and booted."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import store
from harness.native import ARCH
from harness.project import Project

from bakery import settings
from bakery.lock import verify
from bakery.recipe.load import load_all
from bakery.recipe.upstreams import NpmUpstream
from bakery.upstream.api import Api
from bakery.upstream.errors import UpstreamError
from bakery.upstream.npm import offer
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs.programs("npm")


@pytest.fixture(scope="module", autouse=True)
def _reachable() -> None:
    try:
        offer("npm:esbuild/esbuild-0.28.2.tgz")
    except UpstreamError as error:
        pytest.skip(f"the npm registry can't be reached: {error}")


def test_versions_have_dates_and_a_package_that_is_missing_is_told(tmp_path: Path) -> None:
    with Api(settings.load(tmp_path, {"BAKERY_STORE": str(tmp_path)})) as api:
        found = {item.tag: item.date for item in offers(NpmUpstream(npm="esbuild"), api)}
        assert isinstance(found["0.28.2"], dt.date)
        with pytest.raises(UpstreamError, match="does not have the package"):
            offers(NpmUpstream(npm="no-such-package-of-the-sysext-bakery"), api)


@needs.ROOT
@needs.programs("systemd-nspawn", "debootstrap", "mksquashfs")
def test_a_recipe_is_locked_built_and_booted(tmp_path: Path) -> None:
    project = Project(
        tmp_path / "project",
        {"BAKERY_STORE": str(store()), "BAKERY_MACHINES": "nspawn:trixie"},
    )
    path = project.add("esbuild") / "lock.json"
    reviewed = json.loads(path.read_text())["versions"]
    (tag,) = reviewed
    path.unlink()
    done = project.run("bakery", "lock", "esbuild", tag)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["versions"] == reviewed
    project.doit(f"build:esbuild-{tag}", f"boot:esbuild-{tag}-{ARCH}")
    assert len(list(project.dist.glob("esbuild-*/esbuild-*.raw"))) == 2
    here = settings.load(project.root, {"BAKERY_STORE": str(store())})
    assert {each.confirmed for each in verify.verify(load_all(here.recipes), here)} == {"registry"}
    path.write_text(re.sub(r"sha512:\w{8}", "sha512:00000000", path.read_text(), count=1))
    found = verify.verify(load_all(here.recipes), here)
    assert [each.is_alarm for each in found].count(True) == 1
