from __future__ import annotations

from pathlib import Path

import pytest

from bakery import settings
from bakery.errors import SettingsError


def write(root: Path, table: str) -> None:
    (root / "pyproject.toml").write_text(f"[tool.bakery]\n{table}\n")


def test_defaults_lie_in_the_project_and_in_the_users_cache(tmp_path: Path) -> None:
    found = settings.load(tmp_path, {"XDG_CACHE_HOME": "/cache"})
    assert found.recipes == tmp_path / "recipes"
    assert found.dist == tmp_path / "dist"
    assert found.store == Path("/cache/sysext-bakery")
    assert found.profile == "default"
    assert found.jobs >= 1
    assert set(found.origins.values()) == {"default"}


def test_the_environment_beats_pyproject_which_beats_defaults(tmp_path: Path) -> None:
    write(tmp_path, 'dist = "from-project"\nprofile = "small"\noffline = true\njobs = 3')
    found = settings.load(tmp_path, {"BAKERY_DIST": "/from/environment"})
    assert found.dist == Path("/from/environment")
    assert found.profile == "small"
    assert found.offline is True
    assert found.jobs == 3
    assert found.origins["dist"] == "BAKERY_DIST"
    assert found.origins["profile"] == "pyproject.toml, [tool.bakery]"
    assert found.origins["recipes"] == "default"


def test_relative_folders_are_relative_to_the_project(tmp_path: Path) -> None:
    assert settings.load(tmp_path, {"BAKERY_DIST": "../out"}).dist == tmp_path.parent / "out"


def test_an_address_loses_its_last_slash(tmp_path: Path) -> None:
    assert settings.load(tmp_path, {"BAKERY_MIRROR": "http://m/x/"}).mirror == "http://m/x"
    assert settings.load(tmp_path, {"BAKERY_MIRROR": ""}).mirror is None


def test_a_mirror_may_be_a_folder(tmp_path: Path) -> None:
    assert (
        settings.load(tmp_path, {"BAKERY_MIRROR": "./m x"}).mirror == f"{tmp_path.as_uri()}/m%20x"
    )
    assert settings.load(tmp_path, {"BAKERY_MIRROR": "/srv/m/"}).is_mirror_here
    assert not settings.load(tmp_path, {"BAKERY_MIRROR": "http://m"}).is_mirror_here


@pytest.mark.parametrize(
    ("value", "remote"),
    [
        ("https://cache.example/bakery/", "https://cache.example/bakery"),
        ("http://cache:8080", "http://cache:8080"),
        ("oci://ghcr.io/me/cache", "oci://ghcr.io/me/cache"),
        ("/srv/cache", "directory:/srv/cache"),
        ("directory:/srv/cache", "directory:/srv/cache"),
        ("directory:", None),
        ("", None),
    ],
)
def test_a_shared_cache_is_a_server_a_registry_or_a_folder(
    tmp_path: Path, value: str, remote: str | None
) -> None:
    assert settings.load(tmp_path, {"BAKERY_REMOTE": value}).remote == remote


def test_a_folder_of_a_shared_cache_is_relative_to_the_project(tmp_path: Path) -> None:
    for value in ("cache", "directory:cache"):
        found = settings.load(tmp_path, {"BAKERY_REMOTE": value})
        assert found.remote == f"directory:{tmp_path / 'cache'}"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("BAKERY_PROFILE", "tiny", "one of default, fast, small"),
        ("BAKERY_JOBS", "0", "a whole number from 1 up"),
        ("BAKERY_JOBS", "two", "a whole number from 1 up"),
        ("BAKERY_OFFLINE", "maybe", "1 or 0"),
        ("BAKERY_MIRROR", "mirror.example", "an address"),
        ("BAKERY_PUBLISH_URL", "https://[bad", "an address"),
        ("BAKERY_REMOTE", "ftp://cache.example/x", "https://HOST/PATH, oci://HOST/PATH"),
        ("BAKERY_REMOTE", "oci:ghcr.io/me/cache", "https://HOST/PATH, oci://HOST/PATH"),
        ("BAKERY_REMOTE", "https://", "https://HOST/PATH, oci://HOST/PATH"),
        ("BAKERY_REMOTE_WRITE", "maybe", "1 or 0"),
        ("BAKERY_REMOTE", "~nobody-at-all/cache", "~nobody-at-all is no home here"),
        ("BAKERY_MIRROR", "~nobody-at-all/mirror", "~nobody-at-all is no home here"),
        ("BAKERY_STORE", "~nobody-at-all", "~nobody-at-all is no home here"),
    ],
)
def test_a_senseless_value_is_refused_with_what_would_do(
    tmp_path: Path, variable: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        settings.load(tmp_path, {variable: value})
    assert caught.value.where == variable


def test_an_unknown_name_in_pyproject_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, 'recipies = "x"')
    with pytest.raises(SettingsError, match="use recipes"):
        settings.load(tmp_path, {})


