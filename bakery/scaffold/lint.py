"""What is wrong with a recipe, as far as its folder alone tells: no network, no image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bakery.characters import visible
from bakery.check import fragment_files, grammar, unit_files
from bakery.check.report import covers
from bakery.check.rule import Violation
from bakery.check.rules import accounts, hosts_units, paths, setup, units, unread
from bakery.check.scan import node_of
from bakery.check.subject import Context, Subject
from bakery.check.tree import Node, Tree
from bakery.errors import BakeryError
from bakery.image import setup as setups
from bakery.image.tree import folded, parents
from bakery.recipe import glob
from bakery.recipe.folder import CHECK, FILE, LOCK, README
from bakery.recipe.model import Start
from bakery.recipe.plan import releases
from bakery.recipe.template import Template
from bakery.scaffold import shell
from bakery.scaffold.release import UNKNOWN_LICENCE
from bakery.scaffold.texts import REVIEW
from bakery.text import did_you_mean, show
from bakery.workflow_commands import annotation
from bakery.yaml.location import InvalidError, error_at, text_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from bakery.check.rule import Rule
    from bakery.recipe.load import Recipes, Source
    from bakery.yaml.location import Step

_UNITS = "usr/lib/systemd/system/"
_WORK = "let them do what users want of them, if only once and on something small"
_SCHEMA = re.compile(r"# yaml-language-server: \$schema=(?P<address>\S+)")
_ALONE: tuple[Rule, ...] = (  # rules that hold for each file, whatever else is in the image
    *(paths.over_link, paths.host_folder, paths.opt, paths.usr_local, paths.os_release),
    *(paths.caches, paths.databases, paths.owned, paths.macos, paths.case, paths.encoding),
    *(units.suffix, units.wants, units.requires, units.install_section, units.placeholder),
    *(setup.unread, unread.unread, hosts_units.changed),
)
_FORMS: tuple[tuple[str, str, Callable[[str], Iterable[grammar.Fault]]], ...] = (
    ("unit-verify", r"usr/lib/systemd/system/.*\.[a-z]+", grammar.unit),
    ("sysusers-syntax", r"usr/lib/sysusers\.d/.*\.conf", grammar.sysusers),
    (
        "tmpfiles-syntax",
        r"(usr/lib/tmpfiles\.d/.*|usr/share/[^/]+/tmpfiles)\.conf",
        grammar.tmpfiles,
    ),
    ("udev-syntax", r"usr/lib/udev/rules\.d/.*\.rules", grammar.udev),
    ("settings-syntax", r"usr/lib/sysctl\.d/.*\.conf", grammar.sysctl),
    ("settings-syntax", r"usr/lib/modules-load\.d/.*\.conf", grammar.modules),
    ("settings-syntax", r"usr/lib/binfmt\.d/.*\.conf", grammar.binfmt),
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something to mend.

    Attributes:
        severity: an error fails a review, a warning is to be looked at.
        rule: what it breaks: a rule of `bakery rules`, or the part of the recipe that is wrong.
        error: what, where, why, and what to do.

    """

    severity: Literal["error", "warning"]
    rule: str
    error: BakeryError

    @property
    def place(self) -> str:
        """The file, line and column, from 1."""
        where = self.error.where or "."
        return where if re.search(r":\d+:\d+$", where) else f"{where}:1:1"


def text(problems: Iterable[Problem]) -> str:
    """Return problems for people: each with the line it is about, and what to do."""
    blocks = []
    for each in problems:
        error = each.error
        lines = [f"{each.place}: {each.severity}: {error.what} [{each.rule}]"]
        lines += (error.why or "").splitlines()
        lines += [f"  {line}" for line in (error.fix or "").splitlines()]
        blocks.append(visible("\n".join(lines), allowed="\n\t"))
    return "\n".join(blocks)


def gcc(problems: Iterable[Problem]) -> str:
    """Return problems as compilers print them, one a line, for editors to jump by."""
    return "\n".join(
        visible(f"{each.place}: {each.severity}: {each.error.what} [{each.rule}]")
        for each in problems
    )


