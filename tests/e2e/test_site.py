"""The site in a browser: found, chosen and copied, with scripts and without, and for everyone."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import requests
from harness import needs, provisioning
from harness.browser import browser
from harness.catalogue import catalogue, example, release
from harness.mirror import Mirror
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from bakery import settings as settings_module
from bakery.provision import command
from bakery.recipe.load import load_all
from bakery.site.make import make

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.openpgp import Person
    from selenium.webdriver.chrome.webdriver import WebDriver

    from bakery.settings import Settings

pytestmark = needs.programs("chromium", "chromedriver", "npm")
PAGES = ["index.html", "app/index.html", "app/changes.html", "status.html", "programs.html"]
LONG = "a-very-long-name-" + "of-an-extension-" * 8 + "x"
RECIPE = """\
summary: An odd one
homepage: https://example.com/
license: MIT
build: ["1.0"]
arch: {arm64: arm64}
"""
PATIENCE = 60  # seconds, on the busiest machine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, person: Person) -> Iterator[Settings]:
    """A project with a published catalogue, which a server has."""
    person.key("Publisher")
    root = tmp_path_factory.mktemp("project")
    published = root / "published"
    published.mkdir()
    example(published, person)
    with Mirror(published) as server:
        environment = {"BAKERY_PUBLISHER": f"directory:{published}", "HOME": str(root)}
        environment["BAKERY_PUBLISH_URL"] = server.url
        yield settings_module.load(root, environment)


@pytest.fixture(scope="module")
def site(project: Settings) -> Iterator[str]:
    folder = project.root / "site"
    make(folder, project, {})
    with Mirror(folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what npm has to look at pages."""
    folder = tmp_path_factory.mktemp("npm")
    for package in ("axe-core", "html-validate"):
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", package],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"npm has no {package}: {done.stderr[-300:]}")
    return folder


def shown(driver: WebDriver) -> list[str]:
    rows = driver.find_elements(By.CSS_SELECTOR, "#extensions tbody tr")
    return [row.find_element(By.TAG_NAME, "a").text for row in rows if row.is_displayed()]


def test_extensions_are_found(driver: WebDriver, site: str) -> None:
    driver.get(f"{site}/index.html")
    assert shown(driver) == ["app", "plugin", "small"]
    search = driver.find_element(By.NAME, "q")
    search.send_keys("bold")
    assert shown(driver) == ["app"]
    assert driver.find_element(By.CSS_SELECTOR, ".filters output").text == "1 of 3"
    driver.refresh()  # the address keeps what was asked
    assert shown(driver) == ["app"]
    driver.find_element(By.NAME, "q").send_keys("nothing has this")
    assert shown(driver) == []
    driver.find_element(By.ID, "reset").click()
    Select(driver.find_element(By.NAME, "arch")).select_by_visible_text("arm64")
    assert shown(driver) == ["app", "plugin"]
    Select(driver.find_element(By.NAME, "tier")).select_by_visible_text("core")
    assert shown(driver) == []


def test_what_is_chosen_is_what_provision_writes(
    driver: WebDriver, site: str, project: Settings
) -> None:
    driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": site},
    )
    driver.get(f"{site}/app/index.html")
    choices = {"form": "Fedora CoreOS: Butane", "arch": "arm64", "what": "1.0"}
    for name, text in choices.items():
        Select(driver.find_element(By.NAME, name)).select_by_visible_text(text)
    updates = Select(driver.find_element(By.NAME, "way"))
    assert updates.first_selected_option.text == "none"  # as a version of one's choice has
    wanted = command.provision(
        ["app-1.0"],
        *provisioning.asked(arch="arm64", host="fcos"),
        settings=project,
        output="butane",
    )
    code = driver.find_element(By.CSS_SELECTOR, "#configuration code")
    WebDriverWait(driver, PATIENCE).until(lambda _: code.get_property("textContent") == wanted)
    driver.find_element(By.ID, "copy").click()
    told = driver.find_element(By.ID, "told")
    WebDriverWait(driver, PATIENCE).until(lambda _: told.text == "Copied.")
    asked = "const [done] = arguments; navigator.clipboard.readText().then(done)"
    assert driver.execute_async_script(asked) == wanted
    said = driver.find_element(By.ID, "command").text
    assert said == "bakery provision app-1.0 --arch arm64 --format butane --host fcos"
    assert str(driver.find_element(By.ID, "download").get_property("href")).endswith(
        "/app/get/pin-1.0-arm64-fcos-butane.yaml"
    )
    driver.refresh()  # the address keeps what was chosen
    WebDriverWait(driver, PATIENCE).until(
        lambda _: driver.find_element(By.ID, "command").text == said
    )


