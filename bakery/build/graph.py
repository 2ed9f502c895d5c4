"""The tasks of dodo.py as doit wants them: names, actions that explain failures, selections."""

from __future__ import annotations

import functools
import os
import signal
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from doit.exceptions import InvalidDodoFile, TaskFailed

from bakery import settings
from bakery.build.inspection import Inspection
from bakery.build.publishing import Publishing
from bakery.build.reporter import Reporter
from bakery.build.workshop import Workshop
from bakery.errors import BakeryError, explained
from bakery.recipe.load import load_all
from bakery.recipe.lock import LockError
from bakery.recipe.plan import releases
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from bakery.progress import Meter
    from bakery.recipe.load import Source
    from bakery.recipe.plan import Asset, Image, Release

Task = dict[str, Any]

_DRY_RUN = {"name": "dry_run", "long": "dry-run", "type": bool, "default": False}
_DOWNLOADS = 6  # threads beyond those that compute, so that downloads never wait for processors


class Graph:
    """Everything that dodo.py makes tasks of.

    Attributes:
        workshop: does the steps that make images.
        inspection: does the steps that try them.
        publishing: does the steps that bring releases to their readers.
        sources: the recipes, by name.
        releases: every version that a lock holds or a recipe fixes.
        images: every image of the releases that can be built.
        config: doit's own settings (DOIT_CONFIG).

    """

    def __init__(self, root: Path, arguments: Sequence[str]) -> None:
        """Load the project in `root`.

        Raises:
            InvalidDodoFile: a recipe, a lock or a setting is wrong, or an argument names no task.

        """
        self._arguments = arguments
        try:
            self.workshop = Workshop(settings.load(root))
            self.sources = load_all(self.workshop.settings.recipes)
            if not self.sources:
                raise _no_recipes(self.workshop.settings.recipes)
            self.releases = [r for source in self.sources.values() for r in releases(source)]
            self.images = [image for release in self.releases for image in release.images]
            self._refuse_unknown(arguments)
        except BakeryError as error:
            raise InvalidDodoFile(error.render()) from None
        self.inspection = Inspection(self.workshop)
        self.publishing = Publishing(self.workshop)
        self._reporter = Reporter(self.workshop, self.images)
        self.config: dict[str, Any] = {
            "backend": "sqlite3",
            "dep_file": ":memory:",  # what is done is recorded beside the outputs, not by doit
            "default_tasks": ["build", "check"],
            "num_process": self.workshop.settings.jobs + _DOWNLOADS,
            "par_type": "thread",
            "continue": True,
            "reporter": self._reporter,
            "sort": "definition",
            "verbosity": 2,
        }

    def task(
        self,
        name: str,
        work: Callable[[Meter], str | None],
        *,
        done: Callable[[], bool] | None = None,
        after: Sequence[str] = (),
        doc: str = "",
        clean: Callable[[], object] | None = None,
        preview: Callable[[Meter], str] | None = None,
    ) -> Task:
        """Return a task that does `work` unless it is `done`.

        Args:
            name: its name within its group.
            work: what it does; told where to report progress, it may return what to show.
            done: whether there is nothing to do; None where only asking elsewhere tells.
            after: the tasks that must be done before.
            doc: what `doit list --all` says about it.
            clean: what `doit clean` does.
            preview: says what `work` would do; `--dry-run` behind the name asks for that.

        """

        def act(task: Any, dry_run: bool = False) -> TaskFailed | None:  # noqa: FBT001, FBT002  doit's way
            act_now = preview if preview and dry_run else work
            try:
                said = act_now(self._reporter.meter(task.name))
            except (BakeryError, OSError) as error:
                return TaskFailed(explained(error).render())
            if said:
                self._reporter.note(task.name, said)
            return None

        def is_done() -> bool:  # doit looks at its signature, which is slow for a partial
            return done is not None and done()

        return {
            "name": name,
            "doc": doc,
            "actions": [(act,)],
            "uptodate": [is_done],
            "task_dep": list(after),
            "io": {"capture": False},
            "clean": [_removal(clean)] if clean else [],
            "params": [_DRY_RUN] if preview else [],
        }

    @staticmethod
    def group(name: str, members: Sequence[str], doc: str) -> Task:
        """Return a task that stands for others, shown by `doit list`."""
        return {"basename": name, "doc": doc, "actions": None, "task_dep": list(members)}

    def assets(self) -> Iterator[tuple[str, Asset, list[Image]]]:
        """Yield every asset once: its task's name, itself, and the images made from it."""
        users: dict[str, tuple[Asset, list[Image]]] = {}
        for image in self.images:
            for asset in image.contents.assets:
                users.setdefault(fetch_name(asset), (asset, []))[1].append(image)
        for name, (asset, images) in users.items():
            yield name, asset, images

    def of(self, source: Source) -> list[Release]:
        """Return the releases of one recipe, oldest first."""
        return [release for release in self.releases if release.source is source]

    def required(self, image: Image) -> list[Image]:
        """Return the newest images of the recipes that an image requires, theirs included."""
        found: dict[str, Image] = {}
        pending = list(image.source.recipe.requires)
        while pending:
            name = pending.pop()
            needed = self._newest_by_name.get((name, image.contents.arch))
            if needed and name not in found:
                found[name] = needed
                pending += needed.source.recipe.requires
        return list(found.values())

    def required_boots(self, release: Release) -> list[str]:
        """Return the tasks that boot a release's images, as far as that is not waived."""
        from bakery.boot.waiver import demanded

        settings = self.workshop.settings
        return [
            f"boot:{image.id}"
            for image in release.images
            if demanded(settings, image=image.id, arch=image.contents.arch)
        ]

    def asked(self, releases: Sequence[Release]) -> list[str]:
        """Return the tasks that publish releases, those that this run is to do."""
        names = [f"publish:{release.name}" for release in releases]
        return [
            name
            for name in names
            if any(word == "publish" or fnmatchcase(name, word) for word in self._arguments)
        ]

    @functools.cached_property
    def newest(self) -> list[Image]:
        """The images of each recipe's newest release that can be built."""
        newest = {release.source.name: release for release in self.releases if release.images}
        return [image for release in newest.values() for image in release.images]

    @functools.cached_property
    def _newest_by_name(self) -> dict[tuple[str, str], Image]:
        return {(image.contents.name, image.contents.arch): image for image in self.newest}

    def _names(self) -> set[str]:
        images = {image.id for image in self.images}
        names = {
            f"{step}:{image}" for step in ("stage", "squash", "check", "boot") for image in images
        }
        names |= {f"build:{release.name}" for release in self.releases}
        names |= {f"publish:{release.name}" for release in self.releases}
        names |= {f"{step}:{name}" for step in ("build", "channel") for name in self.sources}
        names |= {"check:together", "channel:index"}
        return names | {f"fetch:{name}" for name, _, _ in self.assets()}

    def _refuse_unknown(self, arguments: Sequence[str]) -> None:
        releases = {release.name for release in self.releases}
        for word in arguments:
            if word in self.sources or word in releases:
                raise BakeryError(f"there is no task {word}", fix=f"did you mean build:{word}?")
        words = [word for word in arguments if ":" in word and not word.startswith(("-", "/", "."))]
        if not words:
            return
        names = self._names()
        for word in words:
            if word not in names and not any(fnmatchcase(name, word) for name in names):
                raise self._unknown(word, names)

    def _unknown(self, word: str, names: set[str]) -> BakeryError:
        step, _, wanted = word.partition(":")
        source = max(
            (source for name, source in self.sources.items() if wanted.startswith(f"{name}-")),
            key=lambda source: len(source.name),
            default=None,
        )
        if step == "build" and source is not None:
            version = wanted.removeprefix(f"{source.name}-")
            locked = ", ".join(release.version.tag for release in self.of(source))
            return LockError(
                f"{source.name} {version} is not locked",
                why=f"locked: {locked or 'nothing yet'}",
                fix=f"bakery lock {source.name} {version}",
            )
        near = nearest(word, names)
        return BakeryError(
            f"there is no task {word}",
            fix=f"did you mean {near}?" if near else "`doit list --all` shows every task",
        )


def fetch_name(asset: Asset) -> str:
    """Return the name of an asset's task within `fetch`."""
    return f"{asset.sha256[:12]}-{asset.filename.replace('=', '_')}"


def load(root: Path) -> Graph:
    """Return the graph of the project in `root`, checked against the command line."""
    os.umask(0o022)
    sys.excepthook = _without_interrupts
    if sys.argv[1:2] == ["list"]:  # who reads no further, as `head` does, ends it
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    return Graph(root, sys.argv[1:])


def _removal(clean: Callable[[], object]) -> Callable[[], TaskFailed | None]:
    def remove() -> TaskFailed | None:
        try:
            clean()
        except (BakeryError, OSError) as error:
            return TaskFailed(explained(error).render())
        return None

    remove.__qualname__ = "remove what was made"  # `doit clean` shows it
    return remove


def _without_interrupts(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Show what nobody has caught; Ctrl-C needs no traceback."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


def _no_recipes(folder: Path) -> BakeryError:
    return BakeryError(
        "there are no recipes yet",
        where=str(folder),
        fix="write one with `bakery new`, or set BAKERY_RECIPES to the folder that holds them",
    )
