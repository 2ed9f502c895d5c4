"""What other programs read, by the rules of their own parsers."""

from __future__ import annotations

import configparser
import gzip
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bakery.release import sums
from bakery.release.reader import ReleaseReader

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.settings import Settings

SITE = "https://example.com/site"


def redirects(site: Path) -> dict[str, str]:
    lines = (site / "_redirects").read_text().splitlines()
    found = [line.split(" ") for line in lines]
    assert {code for _, _, code in found} == {"302"}
    assert len({path for path, _, _ in found}) == len(found)
    return {path: target for path, target, _ in found}


def digest_at(project: Settings, address: str) -> str | None:
    """Return what the list beside a published file says of it."""
    assert address.startswith(f"{project.publish_url}/")
    base, _, file = address.rpartition("/")
    return ReleaseReader.open(base).digests.get(file)


def leads_to_what_lists_say(site: Path, project: Settings, listed: Path) -> dict[str, str]:
    """Return the images in a list; each must be had from beside it."""
    moved = redirects(site)
    images = {n: d for n, d in sums.decode(listed.read_bytes()).items() if n.endswith(".raw")}
    for name, digest in images.items():
        path = f"/site/{listed.parent.relative_to(site)}/{name}"
        assert digest_at(project, moved[path]) == digest
    return images


def sysexts_manager(name: str, file: str) -> tuple[str, str, str]:
    """Return version, VERSION_ID and architecture (lib/src/image.rs, Image::new)."""
    assert file.startswith(name)
    stem = file.removesuffix(".raw")
    arch = "x86-64" if stem.endswith("-x86-64") else "arm64"
    parts = stem.removesuffix(f"-{arch}").split("-")
    assert len(parts) >= 3
    return "-".join(parts[:-1])[len(name) + 1 :], parts[-1], arch


def test_sysexts_manager_finds_the_newest_for_each_fedora(site: Path, project: Settings) -> None:
    for name, version, archs in (("app", "1.2", ["x86-64", "arm64"]), ("small", "2.0", ["x86-64"])):
        images = leads_to_what_lists_say(site, project, site / name / sums.FILE)
        read = {sysexts_manager(name, file) for file in images}
        assert read == {(version, host, arch) for host in ("43", "44", "45") for arch in archs}


def test_updex_takes_what_the_channel_signs(site: Path, project: Settings) -> None:
    folder = site / "updex.d/app"
    transfer = configparser.ConfigParser(interpolation=None)
    transfer.optionxform = str  # type: ignore[assignment,method-assign]
    transfer.read(folder / "app.conf")
    source, target = transfer["Source"], transfer["Target"]
    # catalog/catalog.go, validateCatalogTransferTo and validateCatalogPatternEncoding
    assert (source["Type"], source["Path"]) == ("url-file", f"{SITE}/updex.d/app")
    assert (target["Type"], target["Path"]) == ("regular-file", "/var/lib/extensions.d")
    assert source["MatchPattern"] == target["MatchPattern"] == "app-@v-%a.raw"
    assert transfer["Transfer"]["Verify"] == "yes"
    channel = project.root / "published/app"
    for file in (sums.FILE, sums.SIGNATURE):
        assert (folder / file).read_bytes() == (channel / file).read_bytes()
    images = leads_to_what_lists_say(site, project, folder / sums.FILE)
    pattern = re.compile(r"^app-([a-zA-Z0-9._+:~-]+)-x86-64\.raw$")  # version/pattern.go
    assert {found[1] for each in images if (found := pattern.match(each))} == {"1.0", "1.1", "1.2"}


def test_updex_lists_and_adds_by_the_catalogue(site: Path) -> None:
    catalogue = configparser.ConfigParser(interpolation=None)
    catalogue.read(site / "updex.d/bakery.catalog")
    assert catalogue["Catalog"]["SiteURL"] == f"{SITE}/updex.d"
    assert catalogue["Catalog"]["ListURL"] == f"{SITE}/updex.d/list.json"
    listed = msgspec.json.decode((site / "updex.d/list.json").read_bytes())
    names = [each["name"] for each in listed if each["type"] == "dir"]
    assert names == ["app", "plugin", "small"]
    assert all((site / f"updex.d/{name}/{name}.conf").is_file() for name in names)


def test_sysextmgr_finds_a_manifest_for_each_image(site: Path, project: Settings) -> None:
    images = leads_to_what_lists_say(site, project, site / "sysextmgr.d" / sums.FILE)
    names = []
    for image in images:
        # src/images-list.c, image_remote_metadata and image_manifest_from_url
        name = image.rpartition(".")[0].rpartition(".")[0].rpartition("-")[0]
        stem = site / "sysextmgr.d" / image.removesuffix(".raw")
        manifest = (stem.parent / f"{stem.name}.manifest").read_bytes()
        assert gzip.decompress((stem.parent / f"{stem.name}.manifest.gz").read_bytes()) == manifest
        read: dict[str, Any] = msgspec.json.decode(manifest)
        assert read["manifest_version"] == 1
        config, extension = read["config"], read["extension"]
        assert image == "{name}-{version}.{architecture}.raw".format(**config)
        assert extension["ID"] == "_any"
        assert extension["SYSEXT_ID"] == config["name"] == name
        assert extension["ARCHITECTURE"] == config["architecture"]
        assert "system" in extension["SYSEXT_SCOPE"]
        names.append((name, extension["SYSEXT_VERSION_ID"], extension["ARCHITECTURE"]))
    assert sorted(names) == [
        *(("app", "1.2", "arm64"), ("app", "1.2", "x86-64"), ("plugin", "0.9", "arm64")),
        *(("plugin", "0.9", "x86-64"), ("small", "2.0", "x86-64")),
    ]


def test_the_layers_of_hadron_lead_to_images(site: Path, project: Settings) -> None:
    read = msgspec.json.decode((site / "releases.json").read_bytes())
    assert (read["repo"], len(read["generated"])) == ("owner/repo", len("2026-11-26T00:00:00Z"))
    layers = {each["name"]: each for each in read["layers"]}
    assert [*layers] == ["app", "plugin", "small"]
    for layer in layers.values():
        assert {"title", "description", "image", "source", "latest"} <= layer.keys()
        assert layer["latest"] == layer["tags"][0]["tag"]
        for tag in layer["tags"]:
            for image in tag["sysext"].values():
                assert digest_at(project, image["uri"]) == image["sha256"]
    assert [*layers["small"]["tags"][0]["sysext"]] == ["amd64"]


@pytest.mark.parametrize("name", ["app", "plugin", "small"])
def test_no_extension_has_a_folder_of_these(name: str, site: Path) -> None:
    assert "." not in name  # as in all names of recipes
    assert {path.name for path in site.iterdir() if path.is_dir() and "." in path.name} == {
        "sysextmgr.d",
        "updex.d",
    }
