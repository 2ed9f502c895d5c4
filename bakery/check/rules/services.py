"""Rules about what services and udev rules name: programs, and files with an environment."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from bakery.check import fragment_files, grammar, host, unit_files
from bakery.check.rule import Violation, rule
from bakery.check.tree import inside
from bakery.check.unit_files import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Tree
    from bakery.check.unit_files import Unit

_SEARCH_PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
_UDEV_RULES = "usr/lib/udev/rules.d"
_UDEV_HELPERS = "usr/lib/udev"
_UDEV_COMMAND = re.compile(
    r'(?P<key>RUN(?:\{program\})?|PROGRAM|IMPORT\{program\})\s*(?:\+=|:=|==|=)\s*e?"(?P<line>[^"]+)"'
)
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"])*\"""")
_SHELL_OPERATORS = re.compile(r"(?<=\s)(?:\|\|?|&&?|[0-9]?>>?(?:&[0-9]|/\S+)?|<)(?=\s|$)")
_MADE_AT_RUN_TIME = ("/run/", "/dev/", "/proc/", "/sys/", "/tmp/")  # noqa: S108  no file is made


def _all_units(subject: Subject) -> Iterator[Unit]:
    return chain.from_iterable(
        unit_files.with_drop_ins(subject.tree, folder)
        for folder in (unit_files.SYSTEM, unit_files.USER)
    )


@rule(
    "unit-program",
    "error",
    reason="a service whose program is missing fails with «status=203/EXEC»",
    fix="correct the path, or ship the program; what every host has is in bakery/check/host.py",
)
def programs(subject: Subject) -> Iterator[Violation]:
    """Find command lines whose program neither the image nor every host has."""
    commands = ((s, _root(u)) for u in _all_units(subject) for s in u.values(*COMMANDS))
    for setting, root in dict.fromkeys(commands):
        name, ignored = unit_files.program(setting.value)
        own = next((each.tree for each in subject.roots if root and each.folder == root), None)
        if own is None and root:
            continue  # made on the host
        trees = subject.providers if own is None else [own]
        if problem := _problem(trees, name, _SEARCH_PATH, root):
            yield Violation(
                setting.file.path,
                f"runs {name}, {problem}",
                fix=_better(subject, name),
                severity="warning" if ignored else None,
            )


def _root(unit: Unit) -> str:
    """Return the path of the root file system that a unit runs in; empty for the host's."""
    chosen = unit.last("RootDirectory")
    return inside(chosen.value) if chosen and chosen.value.strip("/") else ""


def _problem(
    trees: Iterable[Tree], name: str, folders: Iterable[str], root: str = ""
) -> str | None:
    if "%" in name or "$" in name:
        return None  # known on the host alone
    paths = [inside(name)] if name.startswith("/") else [f"{path}/{name}" for path in folders]
    files = [node for tree in trees for path in paths if (node := tree.resolve(path))]
    if any(node.executable for node in files):
        return None
    if files:
        return "which nobody may execute"
    if root:
        return f"which /{root} lacks"
    if any(host.has_program(path) for path in paths):
        return None
    return "which neither the image nor every host has"


def _better(subject: Subject, name: str) -> str | None:
    """Return advice that names the same program in another folder, if the image has it."""
    last = name.rpartition("/")[2]
    for node in subject.tree:
        if node.executable and node.name == last and node.path != inside(name):
            return f"write /{node.path}"
    return None


@rule(
    "unit-shell",
    "error",
    reason="systemd runs no shell: it gives the program the operator, and the rest, as arguments",
    fix="write ExecStart=/bin/sh -c '…', or use StandardOutput= and another Exec line",
)
def shells(subject: Subject) -> Iterator[Violation]:
    """Find operators of a shell among the words of a command line."""
    for setting in dict.fromkeys(s for u in _all_units(subject) for s in u.values(*COMMANDS)):
        for word in dict.fromkeys(_SHELL_OPERATORS.findall(_QUOTED.sub("", setting.value))):
            yield Violation(setting.file.path, f"has {word} in {setting.key}={setting.value}")


@rule(
    "udev-program",
    "error",
    reason="udev can't run a program that is missing, and says so in the journal alone",
    fix="correct the path, or ship the program",
)
def udev_programs(subject: Subject) -> Iterator[Violation]:
    """Find programs in udev(7) rules that neither the image nor every host has."""
    for node in subject.tree.below(_UDEV_RULES, ".rules"):
        text = (node.text or "").replace("\\\n", "")
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        found = (match for line in lines for match in _UDEV_COMMAND.finditer(line))
        for key, name in dict.fromkeys((each["key"], _first_word(each["line"])) for each in found):
            if name and (problem := _problem(subject.providers, name, [_UDEV_HELPERS])):
                yield Violation(node.path, f"runs {name} with {key}=, {problem}")


@rule(
    "binfmt-program",
    "error",
    reason="the kernel registers the format, and runs nothing of it: «No such file or directory»",
    fix="correct the path, or ship the interpreter",
)
def interpreters(subject: Subject) -> Iterator[Violation]:
    """Find interpreters in binfmt.d(5) that neither the image nor every host has."""
    for node in subject.tree.below("usr/lib/binfmt.d", ".conf"):
        for program in grammar.interpreters(node.text or ""):
            if problem := _problem(subject.providers, program, ()):
                yield Violation(node.path, f"gives files to {program}, {problem}")


def _first_word(line: str) -> str:
    return line.strip().partition(" ")[0].strip("'")


@rule(
    "environment-file",
    "error",
    reason="a service whose EnvironmentFile= does not exist fails with «result 'resources'»",
    fix=(
        "write EnvironmentFile=-PATH where the service runs without the file, ship it below"
        " usr/share/NAME, or let a C line in usr/lib/tmpfiles.d copy it to /etc"
    ),
)
def environment_files(subject: Subject) -> Iterator[Violation]:
    """Find files with a service's environment that neither the image nor its tmpfiles.d makes."""
    settings = chain.from_iterable(unit.values("EnvironmentFile") for unit in _all_units(subject))
    for setting in dict.fromkeys(settings):
        path = setting.value
        optional = path.startswith("-") or "%" in path or path.startswith(_MADE_AT_RUN_TIME)
        if not optional and not _exists(subject, path):
            yield Violation(
                setting.file.path,
                f"has EnvironmentFile={path}, which nothing in the image ships or makes",
            )


def _exists(subject: Subject, pattern: str) -> bool:
    """Return whether a file matches a path, which may be a pattern of glob(7)."""
    if any(letter in pattern for letter in "*?["):
        return fragment_files.makes_match(subject, pattern)
    return subject.exists(subject.roots[0], pattern) or fragment_files.makes(subject, pattern)
