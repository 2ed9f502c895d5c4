from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from harness.service import Reply, paged

from bakery.recipe.policy import Published
from bakery.recipe.types import VersionPattern
from bakery.recipe.upstreams import (
    GithubUpstream,
    HashicorpUpstream,
    KubernetesUpstream,
    ListingUpstream,
    ListUpstream,
    PypiUpstream,
)
from bakery.scaffold import on_index
from bakery.upstream import hashicorp, kubernetes, listing, simple_index
from bakery.upstream.errors import UpstreamError
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.service import Service
    from upstream.conftest import Clients

    from bakery.recipe.upstreams import Upstream

DAY = dt.date(2026, 3, 4)


def release(tag: str, **more: object) -> dict[str, object]:
    at = "2026-03-04T05:06:07Z"
    return {"tag_name": tag, "draft": False, "prerelease": False, "published_at": at, **more}


def offered(clients: Clients, upstream: Upstream, *, mirrored: bool = True) -> list[Published]:
    with clients.api(mirrored=mirrored) as api:
        return offers(upstream, api)


def tags(clients: Clients, upstream: Upstream) -> list[str]:
    return [item.tag for item in offered(clients, upstream)]


def github(service: Service, *releases: dict[str, object]) -> None:
    service.offer("/api.github.com/repos/o/app/releases?per_page=100", list(releases))


def test_github_s_releases_are_offered_but_drafts_and_foreign_ones(
    service: Service, clients: Clients
) -> None:
    draft = release("v3.0.0", draft=True, published_at=None)
    preview, foreign = release("v2.0.0", prerelease=True), release("api/v1.9.0")
    github(service, draft, preview, release("v1.10.0"), release("v1.9.0"), foreign)
    upstream = GithubUpstream(github="o/app")
    assert offered(clients, upstream) == [
        Published("v1.9.0", DAY, prerelease=False),
        Published("v1.10.0", DAY, prerelease=False),
    ]
    assert service.asked[0].headers["Accept"].startswith("application/vnd.github+json")


def test_previews_count_where_they_are_asked_for(service: Service, clients: Clients) -> None:
    candidate = release("v1.1.0-rc.1", prerelease=True)
    github(service, release("v2.0.0", prerelease=True), release("v1.0.0"), candidate)
    assert tags(clients, GithubUpstream(github="o/app")) == ["v1.0.0"]
    asked = GithubUpstream(github="o/app", prerelease=True)
    assert tags(clients, asked) == ["v1.0.0", "v1.1.0-rc.1", "v2.0.0"]


def test_tags_that_hold_a_version(service: Service, clients: Clients) -> None:
    github(service, release("cli-v1.2.0"), release("v9.0.0"), release("cli-v1.1.0"))
    upstream = GithubUpstream(github="o/app", tag="cli-{version}")
    assert tags(clients, upstream) == ["v1.1.0", "v1.2.0"]


def test_upstream_knows_better_than_its_tags(service: Service, clients: Clients) -> None:
    named, previewed = release("v2.0-beta"), release("v2.1", prerelease=True)
    github(service, release("3.5"), release("3.5a"), release("3.6b1"), named, previewed)
    assert tags(clients, GithubUpstream(github="o/app")) == ["v2.0-beta", "3.5", "3.5a", "3.6b1"]


def test_github_s_tags_are_read_page_by_page(service: Service, clients: Clients) -> None:
    page = [{"name": "v1.1", "commit": {"sha": "0" * 40, "url": ""}}, {"name": "api/v9"}]
    path = "/api.github.com/repos/o/app/tags?per_page=100"
    paged(service, path, [page, [{"name": "v1.0"}]])
    assert tags(clients, GithubUpstream(github="o/app", tags=True)) == ["v1.0", "v1.1"]


