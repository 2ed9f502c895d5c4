"""A broken image for every rule, caught by exactly that rule; and a good one, caught by none."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from harness import labels, needs
from harness.recipes import recipe_of

from bakery.check.catalogue import RULES
from bakery.check.command import check_path, check_paths
from bakery.check.loader import load
from bakery.check.subject import Context
from bakery.image.manifest import Manifest, ManifestEntry, Reference
from bakery.recipe.model import Waiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.check.report import Report

RELEASE = "usr/lib/extension-release.d/extension-release.demo"
UNITS = "usr/lib/systemd/system"
SERVICE = f"{UNITS}/demo.service"
BINFMT = "/usr/lib/systemd/systemd-binfmt demo.conf"
SLEEPS = "[Service]\nExecStart=/bin/sleep infinity\n"
HOST_LOADER = "/lib64/ld-linux-x86-64.so.2"

BROKEN: dict[str, Callable[[Any, Any], object]] = {
    "release-file-missing": lambda t, _: t.remove(RELEASE),
    "release-file-name": lambda t, _: (t.root / RELEASE).rename(
        (t.root / RELEASE).with_suffix(".domo")
    ),
    "release-file-extra": lambda t, _: t.file(RELEASE + "2", "ID=_any\n"),
    "release-file-syntax": lambda t, _: t.edit(RELEASE, "ID=_any", "ID=_any\nPURPOSE: demo"),
    "release-file-id": lambda t, _: t.edit(RELEASE, "ID=_any\n", ""),
    "release-file-any-version": lambda t, _: t.edit(RELEASE, "_any", "_any\nSYSEXT_LEVEL=1.0"),
    "release-file-version": lambda t, _: t.edit(RELEASE, "_any", "flatcar"),
    "release-file-arch": lambda t, _: t.edit(RELEASE, "x86-64", "amd64"),
    "release-file-arch-missing": lambda t, _: t.edit(RELEASE, "ARCHITECTURE=x86-64\n", ""),
    "release-file-scope": lambda t, _: t.edit(RELEASE, "_any", "_any\nSYSEXT_SCOPE=everywhere"),
    "release-file-host-fields": lambda t, _: t.edit(RELEASE, "_any", '_any\nPRETTY_NAME="Demo OS"'),
    "reload-manager-missing": lambda t, _: t.edit(RELEASE, "EXTENSION_RELOAD_MANAGER=1", ""),
    "reload-manager-needless": lambda t, _: (
        t.remove("usr/lib/systemd"),
        t.remove("usr/lib/sysusers.d"),
        t.remove("usr/lib/udev"),
        t.edit("usr/lib/tmpfiles.d/demo.conf", "demo demo", "root root"),
    ),
    "outside-usr-opt": lambda t, _: t.file("etc/demo.toml", "a = 1\n"),
    "over-host-link": lambda t, _: t.file("usr/sbin/demo", "#!/bin/sh\n", 0o755),
    "host-folder": lambda t, _: t.file("usr/share/man", "text"),
    "opt-shipped": lambda t, _: t.file("opt/demo/readme", "hello\n"),
    "usr-local-shipped": lambda t, _: t.file("usr/local/share/demo", "hello\n"),
    "os-release-shipped": lambda t, _: t.file("usr/lib/os-release", "ID=demo\n"),
    "singleton-cache": lambda t, _: t.file(
        "usr/share/glib-2.0/schemas/gschemas.compiled", "GVariant"
    ),
    "package-database": lambda t, _: t.file("usr/lib/sysimage/rpm/rpmdb.sqlite", "SQLite"),
    "host-owned": lambda t, _: t.file("usr/lib/x86_64-linux-gnu/libsystemd.so.0", "x"),
    "macos-metadata": lambda t, _: t.file("usr/share/demo/._config.toml", "\0\5\26\7"),
    "name-case": lambda t, _: t.file("usr/share/demo/Config.toml", "a = 1\n"),
    "name-encoding": lambda t, _: t.file(b"usr/share/demo/caf\xe9", "x"),
    "owner": lambda t, _: os.chown(t.root / "usr/bin/demo", 1000, 0),
    "directory-mode": lambda t, _: t.root.chmod(0o700),
    "file-mode": lambda t, _: (t.root / "usr/share/demo/config.toml").chmod(0o640),
    "world-writable": lambda t, _: (t.root / "usr/share/demo").chmod(0o777),
    "setuid": lambda t, _: (t.root / "usr/bin/demo").chmod(0o4755),
    "capabilities": lambda t, _: os.setxattr(
        t.root / "usr/bin/demo",
        "security.capability",
        struct.pack("<5I", 0x02000001, 1 << 12, 0, 0, 0),
    ),
    "selinux-label": lambda t, _: labels.attach(t.root / "usr/bin/demo", "bin_t"),
    "special-file": lambda t, _: os.mkfifo(t.root / "usr/share/demo/pipe", 0o644),
    "time": lambda t, _: os.utime(t.root / "usr/bin/demo", (4102444800, 4102444800)),
    "not-executable": lambda t, _: (t.root / "usr/bin/demo-helper").chmod(0o644),
    "empty-program": lambda t, _: t.file("usr/bin/demo-empty", "", 0o755),
    "broken-link": lambda t, _: t.link("usr/bin/demo-cli", "../lib/demo/demo-cli"),
    "link-into-host": lambda t, _: t.link("usr/share/demo/log", "/var/log/demo"),
    "elf-damaged": lambda t, elf: t.file("usr/bin/demo-cut", elf(soname="demo")[:-8], 0o755),
    "elf-arch": lambda t, elf: t.file("usr/bin/demo-arm", elf(machine="arm64"), 0o755),
    "elf-mode": lambda t, elf: t.file("usr/libexec/demo/plug-in", elf(), 0o644),
    "elf-interpreter": lambda t, elf: t.file(
        "usr/bin/demo-glibc", elf(interpreter=HOST_LOADER, needed=("libc.so.6",)), 0o755
    ),
    "elf-library": lambda t, _: t.remove("usr/lib/demo/libc.so.6"),
    "elf-execstack": lambda t, elf: t.file("usr/bin/demo-stack", elf(execstack=True), 0o755),
    "elf-textrel": lambda t, elf: t.file("usr/bin/demo-text", elf(textrel=True), 0o755),
    "elf-relro": lambda t, elf: t.file(
        "usr/lib/demo/libd.so", elf(library=True, needed=("libc.so.6",), relro=False)
    ),
    "elf-pie": lambda t, elf: t.file(
        "usr/bin/demo-fixed",
        elf(interpreter="/usr/lib/demo/ld-linux-x86-64.so.2", pie=False),
        0o755,
    ),
    "script-interpreter": lambda t, _: t.file("usr/bin/demo-py", "#!/usr/bin/env python3\n", 0o755),
    "drop-in-suffix": lambda t, _: t.file(f"{UNITS}/demo.service.d/10-more", "[Service]\nNice=1\n"),
    "wants-link": lambda t, _: t.link(
        f"{UNITS}/sockets.target.wants/demo.socket", "../demo.socket"
    ),
    "requires-link": lambda t, _: t.link(
        f"{UNITS}/multi-user.target.requires/demo.service", "../demo.service"
    ),
    "install-section": lambda t, _: t.edit(
        SERVICE, "[Service]", "[Install]\nWantedBy=multi-user.target\n[Service]"
    ),
    "unit-not-started": lambda t, _: t.remove(f"{UNITS}/sockets.target.d/10-demo.conf"),
    "placeholder-left": lambda t, _: t.edit(SERVICE, "Description=Demo", "Description={version}"),
    "environment-file": lambda t, _: t.edit(SERVICE, "File=/etc/demo.toml", "File=/etc/demo.env"),
    "tmpfiles-setup": lambda t, _: t.edit(
        f"{UNITS}/demo-setup.service", "systemd-tmpfiles --create", "systemd-sysusers"
    ),
    "setup-missing": lambda t, _: t.file("usr/lib/sysctl.d/50-demo.conf", "vm.swappiness = 1\n"),
    "read-before-merge": lambda t, _: t.file(
        "usr/lib/systemd/system-preset/50-demo.preset", "enable demo.service\n"
    ),
    "udev-program": lambda t, _: t.edit(
        "usr/lib/udev/rules.d/90-demo.rules", "bin/demo ", "bin/domo "
    ),
    "start-unit": lambda t, _: t.edit(
        f"{UNITS}/multi-user.target.d/10-demo.conf", "demo.service", "domo.service"
    ),
    "host-unit": lambda t, _: t.link(f"{UNITS}/systemd-timesyncd.service", "/dev/null"),
    "name-unread": lambda t, _: t.file("usr/lib/systemd/sytem/more.service", SLEEPS),
    "unit-missing": lambda t, _: (
        t.file(f"{UNITS}/more.timer", "[Timer]\nOnCalendar=daily\n"),
        t.file(f"{UNITS}/timers.target.d/10-demo.conf", "[Unit]\nUpholds=more.timer\n"),
    ),
    "unit-path": lambda t, _: t.edit(
        SERVICE, "[Service]", "[Service]\nWorkingDirectory=/usr/share/demmo"
    ),
    "unit-shell": lambda t, _: t.edit(SERVICE, "--serve", "--serve >/dev/null 2>&1"),
    "bus-service": lambda t, _: t.file(
        "usr/share/dbus-1/system-services/org.demo.service",
        "[D-BUS Service]\nName=org.demo\nExec=/usr/bin/demmo\nUser=root\n",
    ),
    "binfmt-program": lambda t, _: (
        t.file("usr/lib/binfmt.d/demo.conf", ":demo:M::DEMO::/usr/bin/demmo:\n"),
        t.edit(f"{UNITS}/demo-setup.service", "[Service]", f"[Service]\nExecStart={BINFMT}"),
    ),
    "settings-syntax": lambda t, _: (
        t.file("usr/lib/binfmt.d/demo.conf", ":demo:X::DEMO::/usr/bin/demo:\n"),
        t.edit(f"{UNITS}/demo-setup.service", "[Service]", f"[Service]\nExecStart={BINFMT}"),
    ),
    "udev-user": lambda t, _: t.edit("usr/lib/udev/rules.d/90-demo.rules", '"disk"', '"domo"'),
    "dbus-user": lambda t, _: t.edit(
        "usr/share/dbus-1/system.d/demo.conf", "<policy/>", '<policy user="domo"/>'
    ),
    "start-repeated": lambda t, _: t.edit(SERVICE, "[Service]", "[Service]\nType=oneshot"),
    "unit-program": lambda t, _: t.edit(SERVICE, "/usr/bin/demo ", "/usr/local/bin/demo "),
    "unit-user": lambda t, _: t.edit(SERVICE, "User=demo", "User=domo"),
    "tmpfiles-user": lambda t, _: t.edit("usr/lib/tmpfiles.d/demo.conf", "demo demo", "domo demo"),
    "tmpfiles-source": lambda t, _: t.edit(
        "usr/lib/tmpfiles.d/demo.conf", "demo/config.toml", "demo/konfig.toml"
    ),
    "unit-verify": lambda t, _: t.edit(SERVICE, "[Service]", "[Service]\nType=sometimes"),
    "sysusers-syntax": lambda t, _: t.file("usr/lib/sysusers.d/demo.conf", "u demo\nz demo\n"),
    "tmpfiles-syntax": lambda t, _: t.file("usr/lib/tmpfiles.d/more.conf", "QQ /var/lib/more\n"),
    "udev-syntax": lambda t, _: t.file(
        "usr/lib/udev/rules.d/91-demo.rules", 'KERNEL=="demo" GROOP:"disk"\n'
    ),
    "dbus-syntax": lambda t, _: t.file(
        "usr/share/dbus-1/system.d/more.conf", "<busconfig><policy>"
    ),
}
NEED_ROOT = {"owner", "capabilities", "selinux-label"}

# these need an image, a second image, or a waiver, and have a test of their own below
SPECIAL = {
    "partition-type",  # these: test_verity.py
    "verity-uuid",
    "verity-tree",
    "verity-data",
    "verity-signature",
    "verity-certificate",
    "verity-file",
    "image-mount",
    "image-content",
    "image-dissect",
    "unreadable",
    "path-conflict",
    "recipe-readme",
    "recipe-check",
    "license-file",
    "elf-path",
    "waiver-unused",
}

ABOUT_RECIPES = {"recipe-readme", "recipe-check", "license-file"}


def fired(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


def check(folder: Any, **context: Any) -> Report:
    return check_path(folder.root, Context(**context))[0]


def test_every_rule_has_a_broken_image() -> None:
    assert set(BROKEN) | SPECIAL == {rule.id for rule in RULES}
    assert len(RULES) == len({rule.id for rule in RULES})


def test_rules_that_need_to_know_the_recipe_say_so(good: Any, tmp_path: Path) -> None:
    skipped = {each.rule: each.fix for each in check(good).not_run}
    assert {"elf-path", "image-content", *ABOUT_RECIPES} <= skipped.keys()
    assert "doit check:NAME" in skipped["image-content"]
    known = check(good, manifest=manifest_of(good, 1), recipe=recipe_of(tmp_path))
    assert not {"elf-path", "image-content", *ABOUT_RECIPES} & {r.rule for r in known.not_run}


def test_no_rule_fires_on_a_good_tree(good: Any) -> None:
    assert check(good).findings == ()


@pytest.mark.parametrize("rule", BROKEN)
def test_exactly_its_rule_catches_a_broken_tree(rule: str, good: Any, elf: Any) -> None:
    if rule in NEED_ROOT and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    BROKEN[rule](good, elf)
    report = check(good)
    lacking = {skipped.rule: skipped.why for skipped in report.not_run}
    if rule in lacking:
        pytest.skip(lacking[rule])
    assert fired(report) == {rule}
    assert all(finding.fix and finding.reason and finding.message for finding in report.findings)


def test_an_image_holds_one_release_file(good: Any) -> None:
    BROKEN["release-file-extra"](good, None)
    assert check(good).errors == 1


@pytest.mark.parametrize(
    "rule", ["unit-verify", "sysusers-syntax", "udev-syntax", "tmpfiles-syntax"]
)
def test_only_the_form_of_a_line_is_an_error(rule: str, good: Any) -> None:
    """What a key or value means differs between versions of systemd, and so does its verdict."""
    texts = {
        "unit-verify": (SERVICE, "[Service]\nType=oneshot\nExecStart=/usr/bin/demo\nNews=later\n"),
        "sysusers-syntax": ("usr/lib/sysusers.d/more.conf", "u more 1x\n"),
        "tmpfiles-syntax": ("usr/lib/tmpfiles.d/more.conf", "y /var/lib/more\n"),
        "udev-syntax": ("usr/lib/udev/rules.d/91-demo.rules", 'KERNEL=="a", NEWS="b"\n'),
    }
    path, text = texts[rule]
    good.file(path, text)
    report = check(good)
    found = [finding for finding in report.findings if finding.rule == rule]
    if rule in {skipped.rule for skipped in report.not_run}:
        assert found == []
    else:
        assert found
    for finding in found:
        assert finding.severity == "warning"
        assert re.search(r"\(says systemd \d+\)$", finding.message)
    good.file(path, "(nothing\n")
    found = [finding for finding in check(good).findings if finding.rule == rule]
    assert [(f.severity, f.path) for f in found] == [("error", path)]


def test_a_unit_to_start_that_is_not_there(good: Any) -> None:
    report = check(good, start=("demo.service", "demo@1.service"))
    assert [(f.rule, f.message) for f in report.findings] == [
        ("start-unit", "is to start demo@1.service, which is not there")
    ]


def test_paths_that_lead_nowhere_are_the_manifests(good: Any) -> None:
    left = (
        Reference(path="usr/bin/demo", mentions="usr/share/demo/a"),
        Reference(path="usr/bin/demo", mentions="usr/share/b", moved_to="usr/lib/demo/long/b"),
    )
    manifest = msgspec.structs.replace(manifest_of(good, 1), references=left)
    found = [f for f in check(good, manifest=manifest).findings if f.rule == "elf-path"]
    assert [(f.path, f.message) for f in found] == [
        (
            "usr/bin/demo",
            (
                "looks for what its packages have at "
                "/usr/share/demo/a, /usr/share/b (now usr/lib/demo/long/b)"
            ),
        )
    ]


def test_a_recipe_without_a_readme(good: Any, tmp_path: Path) -> None:
    assert fired(check(good, recipe=recipe_of(tmp_path))) == set()
    assert fired(check(good, recipe=recipe_of(tmp_path, readme=""))) == {"recipe-readme"}


def test_a_recipe_without_expectations(good: Any, tmp_path: Path) -> None:
    assert fired(check(good, recipe=recipe_of(tmp_path, check=""))) == {"recipe-check"}


@pytest.mark.parametrize(
    ("path", "text", "expression"),
    [
        ("LICENSE", "Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("COPYING", "GNU GENERAL PUBLIC LICENSE\nVersion 2, June 1991", "GPL-2.0-only"),
        ("LICENSE-x", "// SPDX-License-Identifier: LGPL-2.1-or-later", "LGPL-2.1-only"),
        (
            "LICENSE.md",
            "Permission is hereby granted, free of charge, to any\nperson obtaining a copy",
            "ISC AND MIT",
        ),
    ],
)
def test_a_licence_that_the_recipe_does_not_name(
    path: str,
    text: str,
    expression: str,
    good: Any,
    tmp_path: Path,
) -> None:
    good.file(f"usr/share/licenses/demo/{path}", text)
    assert fired(check(good)) == set()
    assert fired(check(good, recipe=recipe_of(tmp_path, license=expression))) == set()
    wrong = recipe_of(tmp_path, license="BSD-3-Clause")
    assert fired(check(good, recipe=wrong)) == {"license-file"}


def test_a_waiver_that_nothing_needs(good: Any) -> None:
    waivers = [
        Waiver(rule="setuid", path="usr/bin/*", reason="sudo"),
        Waiver(rule="setiud", path="*", reason="sudo"),
    ]
    report = check_path(good.root, waivers=waivers)[0]
    assert fired(report) == {"waiver-unused"}
    assert "did you mean setuid" in report.findings[0].message


def test_a_waiver_that_is_needed(good: Any) -> None:
    (good.root / "usr/bin/demo").chmod(0o4755)
    waiver = Waiver(rule="setuid", path="usr/bin/*", reason="it is sudo")
    report = check_path(good.root, waivers=[waiver])[0]
    assert report.findings == ()
    assert [(w.finding.path, w.reason) for w in report.waived] == [("usr/bin/demo", "it is sudo")]


def test_two_images_that_fight_over_a_path(good: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "usr/lib/extension-release.d").mkdir(parents=True, mode=0o755)
    (other / "usr/lib/extension-release.d/extension-release.other").write_text("ID=_any\n")
    (other / "usr/bin").mkdir(mode=0o755)
    (other / "usr/bin/demo").write_text("#!/bin/sh\n")
    (other / "usr/bin/demo").chmod(0o755)
    for folder in (other, other / "usr", other / "usr/lib"):
        folder.chmod(0o755)
    *single, together = check_paths([good.root, other])
    assert [fired(report) for report in single] == [set(), set()]
    assert fired(together) == {"path-conflict"}
    assert together.findings[0].path == "usr/bin/demo"


def squash(folder: Any, *options: str) -> Path:
    image: Path = folder.root.parent / "demo-1.0-x86-64.raw"
    command = [
        "mksquashfs",
        folder.root,
        image,
        "-quiet",
        "-no-progress",
        "-all-root",
        "-comp",
        "gzip",
        *options,
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return image


def manifest_of(folder: Any, epoch: int) -> Manifest:
    entries = tuple(
        msgspec.convert(node, ManifestEntry, from_attributes=True)
        for node in load(folder.root).tree
        if node.path != "."
    )
    return Manifest(image="demo-1.0-x86-64", key="k", epoch=epoch, entries=entries)


@pytest.fixture
def staged(good: Any) -> tuple[Any, Manifest]:
    for path in [good.root, *good.root.rglob("*")]:
        os.utime(path, (1, 1), follow_symlinks=False)
    return good, manifest_of(good, 1)


@pytest.fixture
def labelled(good: Any) -> Any:
    labels.attach_all(good.root)
    return good


@pytest.mark.e2e
@needs.ROOT
class TestImages:
    def test_no_rule_fires_on_a_good_image(self, staged: tuple[Any, Manifest]) -> None:
        folder, manifest = staged
        report, shipped = check_path(squash(folder), Context(name="demo", manifest=manifest))
        assert report.findings == ()
        assert {skipped.rule for skipped in report.not_run} <= {"udev-syntax", *ABOUT_RECIPES}
        assert shipped is not None
        assert shipped.name == "demo"

    @pytest.mark.parametrize("make", ["erofs", "ext4", "btrfs"])
    def test_no_rule_fires_on_other_file_systems(self, make: str, labelled: Any) -> None:
        image = labelled.root.parent / "demo.raw"
        command = {
            "erofs": ["mkfs.erofs", image, labelled.root],
            "ext4": ["mke2fs", "-q", "-t", "ext4", "-d", labelled.root, image, "8M"],
            "btrfs": ["mkfs.btrfs", "-q", "-r", labelled.root, image],
        }[make]
        subprocess.run(command, check=True, capture_output=True)
        assert check_path(image)[0].findings == ()

    def test_no_rule_fires_on_an_image_with_partitions(self, labelled: Any, tmp_path: Path) -> None:
        if shutil.which("systemd-repart") is None:
            pytest.skip("systemd-repart is not installed")
        (tmp_path / "repart.d").mkdir()
        (tmp_path / "repart.d/10-root.conf").write_text(
            f"[Partition]\nType=root\nCopyBlocks={squash(labelled)}\n"
        )
        image = tmp_path / "demo.raw"
        options = ["--empty=create", "--size=auto", "--dry-run=no", "--no-pager"]
        definitions = f"--definitions={tmp_path / 'repart.d'}"
        command = ["systemd-repart", *options, definitions, str(image)]
        subprocess.run(command, check=True, capture_output=True)
        assert check_path(image)[0].findings == ()

    def test_an_image_that_differs_from_what_was_staged(self, staged: tuple[Any, Manifest]) -> None:
        folder, manifest = staged
        folder.edit("usr/share/demo/config.toml", "1", "2")
        (folder.root / "usr/bin/demo").chmod(0o555)
        folder.remove("usr/bin/d")
        folder.file("usr/share/demo/more", "x")
        for path in folder.root.rglob("*"):
            os.utime(path, (1, 1), follow_symlinks=False)
        os.utime(folder.root / "usr/bin/demo-env", (2, 2))
        report, _ = check_path(squash(folder), Context(name="demo", manifest=manifest))
        assert fired(report) == {"image-content"}
        assert {finding.path for finding in report.findings} == {
            "usr/bin/d",
            "usr/bin/demo",
            "usr/bin/demo-env",
            "usr/share/demo/config.toml",
            "usr/share/demo/more",
        }

    def test_an_image_that_is_cut_off(self, good: Any) -> None:
        good.file("usr/share/demo/noise", os.urandom(200_000))
        image = squash(good)
        os.truncate(image, image.stat().st_size // 2)
        assert fired(check_path(image)[0]) == {"image-mount"}

    def test_a_file_that_is_no_image(self, tmp_path: Path) -> None:
        (tmp_path / "demo.raw").write_text("<html>404</html>")
        report, shipped = check_path(tmp_path / "demo.raw")
        assert fired(report) == {"image-mount"}
        assert shipped is None

    def test_an_image_with_a_damaged_block(self, labelled: Any) -> None:
        labelled.file("usr/share/demo/aaa", os.urandom(3000) * 40)
        labels.attach(labelled.root / "usr/share/demo/aaa", "usr_t")
        image = squash(labelled, "-no-fragments", "-no-duplicates")
        blob = image.read_bytes()
        with image.open("r+b") as file:
            file.seek(blob.index(b"\x78", 96) + 4)  # the first zlib stream is the first file's data
            file.write(b"\xff" * 16)
        assert fired(check_path(image)[0]) == {"unreadable"}

    def test_an_image_with_traces_of_another_file_system(
        self, labelled: Any, tmp_path: Path
    ) -> None:
        image = squash(labelled)
        other = tmp_path / "other"
        subprocess.run(["truncate", "-s", "120M", other], check=True)
        subprocess.run(["mkfs.btrfs", "-q", other], check=True, capture_output=True)
        assert image.stat().st_size < 65536
        with other.open("rb") as source, image.open("r+b") as file:
            source.seek(65536)
            file.seek(65536)
            file.write(source.read(4096))
            file.truncate(120 * 1024 * 1024)
        assert fired(check_path(image)[0]) == {"image-dissect"}

    def test_a_renamed_image_whose_release_file_allows_it(self, labelled: Any) -> None:
        os.setxattr(labelled.root / RELEASE, "user.extension-release.strict", b"0")
        image = squash(labelled)
        assert check_path(image.rename(image.with_name("my-tools.raw")))[0].findings == ()

    def test_an_image_renamed_by_hand(self, labelled: Any) -> None:
        image = squash(labelled)
        report, _ = check_path(image.rename(image.with_name("my-tools.raw")))
        assert fired(report) == {"release-file-name"}
        assert (
            "a host takes the name from the file, and sees my-tools" in report.findings[0].message
        )
        assert "rename the image to demo.raw" in report.findings[0].fix

    def test_an_image_without_labels(self, good: Any) -> None:
        (finding,) = check_path(squash(good))[0].findings
        assert (finding.rule, finding.path) == ("selinux-label", ".")
        assert finding.message == "has no SELinux labels at all"

    @pytest.mark.parametrize(
        ("path", "type_", "message"),
        [
            ("usr/bin/demo", "usr_t", "is labelled usr_t; to its place belongs bin_t"),
            ("usr/bin/demo", "lib_t", "is labelled lib_t; to its place belongs bin_t"),
            ("usr/bin/demo", "demo_exec_t", None),
            ("usr/bin/demo", "user_home_t", "is labelled user_home_t, as files are where"),
            ("usr/bin/d", "container_file_t", "is labelled container_file_t, as files are"),
            ("usr/lib/demo/libc.so.6", "usr_t", "is labelled usr_t; to its place belongs lib_t"),
            (SERVICE, "lib_t", "is labelled lib_t; to its place belongs systemd_unit_file_t"),
            (SERVICE, "container_unit_file_t", None),
            (SERVICE, "systemd_unit_t", None),
            (SERVICE, ":", "which is not `user:role:type`"),
            (RELEASE, "usr_t", None),
            ("usr/share/demo/config.toml", "etc_t", None),
            ("usr/share/demo/config.toml", "systemd_unit_file_t", "to its place belongs usr_t"),
        ],
    )
    def test_a_label_of_another_place(
        self, labelled: Any, path: str, type_: str, message: str | None
    ) -> None:
        labels.attach(labelled.root / path, type_)
        findings = check_path(squash(labelled))[0].findings
        assert [(each.rule, each.path) for each in findings] == (
            [("selinux-label", path)] if message else []
        )
        assert all((message or "") in each.message for each in findings)
