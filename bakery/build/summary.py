"""What a run has come to: a table of its images, what failed, and what to do next."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bakery import markdown
from bakery.build.steps.squashed import KIND, Squashed
from bakery.text import counted, format_size, plain_table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.errors import BakeryError
    from bakery.recipe.plan import Image

_LISTED = 40
_NAMED = 10
_HEAD = ("image", "size", "ratio", "time", "", "where")


@dataclass
class Tally:
    """What has become of the tasks since the run began.

    Attributes:
        built: the images that were made here.
        cached: those that were here already.
        remote: those that were taken from a shared cache.
        failed: the tasks that have failed.
        skipped: those that were not done because of that.
        steps: the kinds of all that was done.
        began: when it was, on the monotonic clock.

    """

    built: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)
    remote: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    steps: set[str] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)

    @property
    def new(self) -> set[str]:
        """The images that were not here before."""
        return self.built | self.remote

    def source(self, image: str) -> str | None:
        """Return where an image of the run comes from, in a word; None for any other one."""
        sources = {"built": self.built, "cached": self.cached, "remote": self.remote}
        return next((word for word, images in sources.items() if image in images), None)


def show(
    tally: Tally,
    images: Mapping[str, Image],
    context: Context,
    state: State,
    unusable: Mapping[str, BakeryError],
    *,
    width: int | None = None,
) -> None:
    """Print it; GitHub Actions gets the table as its step summary, too.

    Args:
        tally: what has become of the tasks.
        images: all images by their names.
        context: tells where they are.
        state: tells what is on record of them.
        unusable: the tasks of recipes that can't be built, and why.
        width: the columns of the terminal; None where there is none.

    """
    if tally.new or (tally.cached and len(tally.cached) <= _LISTED):
        rows = list(_rows(tally, images, context, state))
        print()
        print(_fitting(rows, width))
        _write_step_summary(rows)
    elif tally.cached:
        there = counted(len(tally.cached), "image")
        print(f"{there} up to date in {_near(context.settings.dist)}")
    if tally.failed:
        print(_wrapped(f"\n{len(tally.failed)} failed: {_first(tally.failed)}", width))
        if tally.skipped:
            print(_wrapped(f"not done because of that: {_first(tally.skipped)}", width))
    if tally.failed:
        print("What is finished is kept; the same command continues.")
    elif tally.new:
        seconds = time.monotonic() - tally.began
        remote = f", {len(tally.remote)} remote" if context.settings.remote else ""
        print(
            f"\n{len(tally.built)} built, {len(tally.cached)} cached{remote}, in {seconds:.1f} s."
        )
        lines = (*_unlabelled(tally, state), *_advice(tally, images, context))
        print(_wrapped("\n".join(lines), width))
    _show_unusable(tally, unusable)


def _show_unusable(tally: Tally, unusable: Mapping[str, BakeryError]) -> None:
    """Name the recipes that were left out, but those whose tasks have failed with the reason."""
    failed = {task.partition(":")[2] for task in tally.failed}
    for task, problem in unusable.items():
        if task.partition(":")[2] not in failed:
            print(f"\n{task} is left out: {problem.render()}")


def _wrapped(text: str, width: int | None) -> str:
    return text if width is None else wrapped(text, width)


def _fitting(rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Return the table, without the columns that there is no room for."""
    left = [*_HEAD]
    for unneeded in (None, "where", "ratio", "time"):
        left = [name for name in left if name != unneeded]
        cells = [[row[_HEAD.index(name)] for name in left] for row in rows]
        table = plain_table(left, cells, numbers=("size", "ratio", "time"))
        if width is None or max(map(len, table.splitlines())) <= width:
            break
    return table


def _unlabelled(tally: Tally, state: State) -> Iterator[str]:
    """Yield why built images have no SELinux labels, each reason once."""
    records = (state.record(KIND, name, Squashed) for name in sorted(tally.new))
    for why in dict.fromkeys(each.facts.unlabelled for each in records if each):
        if why is not None:
            yield f"Without SELinux labels: {why}. Only hosts that enforce a policy miss them."


def _advice(tally: Tally, images: Mapping[str, Image], context: Context) -> Iterator[str]:
    """Yield what to do with the newest image, one that boots here if there is any."""
    from bakery.arch import native_arch

    new = [name for name in images if name in tally.new]
    native = [name for name in new if name.endswith(f"-{native_arch()}")]
    name = (native or new)[-1]
    if native and "boot" not in tally.steps and context.settings.profile != "fast":
        yield f"What next: boot it in a real system, as root: doit boot:{name}"
    where = f"doit stage:{name}" if name in tally.remote else _near(context.tree(images[name]))
    yield f"Look into it: {where}"


def _rows(
    tally: Tally, images: Mapping[str, Image], context: Context, state: State
) -> Iterator[tuple[str, ...]]:
    for name, image in images.items():
        source = tally.source(name)
        if source is None:
            continue
        record = state.record(KIND, name, Squashed)
        if record is None:
            continue
        size, contents = record.facts.size, record.facts.contents
        yield (
            name,
            format_size(size),
            f"{100 * size // contents} %" if contents else "",
            f"{record.seconds:.1f} s" if source == "built" else "",
            source,
            _near(context.file(image)),
        )


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _near(path: os.PathLike[str]) -> str:
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith("..") else relative


def _write_step_summary(rows: Sequence[Sequence[str]]) -> None:
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    try:
        with open(target, "a", encoding="utf-8") as file:  # noqa: PTH123  a path from outside
            file.write(f"{markdown.text_table(_HEAD, rows)}\n")
    except OSError as error:
        print(f"the step summary can't be written: {error}", file=sys.stderr)
