"""Rules about files that systemd parses: whether they have its form, and what its own tools say.

A line without the form is an error on every machine. What the tools of this machine say besides is
a warning that names their version, since others know other keys and values.

The tools look at a scratch folder that holds the image's text files. Nothing of the image is run,
mounted or applied: they only parse. So they can be asked about anyone's image, with or without
root's rights.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.check import fragment_files, grammar, host, udevadm, unit_files
from bakery.check.rule import Skip, Violation, rule
from bakery.check.unit_files import SYSTEM
from bakery.tools import Tool, execute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bakery.check.subject import Subject
    from bakery.check.tree import Node, Tree

    Faults = Callable[[str], Iterable[grammar.Fault]]

_ANALYZE = Tool(program="systemd-analyze", apt="systemd")
_SYSUSERS = Tool(program="systemd-sysusers", apt="systemd")
_TMPFILES = Tool(program="systemd-tmpfiles", apt="systemd")
_UDEVADM = Tool(program="udevadm", apt="udev", dnf="systemd-udev")
_HOST_UNITS = Path("/usr/lib/systemd/system")
_UDEV_RULES = "usr/lib/udev/rules.d"
_MODE = re.compile(r"-|[~:]*[0-7]{3,4}")
# what other rules report, is no fault of the unit's, or only sums up
_NOT_OURS = re.compile(
    r"is not executable: No such file|not loaded, socket cannot be started"
    r"|Failed to prepare filename|rules check failed|^\s*$"
    rf"|{udevadm.NO_ACCOUNT.pattern}"
)


@contextmanager
def _laid_out(nodes: Sequence[Node]) -> Iterator[Path]:
    with interrupts.temporary_folder("bakery-check-") as scratch:
        root = scratch.resolve()
        for node in nodes:
            place = root / node.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(node.text or "", "utf-8")
        groups = (f"{name}:x:{number}:\n" for number, name in enumerate(sorted(host.GROUPS)))
        (root / "etc").mkdir()
        (root / "etc/group").write_text("".join(groups), "utf-8")
        yield root


def _complaints(command: Sequence[str | Path], **variables: str) -> list[str]:
    """Return what a tool finds wrong; it sees nothing of the settings of who runs this."""
    only = {
        "SYSTEMD_COLORS": "0",
        "SYSTEMD_LOG_LEVEL": "warning",
        "PATH": "/usr/bin:/bin",
        **variables,
    }
    outcome = execute(command, what="systemd's parser can't be asked", env=only)
    lines = [line for line in outcome.stderr.splitlines() if not _NOT_OURS.search(line)]
    if outcome.status < 0:
        lines.append(f"made the tool that parses it crash, by signal {-outcome.status}")
    return lines


def _said(
    lines: Iterable[str], program: str, root: Path, nodes: Sequence[Node]
) -> Iterator[Violation]:
    """Return what a tool finds wrong as warnings that name its version."""
    for line in lines:
        path, message = _placed(line, root, nodes)
        yield Violation(
            path, f"{message} (says systemd {systemd_version(program)})", severity="warning"
        )


def _malformed(nodes: Iterable[Node], faults: Faults) -> Iterator[Violation]:
    for node in nodes:
        for number, message in faults(node.text or ""):
            yield Violation(node.path, f"line {number} {message}")


def _placed(line: str, root: Path, nodes: Sequence[Node]) -> tuple[str, str]:
    """Return the file that a complaint is about, and the complaint without its scratch path."""
    text = line.replace(f"{root}/", "")
    for node in nodes:
        if node.path in text:
            return node.path, text.replace(f"{node.path}:", "line ", 1)
        if text.startswith(f"{node.name}:") or f"Unit {node.name} " in text:
            return node.path, text
    return nodes[0].folder, text


def _verdict(
    tool: Tool, nodes: Sequence[Node], faults: Faults, *arguments: str
) -> Iterator[Violation | Skip]:
    """Look at the form of snippets, then give them to a tool that takes --root= and files."""
    malformed = list(_malformed(nodes, faults))
    yield from malformed
    if malformed or not nodes:
        return
    program = tool.find()
    if program is None:
        yield _only_form(tool)
        return
    with _laid_out(nodes) as root:
        files = [root / node.path for node in nodes]
        lines = _complaints([program, *arguments, f"--root={root}", *files])
        yield from _said(lines, program, root, nodes)


def _texts(subject: Subject, folder: str, suffix: str) -> list[Node]:
    return [node for node in subject.tree.below(folder, suffix) if node.text is not None]


@rule(
    "unit-verify",
    "error",
    reason=(
        "systemd refuses a unit that it can't parse, and goes on without the lines that it does"
        " not know"
    ),
    fix="correct the line; systemd.directives(7) lists all that systemd knows",
)
def units(subject: Subject) -> Iterator[Violation | Skip]:
    """Let systemd-analyze verify load the image's units beside those of this machine."""
    nodes = _units(subject.tree)
    drop_ins = _texts(subject, SYSTEM, ".conf")
    malformed = list(_malformed([*nodes, *drop_ins], grammar.unit))
    yield from malformed
    if not nodes:
        return
    program = _ANALYZE.find()
    if program is None or not _HOST_UNITS.is_dir():
        yield _only_form(_ANALYZE)
        return
    if malformed:
        return
    beside = [node for tree in subject.context.companions for node in _units(tree)]
    with _laid_out([*beside, *nodes, *drop_ins]) as root:
        files = [root / node.path for node in nodes]
        options = ("verify", "--man=no", "--recursive-errors=no")
        folders = f"{root}/{SYSTEM}:{_HOST_UNITS}"
        lines = _complaints((program, *options, *files), SYSTEMD_UNIT_PATH=folders)
        yield from _said(lines, program, root, [*nodes, *drop_ins])