def github(problems: Iterable[Problem]) -> str:
    """Return problems as workflow commands, which GitHub shows beside the lines."""
    lines = []
    for each in problems:
        file, line, column = each.place.rsplit(":", 2)
        message = "\n".join(filter(None, (each.error.what, each.error.fix)))
        where = {"file": file, "line": line, "col": column}
        lines.append(annotation(each.severity, message, title=each.rule, **where))
    return "\n".join(lines)


def lint(recipes: Recipes, names: Iterable[str]) -> Iterator[Problem]:
    """Yield what is wrong with recipes."""
    sources = []
    for name in names:
        yield from _texts(recipes.folder / name)
        try:
            source = recipes[name]
        except BakeryError as error:
            yield Problem(severity="error", rule="recipe", error=error)
            continue
        for look in (_described, _locked, _expected, _documented, _started, _files):
            yield from look(source)
        sources.append(source)
    for fault in shell.faults(sources):
        yield Problem(severity="error", rule="shell-syntax", error=fault)


def _error(path: Path, rule: str, message: str, fix: str, *, line: int = 0) -> Problem:
    if not path.is_file():
        missing = BakeryError(message, where=show(path), fix=fix)
        return Problem(severity="error", rule=rule, error=missing)
    return Problem(severity="error", rule=rule, error=error_at(path, line, 0, message, fix))