def test_a_broken_pyproject_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool")
    with pytest.raises(SettingsError, match="can't be read"):
        settings.load(tmp_path, {})


@pytest.mark.parametrize(
    "wrong",
    [
        *("github:nobody", "ftp:here", "directory:", "github:a/b/c"),
        *("oci:", "oci:ghcr.io", "oci:ghcr.io/Me/Bakery", "oci:me:secret@ghcr.io/me/bakery"),
    ],
)
def test_a_publisher_is_a_folder_or_a_repository(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="publisher"):
        settings.load(tmp_path, {"BAKERY_PUBLISHER": wrong})


def test_hosts_follow_where_it_is_published(tmp_path: Path) -> None:
    chosen = settings.load(tmp_path, {"BAKERY_PUBLISHER": "github:me/bakery"})
    assert chosen.publish_url == "https://github.com/me/bakery/releases/download"
    assert "localhost" in settings.load(tmp_path, {}).publish_url


@pytest.mark.parametrize("name", settings.NAMES)
def test_an_empty_variable_counts_as_unset(tmp_path: Path, name: str) -> None:
    write(tmp_path, 'offline = true\njobs = 3\nmirror = "http://project.example"')
    environment = {"XDG_CACHE_HOME": "/cache"}
    emptied = settings.load(tmp_path, {**environment, f"BAKERY_{name.upper()}": ""})
    unset = settings.load(tmp_path, environment)
    assert emptied == unset
    assert emptied.origins == unset.origins


def test_the_address_of_releases_follows_the_publisher_that_holds(tmp_path: Path) -> None:
    write(tmp_path, 'publisher = "github:me/bakery"')
    chosen = settings.load(tmp_path, {"BAKERY_PUBLISHER": ""})
    assert chosen.publish_url == "https://github.com/me/bakery/releases/download"


def test_where_debian_packages_come_from_is_a_setting(tmp_path: Path) -> None:
    write(tmp_path, 'debian_mirror = "http://mine.example/debian/"')
    chosen = settings.load(tmp_path, {})
    assert chosen.debian_mirror == "http://mine.example/debian"
    assert chosen.origins["debian_mirror"] == "pyproject.toml, [tool.bakery]"


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://localhost:8000"),
        ({"BAKERY_PUBLISH_URL": "https://e.org/x"}, "https://e.org/x"),
        (
            {"BAKERY_PUBLISHER": "github:Me/Bakery"},
            "https://github.com/Me/Bakery/releases/download",
        ),
        (
            {"BAKERY_PUBLISHER": "github:Me/Bakery", "BAKERY_CHANNELS": "directory:site"},
            "https://me.github.io/Bakery",
        ),
        (
            {"BAKERY_PUBLISHER": "github:me/me.github.io", "BAKERY_CHANNELS": "directory:site"},
            "https://me.github.io",
        ),
        (
            {"BAKERY_PUBLISHER": "github:me/bakery", "BAKERY_CHANNELS": "github:me/channels"},
            "https://github.com/me/channels/releases/download",
        ),
        ({"BAKERY_PUBLISHER": "oci:ghcr.io/me/bakery"}, "oci://ghcr.io/me/bakery"),
        (
            {"BAKERY_PUBLISHER": "github:me/bakery", "BAKERY_CHANNELS": "oci://[::1]:5000/me"},
            "oci://[::1]:5000/me",
        ),
        (
            {"BAKERY_CHANNELS": "directory:site", "BAKERY_CHANNELS_URL": "https://e.org/c/"},
            "https://e.org/c",
        ),
    ],
)
def test_where_hosts_find_channels(variables: dict[str, str], url: str, tmp_path: Path) -> None:
    chosen = settings.load(tmp_path, variables)
    assert chosen.channels_url == url
    assert (chosen.channels is None) == ("BAKERY_CHANNELS" not in variables)