def _units(tree: Tree) -> list[Node]:
    return [node for node in unit_files.units(tree) if node.type == "file"]


@rule(
    "sysusers-syntax",
    "error",
    reason=(
        "systemd-sysusers makes no user of a file that it can't parse, and the services that"
        " need it fail"
    ),
    fix="correct the line: sysusers.d(5)",
)
def sysusers(subject: Subject) -> Iterator[Violation | Skip]:
    """Let systemd-sysusers parse the image's users."""
    nodes = _texts(subject, fragment_files.SYSUSERS, ".conf")
    yield from _verdict(_SYSUSERS, nodes, grammar.sysusers, "--dry-run")


@rule(
    "tmpfiles-syntax",
    "error",
    reason="systemd-tmpfiles skips a line that it can't parse, and what it should make is missing",
    fix="correct the line: tmpfiles.d(5)",
)
def tmpfiles(subject: Subject) -> Iterator[Violation | Skip]:
    """Let systemd-tmpfiles parse the image's lines; excluding every path keeps it from acting."""
    nodes = _texts(subject, fragment_files.TMPFILES, ".conf")
    yield from _verdict(_TMPFILES, nodes, grammar.tmpfiles, "--create", "--exclude-prefix=/")
    for line in fragment_files.tmpfiles(subject):
        if line.file in nodes and not _MODE.fullmatch(line.mode):
            yield Violation(line.file.path, f"line {line.number}: {line.mode} is no mode")


@rule(
    "udev-syntax",
    "error",
    reason="udev ignores a rule that it can't parse",
    fix="correct the line: udev(7)",
)
def udev(subject: Subject) -> Iterator[Violation | Skip]:
    """Look at the form of the image's rules; let udevadm verify them, where it can."""
    nodes = _texts(subject, _UDEV_RULES, ".rules")
    malformed = list(_malformed(nodes, grammar.udev))
    yield from malformed
    if not nodes or malformed:
        return
    program = _UDEVADM.find()
    version = systemd_version(program) if program else 0
    if program is None or version < udevadm.VERIFIES:
        lack = f"that of systemd {version} has none" if version else "it is not installed"
        yield Skip(
            f"only the form of lines was looked at: needs `udevadm verify`, and {lack}",
            fix="check the image on a newer system, such as Debian trixie",
        )
        return
    with _laid_out(nodes) as root:
        files = [root / node.path for node in nodes]
        lines = _complaints([program, "verify", "--no-summary", "--no-style", *files])
        yield from _said(lines, program, root, nodes)


@rule(
    "settings-syntax",
    "error",
    reason="systemd and the kernel skip a line that they can't parse, and what it sets is not set",
    fix="correct the line: sysctl.d(5), modules-load.d(5), binfmt.d(5)",
)
def settings(subject: Subject) -> Iterator[Violation]:
    """Look at the form of lines that set variables of the kernel, and name modules and formats."""
    yield from _malformed(_texts(subject, "usr/lib/sysctl.d", ".conf"), grammar.sysctl)
    yield from _malformed(_texts(subject, "usr/lib/modules-load.d", ".conf"), grammar.modules)
    yield from _malformed(_texts(subject, "usr/lib/binfmt.d", ".conf"), grammar.binfmt)


@cache
def systemd_version(program: str) -> int:
    """Return the version of systemd that one of its programs is of; 0 if it does not tell."""
    said = execute([program, "--version"], what=f"{program} does not tell its version").stdout
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


@rule(
    "dbus-syntax",
    "error",
    reason="who reads a file that is no XML ignores it: the service gets no name, or no rights",
    fix="correct the XML: dbus-daemon(1) and polkit(8) describe it",
)
def dbus(subject: Subject) -> Iterator[Violation]:
    """Parse the image's policies for the bus and polkit."""
    for folder, suffix, top in (
        ("usr/share/dbus-1/system.d", ".conf", "busconfig"),
        ("usr/share/dbus-1/session.d", ".conf", "busconfig"),
        ("usr/share/polkit-1/actions", ".policy", "policyconfig"),
    ):
        for node in _texts(subject, folder, suffix):
            if problem := _no_xml(node.text or "", top):
                yield Violation(node.path, problem)


def _no_xml(text: str, top: str) -> str | None:
    from xml.parsers import expat

    names: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _attributes: names.append(name)
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        return f"is not XML: {error}"
    return None if names[0] == top else f"is about <{names[0]}>, not <{top}>"


def _only_form(tool: Tool) -> Skip:
    return Skip(
        f"{tool.program} is not installed: only the form of lines was looked at",
        fix=f"apt install {tool.apt}",
    )
