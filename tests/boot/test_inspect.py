from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery.boot import inspect
from bakery.boot.machine import BootImage
from bakery.check.loader import ImageUnreadableError

if TYPE_CHECKING:
    from pathlib import Path

TRIXIE = {"ID": "debian", "VERSION_ID": "13"}
FORKY = {"ID": "debian"}
FLATCAR = {"ID": "flatcar", "SYSEXT_LEVEL": "1.0"}


@pytest.fixture
def image(tmp_path: Path) -> BootImage:
    (tmp_path / "app/usr/lib/extension-release.d").mkdir(parents=True)
    return BootImage(path=tmp_path / "app", name="app")


@pytest.mark.parametrize(
    ("release", "system", "reason"),
    [
        ("ID=_any\n", TRIXIE, None),
        ("ID=debian\nVERSION_ID=13\n", TRIXIE, None),
        ("ID=debian\nVERSION_ID=12\n", TRIXIE, "app is for debian 12, and this is debian 13"),
        ("ID=debian\nVERSION_ID=12\n", FORKY, None),
        ("ID=fedora\n", FORKY, "app is for fedora, and this is debian"),
        ("ID=flatcar\nSYSEXT_LEVEL=1.0\n", FLATCAR, None),
        ("ID=flatcar\nVERSION_ID=4230.2.1\n", FLATCAR, None),
        ("ID=flatcar\nSYSEXT_LEVEL=2.0\n", FLATCAR, "app is for flatcar 2.0, and this is flatcar"),
        ("ID=flatcar\nSYSEXT_LEVEL=1.0\n", TRIXIE, "app is for flatcar, and this is debian 13"),
        ("ID=debian\nVERSION_ID=12\n", {}, None),
    ],
)
def test_who_an_image_is_for(
    image: BootImage, release: str, system: dict[str, str], reason: str | None
) -> None:
    file = image.path / "usr/lib/extension-release.d/extension-release.app"
    file.write_text(release)
    assert inspect.misfit("app", inspect.inspection(image).release, system) == reason


def test_without_a_release_file_only_a_boot_tells(image: BootImage) -> None:
    assert inspect.inspection(image).release == {}


def test_what_acts_on_a_host_is_named_once(image: BootImage, tmp_path: Path) -> None:
    other = BootImage(path=tmp_path / "other", name="other")
    for each in (image, other):
        for path in (
            "systemd/system/app.service",
            "systemd/system/app@.service",
            "systemd/system/app@one.socket",
            "systemd/system/app.service.d/10-more.conf",
            "udev/rules.d/60-app.rules",
            "udev/rules.d/README",
            "sysctl.d/app.conf",
        ):
            file = each.path / "usr/lib" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    assert inspect.shipped(map(inspect.inspection, (image, other))) == inspect.Shipped(
        units=("app.service", "app@one.socket"),
        unit_files=frozenset(
            {"app.service", "app@.service", "app@one.socket", "app.service.d"},
        ),
        rules=("/usr/lib/udev/rules.d/60-app.rules",),
        sysctls=("/usr/lib/sysctl.d/app.conf",),
    )


def test_instances_of_templates_that_an_image_names_are_its_units(image: BootImage) -> None:
    units = image.path / "usr/lib/systemd/system"
    for path, text in {
        "app@.service": "[Unit]\nAfter=other@one.service app@%i.socket\n",
        "multi-user.target.d/10-app.conf": "[Unit]\nUpholds=app@one.service app@a\\x2db.service\n",
    }.items():
        (units / path).parent.mkdir(parents=True, exist_ok=True)
        (units / path).write_text(text)
    (units / "timers.target.wants").mkdir()
    (units / "timers.target.wants/app@two.service").symlink_to("../app@.service")
    assert inspect.shipped([inspect.inspection(image)]).units == (
        "app@a\\x2db.service",
        "app@one.service",
        "app@two.service",
    )


def test_folders_of_a_host_that_an_image_hides_are_named(image: BootImage, tmp_path: Path) -> None:
    host = tmp_path / "host/usr"
    for folder in ("bin", "lib/systemd", "share/doc"):
        (host / folder).mkdir(parents=True)
    (host / "sbin").symlink_to("bin")
    (host / "lib64").symlink_to("lib")
    ours = image.path / "usr"
    (ours / "bin").write_text("a program")
    (ours / "lib/systemd").symlink_to("elsewhere")
    (ours / "sbin").mkdir()
    (ours / "lib64").symlink_to("lib")
    (ours / "share/doc").mkdir(parents=True)
    (ours / "share/new").write_text("nothing is hidden")
    assert inspect.shadowed(image, tmp_path / "host") == [
        "/usr/bin",
        "/usr/lib/systemd",
        "/usr/sbin",
    ]


def test_what_is_no_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.raw").write_bytes(b"nothing that can be mounted")
    with pytest.raises(ImageUnreadableError, match="not an image"):
        inspect.inspection(BootImage(path=tmp_path / "app.raw", name="app"))
