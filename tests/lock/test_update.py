from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from harness.service import Reply, Service

from bakery import settings
from bakery.cli import main
from bakery.errors import BakeryError
from bakery.lock import tables, update, verify
from bakery.lock.update import Standing, Update
from bakery.recipe import lock as lockfile
from bakery.recipe.load import load_all
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.recipe.plan import releases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.lock.verify import Confirmation
    from bakery.recipe.load import Source
    from bakery.settings import Settings

HEAD = """\
summary: Something useful
homepage: https://example.org/
license: MIT
arch: {x86-64: amd64}
"""
APP = """\
upstream: {versions: https://example.org/versions.txt}
build: [latest]
assets: [{url: "https://example.org/app-{version}", install: usr/bin/app, archive: plain}]
"""


class Bakery:
    """A project whose upstream is in this process."""

    def __init__(self, root: Path, service: Service) -> None:
        self.root = root
        self.service = service
        self.environment = {
            "BAKERY_STORE": str(root / "store"),
            "BAKERY_RECIPES": str(root / "recipes"),
            "BAKERY_MIRROR": service.url,
        }
        (root / "dodo.py").touch()

    def recipe(self, name: str = "app", text: str = APP) -> None:
        folder = self.root / "recipes" / name
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(HEAD + text)

    def offer(self, url: str, *bodies: bytes | str) -> None:
        texts = [body if isinstance(body, bytes) else body.encode() for body in bodies]
        self.service.offer(url.removeprefix("https:/"), *map(Reply, texts))

    @property
    def settings(self) -> Settings:
        return settings.load(self.root, self.environment)

    @property
    def sources(self) -> dict[str, Source]:
        return load_all(self.root / "recipes")

    def update(self, *, prune: bool = False, **parts: str) -> dict[str, Update]:
        sources = self.sources
        done = update.update(
            sources, sources=sources, settings=self.settings, parts=parts, prune=prune
        )
        return {one.name: one for one in done}

    def lock(self, name: str, **versions: LockedAsset) -> None:
        locked = {
            tag.strip("_").replace("_", "."): LockedVersion(assets=(asset,))
            for tag, asset in versions.items()
        }
        path = self.root / "recipes" / name / "lock.json"
        path.write_bytes(lockfile.encode(Lock(versions=locked)))

    def locked(self, name: str = "app") -> Lock:
        return lockfile.read(self.root / "recipes" / name / "lock.json")

    def verify(self, *, download: bool = False) -> list[Confirmation]:
        return list(verify.verify(self.sources, self.settings, download=download))


@pytest.fixture
def bakery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bakery]:
    monkeypatch.chdir(tmp_path)
    with Service() as service:
        made = Bakery(tmp_path, service)
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def test_update_locks_what_is_new_and_keeps_what_is_old(bakery: Bakery) -> None:
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "1.0", "1.0\n1.1")
    bakery.offer("https://example.org/app-1.0", "one")
    bakery.offer("https://example.org/app-1.1", "two")
    assert bakery.update()["app"].added == ["1.0"]
    assert bakery.update()["app"].added == ["1.1"]
    assert bakery.update()["app"] == Update(
        name="app", added=[], mended=[], pruned=[], sized=[], failures=()
    )
    assert bakery.locked().tags == ["1.0", "1.1"]


def test_what_a_build_would_refuse_is_locked_anew(bakery: Bakery) -> None:
    bakery.recipe(text=APP.replace("[latest]", '["1.0"]'))
    bakery.offer("https://example.org/versions.txt", "1.0")
    for name in ("app", "tool"):
        bakery.offer(f"https://example.org/{name}-1.0", name)
    bakery.update()
    more = '{url: "https://example.org/tool-{version}", install: usr/bin/tool, archive: plain}'
    path = bakery.root / "recipes/app/recipe.yaml"
    path.write_text(path.read_text().replace("archive: plain}]", f"archive: plain}}, {more}]"))
    (release,) = releases(bakery.sources["app"])
    assert "does not fit its recipe" in str(release.problem)
    (standing,) = update.standings(bakery.sources, bakery.settings)
    assert standing.missing == ["1.0"]
    app, tool = bakery.update()["app"], "https://example.org/tool-1.0"
    assert (app.added, app.mended) == ([], ["1.0"])
    assert tables.update_line(app) == "app: locked 1.0 anew, to fit the recipe"
    assert tool in bakery.locked().versions["1.0"].by_url
    (release,) = releases(bakery.sources["app"])
    assert release.problem is None
    assert bakery.update()["app"].mended == []