def consul(version: str, at: str = "2026-03-04T05:06:07.891Z", **more: object) -> dict[str, object]:
    return {
        "name": "consul",
        "version": version,
        "is_prerelease": False,
        "license_class": "oss",
        "timestamp_created": at,
        "status": {"state": "supported", "timestamp_updated": at},
        **more,
    }


def test_hashicorp_s_releases_are_read_page_by_page(service: Service, clients: Clients) -> None:
    base = "/api.releases.hashicorp.com/v1/releases/consul?license_class=oss&limit=20"
    first = [consul(f"1.21.{patch}") for patch in range(20, 0, -1)]
    service.offer(base, first)
    second = [
        consul("1.22.0-rc1", is_prerelease=True),
        consul("1.19.9", status={"state": "withdrawn"}),
        consul("1.19.8"),
        consul("1.19.8+ent", license_class="enterprise"),
    ]
    service.offer(f"{base}&after=2026-03-04T05%3A06%3A07.891Z", second)
    found = offered(clients, HashicorpUpstream(hashicorp="consul"))
    assert [item.tag for item in found] == ["1.19.8", *(f"1.21.{n}" for n in range(1, 21))]
    assert found[0].date == DAY


def test_hashicorps_pages_end_though_many_were_made_at_once(
    service: Service, clients: Clients
) -> None:
    base = "/api.releases.hashicorp.com/v1/releases/consul?license_class=oss&limit=20"
    page = [consul(f"1.21.{patch}") for patch in range(20)]
    service.offer(base, page)
    service.offer(f"{base}&after=2026-03-04T05%3A06%3A07.891Z", page)
    with clients.api(mirrored=True) as api:
        assert len(list(hashicorp.versions(HashicorpUpstream(hashicorp="consul"), api))) == 40


SCHEDULE = """\
---
# A comment
schedules:
- release: 1.30
  releaseDate: 2026-01-01
  endOfLifeDate: "2027-06-28"
  next:
    release: 1.30.2
    targetDate: 2026-04-01
  previousPatches:
    - release: 1.30.1
      cherryPickDeadline: "2026-02-27"
      targetDate: "2026-03-04"
      note: >-
        [Regression](https://example.org)
    - release: 1.30.0
      cherryPickDeadline: ""
- release: "1.29"
  previousPatches:
    - {release: 1.29.10, targetDate: 2026-03-04}
- release: "1.31"
"""


def test_the_schedule_of_kubernetes_dates_its_versions(service: Service, clients: Clients) -> None:
    service.offer(kubernetes.SCHEDULE.removeprefix("https:/"), SCHEDULE)
    assert offered(clients, KubernetesUpstream(kubernetes="schedule")) == [
        Published("v1.29.10", DAY),
        Published("v1.30.0"),
        Published("v1.30.1", DAY),
    ]


@pytest.mark.parametrize("text", ["", "schedules: 3", "[1, 2]", "a: {", "schedules: [3]"])
def test_a_schedule_of_another_form_can_t_be_read(
    service: Service, clients: Clients, text: str
) -> None:
    service.offer(kubernetes.SCHEDULE.removeprefix("https:/"), text)
    with pytest.raises(UpstreamError, match="can't be read"):
        offered(clients, KubernetesUpstream(kubernetes="schedule"))


NGINX = """<html><head><title>Index of /stable/</title></head><body><h1>Index</h1><hr><pre>
<a href="../">../</a>
<a href="app-1.9.0.tgz">app-1.9.0.tgz</a>              04-Mar-2026 05:06      1234
<a href="app-1.10.0.tgz">app-1.10.0.tgz</a>            04-Mar-2026 05:06      1234
<a href="app-extras-9.9.0.tgz">app-extras-9.9.0.tgz</a>  04-Mar-2026 05:06      1234
<a href="app-1.10.0.tgz.asc">app-1.10.0.tgz.asc</a>    04-Mar-2026 05:06      1234
</pre></body></html>"""
APACHE = """<table>
<tr><td><a href="/pub/app/1.9.0/">1.9.0/</a></td><td align="right">2026-03-04 05:06  </td></tr>
<tr><td><a href="/pub/app/1.10.0/">1.10.0/</a></td><td align="right">2026-03-04 05:06  </td></tr>
</table>"""