def _texts(folder: Path) -> Iterator[Problem]:
    """Yield what a draft leaves to people, and a schema that editors don't find."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name == LOCK:
            continue
        for number, line in enumerate(text_lines(path)):
            if REVIEW in line:
                column = line.index(REVIEW)
                message = line[column + len(REVIEW) :].strip().removesuffix("-->").strip()
                fix = f"do it, and remove the comment that begins with {REVIEW}"
                error = error_at(path, number, column, message, fix, width=len(REVIEW))
                yield Problem(severity="error", rule="review", error=error)
    first = (text_lines(folder / FILE) or [""])[0]
    named = _SCHEMA.fullmatch(first.rstrip())
    if named is None or not ("://" in named[1] or (folder / named[1]).is_file()):
        what = f"there is no {named[1]}" if named else "the first line names no schema"
        fix = "begin with `# yaml-language-server: $schema=` and where `bakery schema` is kept"
        if (folder / FILE).is_file():
            yield _error(folder / FILE, "schema", f"{what}: editors can't complete keys", fix)


def _described(source: Source) -> Iterator[Problem]:
    from bakery.check.catalogue import RULES

    recipe = source.recipe
    known = [rule.id for rule in RULES]
    for index, waiver in enumerate(recipe.allow):
        if waiver.rule not in known:
            fix = did_you_mean(waiver.rule, known) or "`bakery rules` lists them"
            broken = InvalidError(["allow", index, "rule"], f"no rule is {waiver.rule}", fix=fix)
            yield Problem(severity="error", rule="waiver-unused", error=source.invalid(broken))
    said = recipe.summary.casefold().strip()
    for key, wrong, message, fix in (
        ("license", UNKNOWN_LICENCE in recipe.license, "no licence is named", "write SPDX's name"),
        ("summary", said == source.name, "it says no more than the name", "say what it is for"),
        ("summary", said.endswith("."), "it ends in a full stop", "it is one line of a list"),
    ):
        if wrong:
            error = source.invalid(InvalidError([key], message, fix=fix))
            yield Problem(severity="error", rule=key, error=error)


def _locked(source: Source) -> Iterator[Problem]:
    path = source.folder / LOCK
    made = releases(source)
    for release in made:
        if release.problem:
            problem = release.problem
            here = _line(path, f'"{release.version}"')
            where = f"{show(path)}:{here + 1}:1"
            told = BakeryError(problem.what, where=where, why=problem.why, fix=problem.fix)
            at_recipe = problem if (problem.where or "").count(":") > 1 else told
            yield Problem(severity="error", rule="lock", error=at_recipe)
    for locked in source.lock.versions.values():
        for asset in locked.assets:
            if asset.size is None and asset.trust != "cited":
                fix = f"bakery lock {source.name}"
                yield _error(path, "lock", "the size is missing", fix, line=_line(path, asset.url))
    if not made and f"`bakery lock {source.name} VERSION`" not in _readme(source):
        command = f"bakery lock {source.name}"
        fix = f"{command}; or say in {README} how: `{command} VERSION`"
        yield _error(source.folder / FILE, "lock", "no version is locked", fix)


def _expected(source: Source) -> Iterator[Problem]:
    path = source.folder / CHECK
    if not path.is_file():
        fix = "write what a booted host must show: commands that let the programs work"
        yield _error(path, "recipe-check", f"there is no {CHECK}", fix)
    elif not source.expected.commands:
        fix = "add commands: that let the programs do their work"
        yield _error(path, "recipe-check", "no command asks the programs to do anything", fix)
    elif all(_tells_version(command.run) for command in source.expected.commands):
        error = error_at(path, 0, 0, "programs are only asked for their version", _WORK)
        yield Problem(severity="warning", rule="recipe-check", error=error)


def _tells_version(command: str | tuple[str, ...]) -> bool:
    words = command.split("|")[0].split() if isinstance(command, str) else command
    return len(words) == 2 and re.fullmatch(r"-*v(ersion)?", words[1], re.IGNORECASE) is not None  # noqa: PLR2004  a program and its option


def _readme(source: Source) -> str:
    return "\n".join(text_lines(source.folder / README))


def _documented(source: Source) -> Iterator[Problem]:
    path, text = source.folder / README, _readme(source)
    if not text.strip():
        fix = "write what it brings, what starts, its configuration, its data, its licence"
        yield _error(path, "recipe-readme", f"there is no {README}", fix)
        return
    if not text.startswith("# "):
        yield _error(path, "recipe-readme", "it has no title", "begin with `# ` and the name")
    if "\n## Licence\n" not in f"{text}\n":
        fix = "add `## Licence`, and under which licence users have what is in the image"
        yield _error(path, "recipe-readme", "it says nothing of the licence", fix)


def _started(source: Source) -> Iterator[Problem]:
    """Yield units to start that neither files, nor write, nor patterns of assets can bring."""
    recipe = source.recipe
    shipped = [path.removeprefix(_UNITS) for path, _ in _placed(source) if path.startswith(_UNITS)]
    patterns = [
        str(pattern).rpartition("/")[2]
        for asset in recipe.assets
        if isinstance(asset.install, dict)
        for pattern in asset.install
    ]
    for index, start in enumerate(recipe.start):
        name = start.unit if isinstance(start, Start) else start
        names = (name, re.sub(r"@[^.]+", "@", name))
        if any(each in shipped for each in names):
            continue
        if not any(glob.matches(p, each) for p in patterns for each in names):
            fix = f"correct the name, ship files/{_UNITS}{name}, or install it of an asset"
            broken = InvalidError(["start", index], f"nothing brings {name}", fix=fix)
            yield Problem(severity="error", rule="start-unit", error=source.invalid(broken))


def _files(source: Source) -> Iterator[Problem]:
    """Apply the rules of images to the files and places that the recipe itself names."""
    places: dict[str, Path | tuple[Step, ...]] = {}
    nodes: dict[str, Node] = {}
    for path, place in _placed(source):
        own = place if not isinstance(place, tuple) else None
        node = node_of(own, path) if own else Node(path=path, type="file", mode=0o755)
        folder = path.endswith("/")
        if not folder:
            nodes[path], places[path] = node, place
        for parent in parents(path):
            nodes.setdefault(parent, Node(path=parent, type="directory", mode=0o755))
            places.setdefault(parent, place)
    tree = Tree(dict(sorted(nodes.items())))
    subject = Subject(
        label=source.name, names=(source.name,), tree=tree, context=Context(recipe=source)
    )
    for rule, violation in (*_broken(subject), *_misspelt(tree), *_early(subject)):
        finding = rule.finding(violation)
        templates = [p for p, treated in source.recipe.files.items() if treated.template]
        expanded = rule is units.placeholder and any(
            glob.matches(pattern, violation.path) for pattern in templates
        )
        if not expanded and not any(covers(waiver, finding) for waiver in source.recipe.allow):
            message = f"{finding.path} {finding.message}"
            place = places.get(violation.path, (FILE,))
            if isinstance(place, tuple):
                broken = InvalidError(place, message, fix=finding.fix, at_key=True)
                error: BakeryError = source.invalid(broken)
            else:
                line = (violation.line or 1) - 1
                error = error_at(place, line, 0, message, finding.fix)
            yield Problem(severity=finding.severity, rule=rule.id, error=error)
    yield from _as_root(source, subject)


def _as_root(source: Source, subject: Subject) -> Iterator[Problem]:
    """Yield services of the recipe's own that run as root, and give no reason."""
    for unit in unit_files.with_drop_ins(subject.tree):
        own = source.origins.get(unit.file.path) if unit.file else None
        runs = unit.name.endswith(".service") and unit.values("ExecStart")
        if own is None or not runs or unit.last("User") or unit.last("DynamicUser"):
            continue
        if not any(line.startswith(("#", ";")) for line in text_lines(own)):
            fix = "add User= (`account:` makes one) or DynamicUser=yes, or a comment that says why"
            error = error_at(own, 0, 0, "the service runs as root, and gives no reason", fix)
            yield Problem(severity="warning", rule="service-root", error=error)


