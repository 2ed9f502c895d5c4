"""The small parsers and values that rules are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.check import host, image_name, os_release, unit_files
from bakery.check.rule import printable
from bakery.check.tree import Node, Tree, inside


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("docker.raw", "docker"),
        ("docker-20.10.13-x86-64.raw", "docker"),
        ("docker-flatcar-20.10.13-arm64.raw", "docker-flatcar"),
        ("kubernetes-v1.32.0-x86-64.raw", "kubernetes"),
        ("kubernetes-v1.32_1.32.1_x86-64.raw", "kubernetes-v1.32"),
        ("k3s_1.30.2+k3s1_arm64.raw", "k3s"),
        ("tools-arm64.raw", "tools"),
        ("folder", "folder"),
    ],
)
def test_the_names_a_host_may_see(file: str, name: str) -> None:
    assert name in image_name.candidates(file)


def test_a_word_is_no_version() -> None:
    assert image_name.candidates("docker-renamed.raw") == ("docker-renamed",)


@pytest.mark.parametrize(
    ("file", "arch"),
    [
        ("a-1-x86-64.raw", "x86-64"),
        ("a_1_arm64.raw", "arm64"),
        ("a-1-x86.raw", "x86"),
        ("a.raw", None),
    ],
)
def test_the_architecture_in_a_name(file: str, arch: str | None) -> None:
    assert image_name.architecture(file) == arch


def test_release_fields() -> None:
    fields = os_release.parse("# comment\n\nID=_any\nNAME=\"Demo 'x' OS\"\nA='1'\nEMPTY=\n")
    assert fields.values == {"ID": "_any", "NAME": "Demo 'x' OS", "A": "1", "EMPTY": ""}
    assert fields.mistakes == ()


@pytest.mark.parametrize("line", ["id=x", "ID = x", "ID", "ID=a b", 'ID="a', "=x"])
def test_lines_that_are_no_field(line: str) -> None:
    assert os_release.parse(line).mistakes == (f"line 1 is not FIELD=value: {line}",)


def test_a_field_that_is_given_twice() -> None:
    fields = os_release.parse("ID=a\nID=b\n")
    assert fields.get("ID") == "b"
    assert fields.mistakes == ("line 2 gives ID again",)


@given(st.text())
def test_any_text_is_fields_or_mistakes(text: str) -> None:
    fields = os_release.parse(text)
    assert all(name and value is not None for name, value in fields.values.items())


def unit(text: str) -> list[tuple[str, str, str]]:
    node = Node(path="usr/lib/systemd/system/a.service", type="file", mode=0o644, text=text)
    return [(s.section, s.key, s.value) for s in unit_files.parse(node)]


def test_unit_files_continue_lines_over_comments() -> None:
    text = (
        "; x\n[Service]\nExecStart=/bin/a \\\n# between\n  b\n Type = simple\n"
        "noise\n[Install]\nA=\n"
    )
    assert unit(text) == [
        ("Service", "ExecStart", "/bin/a    b"),
        ("Service", "Type", "simple"),
        ("Install", "A", ""),
    ]


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("/usr/bin/a --b", ("/usr/bin/a", False)),
        ("-/usr/bin/a", ("/usr/bin/a", True)),
        ("@-+/usr/bin/a b", ("/usr/bin/a", True)),
        ("!!/usr/bin/a", ("/usr/bin/a", False)),
        ('"/usr/bin/a b" c', ("/usr/bin/a b", False)),
        ("a", ("a", False)),
        ("", ("", False)),
        ("-", ("", True)),
    ],
)
def test_the_program_of_a_command_line(command: str, program: tuple[str, bool]) -> None:
    assert unit_files.program(command) == program


def test_instances_come_from_templates() -> None:
    assert unit_files.template("a@b-c.service") == "a@.service"
    assert unit_files.template("a.service") == "a.service"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("docker.service.d", True),
        ("service.d", True),
        ("multi-user.target.d", True),
        ("sysusers.d", False),
    ],
)
def test_folders_of_drop_ins(folder: str, expected: bool) -> None:  # noqa: FBT001  a parameter of the test
    assert unit_files.is_drop_in_folder(folder) is expected


@pytest.mark.parametrize(
    "path", ["/bin/sh", "/usr/bin/env", "/sbin/modprobe", "/usr/lib/systemd/systemd"]
)
def test_what_every_host_has(path: str) -> None:
    assert host.has_program(inside(path))


@pytest.mark.parametrize(
    "path", ["/usr/bin/modprobe", "/usr/sbin/sh", "/usr/bin/python3", "/opt/bin/sh"]
)
def test_what_not_every_host_has(path: str) -> None:
    assert not host.has_program(inside(path))


def links(**targets: str) -> Tree:
    nodes = [Node(path="usr/lib/a/file", type="file", mode=0o644)]
    nodes += [Node(path=p, type="link", mode=0o777, target=t) for p, t in targets.items()]
    return Tree({node.path: node for node in nodes})


def test_links_are_followed_inside_a_tree() -> None:
    tree = links(**{"usr/b": "lib/a", "usr/c": "/usr/b/../a/file", "usr/lib/d": "../b/file"})
    for path in ("/usr/b/file", "/lib/a/file", "/usr/lib/d"):
        found = tree.resolve(path)
        assert found is not None
        assert found.path == "usr/lib/a/file"
    assert tree.resolve("/usr/bin/none") is None


def test_links_that_lead_nowhere_and_in_circles() -> None:
    tree = links(**{"usr/a": "b", "usr/b": "a", "usr/out": "../../../../etc/passwd"})
    assert tree.resolve("/usr/a") is None
    assert tree.resolve("/usr/out") is None


@given(st.binary())
def test_whatever_a_name_holds_can_be_printed(name: bytes) -> None:
    shown = printable(name.decode("utf-8", "surrogateescape"))
    assert shown.isprintable()
    shown.encode("utf-8")
