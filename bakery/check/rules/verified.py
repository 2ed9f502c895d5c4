"""Rules that ask systemd's own tools, over a scratch folder that holds the image's text files.

Nothing of the image is run, mounted or applied: the tools only parse. So they can be asked about
anyone's image, with or without root's rights.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check import fragment_files, host, unit_files
from bakery.check.rule import Severity, Skip, Violation, rule
from bakery.check.unit_files import SYSTEM
from bakery.tools import Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.check.subject import Subject
    from bakery.check.tree import Node, Tree

_ANALYZE = Tool(program="systemd-analyze", apt="systemd")
_SYSUSERS = Tool(program="systemd-sysusers", apt="systemd")
_TMPFILES = Tool(program="systemd-tmpfiles", apt="systemd")
_UDEVADM = Tool(program="udevadm", apt="udev", dnf="systemd-udev")
_UDEV_VERIFIES = 254  # the first version with `udevadm verify`
_HOST_UNITS = Path("/usr/lib/systemd/system")
_UDEV_RULES = "usr/lib/udev/rules.d"
_MODE = re.compile(r"-|[~:]*[0-7]{3,4}")
# what other rules report, is no fault of the unit's, or only sums up
_NOT_OURS = re.compile(
    r"is not executable: No such file|Failed to prepare filename|rules check failed|^\s*$"
)
# systemd goes on without the line: an older one than the unit was written for does, too
_UNKNOWN = re.compile(r"Unknown (key|section|lvalue)|is marked (executable|world)", re.IGNORECASE)


@contextmanager
def _laid_out(nodes: Sequence[Node]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bakery-check-") as scratch:
        root = Path(scratch).resolve()
        for node in nodes:
            place = root / node.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(node.text or "", "utf-8")
        groups = (f"{name}:x:{number}:\n" for number, name in enumerate(sorted(host.GROUPS)))
        (root / "etc").mkdir()
        (root / "etc/group").write_text("".join(groups), "utf-8")
        yield root


def _complaints(command: Iterable[str | Path], **variables: str) -> list[str]:
    done = subprocess.run(
        [str(word) for word in command],
        env={
            "LC_ALL": "C",
            "SYSTEMD_COLORS": "0",
            "SYSTEMD_LOG_LEVEL": "warning",
            "PATH": "/usr/bin:/bin",
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if not _NOT_OURS.search(line)]
    if done.returncode < 0:
        lines.append(f"made the tool that parses it crash, by signal {-done.returncode}")
    return lines


def _placed(line: str, root: Path, nodes: Sequence[Node]) -> tuple[str, str]:
    """Return the file that a complaint is about, and the complaint without its scratch path."""
    text = line.replace(f"{root}/", "")
    for node in nodes:
        if node.path in text:
            return node.path, text.replace(f"{node.path}:", "line ", 1)
        if text.startswith(f"{node.name}:") or f"Unit {node.name} " in text:
            return node.path, text
    return nodes[0].folder, text


def _verdict(tool: Tool, nodes: Sequence[Node], *arguments: str) -> Iterator[Violation | Skip]:
    """Give snippets to a tool that takes --root= and files; yield what it complains about."""
    program = tool.find()
    if program is None:
        yield Skip(f"{tool.program} is not installed")
        return
    with _laid_out(nodes) as root:
        files = [root / node.path for node in nodes]
        for line in _complaints([program, *arguments, f"--root={root}", *files]):
            yield Violation(*_placed(line, root, nodes))


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
    if not nodes:
        return
    program = _ANALYZE.find()
    if program is None or not _HOST_UNITS.is_dir():
        yield Skip("systemd-analyze is not installed")
        return
    drop_ins = _texts(subject, SYSTEM, ".conf")
    beside = [node for tree in subject.context.companions for node in _units(tree)]
    with _laid_out([*beside, *nodes, *drop_ins]) as root:
        files = [root / node.path for node in nodes]
        options = ("verify", "--man=no", "--recursive-errors=no")
        folders = f"{root}/{SYSTEM}:{_HOST_UNITS}"
        for line in _complaints((program, *options, *files), SYSTEMD_UNIT_PATH=folders):
            severity: Severity = "warning" if _UNKNOWN.search(line) else "error"
            yield Violation(*_placed(line, root, [*nodes, *drop_ins]), severity=severity)


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
    if nodes:
        yield from _verdict(_SYSUSERS, nodes, "--dry-run")


@rule(
    "tmpfiles-syntax",
    "error",
    reason="systemd-tmpfiles skips a line that it can't parse, and what it should make is missing",
    fix="correct the line: tmpfiles.d(5)",
)
def tmpfiles(subject: Subject) -> Iterator[Violation | Skip]:
    """Let systemd-tmpfiles parse the image's lines; excluding every path keeps it from acting."""
    nodes = _texts(subject, fragment_files.TMPFILES, ".conf")
    if not nodes:
        return
    yield from _verdict(_TMPFILES, nodes, "--create", "--exclude-prefix=/")
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
    """Let udevadm verify the image's rules, where it can."""
    nodes = _texts(subject, _UDEV_RULES, ".rules")
    if not nodes:
        return
    program = _UDEVADM.find()
    if program is None or _version(program) < _UDEV_VERIFIES:
        yield Skip(f"udevadm of systemd {_UDEV_VERIFIES} or later is not installed")
        return
    with _laid_out(nodes) as root:
        files = [root / node.path for node in nodes]
        for line in _complaints([program, "verify", "--no-summary", "--no-style", *files]):
            yield Violation(*_placed(line, root, nodes))


def _version(program: str) -> int:
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False
    ).stdout
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


@rule(
    "dbus-syntax",
    "error",
    reason="the bus ignores a file that it can't parse, and the service gets no name on it",
    fix="correct the XML: dbus-daemon(1) describes it",
)
def dbus(subject: Subject) -> Iterator[Violation]:
    """Parse the image's bus policies."""
    from xml.parsers import expat

    for folder in ("usr/share/dbus-1/system.d", "usr/share/dbus-1/session.d"):
        for node in _texts(subject, folder, ".conf"):
            names: list[str] = []
            parser = expat.ParserCreate()
            parser.StartElementHandler = lambda name, _attributes, names=names: names.append(name)
            try:
                parser.Parse(node.text or "", True)
            except expat.ExpatError as error:
                yield Violation(node.path, f"is not XML: {error}")
                continue
            if names[0] != "busconfig":
                yield Violation(node.path, f"is about <{names[0]}>, not <busconfig>")
