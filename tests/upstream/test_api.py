from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from harness.processes import free_port
from harness.service import Reply, Service, paged

from bakery import settings
from bakery.http.credentials import Token
from bakery.recipe.upstreams import GithubUpstream
from bakery.upstream import github
from bakery.upstream.api import Api
from bakery.upstream.errors import NotFoundError, UpstreamError

if TYPE_CHECKING:
    from pathlib import Path

    from upstream.conftest import Clients

ME = Token(value="secret", variable="GITHUB_TOKEN", api="https://api.github.com")
NOBODY = replace(ME, value=None)
RELEASES = "/repos/o/app/releases?per_page=100"


def release(tag: str, **more: object) -> dict[str, object]:
    at = "2026-03-04T05:06:07Z"
    return {"tag_name": tag, "draft": False, "prerelease": False, "published_at": at, **more}


def tags(api: Api) -> list[str]:
    with api:
        return [found.tag for found in github.versions(GithubUpstream(github="o/app"), api)]


def test_a_second_run_costs_no_full_answer(service: Service, clients: Clients) -> None:
    pages = [[release("v3"), release("v2")], [release("v1")]]
    paged(service, RELEASES, pages, Vary="Accept, Authorization, Cookie, X-GitHub-OTP")
    assert tags(clients.api()) == ["v3", "v2", "v1"]
    assert tags(clients.api()) == ["v3", "v2", "v1"]
    assert service.statuses == [200, 200, 304, 304]


def test_a_change_is_seen_at_once(service: Service, clients: Clients) -> None:
    service.offer(RELEASES, [release("v1")], [release("v1")], [release("v2"), release("v1")])
    assert [tags(clients.api()) for _ in range(3)] == [["v1"], ["v1"], ["v2", "v1"]]
    assert service.statuses == [200, 304, 200]


def test_an_answer_without_validator_is_never_reused(service: Service, clients: Clients) -> None:
    old, new = (Reply(b'[{"name": "%s"}]' % tag, validated=False) for tag in (b"v1", b"v2"))
    url = service.offer("/x", old, new)
    for expected in (b"v1", b"v2"):
        with clients.api() as api:
            assert expected in api.get(url).content


def test_a_validator_may_be_a_date(service: Service, clients: Clients) -> None:
    dated = {"Last-Modified": "Wed, 04 Mar 2026 05:06:07 GMT"}
    url = service.offer("/x", Reply(b"old", headers=dated, validated=False), Reply(b"", 304))
    for _ in range(2):
        with clients.api() as api:
            assert api.get(url).content == b"old"
    assert service.asked[1].headers["If-Modified-Since"] == dated["Last-Modified"]


def test_a_token_changes_nothing_about_what_is_remembered(
    service: Service, clients: Clients
) -> None:
    paged(service, RELEASES, [[release("v1")]], Vary="Accept, Authorization")
    assert tags(clients.api(GITHUB_TOKEN="one")) == ["v1"]
    assert tags(clients.api(GH_TOKEN="two")) == ["v1"]
    assert service.statuses == [200, 304]
    sent = [asked.headers["Authorization"] for asked in service.asked]
    assert sent == ["Bearer one", "Bearer two"]


def test_tokens_stay_out_of_the_store(service: Service, clients: Clients, tmp_path: Path) -> None:
    service.offer(RELEASES, [release("v1")])
    assert tags(clients.api(GITHUB_TOKEN="very-secret")) == ["v1"]
    stored = [path.read_bytes() for path in (tmp_path / "store").iterdir()]
    assert any(b"/repos/o/app/releases" in data for data in stored)
    assert not any(b"very-secret" in data for data in stored)


def test_a_mirror_is_asked_in_place_of_upstream_and_is_told_no_token(
    service: Service, clients: Clients
) -> None:
    paged(service, "/api.github.com" + RELEASES, [[release("v2")], [release("v1")]])
    assert tags(clients.api(mirrored=True, GITHUB_TOKEN="secret")) == ["v2", "v1"]
    assert not any(asked.headers["Authorization"] for asked in service.asked)


