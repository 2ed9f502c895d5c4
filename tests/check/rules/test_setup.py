"""Rules about what hosts read before they merge images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness.contents import contents

from bakery.check.command import check_path
from bakery.image import setup
from bakery.image.tree import TreeBuilder
from bakery.recipe.model import Account, Config

if TYPE_CHECKING:
    from pathlib import Path

UNIT = "usr/lib/systemd/system/demo-setup.service"
APPLIED = {
    "usr/lib/sysusers.d/more.conf": "g demo-more -\n",
    "usr/lib/sysctl.d/50-demo.conf": "net.ipv4.ip_forward = 1\n",
    "usr/lib/modules-load.d/demo.conf": "dummy\n",
    "usr/lib/binfmt.d/demo.conf": ":demo:M::\\x7fDEM::/usr/bin/demo:\n",
    "usr/lib/systemd/network/50-demo.network": "[Match]\nName=demo0\n",
}
UNREAD = (
    "usr/lib/systemd/system-generators/demo",
    "usr/lib/systemd/user-generators/demo",
    "usr/lib/systemd/system-environment-generators/demo",
    "usr/lib/systemd/user-environment-generators/demo",
    "usr/lib/systemd/system-preset/50-demo.preset",
    "usr/lib/systemd/user-preset/50-demo.preset",
    "usr/lib/systemd/system.conf.d/demo.conf",
    "usr/lib/systemd/journald.conf.d/demo.conf",
    "usr/lib/systemd/network/50-demo.link",
    "usr/lib/environment.d/50-demo.conf",
    "usr/lib/udev/hwdb.d/50-demo.hwdb",
)


def findings(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in check_path(root)[0].findings:
        found.setdefault(each.rule, []).append(each.path)
    return found


@pytest.mark.parametrize("path", APPLIED)
def test_what_no_unit_of_the_image_applies_does_nothing(good: Any, path: str) -> None:
    good.file(path, APPLIED[path])
    assert findings(good.root) == {"setup-missing": [path]}


def test_rules_of_udev_are_read_when_a_unit_says_so(good: Any) -> None:
    good.edit(UNIT, "udevadm control --reload", "true")
    assert findings(good.root) == {"setup-missing": ["usr/lib/udev/rules.d/90-demo.rules"]}


@pytest.mark.parametrize("path", UNREAD)
def test_what_nothing_can_apply_is_told_with_another_way(good: Any, path: str) -> None:
    good.file(path, "#!/bin/sh\n", 0o755 if path.endswith("/demo") else 0o644)
    (finding,) = check_path(good.root)[0].findings
    assert (finding.rule, finding.path, finding.severity) == ("read-before-merge", path, "warning")
    assert finding.fix != "do it another way"


def test_a_user_unit_is_unknown_to_users_who_are_logged_in(good: Any) -> None:
    path = "usr/lib/systemd/user/demo.service"
    good.file(path, "[Service]\nExecStart=/usr/bin/demo\n")
    assert findings(good.root) == {"read-before-merge": [path]}


def test_the_setup_that_the_bakery_writes_leaves_nothing_to_find(good: Any) -> None:
    for path, text in APPLIED.items():
        good.file(path, text)
    good.file("usr/share/demo/tmpfiles.conf", "d /etc/demo.d 0750 root demo\n")
    good.remove(UNIT)
    good.edit("usr/lib/systemd/system/demo.service", "Requires=demo-setup.service\n", "")
    good.edit("usr/lib/systemd/system/demo.service", "demo-setup.service ", "")
    tree = TreeBuilder(good.root)
    for file in sorted(good.root.rglob("*")):
        if file.is_file() and not file.is_symlink():
            path = file.relative_to(good.root).as_posix()
            executable = bool(file.stat().st_mode & 0o100)
            data = file.read_bytes()
            file.unlink()
            tree.add_bytes(path, data, origin="test", executable=executable)
    account = Account(name="demo-other", home="/var/lib/other")
    config = (("etc/other.toml", Config(default="config.toml", group="demo-other")),)
    unit = setup.add(tree, contents("demo", "1", account=account, config=config))
    assert unit is not None
    tree.finish(0)
    assert findings(good.root) == {}


@pytest.mark.parametrize(
    "line",
    [
        "C /etc/demo.d - - - - /usr/share/demo",
        "C /etc/demo.toml - - - - /usr/share/demo/state/demo.toml",  # a link to /var
        "L /etc/localtime - - - - ../usr/share/zoneinfo/Etc/UTC",
        "L+ /etc/systemd/system/d.service - - - - /usr/lib/systemd/system/dbus.service",
        "L /usr/local/bin/d - - - - /bin/sh",
        "L? /etc/demo.d - - - - /usr/share/other",
        "C /etc/demo.%b - - - - /usr/share/demo/%b",
        "L /etc/mtab - - - - ../proc/self/mounts",
        "L /var/demo - - - - -/srv/demo",
        "f /etc/demo.d - - - - /usr/share/demo/of/its/own",
    ],
)
def test_what_a_line_copies_or_links_to_may_be_there(good: Any, line: str) -> None:
    good.file("usr/share/demo/tmpfiles.conf", f"{line}\n")
    good.edit(UNIT, "create demo.conf", "create demo.conf /usr/share/demo/tmpfiles.conf")
    assert findings(good.root) == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("C /etc/d.toml - - - - /usr/share/demo/d.toml", "copies /usr/share/demo/d.toml for /etc"),
        ("C+! /etc/demo/", "copies /usr/share/factory/etc/demo for /etc/demo"),
        ("L /etc/d - - - - ../usr/share/d", "links to /etc/../usr/share/d for /etc/d"),
        ("L+ /etc/d - - - - /lib/demo/d", "links to /lib/demo/d for /etc/d"),
        ('C /etc/d - - - - "/usr/share/a b"', "copies /usr/share/a b for /etc/d"),
    ],
)
def test_what_a_line_copies_or_links_to_must_be_there(good: Any, line: str, words: str) -> None:
    good.edit("usr/lib/tmpfiles.d/demo.conf", "d /var", f"{line}\nd /var")
    (finding,) = check_path(good.root)[0].findings
    assert (finding.rule, finding.severity) == ("tmpfiles-source", "error")
    assert words in finding.message
    good.edit("usr/lib/extension-release.d/extension-release.demo", "_any", "debian\nVERSION_ID=13")
    assert check_path(good.root)[0].findings[0].severity == "warning"