def test_what_cannot_be_locked_anew_is_told(bakery: Bakery) -> None:
    bakery.recipe(text=APP.replace("[latest]", '["1.0"]'))
    bakery.offer("https://example.org/app-1.0", "app")
    bakery.update()
    path = bakery.root / "recipes/app/recipe.yaml"
    path.write_text(path.read_text().replace("/app-{version}", "/lost-{version}"))
    result = bakery.update()["app"]
    assert result.mended == []
    assert "lost-1.0" in str(result.failures[0])


@pytest.mark.parametrize(
    ("listed", "asked", "meant"),
    [
        ("v1.4.2", "1.4.2", "v1.4.2"),
        ("1.4.2", "v1.4.2", "1.4.2"),
        ("1.4.2", "app-1.4.2", "1.4.2"),
        ("1.4.2-RC1", "1.4.2-rc1", "1.4.2-RC1"),
    ],
)
def test_a_version_is_locked_as_upstream_writes_it(
    bakery: Bakery, listed: str, asked: str, meant: str
) -> None:
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", f"{listed}\n0.9")
    bakery.offer(f"https://example.org/app-{listed}", "app")
    refused = CliRunner().invoke(main, ["lock", "app", asked])
    assert refused.exit_code == 1
    assert f"upstream publishes no {asked} of app, but {meant}" in refused.output
    assert f"bakery lock app {meant}" in refused.output
    assert CliRunner().invoke(main, ["lock", "app", meant]).exit_code == 0
    assert bakery.locked().tags == [meant]


def test_a_version_that_upstream_lists_in_both_spellings_is_taken(bakery: Bakery) -> None:
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "v1.0\n1.0")
    bakery.offer("https://example.org/app-1.0", "app")
    assert CliRunner().invoke(main, ["lock", "app", "1.0"]).exit_code == 0


def test_a_version_that_no_list_has_may_be_there(bakery: Bakery) -> None:
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "2.0")
    bakery.offer("https://example.org/app-1.0", "app")
    assert CliRunner().invoke(main, ["lock", "app", "1.0"]).exit_code == 0


def test_files_of_ones_own_are_locked_by_name_alone(bakery: Bakery) -> None:
    bakery.recipe(text=APP.replace("https://example.org/app-", "file:///srv/app-"))
    assert bakery.update()["app"] == Update(
        name="app", added=[], mended=[], pruned=[], sized=[], failures=()
    )


def test_sizes_that_a_lock_lacks_are_added(bakery: Bakery) -> None:
    bakery.recipe(text=APP.replace("[latest]", "['1.0', '1.1']"))
    url = "https://example.org/app-{}"
    bakery.lock(
        "app",
        _1_0=LockedAsset(url=url.format("1.0"), sha256=ONE, trust="first-use"),
        _1_1=LockedAsset(url=url.format("1.1"), sha256=ONE, size=7, trust="first-use"),
    )
    bakery.offer(url.format("1.0"), "one")
    done = bakery.update()["app"]
    assert tables.update_line(done) == "app: added sizes to 1.0"
    sizes = [asset.size for each in bakery.locked().versions.values() for asset in each.assets]
    assert sizes == [3, 7]
    assert [asked.path for asked in bakery.service.asked] == ["/example.org/app-1.0"]
    assert bakery.update()["app"].sized == []


def test_an_asset_that_is_gone_keeps_its_lock_and_is_told(bakery: Bakery) -> None:
    bakery.recipe(text=APP.replace("[latest]", "['1.0']"))
    gone, there = (
        LockedAsset(url=f"https://example.org/app-{version}", sha256=ONE, trust="first-use")
        for version in ("1.0", "1.1")
    )
    bakery.lock("app", _1_0=gone, _1_1=there)
    bakery.offer(there.url, "one")
    done = bakery.update()["app"]
    assert (done.sized, len(done.failures)) == (["1.1"], 1)
    assert bakery.locked().versions["1.0"].assets == (gone,)


def test_prune_drops_what_build_does_not_ask_for(bakery: Bakery) -> None:
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "1.0", "1.0\n1.1")
    bakery.offer("https://example.org/app-1.0", "one")
    bakery.offer("https://example.org/app-1.1", "two")
    bakery.update()
    assert bakery.update(prune=True)["app"].pruned == ["1.0"]
    assert bakery.locked().tags == ["1.1"]


def test_nothing_is_dropped_where_something_failed(bakery: Bakery) -> None:
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "1.0", "1.0\n1.1")
    bakery.offer("https://example.org/app-1.0", "one")
    bakery.update()
    done = bakery.update(prune=True)["app"]
    assert (done.added, done.pruned, len(done.failures)) == ([], [], 1)
    assert bakery.locked().tags == ["1.0"]


