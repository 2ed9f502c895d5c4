"""Rules about what is named and not there, about the host's units, and about unread files."""

from __future__ import annotations

from typing import Any

import pytest

from bakery.check import grammar
from bakery.check.command import check_path

UNITS = "usr/lib/systemd/system"
SERVICE = f"{UNITS}/demo.service"
DROP_IN = f"{SERVICE}.d/10-demo.conf"


def found(good: Any) -> list[tuple[str, str, str]]:
    findings = check_path(good.root)[0].findings
    return [(each.rule, each.severity, each.message) for each in findings]


@pytest.mark.parametrize(
    "text",
    [
        "[Unit]\nRequires=network-online.target dbus.socket\nBindsTo=dev-demo.device\n",
        "[Unit]\nRequires=-.mount demo@%i.service\nOnFailure=systemd-reboot.service\n",
        "[Service]\nSlice=demo.slice\nSockets=demo.socket\n",
        "[Unit]\nRequires=getty@tty1.service syslog.socket remote-fs.target\n",
    ],
)
def test_units_that_every_host_has_or_systemd_makes_up(good: Any, text: str) -> None:
    good.file(DROP_IN, text)
    assert found(good) == []


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        (DROP_IN, "[Unit]\nRequires=other.service\n", "warning"),
        (DROP_IN, "[Unit]\nOnFailure=demo-fails@%n.service\n", None),
        (f"{UNITS}/other.service.d/10-demo.conf", "[Service]\nNice=1\n", "warning"),
        (f"{UNITS}/service.d/10-demo.conf", "[Service]\nNice=1\n", None),
        (f"{UNITS}/other-.service.d/10-demo.conf", "[Service]\nNice=1\n", None),
        (f"{UNITS}/demo.socket.d/10-demo.conf", "[Socket]\nService=other.service\n", "error"),
        (f"{UNITS}/demo.socket.d/10-demo.conf", "[Socket]\nAccept=yes\n", "error"),
    ],
)
def test_units_that_are_not_there(good: Any, path: str, text: str, severity: str | None) -> None:
    good.file(path, text)
    assert [each[:2] for each in found(good)] == ([("unit-missing", severity)] if severity else [])


@pytest.mark.parametrize(
    ("setting", "severity"),
    [
        ("ReadWritePaths=/usr/share/demo /var/lib/demo", None),
        ("WorkingDirectory=/var/lib/demo/data", "warning"),
        ("StateDirectory=demo/data:link\nWorkingDirectory=/var/lib/demo/data", None),
        ("ReadWritePaths=-/var/lib/none -/usr/share/none -+/var/log/none", None),
        ("BindReadOnlyPaths=/usr/share/zoneinfo/UTC:/etc/localtime /run/none", None),
        ("BindReadOnlyPaths=/usr/share/none:/srv", "error"),
        ("ReadOnlyPaths=/usr/share/demo/state/below", None),  # a link to /var
        ("WorkingDirectory=~", None),
        ("WorkingDirectory=/var/lib/%i", None),
        ("ReadWritePaths=/etc/none /srv /var/lib /var/log/journal", None),
        ("RootDirectory=/usr/share/demo\nWorkingDirectory=/usr/none", None),
    ],
)
def test_paths_that_units_name(good: Any, setting: str, severity: str | None) -> None:
    good.file(DROP_IN, f"[Service]\n{setting}\n")
    rules = [each[:2] for each in found(good) if each[0] != "unit-program"]  # none in that root
    assert rules == ([("unit-path", severity)] if severity else [])


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("Name=a.b\nExec=/bin/false\nSystemdService=demo.service\n", False),
        ("Name=a.b\nExec=/bin/false\nSystemdService=dbus-a.b.service\n", False),
        ("Name=a.b\nExec=/bin/false\nSystemdService=demmo.service\n", True),
        ("Name=a.b\nExec=/usr/bin/demo --bus\nUser=root\n", False),
    ],
)
def test_services_that_the_bus_starts(good: Any, text: str, *, caught: bool) -> None:
    good.file("usr/share/dbus-1/system-services/a.b.service", f"[D-BUS Service]\n{text}")
    assert [each[0] for each in found(good)] == ["bus-service"] * caught


