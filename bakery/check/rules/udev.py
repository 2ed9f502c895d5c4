"""Rules about udev rules: whether the programs that they run exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check import host
from bakery.check.rule import Violation, rule
from bakery.check.tree import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject

RULES = "usr/lib/udev/rules.d"
_HELPERS = "usr/lib/udev"
_COMMAND = re.compile(
    r'(?P<key>RUN(?:\{program\})?|PROGRAM|IMPORT\{program\})\s*(?:\+=|:=|==|=)\s*e?"(?P<line>[^"]+)"'
)


@rule(
    "udev-program",
    "error",
    reason="udev can't run a program that is missing, and says so in the journal alone",
    fix="correct the path, or ship the program",
)
def programs(subject: Subject) -> Iterator[Violation]:
    """Find programs in udev(7) rules that neither the image nor every host has."""
    for node in subject.tree.below(RULES, ".rules"):
        text = (node.text or "").replace("\\\n", "")
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        found = (match for line in lines for match in _COMMAND.finditer(line))
        for key, name in dict.fromkeys((each["key"], _program(each["line"])) for each in found):
            if name and not _exists(subject, name):
                yield Violation(
                    node.path,
                    f"runs {name} with {key}=, which neither the image nor every host has",
                )


def _program(line: str) -> str:
    """Return the program of a command; nothing where that is blank."""
    return line.strip().partition(" ")[0].strip("'")


def _exists(subject: Subject, name: str) -> bool:
    if "%" in name or "$" in name:
        return True  # known on the host alone
    path = inside(name) if name.startswith("/") else f"{_HELPERS}/{name}"
    files = [node for tree in subject.providers if (node := tree.resolve(path))]
    return any(node.executable for node in files) or (not files and host.has_program(path))