@pytest.mark.parametrize(
    ("page", "pattern"),
    [(NGINX, r"app-(?P<version>[0-9.]+)\.tgz"), (APACHE, r"(?P<version>[0-9.]+)")],
    ids=["nginx", "apache"],
)
def test_versions_and_dates_are_read_from_a_server_s_listing(
    service: Service, clients: Clients, page: str, pattern: str
) -> None:
    service.offer("/example.org/stable/", page)
    upstream = ListingUpstream(
        listing="https://example.org/stable/", pattern=VersionPattern(pattern)
    )
    assert offered(clients, upstream) == [Published("1.9.0", DAY), Published("1.10.0", DAY)]


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("app-1.0.tgz", ["1.0"]),
        ("https://cdn.example.org/x/app-1.0.tgz?token=1#top", ["1.0"]),
        ("app-1.0%2Btilde.tgz", []),
        ("app-1.0.tgz/index.html", []),
        ("myapp-1.0.tgz", []),
        ("http://[app-1.0.tgz", []),
    ],
)
def test_which_links_name_a_version(
    service: Service, clients: Clients, link: str, found: list[str]
) -> None:
    service.offer("/example.org/", f'<a name=top><a HREF="{link}" class=x>app</a>')
    upstream = ListingUpstream(
        listing="https://example.org/", pattern=VersionPattern(r"app-(?P<version>[0-9.]+)\.tgz")
    )
    with clients.api(mirrored=True) as api:
        assert [item.tag for item in listing.versions(upstream, api)] == found


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Write pip's configuration, which then is all there is of it."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    def configure(text: str) -> None:
        (tmp_path / "pip.conf").write_text(text)

    return configure


def wheel(version: str, platform: str, **more: object) -> dict[str, Any]:
    name = f"some_app-{version}-py3-none-{platform}.whl"
    return {"filename": name, "url": name, "hashes": {}, **more}


FILES: list[dict[str, Any]] = [
    {"filename": "some_app-2.0.tar.gz", "url": "a", "hashes": {}},
    wheel("1.10", "any", **{"upload-time": "2026-03-05T05:06:07.123Z"}),
    wheel("1.10", "linux_x86_64", yanked="broken", **{"upload-time": "2026-03-04T05:06:07Z"}),
    wheel("1.9", "any", yanked=False),
    wheel("1.8", "any", yanked=True),
    wheel("2.0rc1", "any"),
]


PROJECT = {"name": "some-app", "meta": {"api-version": "1.1"}, "files": FILES}
JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_package_index_is_read_in_either_form(
    service: Service, clients: Clients, pip: Callable[[str], None], form: str
) -> None:
    yanked = {True: ' data-yanked=""', "broken": ' data-yanked="broken"'}
    links = [
        f'<a href="../../a#sha256=0"{yanked.get(file.get("yanked"), "")}>{file["filename"]}</a>'
        for file in FILES
    ]
    reply = Reply(json.dumps(PROJECT).encode(), headers=JSON)
    html = Reply("".join(links).encode(), headers={"Content-Type": "text/html"})
    service.offer("/simple/some-app/", reply if form == "json" else html)
    pip(f"[global]\nindex-url = {service.url}/simple/\n")
    day = DAY if form == "json" else None
    found = offered(clients, PypiUpstream(pypi="Some_App"))
    assert found == [Published("1.9"), Published("1.10", day)]
    with (
        clients.api() as api,
        pytest.raises(UpstreamError, match="no wheel of some-app") as no,
    ):
        on_index.look("some-app", "app", "1.99", api)
    assert "did you mean 1.9?" in str(no.value)