def test_a_mirror_follows_links_to_upstream(service: Service, clients: Clients) -> None:
    link = {"Link": '<https://api.github.com/next?page=2>; rel="next"'}
    service.offer("/api.github.com" + RELEASES, Reply(b"[]", headers=link))
    service.offer("/api.github.com/next?page=2", [release("v1")])
    assert tags(clients.api(mirrored=True)) == ["v1"]


def test_a_link_to_another_host_gets_no_token(service: Service, clients: Clients) -> None:
    other = service.url.replace("127.0.0.1", "localhost")
    service.offer(RELEASES, Reply(b"[]", headers={"Link": f'<{other}/next>; rel="next"'}))
    service.offer("/next", [release("v1")])
    assert tags(clients.api(GITHUB_TOKEN="secret")) == ["v1"]
    assert [asked.headers["Authorization"] for asked in service.asked] == ["Bearer secret", None]


@pytest.mark.parametrize("status", [403, 429])
def test_it_waits_as_long_as_upstream_asks(service: Service, clients: Clients, status: int) -> None:
    throttled = Reply(b"slow down", status, {"Retry-After": "7"}, validated=False)
    service.offer(RELEASES, throttled, [release("v1")])
    assert tags(clients.api()) == ["v1"]
    assert clients.waits == [7.0]


@pytest.mark.parametrize("header", ["X-RateLimit", "RateLimit"])
def test_it_waits_for_a_limit_that_is_reset_soon(
    service: Service, clients: Clients, header: str
) -> None:
    reset = {f"{header}-Remaining": "0", f"{header}-Reset": str(int(time.time()) + 60)}
    service.offer(RELEASES, Reply(b"{}", 403, reset, validated=False), [release("v1")])
    assert tags(clients.api()) == ["v1"]
    assert 30 < clients.waits[0] <= 60


@pytest.mark.parametrize(
    ("token", "fix"), [(ME, "try again then"), (NOBODY, "set GITHUB_TOKEN to a token")]
)
def test_nobody_waits_for_long(service: Service, clients: Clients, token: Token, fix: str) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
    url = service.offer("/x", Reply(b"{}", 403, reset, validated=False))
    with clients.api() as api, pytest.raises(UpstreamError, match="50 minutes") as caught:
        api.get(url, token=token)
    assert fix in str(caught.value)
    assert (len(service.asked), clients.waits) == (1, [])


def test_a_broken_server_is_asked_again_then_reported(service: Service, clients: Clients) -> None:
    url = service.offer("/x", Reply(b"", 502, validated=False))
    with clients.api() as api, pytest.raises(UpstreamError, match=r"HTTP 502 .*\(after 3 tries\)"):
        api.get(url)
    assert len(service.asked) == 3


@pytest.mark.parametrize(
    ("status", "token", "fix"),
    [
        (401, ME, "the token in GITHUB_TOKEN is not accepted"),
        (401, NOBODY, "set GITHUB_TOKEN"),
        (403, None, "look at the address"),
        (
            404,
            NOBODY,
            "look whether upstream has moved it, and correct the recipe; if it is private",
        ),
        (404, None, "look whether upstream has moved it"),
    ],
)
def test_a_refusal_says_what_to_do(
    service: Service, clients: Clients, status: int, token: Token | None, fix: str
) -> None:
    url = service.offer("/x", Reply(b"{}", status, validated=False))
    with clients.api() as api, pytest.raises(UpstreamError) as caught:
        api.get(url, token=token)
    assert f"HTTP {status}" in str(caught.value.why)
    assert str(caught.value.fix).startswith(fix)
    assert len(service.asked) == 1


