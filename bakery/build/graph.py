"""Steps as tasks of doit: those that a command line names, groups of them, what failures mean."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from doit.exceptions import InvalidDodoFile, TaskFailed

from bakery.arch import native_arch
from bakery.build import menu, unknown
from bakery.build.project import Project
from bakery.build.reporter import Reporter
from bakery.build.selection import DEFAULT, Selection
from bakery.build.state import State
from bakery.errors import BakeryError, explained
from bakery.recipe.folder import FILE
from bakery.recipe.lock import LockError
from bakery.recipe.plan import releases
from bakery.store import users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bakery.build.sharing import Sharing
    from bakery.build.step import AnyStep
    from bakery.recipe.load import Source
    from bakery.recipe.plan import Release

Task = dict[str, Any]
SomeStep = TypeVar("SomeStep", bound="AnyStep")

KINDS = (
    "build",
    "fetch",
    "stage",
    "squash",
    "check",
    "boot",
    "release",
    "publish",
    "channel",
    "site",
)
_DRY_RUN = {"name": "dry_run", "long": "dry-run", "type": bool, "default": False}
_PROFILE_TRACE = {"name": "profile_trace", "long": "profile-trace", "type": str, "default": ""}
_DOWNLOADS = 6  # threads beyond those that compute, so that downloads never wait for processors
_STAYS = {
    "fetch": "assets stay in the store: `bakery gc` removes what is used least",
    "publish": "what is published stays published",
    "channel": "what is published stays published",
}


@dataclass(frozen=True, kw_only=True)
class Group:
    """A name for several tasks.

    Attributes:
        id: the name, such as `build:docker`.
        members: the steps that it stands for.
        summary: one line about it.
        tier: what is promised of the recipe; empty for one that is broken.
        locked: whether the lock has all that its newest version needs.
        problem: why there is nothing to do; asking for it fails.

    """

    id: str
    members: tuple[AnyStep, ...] = ()
    summary: str = ""
    tier: str = ""
    locked: bool = False
    problem: BakeryError | None = None


class Graph:
    """The steps that dodo.py adds, and the tasks that doit makes of them.

    Attributes:
        project: the recipes and images that the steps are made of.
        state: what has been done of the steps.

    """

    def __init__(self, project: Project, selection: Selection) -> None:
        self.project = project
        self.state = State(project.context.settings.dist, sharing=self._sharing(selection))
        if selection.command == "run":
            users.register(project.context.store, project.context.settings.recipes)
        self._selection = selection
        self._steps: dict[str, AnyStep] = {}
        self._groups: dict[str, Group] = {}
        self._reporter = Reporter(project.context, self.state, project.images)

    def _sharing(self, selection: Selection) -> Sharing | None:
        """Return what is shared with other machines where something is done, not only said."""
        settings = self.project.context.settings
        if settings.remote is None or selection.command != "run" or selection.dry_run:
            return None
        from bakery.build.sharing import Sharing

        return Sharing.of(settings)

    # Steps

    def add(self, step: SomeStep) -> SomeStep:
        """Take a step into the graph, and return it."""
        self._steps[step.id] = step
        self.state.add(step)
        return step

    def asked(self, steps: Iterable[SomeStep]) -> list[SomeStep]:
        """Return the steps that the command line names."""
        return [step for step in steps if self._selection.names(step.id)]

    def group(
        self,
        source: Source,
        versions: Sequence[Release],
        built: Mapping[str, AnyStep],
        booted: Mapping[str, AnyStep],
    ) -> None:
        """Let `build:NAME` stand for a recipe's releases, `boot:NAME` for its newest image here.

        Releases come oldest first, with the steps that complete them and those that boot images, by
        their names.
        """
        problem = None if versions else _unlocked(source)
        members = tuple([built[release.name] for release in versions])
        locked = bool(versions) and versions[-1].problem is None
        self._add_group("build", source, members, problem, locked=locked)
        newest = [
            self.project.newest_by_name.get((source.name, arch)) for arch in source.recipe.arch
        ]
        boots = {image.contents.arch: booted[image.id] for image in newest if image}
        native = next((boots[arch] for arch in boots if arch == native_arch()), None)
        if not native:
            problem = _foreign(source, boots.values()) if boots else problem or versions[-1].problem
        self._add_group("boot", source, (native,) if native else (), problem)

    def _add_group(
        self,
        kind: str,
        source: Source,
        members: tuple[AnyStep, ...],
        problem: BakeryError | None,
        *,
        locked: bool = False,
    ) -> None:
        id_ = f"{kind}:{source.name}"
        summary, tier = source.recipe.summary, source.recipe.tier
        self._groups[id_] = Group(
            id=id_, members=members, summary=summary, tier=tier, locked=locked, problem=problem
        )

    def configuration(self) -> dict[str, Any]:
        """Return doit's own settings (DOIT_CONFIG), once all steps are there.

        Raises:
            InvalidDodoFile: an argument names no task.

        """
        for name, problem in self.project.broken.items():
            for kind in ("build", "boot"):
                id_ = f"{kind}:{name.replace('=', '_')}"  # doit allows none in a name
                broken = f"broken: {problem.what}"
                self._groups[id_] = Group(id=id_, summary=broken, problem=problem)
        try:
            self._refuse_unknown()
        except BakeryError as error:
            raise InvalidDodoFile(error.render()) from None
        self._reporter.unusable = {
            group.id: group.problem
            for group in self._groups.values()
            if group.problem and group.id.startswith("build:")
        }
        return {
            "backend": "sqlite3",
            "dep_file": ":memory:",  # what is done is recorded beside the outputs, not by doit
            "default_tasks": list(DEFAULT),
            "num_process": self.project.context.settings.jobs + _DOWNLOADS,
            "par_type": "thread",
            "continue": True,
            "reporter": self._reporter,
            "sort": "definition",
            "verbosity": 2,
        }

    # Tasks

    @cached_property
    def _params(self) -> list[dict[str, Any]]:
        """The options that every task takes, as far as the command line has them."""
        return [_PROFILE_TRACE] if self._selection.profile_trace else []

    def tasks(self, kind: str) -> Iterator[Task]:
        """Yield the tasks of one kind that the command line needs."""
        if self._params:  # the group's own
            yield {"name": None, "params": self._params}
        for step in self._needed[kind]:
            yield self._task(step)
        if kind == "boot":
            for group in self._groups_of(kind):
                yield {**self._grouped(group), "name": group.id.partition(":")[2]}

    def menu(self) -> Iterator[Task]:
        """Yield a task for each recipe, which `doit list` shows with marks."""
        groups = self._groups_of("build")
        listed = self._selection.command == "list"
        room = menu.width([group.id for group in groups]) if listed else None
        if listed and menu.is_shown(self._selection.arguments):
            sys.stdout.write(menu.LEGEND)
        for group in groups:
            task = {**self._grouped(group), "basename": group.id}
            if listed:
                task["doc"] = menu.line(self._marks(group), group.summary, group.tier, room)
            yield task

    def _marks(self, group: Group) -> str:
        boots = self._groups[group.id.replace("build:", "boot:", 1)].members
        settings = self.project.context.settings
        return menu.marks(group.members, boots, self.state, settings, locked=group.locked)

    def site(self) -> Task:
        """Return the task that makes the site about what is published."""

        def act() -> TaskFailed | None:
            def work() -> str:
                from bakery.site.make import make

                settings = self.project.context.settings
                folder = settings.dist / "site"
                sources, _ = self.project.recipes.load()
                return f"{folder}: {make(folder, settings, sources)}"

            return self._act("site", work)

        asked = self._selection.names("site")  # else it is no part of what a run does
        actions = [(act,)] if asked else None
        return {"actions": actions, "io": {"capture": False}, "params": self._params}

    def _groups_of(self, kind: str) -> list[Group]:
        groups = [group for id_, group in self._groups.items() if id_.startswith(f"{kind}:")]
        if self._selection.command != "run":
            return groups
        return [group for group in groups if self._named.names(group.id)]

    @cached_property
    def _named(self) -> Selection:
        return self._selection if self._selection.words else Selection(DEFAULT, KINDS)

    @cached_property
    def _needed(self) -> dict[str, list[AnyStep]]:
        needed = self._reachable() if self._selection.command == "run" else self._steps
        by_kind: dict[str, list[AnyStep]] = defaultdict(list)
        for id_ in self._steps:
            if id_ in needed:
                by_kind[self._steps[id_].kind].append(self._steps[id_])
        return by_kind

    def _reachable(self) -> set[str]:
        """Return the steps that the command line names, and all that come before them."""
        pending = [step for id_, step in self._steps.items() if self._named.names(id_)]
        for id_, group in self._groups.items():
            if self._named.names(id_):
                pending += group.members
        reached: set[str] = set()
        while pending:
            self.state.look(pending)
            reached.update(step.id for step in pending)
            before = {each.id: each for step in pending for each in self._before(step)}
            pending = [each for id_, each in before.items() if id_ not in reached]
        return reached

    def _before(self, step: AnyStep) -> tuple[AnyStep, ...]:
        """Return the steps that must be looked at before one: none that it makes unnecessary."""
        if self._selection.dry_run and step.preview:
            return ()
        if self._is_done(step) or self.state.is_found(step):
            return tuple([before for before in step.after if before not in step.replaces])
        return step.after

    def _is_done(self, step: AnyStep) -> bool:
        return self._selection.command == "run" and self.state.is_done(step)

    def _task(self, step: AnyStep) -> Task:
        def act(task: Any, **_: Any) -> TaskFailed | None:  # noqa: ARG001  doit's way
            def work() -> str:
                if self._selection.dry_run and step.preview:  # wherever the option stands
                    return step.preview()
                return self.state.do(step, self._reporter.progress(step.id))

            return self._act(step.id, work)

        def is_done() -> bool:  # doit looks at its signature, which is slow for a partial
            return self.state.is_done(step)

        return {
            "name": step.name,
            "doc": step.doc,
            "actions": [(act,)],
            "uptodate": [True if self._is_done(step) else is_done],
            "task_dep": [before.id for before in self._before(step)],
            "io": {"capture": False},
            "clean": self._cleaning([step]),
            "params": [*self._params, _DRY_RUN] if step.preview else self._params,
        }

    def _grouped(self, group: Group) -> Task:
        def act() -> TaskFailed | None:
            def refuse() -> str:
                raise group.problem or AssertionError

            return self._act(group.id, refuse)

        return {
            "doc": f"{group.summary} [{group.tier}]" if group.tier else group.summary,
            "actions": [(act,)] if group.problem else None,
            "io": {"capture": False},
            "task_dep": [step.id for step in group.members],
            "clean": self._cleaning(group.members),
            "params": self._params,
        }

    def _act(self, task: str, work: Callable[[], str]) -> TaskFailed | None:
        try:
            note = work()
        except (BakeryError, OSError) as error:
            return TaskFailed(explained(error).render())
        if note:
            self._reporter.note(task, note)
        return None

    # Cleaning

    def _cleaning(self, steps: Sequence[AnyStep]) -> list[Callable[[], TaskFailed | None]]:
        """Return doit's clean actions of a task that stands for some steps."""
        if self._selection.command != "clean":
            return []

        def remove() -> TaskFailed | None:
            try:
                for step in steps:
                    self._clean(step)
            except (BakeryError, OSError) as error:
                return TaskFailed(explained(error).render())
            return None

        remove.__qualname__ = "remove what was made"  # `doit clean` shows it
        return [remove]

    def _clean(self, step: AnyStep) -> None:
        for each in self._cleaned_with(step):
            if each.is_recorded:
                self.state.clean(each)
            elif each is step and self._selection.names(step.id):
                sys.stdout.write(f"{step.id}: {_STAYS[step.kind]}\n")

    def _cleaned_with(self, step: AnyStep) -> list[AnyStep]:
        """Return the steps that `clean` undoes with one: of a release, all that made it."""
        if step.kind != "build":
            return [step]
        names = (*(checked.name for checked in step.after), step.name)
        return [each for name in names for each in self._by_name[name]]

    @cached_property
    def _by_name(self) -> dict[str, list[AnyStep]]:
        by_name: dict[str, list[AnyStep]] = defaultdict(list)
        for step in self._steps.values():
            by_name[step.name].append(step)
        return by_name

    # Names

    def _refuse_unknown(self) -> None:
        known = {release.name for release in self.project.releases} | {
            s.name for s in self.project.sources
        }
        for word in self._selection.arguments:
            if word in known:
                raise BakeryError(f"there is no task {word}", fix=f"did you mean build:{word}?")
        if self._selection.dry_run and self._selection.command == "run":
            self._refuse_without_preview()
        for word in self._selection.words:
            if word not in KINDS and not self._is_known(word):
                raise self._unknown(word)

    def _refuse_without_preview(self) -> None:
        """Refuse to do for real, beside what is only previewed, what has no preview."""
        groups = [g for name, g in self._groups.items() if self._selection.names(name)]
        steps = [step for id_, step in self._steps.items() if self._selection.names(id_)]
        steps += [step for group in groups for step in group.members]
        done = ["site"] if self._selection.names("site") else []
        done += [step.id for step in steps if not step.preview]
        if done:
            fix = "leave it out, or do it without --dry-run"
            raise BakeryError(f"{done[0]} would be done: it has no --dry-run", fix=fix)

    def _is_known(self, word: str) -> bool:
        names = (*self._steps, *self._groups)
        return word in names or any(fnmatchcase(name, word) for name in names)

    def _unknown(self, word: str) -> BakeryError:
        name = word.partition(":")[2]
        about = [each for each in self.project.recipes if f"{name}-".startswith(f"{each}-")]
        recipe = max(about, key=len, default="")
        if recipe in self.project.broken:
            return self.project.broken[recipe]
        source = self.project.recipes[recipe] if recipe else None
        locked = [each.version.tag for each in releases(source)] if source else []
        return unknown.no_task(word, [*self._steps, *self._groups], recipe, locked)


def load(root: Path) -> Graph:
    """Return the graph of the project in `root`, as the command line needs it.

    Raises:
        InvalidDodoFile: a setting is wrong, or there are no recipes.

    """
    os.umask(0o022)
    gc.disable()  # until the run begins: what is loaded stays
    arguments = sys.argv[1:]
    if arguments[:1] == ["list"]:  # who reads no further, as `head` does, ends it
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        selection = Selection(arguments, KINDS)
        return Graph(Project(root, selection), selection)
    except BakeryError as error:
        raise InvalidDodoFile(error.render()) from None


def _unlocked(source: Source) -> BakeryError:
    return LockError(
        f"no version of {source.name} is locked, so there is nothing to build",
        where=str(source.folder / FILE),
        fix=f"bakery update {source.name} locks what its `build:` asks for,\n"
        f"bakery lock {source.name} VERSION one version",
    )


def _foreign(source: Source, booted: Iterable[AnyStep]) -> BakeryError:
    return BakeryError(
        f"{source.name} has no image that boots on this machine",
        why=f"this is {native_arch()}",
        fix=f"name one to boot elsewhere: {', '.join(f'doit {step.id}' for step in booted)}",
    )
