"""Upstreams as they really are: GitHub's own description, the package index, a Debian mirror."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from typing import TYPE_CHECKING

import pytest
import requests
from harness import prism, project

from bakery import settings
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.lock import update, verify
from bakery.recipe.load import load_all
from bakery.recipe.upstreams import DebianUpstream, GithubUpstream, PypiUpstream
from bakery.upstream import pypi
from bakery.upstream.api import Api
from bakery.upstream.errors import UpstreamError
from bakery.upstream.github import digest_of
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.recipe.policy import Published
    from bakery.recipe.upstreams import Upstream
    from bakery.settings import Settings

ONCE = Client(retry=RetryPolicy(tries=1))
REPOSITORY = "/repos/{owner}/{repo}"
RELEASES = f"{REPOSITORY}/releases"
PATHS = [RELEASES, f"{RELEASES}/tags/{{tag}}", f"{REPOSITORY}/tags"]


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prism.github(tmp_path_factory.mktemp("github"), PATHS) as address:
        yield address


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings.load(tmp_path, {"BAKERY_STORE": str(tmp_path / "store")})


def asked(here: Settings, upstream: Upstream, **environment: str) -> list[Published]:
    with Api(here, environment=environment, client=ONCE) as api:
        return offers(upstream, api)


def test_our_requests_are_as_github_describes_them(here: Settings, github: str) -> None:
    for upstream, tag in (
        (GithubUpstream(github="octocat/Hello-World"), "v1.0.0"),
        (GithubUpstream(github="octocat/Hello-World", tags=True), "v0.1"),
    ):
        found = asked(here, upstream, GITHUB_API_URL=github, GITHUB_TOKEN="secret")
        assert [item.tag for item in found] == [tag]


def test_so_is_the_one_for_the_digest_of_an_asset(here: Settings, github: str) -> None:
    url = "https://github.com/octocat/Hello-World/releases/download/v1.0.0/example.zip"
    with Api(here, environment={"GITHUB_API_URL": github}, client=ONCE) as api:
        assert len(digest_of(url, api) or "") == 64


def test_a_request_that_github_does_not_describe_is_found_out(here: Settings, github: str) -> None:
    wrong = requests.get(f"{github}/repos/octocat/Hello-World/tags?per_page=many", timeout=600)
    assert wrong.status_code == 422
    with pytest.raises(UpstreamError, match="HTTP 404"):
        asked(here, GithubUpstream(github="a/b/c"), GITHUB_API_URL=github)


def test_versions_of_the_package_index_have_dates(here: Settings) -> None:
    found = asked(here, PypiUpstream(pypi="uv"))
    again = asked(here, PypiUpstream(pypi="uv"))
    assert found == again
    versions = {item.tag: item.date for item in found}
    assert versions["0.5.0"] == dt.date(2024, 11, 7)
    with pytest.raises(UpstreamError, match=r"HTTP 404|No such file"):
        asked(here, PypiUpstream(pypi="no-such-project-of-the-sysext-bakery"))


def test_a_version_that_the_index_lacks_is_told_in_brief() -> None:
    with pytest.raises(UpstreamError) as caught:
        pypi.wheel("uv", "0.0.0", ["musllinux_1_1_x86_64"])
    why = caught.value.why or ""
    assert re.search(r"\(from versions: …, ([\w.]+, ){4}[\w.]+\)", why)
    assert "WARNING" not in why


def test_a_locked_package_is_looked_up_in_the_signed_index(here: Settings) -> None:
    lock = here.recipes / "tilde/lock.json"
    shutil.copytree(project.REPOSITORY / "recipes/tilde", lock.parent)
    lock.unlink()
    sources = load_all(here.recipes)
    (done,) = update.update(sources, sources=sources, settings=here)
    assert done.failures == ()
    assert {each.confirmed for each in verify.verify(load_all(here.recipes), here)} == {"apt"}
    lock.write_text(re.sub(r'"sha256": "\w+', f'"sha256": "{"0" * 64}', lock.read_text(), count=1))
    found = verify.verify(load_all(here.recipes), here)
    assert [each.is_alarm for each in found].count(True) == 1


def test_a_debian_suite_has_one_version(here: Settings) -> None:
    (found,) = asked(here, DebianUpstream(debian="btop", suite="bookworm"))
    assert found.tag.startswith("1.2.13-1")


@pytest.mark.parametrize("name", ["perl", "perl-base", "postgresql-17", "postgresql-common"])
def test_a_package_is_listed_whatever_it_depends_on(here: Settings, name: str) -> None:
    (found,) = asked(here, DebianUpstream(debian=name, suite="trixie"))
    assert found.prerelease is False


def test_a_package_that_the_suite_lacks(here: Settings) -> None:
    for name in ("no-such-package", "mail-transport-agent"):  # the latter is only provided
        with pytest.raises(UpstreamError, match=f"trixie has no package {name}"):
            asked(here, DebianUpstream(debian=name, suite="trixie"))
