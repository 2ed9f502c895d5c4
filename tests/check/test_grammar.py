from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bakery.check import grammar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.parametrize(
    ("faults", "pattern"),
    [
        (grammar.unit, "systemd/system/**/*.*"),
        (grammar.unit, "systemd/user/**/*.*"),
        (grammar.udev, "udev/rules.d/*.rules"),
        (grammar.sysusers, "sysusers.d/*.conf"),
        (grammar.tmpfiles, "tmpfiles.d/*.conf"),
    ],
)
def test_what_this_system_ships_has_the_form(
    faults: Callable[[str], Iterator[grammar.Fault]], pattern: str
) -> None:
    files = [path for path in Path("/usr/lib").glob(pattern) if path.is_file()]
    if not files:
        pytest.skip("this system has none")
    found = {path: list(faults(path.read_text("utf-8", "replace"))) for path in files}
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    ("faults", "text", "numbers"),
    [
        (grammar.unit, "# a\n; b\n\n[Unit]\nA=1 \\\n# in between\n  2\nB=\n", []),
        (grammar.unit, "A=1\n[Unit]\nAfter\n=x\n[Service\n", [1, 3, 4, 5]),
        (grammar.unit, "[Service]\nExecStart=/bin/a \\\n  -b\nc d\n", [4]),
        (grammar.udev, 'A=="b", C{d/e}="f"\n A!="b" \\\n  , C+=e"f\\"g"\nA==i"x" B:="y",\n', []),
        (grammar.udev, '# c\nKERNEL=="x" GROOP:"disk"\nA="b\nA"b"\nnonsense\n', [2, 3, 4, 5]),
        (grammar.sysusers, 'u demo - "A b"\nu! demo\ng demo 5\nm a b\nr - 500-900\n# c\n', []),
        (grammar.sysusers, "z demo\nu\nuser demo\n", [1, 2, 3]),
        (grammar.tmpfiles, 'd /a\nL+ /a - - - - b\nf+!^=~$ %t/a\nC? "/a b"\n', []),
        (grammar.tmpfiles, "QQ /a\nd\nd a\n0755 /a\n", [1, 2, 3, 4]),
    ],
)
def test_malformed_lines_are_found(
    faults: Callable[[str], Iterator[grammar.Fault]], text: str, numbers: list[int]
) -> None:
    assert [fault.number for fault in faults(text)] == numbers