def test_a_failing_upstream_stops_neither_others_nor_fixed_versions(bakery: Bakery) -> None:
    bakery.recipe(
        "lost", APP.replace("versions.txt", "lost.txt").replace("[latest]", '["0.9", latest]')
    )
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "1.0")
    bakery.offer("https://example.org/app-0.9", "old")
    bakery.offer("https://example.org/app-1.0", "one")
    done = bakery.update()
    assert done["app"].added == ["1.0"]
    assert done["lost"].added == ["0.9"]
    assert "HTTP 404" in str(done["lost"].failures[0])


def test_recipes_are_asked_side_by_side(bakery: Bakery) -> None:
    both = threading.Barrier(2, timeout=20)
    for name in ("one", "two"):
        bakery.recipe(name, APP.replace("versions.txt", f"{name}.txt"))
        bakery.service.offer(f"/example.org/{name}.txt", Reply(b"1.0", meet=both))
    standings = update.standings(bakery.sources, bakery.settings)
    assert [standing.missing for standing in standings] == [["1.0"], ["1.0"]]


def test_a_recipe_follows_another_one_in_the_same_run(bakery: Bakery) -> None:
    follower = 'build: ["5.0"]\nparts: {app: {recipe: app}}\n'
    asset = 'assets: [{url: "https://example.org/plugin-{app}", install: usr/bin/x}]\n'
    bakery.recipe("a-plugin", follower + asset)
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "1.0")
    bakery.offer("https://example.org/app-1.0", "one")
    bakery.offer("https://example.org/plugin-1.0", "plugin")
    assert [one.failures for one in bakery.update().values()] == [(), ()]
    assert bakery.locked("a-plugin").versions["5.0"].parts == {"app": "1.0"}


def test_recipes_that_follow_each_other(bakery: Bakery) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        bakery.recipe(name, f'build: ["1"]\nparts: {{x: {{recipe: {other}}}}}\n')
    with pytest.raises(BakeryError, match="in a circle"):
        bakery.update()


PARTED = """\
build: ["1.0"]
parts: {cni: {versions: ["0.8", "0.9", 1.0-rc1]}}
assets: [{url: "https://example.org/cni-{cni}", install: usr/bin/cni}]
"""


@pytest.mark.parametrize(("given", "chosen"), [(None, "0.9"), ("0.8", "0.8")])
def test_a_part_is_resolved_to_its_newest_release(
    bakery: Bakery, given: str | None, chosen: str
) -> None:
    bakery.recipe("app", PARTED)
    bakery.offer(f"https://example.org/cni-{chosen}", "cni")
    updates = bakery.update(cni=given) if given else bakery.update()
    assert updates["app"].added == ["1.0"]
    assert bakery.locked().versions["1.0"].parts == {"cni": chosen}


def test_each_recipe_is_told_how_far_it_is_behind(bakery: Bakery) -> None:
    bakery.recipe(
        "app",
        APP.replace("versions.txt", "pub/").replace(
            "versions: https://example.org/pub/",
            "listing: https://example.org/pub/, pattern: '(?P<version>[0-9.]+)'",
        ),
    )
    bakery.recipe("fixed", 'build: ["1.0"]\n')
    bakery.offer("https://example.org/pub/", '<a href="1.1/">1.1</a> 2026-03-04 05:06')
    found = update.standings(bakery.sources, bakery.settings)
    today = dt.date(2026, 3, 16)
    assert tables.standings(found, today, markdown=True).splitlines() == [
        "| recipe | locked | newest | age | policy | to lock |",
        "| --- | --- | --- | --- | --- | --- |",
        "| app | - | 1.1 | 12 d | latest | 1.1 |",
        "| fixed | - | - | - | fixed | 1.0 |",
    ]
    assert tables.standings(found, today, markdown=False).splitlines() == [
        "recipe  locked  newest  age   policy  to lock",
        "app     -       1.1     12 d  latest  1.1",
        "fixed   -       -       -     fixed   1.0",
    ]


def test_outdated_reports_who_could_not_be_asked(bakery: Bakery) -> None:
    bakery.recipe()
    bakery.recipe("lost", APP.replace("versions.txt", "lost.txt"))
    bakery.offer("https://example.org/versions.txt", "1.0")
    done = CliRunner().invoke(main, ["outdated", "--markdown"])
    assert done.exit_code == 1
    assert "| app | - | 1.0 | - | latest | 1.0 |" in done.output
    assert "| lost | - | ? | - | latest |  |" in done.output
    assert "**lost**\n```text\nupstream refuses" in done.output


