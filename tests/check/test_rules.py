"""What single rules let pass, and what they say."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
from harness.recipes import recipe_of

from bakery.check.command import check_path, check_paths
from bakery.check.loader import load
from bakery.check.rule import Violation
from bakery.check.rules import paths
from bakery.check.rules.verified import units
from bakery.check.scan import scan
from bakery.check.subject import Context, Subject
from bakery.check.tree import Node, Tree
from bakery.errors import BakeryError
from bakery.image.manifest import Manifest, ManifestEntry
from bakery.recipe.host_folders import HOST_FOLDERS

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.check.rule import Finding

RELEASE = "usr/lib/extension-release.d/extension-release.demo"
SERVICE = "usr/lib/systemd/system/demo.service"


def findings(folder: Any, **context: Any) -> tuple[Finding, ...]:
    return check_path(folder.root, Context(**context))[0].findings


def only(folder: Any, **context: Any) -> Finding:
    (finding,) = findings(folder, **context)
    return finding


def test_binaries_of_the_host_s_libc_are_fine_where_the_version_is_fixed(
    good: Any, elf: Any
) -> None:
    good.edit(RELEASE, "ID=_any", "ID=debian\nVERSION_ID=12")
    good.file("usr/bin/host", elf(interpreter="/lib64/ld.so", needed=("libc.so.6",)), 0o755)
    good.file("usr/bin/script", "#!/usr/bin/python3\n", 0o755)
    assert findings(good) == ()


def test_a_dynamic_binary_is_explained(good: Any, elf: Any) -> None:
    loader = "/lib64/ld-linux-x86-64.so.2"
    good.file("usr/bin/host", elf(interpreter=loader, needed=("libz.so.1", "libc.so.6")), 0o755)
    finding = only(good)
    assert finding.message == (
        "is a dynamic binary, and its loader is the host's, /lib64/ld-linux-x86-64.so.2, whose"
        " version differs from host to host; so are its libraries: libz.so.1, libc.so.6"
    )
    assert "static build" in finding.fix


def test_a_binary_for_musl_is_explained(good: Any, elf: Any) -> None:
    good.file("usr/bin/alpine", elf(interpreter="/lib/ld-musl-x86_64.so.1"), 0o755)
    assert "musl's" in only(good).message


def test_what_go_makes_is_not_nagged_about(good: Any, elf: Any) -> None:
    loader = "/usr/lib/demo/ld-linux-x86-64.so.2"
    soft = {"interpreter": loader, "pie": False, "relro": False}
    good.file("usr/bin/go", elf(**soft, go=True), 0o755)
    assert findings(good) == ()
    good.file("usr/bin/c", elf(**soft), 0o755)
    assert [finding.rule for finding in findings(good)] == ["elf-pie", "elf-relro"]


def test_a_wrong_path_in_a_unit_is_explained(good: Any) -> None:
    good.edit(SERVICE, "/usr/bin/demo ", "/usr/sbin/demo ")
    finding = only(good)
    assert finding.message == "runs /usr/sbin/demo, which neither the image nor every host has"
    assert finding.fix == "write /usr/bin/demo"


def test_a_link_into_wants_is_answered_with_the_drop_in(good: Any) -> None:
    units = "usr/lib/systemd/system"
    good.link(f"{units}/multi-user.target.wants/demo.service", "../demo.service")
    assert "multi-user.target.d/10-demo.conf" in only(good).fix
    assert "[Unit] and Upholds=demo.service" in only(good).fix


def test_a_target_that_hosts_have_reached_must_uphold_what_it_is_to_start(good: Any) -> None:
    drop_in = "usr/lib/systemd/system/multi-user.target.d/10-demo.conf"
    good.edit(drop_in, "Upholds=", "Wants=")
    finding = only(good)
    assert (finding.rule, finding.path) == ("wants-link", drop_in)
    assert "Wants=demo.service for multi-user.target" in finding.message
    assert finding.fix.startswith("write Upholds=demo.service")
    good.file(f"{drop_in[:-7]}more.conf", "[Unit]\nUpholds=demo.service\n")
    assert findings(good) == ()


def test_a_target_that_comes_later_may_want_units(good: Any) -> None:
    drop_in = "usr/lib/systemd/system/sleep.target.d/10-demo.conf"
    good.file(drop_in, "[Unit]\nWants=demo.service\n")
    assert findings(good) == ()


def test_what_a_required_image_brings_is_there(good: Any, tmp_path: Path) -> None:
    good.edit(SERVICE, "/usr/bin/demo ", "/usr/bin/runtime ")
    good.edit(SERVICE, "[Unit]", "[Unit]\nRequires=runtime.service\nAfter=runtime.service")
    drop_in = "usr/lib/systemd/system/multi-user.target.d/10-demo.conf"
    good.edit(drop_in, "demo.service", "demo.service runtime.service")
    fired = {finding.rule for finding in findings(good)}
    assert fired == {"start-unit", "unit-program", "unit-missing"}
    other = type(good)(tmp_path / "runtime")
    other.file("usr/bin/runtime", "#!/bin/sh\n", 0o755)
    other.file("usr/lib/systemd/system/runtime.service", "[Service]\nExecStart=/usr/bin/runtime\n")
    assert findings(good, companions=(scan(other.root),)) == ()


def test_users_that_units_make_themselves(good: Any) -> None:
    good.file(
        "usr/lib/systemd/system/dynamic.service",
        "[Service]\nDynamicUser=yes\nUser=ephemeral\nExecStart=/usr/bin/demo\n",
    )
    assert findings(good, start=("dynamic.service",)) == ()


def test_a_folder_is_judged_as_it_is(good: Any) -> None:
    for path in good.root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    entries = tuple(
        msgspec.convert(node, ManifestEntry, from_attributes=True)
        for node in load(good.root).tree
        if node.path != "."
    )
    manifest = Manifest(image="demo-1.0-x86-64", key="k", epoch=1, entries=entries)
    report = check_path(good.root, Context(name="demo", manifest=manifest))[0]
    assert report.findings == ()
    assert report.label == "demo-1.0-x86-64"
    (good.root / "usr/bin/demo").chmod(0o555)
    (finding,) = check_path(good.root, Context(name="demo", manifest=manifest))[0].findings
    assert (finding.rule, finding.path) == ("image-content", "usr/bin/demo")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_nothing_takes_the_place_of_a_folder_of_hosts(kind: Literal["file", "link"]) -> None:
    folders = [path for path in HOST_FOLDERS if "/" in path]
    tree = Tree({path: Node(path=path, type=kind, mode=0o644) for path in sorted(folders)})
    look = paths.host_folder.look
    assert look is not None
    violations = [
        outcome
        for outcome in look(Subject(label="demo", names=("demo",), tree=tree))
        if isinstance(outcome, Violation)
    ]
    assert [violation.path for violation in violations] == sorted(folders)
    assert "usr/bin/" in str(next(v.fix for v in violations if v.path == "usr/bin"))


def test_a_drop_in_may_take_a_command_back(good: Any) -> None:
    good.edit(SERVICE, "ExecStart=", "ExecStop=/usr/bin/none\nExecStart=")
    assert only(good).message == "runs /usr/bin/none, which neither the image nor every host has"
    good.file(f"{SERVICE}.d/10-stop.conf", "[Service]\nExecStop=\n")
    assert findings(good) == ()
    good.file(f"{SERVICE}.d/20-stop.conf", "[Service]\nExecStop=/usr/bin/neither\n")
    assert only(good).path == f"{SERVICE}.d/20-stop.conf"


def test_the_last_user_of_a_unit_counts(good: Any) -> None:
    good.edit(SERVICE, "User=demo", "User=nosuch")
    assert only(good).rule == "unit-user"
    good.file("usr/lib/systemd/system/service.d/10-user.conf", "[Service]\nUser=demo\n")
    assert findings(good) == ()


@pytest.mark.parametrize(
    "line",
    [
        "EnvironmentFile=-/etc/none",
        "EnvironmentFile=/run/demo/env",
        "EnvironmentFile=/etc/%i.env",
        "EnvironmentFile=/usr/share/demo/config.toml",
        "EnvironmentFile=/etc/demo.d/config.toml",
        "EnvironmentFile=/etc/demo.t*",
        "EnvironmentFile=/etc/none\nEnvironmentFile=",
    ],
)
def test_files_of_the_environment_that_may_be_missing_or_are_made(line: str, good: Any) -> None:
    tmpfiles = "usr/lib/tmpfiles.d/demo.conf"
    good.edit(tmpfiles, "C /etc", "C /etc/demo.d - - - - /usr/share/demo\nC /etc")
    good.edit(SERVICE, "EnvironmentFile=/etc/demo.toml", line)
    assert findings(good) == ()


def test_units_that_others_start(good: Any) -> None:
    units = "usr/lib/systemd/system"
    run = "[Service]\nExecStart=/usr/bin/demo\n"
    good.file(f"{units}/demo-tick.timer", "[Timer]\nOnBootSec=1min\n")
    good.file(f"{units}/demo-tick.service", run)
    good.file(f"{units}/demo-look.path", "[Path]\nPathExists=/run/x\nUnit=demo-seen.service\n")
    good.file(f"{units}/demo-seen.service", run + "[Unit]\nOnFailure=demo-cry@%n.service\n")
    good.file(f"{units}/demo-cry@.service", run)
    good.file(f"{units}/demo-bus.service", run)
    good.file(f"{units}/demo-plug.service", run)
    good.file(
        "usr/share/dbus-1/system-services/org.example.Demo.service",
        "[D-BUS Service]\nName=org.example.Demo\nSystemdService=demo-bus.service\n",
    )
    good.file(
        "usr/lib/udev/rules.d/91-demo.rules",
        'KERNEL=="demo", TAG+="systemd", ENV{SYSTEMD_WANTS}+="demo-plug.service"\n',
    )
    assert findings(good, start=("demo-tick.timer", "demo-look.path")) == ()
    assert [f.path for f in findings(good, start=("demo-look.path",))] == [
        f"{units}/demo-tick.timer"
    ]


def test_braces_that_are_no_placeholders(good: Any, tmp_path: Path) -> None:
    good.edit(SERVICE, "--serve", "--serve ${version} {{name}} {other} %{arch}")
    rule = 'KERNEL=="demo", ATTR{name}=="x", ENV{version}="$attr{arch}"\n'
    good.file("usr/lib/udev/rules.d/91-demo.rules", rule)
    assert findings(good) == ()
    good.edit(SERVICE, "{other}", "{runc.bare}")
    assert findings(good) == ()
    recipe = recipe_of(tmp_path, "parts: {runc: {text: 'https://example.org/{version}'}}\n")
    assert "{runc.bare}" in only(good, recipe=recipe).message


def test_programs_of_udev_rules(good: Any) -> None:
    lines = [
        'KERNEL=="a", RUN{builtin}+="kmod load x", IMPORT{builtin}="usb_id"',
        'KERNEL=="b", PROGRAM="/bin/sh -c true", IMPORT{program}="ata_id --export $devnode"',
        'KERNEL=="c", RUN+="$env{HELPER} x"',
        '# KERNEL=="d", RUN+="/usr/bin/none"',
        'KERNEL=="e", \\\n  PROGRAM=="own-helper"',
        'KERNEL=="f", PROGRAM=="own-helper %k", RUN+=" "',
    ]
    good.file("usr/lib/udev/rules.d/91-demo.rules", "\n".join(lines) + "\n")
    finding = only(good)
    assert (finding.rule, finding.message) == (
        "udev-program",
        "runs own-helper with PROGRAM=, which neither the image nor every host has",
    )
    helper = good.file("usr/lib/udev/own-helper", "#!/bin/sh\n", 0o644)
    assert only(good).message == "runs own-helper with PROGRAM=, which nobody may execute"
    helper.chmod(0o755)
    assert findings(good) == ()


def test_users_may_join_the_groups_that_every_host_has(good: Any) -> None:
    good.file(
        "usr/lib/sysusers.d/demo.conf",
        'u demo - - /var/lib/demo\nu more 500:disk "More"\nm demo audio\n',
    )
    assert findings(good) == ()


def test_a_name_given_is_the_only_one(good: Any) -> None:
    finding = only(good, name="domo")
    assert finding.rule == "release-file-name"


@pytest.mark.parametrize("value", ["0", "false", "no"])
def test_a_release_file_may_hold_for_every_name(value: str, good: Any, tmp_path: Path) -> None:
    image = good.root.rename(tmp_path / "renamed")
    assert [f.rule for f in check_path(image)[0].findings] == ["release-file-name"]
    os.setxattr(image / RELEASE, "user.extension-release.strict", value.encode())
    assert check_path(image)[0].findings == ()
    other = f"{RELEASE}-other"
    shutil.copy(image / RELEASE, image / other)
    os.setxattr(image / other, "user.extension-release.strict", value.encode())
    assert "release-file-name" in {f.rule for f in check_path(image)[0].findings}


def test_a_release_file_that_insists_on_its_name(good: Any, tmp_path: Path) -> None:
    image = good.root.rename(tmp_path / "renamed")
    os.setxattr(image / RELEASE, "user.extension-release.strict", b"1")
    assert [f.rule for f in check_path(image)[0].findings] == ["release-file-name"]


def test_every_version_in_a_folder_of_versions_is_checked(good: Any, tmp_path: Path) -> None:
    versions = tmp_path / "demo.v"
    versions.mkdir()
    shutil.copytree(good.root, versions / "demo_1.0_x86-64", symlinks=True)
    shutil.copytree(good.root, versions / "demo_1.1_x86-64", symlinks=True)
    (versions / "demo_1.1_x86-64/usr/bin/demo").chmod(0o4755)
    (versions / "readme").write_text("hosts ignore it")
    first, second = check_paths([versions])
    assert (first.label, first.findings) == ("demo_1.0_x86-64", ())
    assert (second.label, [f.rule for f in second.findings]) == ("demo_1.1_x86-64", ["setuid"])


def test_a_folder_of_versions_without_one(tmp_path: Path) -> None:
    (tmp_path / "demo.raw.v").mkdir()
    (tmp_path / "demo.raw.v/other_1.raw").write_bytes(b"")
    with pytest.raises(BakeryError, match="no version in the folder") as caught:
        check_paths([tmp_path / "demo.raw.v"])
    assert "demo_VERSION_ARCH.raw" in str(caught.value.why)


def test_a_configuration_extension_is_one(good: Any, tmp_path: Path) -> None:
    confext = type(good)(tmp_path / "site")
    confext.file("etc/site.conf", "a = 1\n")
    confext.file("etc/extension-release.d/extension-release.site", "ID=debian\nCONFEXT_LEVEL=1\n")
    assert findings(confext) == ()
    confext.edit("etc/extension-release.d/extension-release.site", "CONFEXT", "SYSEXT")
    assert "neither CONFEXT_LEVEL nor VERSION_ID" in only(confext).message
    confext.edit("etc/extension-release.d/extension-release.site", "SYSEXT", "CONFEXT")
    confext.file("usr/bin/site", "#!/bin/sh\n", 0o755)
    assert (only(confext).rule, only(confext).path) == ("outside-usr-opt", "usr")


def test_hosts_of_other_systems_have_other_links(good: Any) -> None:
    good.file("usr/sbin/demo", "#!/bin/sh\n", 0o755)
    good.edit(RELEASE, "ID=_any", "ID=debian\nVERSION_ID=12")
    assert findings(good) == ()
    good.edit(RELEASE, "ID=debian\nVERSION_ID=12", "ID=flatcar\nSYSEXT_LEVEL=1.0")
    assert only(good).rule == "over-host-link"


def test_an_image_for_any_architecture(good: Any) -> None:
    good.edit(RELEASE, "x86-64", "_any")
    assert findings(good) == ()


def test_the_file_s_architecture_is_believed(good: Any, tmp_path: Path) -> None:
    renamed = good.root.rename(tmp_path / "demo-1.0-arm64")
    rules = {finding.rule for finding in check_path(renamed)[0].findings}
    assert rules == {"release-file-arch", "elf-arch"}


def test_there_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(BakeryError, match="there is nothing to check"):
        check_paths([tmp_path / "none.raw"])


def test_links_in_an_image_never_lead_to_this_machine(good: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("ID=_any\n")
    good.remove("usr/lib/extension-release.d")
    good.link("usr/lib/extension-release.d", str(tmp_path))
    assert "release-file-missing" in {finding.rule for finding in findings(good)}
    assert not any(path.endswith("secret") for path in load(good.root).tree.nodes)


@pytest.mark.parametrize(
    ("program", "root", "broken"),
    [
        ("/usr/share/demo/inner", "/usr/lib/demo/root", set()),
        ("/usr/bin/demo", "/usr/lib/demo/root", {"unit-program"}),
        ("/usr/share/demo/inner", "/srv/root", set()),  # made on the host
        ("/usr/share/demo/inner", "/", {"unit-program"}),
    ],
)
def test_programs_are_looked_for_in_the_root_of_the_unit(
    good: Any, program: str, root: str, broken: set[str]
) -> None:
    good.file("usr/lib/demo/root/usr/share/demo/inner", "#!/bin/sh\n", 0o755)
    good.file("usr/lib/demo/root/usr/bin/sh", "", 0o755)
    good.file(
        "usr/lib/systemd/system/inner.service",
        f"[Service]\nRootDirectory={root}\nExecStart={program}\n",
    )
    found = {finding.rule for finding in findings(good, start=("inner.service",))}
    assert found & {"unit-program"} == broken


def test_a_malformed_drop_in_is_found_where_the_image_has_no_unit() -> None:
    drop_in = "usr/lib/systemd/system/multi-user.target.d/10-demo.conf"
    node = Node(path=drop_in, type="file", mode=0o644, text="[Unit]\nUpholds\n")
    subject = Subject(label="demo", names=("demo",), tree=Tree({drop_in: node}))
    (violation,) = units.look(subject) if units.look else ()
    assert violation == Violation(drop_in, "line 2 is neither a section nor an assignment: Upholds")