def _broken(subject: Subject) -> Iterator[tuple[Rule, Violation]]:
    for rule in _ALONE:
        for outcome in rule.look(subject) if rule.look else ():
            if isinstance(outcome, Violation):
                yield rule, outcome


def _misspelt(tree: Tree) -> Iterator[tuple[Rule, Violation]]:
    from bakery.check.catalogue import RULES

    by_id = {rule.id: rule for rule in RULES}
    for node in tree:
        for rule, pattern, faults in _FORMS:
            if node.text is not None and re.fullmatch(pattern, node.path):
                for number, message in faults(node.text):
                    yield by_id[rule], Violation(node.path, message, line=number)


def _early(subject: Subject) -> Iterator[tuple[Rule, Violation]]:
    """Yield lines of tmpfiles.d for owners whom nothing has made when a host reads it at boot."""
    fix = f"move the line to usr/share/{subject.name}/{setups.TMPFILES}: the setup applies it"
    for line in fragment_files.tmpfiles(subject):
        if line.file.path.startswith("usr/lib/tmpfiles.d/"):
            for name in dict.fromkeys(accounts.strangers(line)):
                message = f"gives {line.path} to {name} before that account is made"
                violation = Violation(line.file.path, message, fix, line=line.number)
                yield accounts.tmpfiles_users, violation


def _placed(source: Source) -> Iterator[tuple[str, Path | tuple[Step, ...]]]:
    """Yield the paths that a recipe gives, and what gives them: a file, or a key of recipe.yaml."""
    for path, file in source.origins.items():
        yield folded(path), file
    recipe = source.recipe
    for key, written in (("write", recipe.write), ("links", recipe.links)):
        yield from ((folded(str(path)), (key, str(path))) for path in written)
    for index, asset in enumerate(recipe.assets):
        here = ("assets", index, "install")
        if isinstance(asset.install, Template):
            yield folded(str(asset.install)), here
        elif asset.install:
            for pattern, target in asset.install.items():
                yield folded(str(target)), (*here, str(pattern))


def _line(path: Path, wanted: str) -> int:
    """Return the number, from 0, of the first line that has a text in it."""
    lines: Sequence[str] = text_lines(path)
    return next((number for number, line in enumerate(lines) if wanted in line), 0)
