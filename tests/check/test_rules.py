"""What single rules let pass, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bakery.check.command import check_path, check_paths
from bakery.check.loader import load
from bakery.check.scan import scan
from bakery.check.subject import Context
from bakery.errors import BakeryError
from bakery.image.manifest import Manifest, ManifestEntry

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


def test_what_a_required_image_brings_is_there(good: Any, tmp_path: Path) -> None:
    good.edit(SERVICE, "/usr/bin/demo ", "/usr/bin/runtime ")
    good.edit(SERVICE, "[Unit]", "[Unit]\nRequires=runtime.service\nAfter=runtime.service")
    drop_in = "usr/lib/systemd/system/multi-user.target.d/10-demo.conf"
    good.edit(drop_in, "demo.service", "demo.service runtime.service")
    assert {finding.rule for finding in findings(good)} == {"start-unit", "unit-program"}
    other = type(good)(tmp_path / "runtime")
    other.file("usr/bin/runtime", "#!/bin/sh\n", 0o755)
    other.file("usr/lib/systemd/system/runtime.service", "[Service]\nExecStart=/usr/bin/runtime\n")
    assert findings(good, companions=(scan(other.root),)) == ()


def test_users_that_units_make_themselves(good: Any) -> None:
    good.file(
        "usr/lib/systemd/system/dynamic.service",
        "[Service]\nDynamicUser=yes\nUser=ephemeral\nExecStart=/usr/bin/demo\n",
    )
    assert findings(good) == ()


def test_a_staged_tree_is_judged_by_the_modes_that_its_image_gets(good: Any) -> None:
    entries = tuple(
        msgspec.convert(node, ManifestEntry, from_attributes=True)
        for node in load(good.root).tree
        if node.path != "."
    )
    manifest = Manifest(image="demo-1.0-x86-64", key="k", epoch=1, entries=entries)
    good.root.chmod(0o700)
    (good.root / "usr/bin/demo").chmod(0o600)
    report = check_path(good.root, Context(name="demo", manifest=manifest))[0]
    assert report.findings == ()
    assert report.label == "demo-1.0-x86-64"


def test_users_may_join_the_groups_that_every_host_has(good: Any) -> None:
    good.file("usr/lib/sysusers.d/more.conf", 'u more 500:disk "More"\nm demo audio\n')
    assert findings(good) == ()


def test_a_name_given_is_the_only_one(good: Any) -> None:
    finding = only(good, name="domo")
    assert finding.rule == "release-file-name"


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