def test_updates_can_wait_for_a_reboot(driver: WebDriver, site: str, project: Settings) -> None:
    driver.get(f"{site}/app/index.html")
    Select(driver.find_element(By.NAME, "way")).select_by_visible_text("at the next reboot")
    wanted = command.provision(
        ["app"], *provisioning.asked(policy="reboot"), settings=project, output="butane"
    )
    code = driver.find_element(By.CSS_SELECTOR, "#configuration code")
    WebDriverWait(driver, PATIENCE).until(lambda _: code.get_property("textContent") == wanted)
    Select(driver.find_element(By.NAME, "way")).select_by_visible_text("none")
    said = "bakery provision app-1.2 --format butane --host flatcar"  # the channel's newest
    WebDriverWait(driver, PATIENCE).until(
        lambda _: driver.find_element(By.ID, "command").text == said
    )


def test_two_versions_are_compared(driver: WebDriver, site: str) -> None:
    driver.get(f"{site}/app/changes.html")
    Select(driver.find_element(By.NAME, "new")).select_by_visible_text("1.1")
    Select(driver.find_element(By.NAME, "old")).select_by_visible_text("1.0")
    rows = driver.find_elements(By.CSS_SELECTOR, "#changes tbody tr")
    visible = [row.text for row in rows if row.is_displayed()]
    assert visible == [
        *("Images", "x86-64 14 bytes 14 bytes", "arm64 13 bytes 13 bytes"),
        *("Programs", "/usr/bin/app 5.0 KiB 4.9 KiB", "/usr/bin/old gone 9 bytes"),
    ]
    told = driver.find_element(By.CSS_SELECTOR, ".compare output").text
    assert told == "0 units, 2 programs, 0 other files"


