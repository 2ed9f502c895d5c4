"""Pages: everything is there, nothing of others becomes markup, and every link leads somewhere."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner
from harness import provisioning, released
from harness.catalogue import catalogue, release
from harness.page import Page, broken, pages

from bakery.cli import main
from bakery.provision import command
from bakery.recipe.load import load_all
from bakery.release import sums
from bakery.release.errors import ReleaseError
from bakery.release.reader import ReleaseReader
from bakery.release.sums import FILE
from bakery.site import index, make, published
from bakery.site.changes import Changes
from bakery.site.errors import SiteError
from bakery.site.index import SiteIndex
from bakery.site.render import Site

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.provision.command import Output
    from bakery.settings import Settings

ALIKE = "# App\n\n[later](#use-1)\n\n## Use 2\n\n## Use\n\n## Use\n\n## Use\n"
BAD_SIZE = json.dumps(
    {
        "components": [
            {
                "name": "app-1.2-x86-64.raw",
                "components": [
                    {
                        "name": "/usr/bin/app",
                        "properties": [{"name": "sysext-bakery:size", "value": "many"}],
                    }
                ],
            }
        ]
    }
)
NOTHING = "\N{EN DASH}"


def test_every_link_leads_somewhere(site: Path) -> None:
    found = pages(site)
    assert len(found) == 7
    assert not broken(found)


def test_what_is_in_a_registry_is_no_link_and_told_how_to_pull(
    project: Settings, tmp_path: Path
) -> None:
    own = dataclasses.replace(
        project,
        publish_url="oci://ghcr.io/me/bakery",
        channels_url="oci://ghcr.io/me/bakery",
    )
    published = project.publisher.removeprefix("directory:")
    folder = tmp_path / "site"
    described = Site(url="https://example.com/site")
    make.make(folder, own, load_all(project.recipes), given=[published], site=described)
    assert not broken(pages(folder))
    for path in folder.rglob("*.html"):
        assert not re.findall('(?:href|src)="oci:', path.read_text("utf-8"))
    text = (folder / "app/index.html").read_text("utf-8")
    assert "oras pull --platform linux/amd64 ghcr.io/me/bakery:app-1.2</code>" in text
    assert "bakery mirror oci://ghcr.io/me/bakery FOLDER --only app-1.2</code>" in text
    assert "<td>app-1.2-x86-64.raw</td>" in text
    assert (folder / "_redirects").read_bytes() == b""
    assert not (folder / "app/SHA256SUMS").exists()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.findall(r'(?:src|<link[^>]*rel="(?:stylesheet|icon)" href)="https?:', text)
    assert "http" not in (site / "style.css").read_text("utf-8")
    assert "http" not in (site / "site.js").read_text("utf-8")


def test_texts_of_others_are_no_markup(site: Path) -> None:
    for path in (site / "index.html", site / "app/index.html", site / "feed.atom"):
        text = path.read_text("utf-8")
        assert "<b>bold" not in text
        assert "&lt;b&gt;bold&lt;/b&gt; &amp; " in text
    assert "<script>alert" not in (site / "app/index.html").read_text("utf-8")


def test_an_extension_shows_what_it_is(site: Path) -> None:
    page = Page(site / "app/index.html")
    for part in (
        *("1.2", "1.0", "app.service", "tcp/80", "app --version", "NoNewPrivileges=yes"),
        *("Is yours", "Configure", "This release tells of none."),
    ):
        assert part in page.text, part
    assert "https://github.com/owner/repo/blob/main/.github/SUPPORT.md" in page.links
    readme = (site / "app/index.html").read_text("utf-8").partition('id="readme"')[2]
    assert re.search(r'<div class="scroll"[^>]*><table>.*</table></div>', readme, re.DOTALL)
    assert "../app/index.html" in Page(site / "plugin/index.html").links


def test_changes_stand_side_by_side(site: Path) -> None:
    text = (site / "app/changes.html").read_text("utf-8")
    rows = re.findall(r"<tr><th scope=\"row\"><code>(.*?)</code></th>(.*?)</tr>", text)
    cells = {path: re.findall("<td[^>]*>(.*?)</td>", row) for path, row in rows}
    assert [*cells] == [
        *("x86-64", "arm64", "/usr/lib/systemd/system/app.service"),
        *("/usr/bin/app", "/usr/bin/old"),
    ]
    assert cells.pop("x86-64") == ["14 bytes"] * 3
    assert cells.pop("arm64") == ["13 bytes"] * 3
    assert cells == {
        "/usr/bin/app": ["<mark>5.1 KiB</mark>", "<mark>5.0 KiB</mark>", "4.9 KiB"],
        "/usr/bin/old": [NOTHING, "<mark>gone</mark>", "9 bytes"],
        "/usr/lib/systemd/system/app.service": ["<mark>120 bytes</mark>", NOTHING, NOTHING],
    }
    assert not (site / "small/changes.html").exists()


FORMATS: dict[str, tuple[Output, str | None]] = {
    "flatcar-butane.yaml": ("butane", "flatcar"),
    "flatcar-ignition.ign": ("ignition", "flatcar"),
    "fcos-butane.yaml": ("butane", "fcos"),
    "fcos-ignition.ign": ("ignition", "fcos"),
    "cloud-init.yaml": ("cloud-init", None),
    "shell.sh": ("shell", None),
}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("start", "asked"),
    [
        ("app/get/follow-app", (["app"], "reload")),
        ("app/get/reboot-app", (["app"], "reboot")),
        ("app/get/pin-1.0", (["app-1.0"], "reload")),
        ("plugin/get/follow-plugin", (["plugin", "app"], "reload")),
        ("plugin/get/pin-0.9", (["plugin-0.9", "app-1.2"], "reload")),
    ],
)
def test_a_configuration_is_what_provision_writes(
    ending: str, start: str, asked: tuple[list[str], Any], site: Path, project: Settings
) -> None:
    output, host = FORMATS[ending]
    references, policy = asked
    for arch in ("x86-64", "arm64"):
        text = command.provision(
            references,
            *provisioning.asked(arch=arch, host=host, policy=policy),
            settings=project,
            output=output,
        )
        assert (site / f"{start}-{arch}-{ending}").read_text() == text


def test_an_architecture_without_an_image_has_no_configuration(site: Path) -> None:
    assert list((site / "small/get").glob("*-x86-64-*"))
    assert not list((site / "small/get").glob("*-arm64-*"))


def test_what_has_not_changed_is_not_written(site: Path, project: Settings) -> None:
    stale = site / "gone/index.html"
    stale.parent.mkdir()
    stale.touch()
    kept = site / "mine.txt"
    kept.touch()
    with (site / make.LIST).open("a") as listed:
        listed.write("gone/index.html\n")
    (site / "style.css").write_text("damaged")
    described = Site(url="https://example.com/site", source="https://github.com/owner/repo")
    done = make.make(site, project, load_all(project.recipes), site=described)
    assert (done.changed, done.removed) == (1, 1)
    assert kept.exists()
    assert not stale.exists()
    kept.unlink()


def test_indexes_follow_their_schema(site: Path) -> None:
    schema = msgspec.json.schema(SiteIndex)
    for path in (site / "bakery.json", site / "app/index.json"):
        read = msgspec.json.decode(path.read_bytes())
        jsonschema.validate(read, schema)
        assert read["version"] == index.VERSION
    (app,) = msgspec.json.decode((site / "app/index.json").read_bytes(), type=SiteIndex).extensions
    assert [each.version for each in app.versions] == ["1.2", "1.1", "1.0"]
    assert app.versions[0].images[0].url.endswith("/app-1.2/app-1.2-x86-64.raw")


def test_feeds_are_atom(site: Path) -> None:
    space = {"a": "http://www.w3.org/2005/Atom"}
    for path, entries in ((site / "feed.atom", 5), (site / "app/feed.atom", 3)):
        feed = ET.parse(path).getroot()
        assert len(feed.findall("a:entry", space)) == entries
        for tag in ("id", "title", "updated"):
            assert feed.findtext(f"a:{tag}", namespaces=space)
        ids = [each.text for each in feed.findall("a:entry/a:id", space)]
        assert len(set(ids)) == entries


def test_crawlers_are_told_of_every_page(site: Path) -> None:
    assert "Sitemap: https://example.com/site/sitemap.xml" in (site / "robots.txt").read_text()
    listed = re.findall(
        "<loc>https://example.com/site/(.*?)</loc>", (site / "sitemap.xml").read_text()
    )
    assert sorted(listed) == sorted(str(path.relative_to(site)) for path in pages(site))


def test_a_channel_out_of_date_is_shown_as_such(project: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "published"
    shutil.copytree(project.root / "published", copy)
    list_ = copy / "app" / FILE
    list_.write_bytes(sums.encode(sums.decode(list_.read_bytes()), date(2020, 1, 1)))
    folder = tmp_path / "site"
    make.make(folder, project, {}, given=[str(copy)])
    assert "SHA256SUMS is out of date" in (folder / "status.html").read_text()
    assert (folder / "app/index.html").is_file()


def test_days_are_those_of_the_lists(project: Settings) -> None:
    path = project.root / "published/app-1.2" / FILE
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    for base in (f"{project.publish_url}/app-1.2", path.parent.as_uri()):
        modified = ReleaseReader.open(base).modified
        assert modified is not None
        assert modified.date() == changed.date()
    editions = published.read(make.places(project, []))[0].editions
    assert {each.day for each in editions} == {changed.date()}


def test_a_channel_that_its_own_keys_have_not_signed_is_shown_as_such(
    project: Settings, tmp_path: Path
) -> None:
    copy = tmp_path / "published"
    shutil.copytree(project.root / "published", copy)
    list_ = copy / "app" / FILE
    list_.write_bytes(list_.read_bytes() + b"0" * 64 + b"  another\n")
    folder = tmp_path / "site"
    make.make(folder, project, {}, given=[str(copy)])
    assert "the signature of SHA256SUMS does not hold" in (folder / "status.html").read_text()
    assert not [*(folder / "app/get").glob("follow-*")]


def test_a_channel_served_by_the_same_folder_stays_whole(project: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(project.root / "published", folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for _ in range(2):
        make.make(folder, project, {})
    assert {path: path.read_bytes() for path in before} == before
    assert (folder / "app/index.html").is_file()


def test_nothing_published_is_said(project: Settings, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="nothing is published here"):
        make.make(tmp_path / "site", project, {}, given=[str(tmp_path)])
    assert not (tmp_path / "site").exists()
    with pytest.raises(SiteError, match="there is no such folder"):
        make.make(tmp_path / "site", project, {}, given=["nowhere"])


def test_an_empty_catalogue_is_said(project: Settings, tmp_path: Path) -> None:
    catalogue(tmp_path, {}, None)
    with pytest.raises(SiteError, match="nothing is published here yet"):
        make.make(tmp_path / "site", project, {}, given=[str(tmp_path)])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("bakery/bakery.json", '{"releases": 1}'),
        ("app-1.2/app-1.2.cdx.json", '{"components": 1}'),
        ("app-1.2/app-1.2.cdx.json", BAD_SIZE),
    ],
)
def test_what_can_not_be_read_is_said(
    project: Settings, tmp_path: Path, file: str, text: str
) -> None:
    copy = tmp_path / "published"
    shutil.copytree(project.root / "published", copy)
    (copy / file).write_text(text)
    released.index((copy / file).parent)
    with pytest.raises(ReleaseError, match="can't be read"):
        make.make(tmp_path / "site", project, {}, given=[str(copy)])


def test_many_changes_in_one_folder_are_told_of(tmp_path: Path) -> None:
    for version in ("1", "2"):
        files = {f"/opt/{number}": (1, version) for number in range(500)}
        release(tmp_path, "app", version, files)
    catalogue(tmp_path, {"app": ["1", "2"]}, None)
    base = tmp_path.as_uri()
    place = published.Place(base=base, url=base, channels=(base, base))
    (app,) = published.read([place])
    assert len(Changes.between(app.editions).groups["Other files"]) == 500


def test_nothing_outside_is_removed(project: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "now").mkdir(parents=True)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for path in (mine, theirs):
        path.touch()
    (folder / make.LIST).write_text(f"../mine\n{theirs}\nnow\n")
    assert make.make(folder, project, {}).removed == 0
    assert mine.exists()
    assert theirs.exists()


def test_feeds_lead_to_pages_wherever_the_site_lies(project: Settings, tmp_path: Path) -> None:
    make.make(tmp_path, project, {})
    link = "{http://www.w3.org/2005/Atom}entry/{http://www.w3.org/2005/Atom}link"
    for path in (tmp_path / "feed.atom", tmp_path / "app/feed.atom"):
        for each in ET.parse(path).getroot().findall(link):
            assert (path.parent / each.attrib["href"]).is_file()


def test_a_readme_of_odd_bytes_is_shown(project: Settings, tmp_path: Path) -> None:
    shutil.copytree(project.recipes, tmp_path / "recipes")
    (tmp_path / "recipes/app/README.md").write_bytes(b"# App\n\nall\xe9\n")
    make.make(tmp_path / "site", project, load_all(tmp_path / "recipes"))
    assert "<p>all\N{REPLACEMENT CHARACTER}</p>" in (tmp_path / "site/app/index.html").read_text()


def test_headings_alike_have_the_names_that_links_have_for_them(
    project: Settings, tmp_path: Path
) -> None:
    shutil.copytree(project.recipes, tmp_path / "recipes")
    (tmp_path / "recipes/app/README.md").write_text(ALIKE)
    make.make(tmp_path / "site", project, load_all(tmp_path / "recipes"))
    text = (tmp_path / "site/app/index.html").read_text()
    names = ["readme-use-2", "readme-use", "readme-use-1", "readme-use-3"]
    assert re.findall('<h3 id="(.*?)"', text) == names
    assert '<a href="#readme-use-1">later</a>' in text


@pytest.mark.parametrize("url", ["example.com", "https://a b", "https://a/?b", "javascript:1"])
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["site", str(tmp_path), "--url", url])
    assert done.exit_code == 2
    assert "it is no address" in done.output


def test_of_two_places_the_first_counts(project: Settings) -> None:
    place = make.places(project, [])[0]
    other = published.Place(base=place.base, url="https://other.example", channels=place.channels)
    assert {each.url for each in published.read([place, other])} == {project.publish_url}
