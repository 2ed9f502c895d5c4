from __future__ import annotations

import pytest

from bakery.check import unit_files
from bakery.check.tree import Node, Tree


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


def test_units_are_read_with_all_drop_ins_that_apply() -> None:
    texts = {
        "a-b@.service": "[Service]\nNice=0\nA=unit\n",
        "service.d/10-all.conf": "[Service]\nA=all\n",
        "service.d/20-mask.conf": "[Service]\nA=general\n",
        "a-.service.d/15-prefix.conf": "[Service]\nA=prefix\n",
        "a-b@.service.d/20-mask.conf": "[Service]\nA=special\n",
        "b-.service.d/10-other.conf": "[Service]\nA=other\n",
        "host.service.d/10-host.conf": "[Service]\nA=host\n",
    }
    folder = unit_files.SYSTEM
    nodes = [
        Node(path=f"{folder}/{path}", type="file", mode=0o644, text=text)
        for path, text in sorted(texts.items())
    ]
    units = {
        unit.name: [each.value for each in unit.values("A")]
        for unit in unit_files.with_drop_ins(Tree({node.path: node for node in nodes}))
    }
    assert units == {
        "a-b@.service": ["unit", "all", "prefix", "special"],
        "b-.service": ["other"],
        "host.service": ["host"],
    }