def test_the_indexes_are_pips_own(
    pip: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "https://me:secret@index.example.org/root/simple/"
    extra = "https://b.example.org/simple https://c.example.org/simple"
    pip(f"[global]\nindex-url = https://a.example.org\n[install]\nextra-index-url = {extra}\n")
    assert simple_index.indexes() == ["https://a.example.org", *extra.split()]
    monkeypatch.setenv("PIP_INDEX_URL", own)
    assert simple_index.indexes() == [own.rstrip("/"), *extra.split()]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UpstreamError, match="no package index"):
        simple_index.indexes()


def test_there_is_an_index_without_any_configuration(pip: Callable[[str], None]) -> None:
    pip("")
    (index,) = simple_index.indexes()
    assert index.startswith("https://")


def test_an_index_has_a_login_in_its_address_or_in_netrc(
    service: Service, clients: Clients, pip: Callable[[str], None], tmp_path: Path
) -> None:
    service.offer("/a/some-app/", Reply(json.dumps(PROJECT).encode(), headers=JSON))
    page = tmp_path / "html/some-app/index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="x.whl">some_app-1.11-py3-none-any.whl</a>')
    host = service.url.removeprefix("http://")
    other = f"http://localhost:{host.partition(':')[2]}/b"
    pip(
        f"[global]\nindex-url = http://me:open@{host}/a\n"
        f"extra-index-url = {other} {(tmp_path / 'html').as_uri()}\n"
    )
    (tmp_path / ".netrc").write_text("machine localhost login you password sesame\n")
    (tmp_path / ".netrc").chmod(0o600)
    found = tags(clients, PypiUpstream(pypi="some_app"))
    assert found == ["1.9", "1.10", "1.11"]
    sent = [(asked.path, asked.headers["Authorization"]) for asked in service.asked]
    assert sent == [
        ("/a/some-app/", "Basic bWU6b3Blbg=="),
        ("/b/some-app/", "Basic eW91OnNlc2FtZQ=="),
    ]
    stored = [path.read_bytes() for path in (tmp_path / "store").iterdir()]
    assert not any(b"open" in data or b"bWU6b3Blbg" in data for data in stored)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"[]", headers=JSON),
        Reply(b'{"files": 3}', headers=JSON),
        Reply(b"[" * 99999, headers=JSON),
        Reply(b"PNG", headers={"Content-Type": "image/png"}),
    ],
)
def test_something_else_than_an_index(
    service: Service, clients: Clients, pip: Callable[[str], None], reply: Reply
) -> None:
    service.offer("/a/some-app/", reply)
    pip(f"[global]\nindex-url = {service.url}/a\n")
    with pytest.raises(UpstreamError, match="package index"):
        tags(clients, PypiUpstream(pypi="some_app"))


def test_a_list_of_versions_is_a_file_or_stands_in_the_recipe(
    service: Service, clients: Clients
) -> None:
    service.offer("/example.org/stable.txt", "# stable\nv1.10.0  # new\n\nv1.9.0\n")
    for versions in ("https://example.org/stable.txt", ("v1.10.0", "v1.9.0")):
        assert tags(clients, ListUpstream(versions=versions)) == ["v1.9.0", "v1.10.0"]


def test_a_list_with_a_byte_order_mark(service: Service, clients: Clients) -> None:
    for content in (b"\xef\xbb\xbfv1.10.0\n", "v1.10.0\r\n".encode("utf-16")):
        service.offer("/example.org/stable.txt", Reply(content))
        assert tags(clients, ListUpstream(versions="https://example.org/stable.txt")) == ["v1.10.0"]


def test_an_upstream_without_a_version_to_choose_tells_what_it_has(
    service: Service, clients: Clients
) -> None:
    github(service, release("nightly"), release("v1.0-rc1", prerelease=True))
    with pytest.raises(UpstreamError, match="no version that can be chosen") as caught:
        offered(clients, GithubUpstream(github="o/app"))
    assert "it publishes nightly, v1.0-rc1" in str(caught.value)