@pytest.mark.parametrize(
    ("unit", "text", "caught"),
    [
        ("systemd-networkd.service", "[Unit]\nConditionPathExists=/run/demo\n", True),
        ("getty@.service", "[Service]\nExecStart=\nExecStart=/bin/sh\n", True),
        ("dbus.service", "[Unit]\nAfter=demo.service\nWants=demo.service\n", False),
        ("systemd-networkd.service", "[Service]\nEnvironment=A=1\n", False),
        ("demo.service", "[Unit]\nConflicts=shutdown.target\n", False),
    ],
)
def test_drop_ins_for_the_hosts_units(good: Any, unit: str, text: str, *, caught: bool) -> None:
    good.file(f"{UNITS}/{unit}.d/10-demo.conf", text)
    rules = {each[:2] for each in found(good)}
    assert rules == ({("host-unit", "warning")} if caught else set())


@pytest.mark.parametrize(
    ("path", "caught"),
    [
        ("usr/lib/tmpfiles.d/demo.cfg", True),
        ("usr/lib/sysusers.d/more/demo.conf", True),
        ("usr/lib/udev/rules.d/90-demo.rule", True),
        (f"{UNITS}/more.sevice", True),
        (f"{UNITS}/demo/more.service", True),
        ("usr/lib/systemd/sytem/more.service", True),
        ("usr/lib/systemd/usr.service", False),
        (f"{UNITS}/README.md", False),
        ("usr/lib/sysctl.d/README", False),
        ("usr/lib/systemd/portable/profile/demo/service.conf", False),
        ("usr/lib/systemd/system-sleep/demo", False),
        ("usr/lib/systemd/catalog/demo.catalog", False),
        ("usr/lib/demo/more.service", False),
    ],
)
def test_names_that_nothing_reads(good: Any, path: str, *, caught: bool) -> None:
    good.file(path, "#!/bin/sh\n")
    assert [each[0] for each in found(good) if each[0] != "file-mode"] == ["name-unread"] * caught


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ExecStartPre=/bin/echo a | /bin/cat", ["|"]),
        ("ExecStartPre=-/bin/rm /run/x || true", ["||"]),
        ("ExecStartPre=/bin/echo a >/run/demo.log 2>&1", [">/run/demo.log", "2>&1"]),
        ("ExecStartPre=/bin/sh -c 'a | b && c >/run/d'", []),
        ('ExecStartPre=/bin/sh -c "a \\" | b" ; /bin/echo a>b', []),
    ],
)
def test_operators_of_a_shell(good: Any, line: str, words: list[str]) -> None:
    good.file(DROP_IN, f"[Service]\n{line}\n")
    said = [message for rule, _, message in found(good) if rule == "unit-shell"]
    assert [each.split()[1] for each in said] == words


def test_owners_that_hosts_have_or_the_image_makes(good: Any) -> None:
    good.file(
        "usr/lib/udev/rules.d/91-demo.rules",
        'KERNEL=="a", OWNER="demo", GROUP="video"\n'
        'KERNEL=="b", GROUP="107"\nKERNEL=="c", GROUP="$env{G}"\n#KERNEL=="d", GROUP="x"\n',
    )
    good.edit(
        "usr/share/dbus-1/system.d/demo.conf",
        "<policy/>",
        """<policy user="demo"/><policy group='demo'/><!-- <policy user="x"/> -->""",
    )
    assert found(good) == []


@pytest.mark.parametrize(
    ("parse", "line", "right"),
    [
        (grammar.sysctl, "net.ipv4.conf.*.rp_filter = 2", True),
        (grammar.sysctl, "-net.ipv4.conf.all.rp_filter", True),
        (grammar.sysctl, "kernel/core_pattern=|/bin/false a", True),
        (grammar.sysctl, "; a comment", True),
        (grammar.sysctl, "vm.swappiness 10", False),
        (grammar.sysctl, "vm.swappiness", False),
        (grammar.modules, "br_netfilter", True),
        (grammar.modules, "snd-dummy", True),
        (grammar.modules, "overlay br_netfilter", False),
        (grammar.modules, "overlay.ko", False),
        (grammar.binfmt, r":a:M::\x7fELF:\xff\xff:/usr/bin/a:FC", True),
        (grammar.binfmt, ":a:M:4:AB::/usr/bin/a:", True),
        (grammar.binfmt, ",a,E,,exe,,/usr/bin/a,", True),
        (grammar.binfmt, ":a:E:4:exe::/usr/bin/a:", False),
        (grammar.binfmt, ":a:M::AB:/usr/bin/a:", False),
        (grammar.binfmt, ":a:M::AB::bin/a:", False),
        (grammar.binfmt, ":a:M::AB::/usr/bin/a:Z", False),
        (grammar.binfmt, "-1", False),
    ],
)
def test_the_form_of_settings(parse: Any, line: str, *, right: bool) -> None:
    assert [fault.number for fault in parse(f"# first\n\n{line}\n")] == ([] if right else [3])