def test_commands_update_and_verify(bakery: Bakery) -> None:
    bakery.recipe()
    bakery.offer("https://example.org/versions.txt", "1.0")
    bakery.offer("https://example.org/app-1.0", "one", "one", "another")
    first = CliRunner().invoke(main, ["update", "--markdown"])
    assert first.exit_code == 0, first.output
    assert "| app | 1.0 |  |" in first.output
    again = CliRunner().invoke(main, ["lock", "app"])
    assert (again.exit_code, again.output) == (0, "app: nothing to do\n")
    same = CliRunner().invoke(main, ["verify", "app", "--download"])
    assert same.exit_code == 0, same.output
    assert same.output.splitlines()[1].split() == ["app", "1.0", "1", "bytes", "(1)"]
    before = bakery.locked()
    changed = CliRunner().invoke(main, ["verify", "--download"])
    assert changed.exit_code == 1
    assert "CHANGED (1)" in changed.output
    assert "upstream has changed a file that is locked" in changed.output
    assert bakery.locked() == before


def test_unknown_recipes_are_named(bakery: Bakery) -> None:
    bakery.recipe()
    done = CliRunner().invoke(main, ["update", "ap"])
    assert done.exit_code == 1
    assert "did you mean app?" in done.output


CHECKED = APP.replace("archive: plain", 'archive: plain, checksum: {url: "{url}.sha256"}')
ONE = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # of "one"


def test_verify_reads_the_checksum_file_again(bakery: Bakery) -> None:
    bakery.recipe("app", CHECKED)
    bakery.offer("https://example.org/versions.txt", "1.0")
    bakery.offer("https://example.org/app-1.0", "one")
    bakery.offer("https://example.org/app-1.0.sha256", ONE, ONE, "0" * 64)
    assert bakery.update()["app"].failures == ()
    assert [finding.confirmed for finding in bakery.verify()] == ["checksum-file"]
    assert [finding.is_alarm for finding in bakery.verify()] == [True]
    assert [asked.path for asked in bakery.service.asked].count("/example.org/app-1.0") == 2


def test_an_asset_that_its_checksum_file_no_longer_fits_is_an_alarm(bakery: Bakery) -> None:
    bakery.recipe("app", CHECKED)
    bakery.offer("https://example.org/versions.txt", "1.0")
    bakery.offer("https://example.org/app-1.0", "one", "rebuilt")
    bakery.offer("https://example.org/app-1.0.sha256", ONE)
    assert bakery.update()["app"].failures == ()
    (finding,) = bakery.verify(download=True)
    assert finding.is_alarm
    assert "what is published about app-1.0 does not agree" in str(finding.failure)


def test_verify_compares_sizes(bakery: Bakery) -> None:
    bakery.recipe()
    url = "https://example.org/app-{}"
    bakery.lock(
        "app",
        _1_0=LockedAsset(url=url.format("1.0"), sha256=ONE, size=3, trust="first-use"),
        _1_1=LockedAsset(url=url.format("1.1"), sha256=ONE, size=4, trust="first-use"),
        _1_2=LockedAsset(
            url=url.format("1.2"), sha256=ONE, trust="cited", citation="https://example.org/sums"
        ),
        _1_3=LockedAsset(url=url.format("1.3"), sha256=ONE, size=3, trust="first-use"),
    )
    for version in ("1.0", "1.1", "1.2"):
        bakery.offer(url.format(version), "one")
    same, other, cited, gone = bakery.verify()
    assert (same.confirmed, cited.confirmed) == ("size", "presence")
    assert other.is_alarm
    assert "HTTP 404" in str(gone.failure)
    assert not gone.is_alarm


def test_a_lone_version_may_be_pruned_away_only_if_something_is_asked_for(bakery: Bakery) -> None:
    bakery.recipe("app", APP.replace("[latest]", '["> 9"]'))
    bakery.lock("app", _1_0=LockedAsset(url="https://example.org/a", sha256=ONE, trust="first-use"))
    bakery.offer("https://example.org/versions.txt", "1.0")
    assert bakery.update(prune=True)["app"].pruned == []


def test_standings_of_the_unknown() -> None:
    lost = Standing(name="x", policy="latest", locked="1.0", failure=BakeryError("lost"))
    assert tables.standings([lost], dt.date(2026, 1, 1), markdown=False).splitlines()[1] == (
        "x       1.0     ?       -    latest"
    )
