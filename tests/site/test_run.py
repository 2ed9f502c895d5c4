"""What the last run did, from the workflow's own words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bakery.site import make
from bakery.site.errors import SiteError
from bakery.site.render import Site
from bakery.site.run import read

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.settings import Settings

MATRIX = {"include": [{"build": "check:app-1.2-x86-64 check:app-1.2-arm64"}]}
MATRIX["include"].append({"build": "check:plugin-0.9-arm64"})


def write(folder: Path, **needs: Any) -> Path:
    path = folder / "run.json"
    path.write_text(json.dumps({"url": "https://ci/1", "day": "2026-11-26", "needs": needs}))
    return path


def planned(matrix: object) -> dict[str, Any]:
    return {"result": "success", "outputs": {"matrix": json.dumps(matrix)}}


def done(**outputs: str) -> dict[str, Any]:
    return {"result": "success", "outputs": outputs}


def test_what_was_not_published_is_told(tmp_path: Path) -> None:
    bake = {"result": "failure", "outputs": {"agreed": "app"}}
    needs = {"bake": bake, "sign": done(signed="app-1.2"), "publish": done(published="app-1.2")}
    run = read(write(tmp_path, plan=planned(MATRIX), **needs))
    assert run.wanted == ["app-1.2", "plugin-0.9"]
    assert (run.published, run.left) == (["app-1.2"], ["plugin-0.9"])
    assert run.failed == {"bake": "failure"}


def test_what_was_signed_and_not_uploaded_is_not_published(tmp_path: Path) -> None:
    publish = {"result": "cancelled", "outputs": {}}
    needs = {"plan": planned(MATRIX), "sign": done(signed="app-1.2 plugin-0.9")}
    run = read(write(tmp_path, **needs, publish=publish))
    assert (run.published, run.left) == ([], ["app-1.2", "plugin-0.9"])
    assert run.failed == {"publish": "cancelled"}
    publish = {"result": "failure", "outputs": {"published": "app-1.2"}}
    run = read(write(tmp_path, **needs, publish=publish))
    assert (run.published, run.left) == (["app-1.2"], ["plugin-0.9"])


def test_a_run_without_work_has_not_failed(tmp_path: Path) -> None:
    skipped = {"result": "skipped", "outputs": None}  # as act says it
    run = read(write(tmp_path, plan=planned({"include": []}), bake=skipped, publish=skipped))
    assert (run.wanted, run.published, run.left, run.failed) == ([], [], [], {})


def test_it_is_on_the_page(project: Settings, tmp_path: Path) -> None:
    bake = {"result": "failure", "outputs": {}}
    run = read(write(tmp_path, plan=planned(MATRIX), bake=bake))
    make.make(tmp_path / "site", project, {}, site=Site(run=run))
    text = (tmp_path / "site/status.html").read_text()
    for part in (
        "0 of 2 releases",
        "<code>bake</code> failed",
        "plugin-0.9",
        'href="https://ci/1"',
    ):
        assert part in text, part


@pytest.mark.parametrize("text", ["", "[]", '{"url": 1}', '{"url": "", "day": "today"}'])
def test_garbage_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(SiteError, match="this tells of no run"):
        read(path)


def test_a_damaged_matrix_is_refused(tmp_path: Path) -> None:
    plan = {"result": "success", "outputs": {"matrix": "{"}}
    with pytest.raises(SiteError, match="this tells of no run"):
        read(write(tmp_path, plan=plan))