def test_a_refusal_says_why_in_the_words_of_the_api(service: Service, clients: Clients) -> None:
    body = b'{"message": "Resource not accessible", "errors": ["no right"]}'
    url = service.offer("/x", Reply(body, 403, validated=False))
    with clients.api() as api, pytest.raises(UpstreamError) as caught:
        api.get(url)
    assert caught.value.why == "HTTP 403 Resource not accessible, no right"


def test_a_server_where_nobody_listens_is_asked_three_times(clients: Clients) -> None:
    refused = pytest.raises(UpstreamError, match="Connection refused")
    with free_port() as port, clients.api() as api, refused:
        api.get(f"http://127.0.0.1:{port}/x")
    assert len(clients.waits) == 2


def test_something_else_than_the_api_answers(service: Service, clients: Clients) -> None:
    service.offer(RELEASES, "<html>Log in</html>")
    with pytest.raises(UpstreamError, match="something else") as caught:
        tags(clients.api())
    assert "begins with b'<html>" in str(caught.value)


def test_pages_without_end(service: Service, clients: Clients) -> None:
    link = {"Link": f'<{service.url}{RELEASES}>; rel="next"'}
    service.offer(RELEASES, Reply(b"[]", headers=link))
    with pytest.raises(UpstreamError, match="does not end"):
        tags(clients.api())


def test_offline_nothing_is_asked(service: Service, tmp_path: Path) -> None:
    quiet = settings.load(
        tmp_path, {"BAKERY_OFFLINE": "1", "BAKERY_STORE": str(tmp_path / "store")}
    )
    with Api(quiet, environment={}) as api, pytest.raises(UpstreamError, match="offline"):
        api.get(f"{service.url}/x")
    assert service.asked == []


def test_a_limit_that_this_request_used_up_is_no_reason_to_wait(
    service: Service, clients: Clients
) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
    url = service.offer("/x", Reply(b"{}", 404, reset, validated=False))
    with clients.api() as api, pytest.raises(NotFoundError):
        api.get(url)


def test_the_size_of_a_file(service: Service, clients: Clients) -> None:
    there = service.offer("/there", Reply(b"12345"))
    moved = service.offer("/moved", Reply(b"", 302, {"Location": there}, validated=False))
    with clients.api() as api:
        assert [api.size(there), api.size(moved), api.size(there)] == [5, 5, 5]
        with pytest.raises(NotFoundError):
            api.size(f"{service.url}/gone")
    assert service.statuses == [200, 302, 200, 200, 404]


def test_a_store_that_is_no_folder(tmp_path: Path, clients: Clients) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(UpstreamError, match="can't be kept"):
        clients.api()


def test_damaged_answers(tmp_path: Path, service: Service, clients: Clients) -> None:
    url = service.offer("/x", "x")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "answers.sqlite").write_text("no database, but long enough" * 100)
    with pytest.raises(UpstreamError, match="may be removed"), clients.api() as api:
        api.get(url)


@pytest.mark.parametrize("value", ["[]", "3", "null", "{", '{"headers": 3}', "[" * 9999])
def test_answers_of_another_type_count_as_not_there(
    tmp_path: Path, service: Service, clients: Clients, value: str
) -> None:
    url = service.offer("/x", "x")
    with clients.api() as api:
        api.get(url)
    with closing(sqlite3.connect(tmp_path / "store" / "answers.sqlite")) as answers, answers:
        answers.execute("UPDATE responses SET value = ?", (value,))
    with clients.api() as api:
        assert api.get(url).text == "x"
    assert service.statuses == [200, 200]


def test_certificates_that_are_not_there(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    with clients.api() as api, pytest.raises(UpstreamError, match="can't be asked") as caught:
        api.get("https://127.0.0.1:9/")
    assert "/nowhere/certificates.pem" in str(caught.value)


def test_a_cut_answer_is_asked_for_again(service: Service, clients: Clients) -> None:
    cut = Reply(b"half", headers={"Content-Length": "8"}, validated=False)
    url = service.offer("/x", cut, "complete")
    with clients.api() as api:
        assert api.get(url).text == "complete"
    assert len(clients.waits) == 1