def test_all_is_there_without_scripts(tmp_path: Path, site: str) -> None:
    with browser(tmp_path, scripts=False) as driver:
        driver.get(f"{site}/index.html")
        assert shown(driver) == ["app", "plugin", "small"]
        assert not driver.find_element(By.CSS_SELECTOR, ".filters").is_displayed()
        driver.find_element(By.LINK_TEXT, "app").click()
        assert "variant: flatcar" in driver.find_element(By.ID, "configuration").text
        driver.find_element(By.TAG_NAME, "summary").click()
        row = '#configurations tr[data-what="1.1"][data-arch="arm64"]'
        link = driver.find_element(By.CSS_SELECTOR, f'{row} [data-form="cloud-init"]')
        assert link.is_displayed()
        text = requests.get(str(link.get_property("href")), timeout=PATIENCE).text
        assert text.startswith("#cloud-config")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(
    page: str, scheme: str, driver: WebDriver, site: str, npm: Path
) -> None:
    """WCAG 2.2 AA, as far as axe can see."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get(f"{site}/{page}")
    driver.execute_script((npm / "node_modules/axe-core/axe.min.js").read_text("utf-8"))
    found = driver.execute_async_script("axe.run().then(arguments[0])")["violations"]
    named = {each["id"]: [node["html"] for node in each["nodes"]] for each in found}
    assert not named, json.dumps(named, indent=1)


def assert_fits(driver: WebDriver, width: int, pages: Sequence[str]) -> None:
    """See that nothing on some pages is wider than a screen."""
    screen(driver, width)
    try:
        for page in pages:
            driver.get(page)
            across = driver.execute_script("return document.documentElement.scrollWidth")
            assert across <= width, page
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_screen(width: int, driver: WebDriver, site: str) -> None:
    assert_fits(driver, width, [f"{site}/{page}" for page in PAGES])


ODD_PAGES = ["index.html", "status.html", f"{LONG}/index.html", "many/index.html"]
ODD_PAGES += ["many/changes.html", "bare/index.html"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site of extensions with long names and texts, many versions, or nothing in them."""
    root = tmp_path_factory.mktemp("odd")
    published = root / "published"
    published.mkdir()
    versions = {LONG: ["1.0-rc2", "1.0+k3s1"], "bare": ["1.0"]}
    versions["many"] = [f"1.{number}" for number in range(40)]
    for name, tags in versions.items():
        for tag in tags:
            files = {f"/usr/bin/{'p' * 90}-{tag}": (9, tag)} if name != "bare" else {}
            texts = {"summary": "word" * 60, "homepage": f"https://e.org/{'x' * 150}"}
            release(published, name, tag, files, archs=["arm64"], **texts)
    catalogue(published, versions, None)
    recipe = root / "recipes" / LONG
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text(RECIPE)
    (recipe / "lock.json").write_text('{"versions": {"1.0": {"assets": []}}}')
    wide = "c" * 200
    (recipe / "README.md").write_text(
        f"# Odd\n\n{wide} `{wide}`\n\n| a | b |\n|---|---|\n| {wide} | d |\n\n```\n{wide}\n```\n"
    )
    environment = {"BAKERY_PUBLISHER": f"directory:{published}", "HOME": str(root)}
    make(root / "site", settings_module.load(root, environment), load_all(root / "recipes"))
    with Mirror(root / "site") as server:
        yield server.url


def screen(driver: WebDriver, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("width", [320, 1440])
def test_odd_texts_are_not_wider_than_the_screen(width: int, driver: WebDriver, odd: str) -> None:
    assert_fits(driver, width, [f"{odd}/{page}" for page in ODD_PAGES])


def test_nothing_is_cut_off_on_paper(driver: WebDriver, odd: str) -> None:
    screen(driver, 720)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for page in ODD_PAGES:
            driver.get(f"{odd}/{page}")
            assert driver.execute_script(CUT_OFF) == [], page
            assert not driver.find_element(By.TAG_NAME, "nav").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


CUT_OFF = """\
for (const each of document.querySelectorAll("details")) each.open = true;
return [...document.querySelectorAll(".scroll, pre")]
  .filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.outerHTML.slice(0, 80));
"""


@pytest.mark.parametrize("page", PAGES)
def test_nothing_moves_when_the_script_comes(page: str, driver: WebDriver, site: str) -> None:
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/site.js"]})
    try:
        driver.get(f"{site}/{page}")
        assert not driver.find_elements(By.CSS_SELECTOR, "form:not([hidden])")
        before = driver.execute_script(PLACES)
    finally:
        driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    driver.get(f"{site}/{page}")
    assert driver.execute_script(PLACES) == before


PLACES = """\
return [...document.querySelectorAll("main, main *, footer")].map((each) => {
  const { x, y, width, height } = each.getBoundingClientRect();
  return [each.tagName, each.id, x, y, width, height]; // texts may be others: a day, an age
});
"""


def test_nothing_is_asked_of_others(tmp_path: Path, site: str) -> None:
    with browser(tmp_path) as driver:
        for page in PAGES:
            driver.get(f"{site}/{page}")
            names = driver.execute_script(
                "return performance.getEntriesByType('resource').map((each) => each.name)"
            )
            assert [name for name in names if not name.startswith(site)] == []


def test_pages_are_valid(project: Settings, npm: Path, site: str) -> None:
    assert site
    rules = {"extends": ["html-validate:standard"], "rules": {"long-title": "off"}}
    (npm / "rules.json").write_text(json.dumps(rules))
    pages = [project.root / "site" / page for page in PAGES]
    done = subprocess.run(
        ["node_modules/.bin/html-validate", "--config", "rules.json", *pages],
        cwd=npm,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
