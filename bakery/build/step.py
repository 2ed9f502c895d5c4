"""What a step is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import msgspec

from bakery.characters import hidden_text
from bakery.errors import BakeryError
from bakery.files import remove
from bakery.processors import waited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bakery.build.sharing import Part
    from bakery.build.state import State
    from bakery.progress import Progress


class Nothing(msgspec.Struct, frozen=True):
    """What is on record of a step of which nothing more needs to be known."""


Facts_co = TypeVar("Facts_co", bound=msgspec.Struct, covariant=True)


class Work:
    """A step at work, from now on.

    Attributes:
        state: what the steps before have left.
        progress: told how far it is.

    """

    def __init__(self, step: AnyStep, state: State, progress: Progress, scratch: Path) -> None:
        self.state = state
        self.progress = progress
        self._step = step
        self._scratch = scratch
        self._started = time.monotonic() - waited()

    @property
    def key(self) -> str:
        """The digest of everything that decides what is made."""
        return self.state.key(self._step)

    @cached_property
    def scratch(self) -> Path:
        """An empty folder on the file system of the outputs, removed afterwards."""
        remove(self._scratch)
        self._scratch.mkdir(parents=True)
        return self._scratch

    @property
    def seconds(self) -> float:
        """How long it has worked, without waiting for processors."""
        return round(time.monotonic() - waited() - self._started, 3)


@dataclass(frozen=True, kw_only=True)
class Made(Generic[Facts_co]):
    """What a step has made.

    Attributes:
        facts: what goes on record for later steps and reports.
        outputs: the finished files. The step is done as long as they are as it left them.
        attachments: documents that are kept beside the record, by their kind.
        note: what to tell the user.
        boot: the boot of this system, by `boot_id`, whose end the outputs need not outlast, since
            they are cheap to make again; None where they are safe on the disk.

    """

    facts: Facts_co
    outputs: tuple[Path, ...] = ()
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    note: str = ""
    boot: str | None = None


class StepError(BakeryError):
    """A step can't be done, or finds that what it is about is not as it must be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step(Generic[Facts_co]):
    """One row of the graph.

    Attributes:
        kind: what is done, such as `squash`.
        name: to which asset, image, release or recipe.
        run: does it. The code that this function's module imports counts for the key.
        facts: the type of what goes on record.
        after: the steps whose results it uses; their keys count for its own.
        inputs: tells what else decides the result.
        tools: tells which versions of which programs do it; elsewhere there may be others.
        replaces: steps before that need not be done again once this one is.
        shared: its outputs, where other machines may have made them for the same key; those that a
            step before has made are the ones that it is about.
        misfit: tells why this step can't have made what another machine has, given with the parts
            that `shared` names; see `objection`.
        content: the digest of its result where that is known beforehand; then it is the key.
        is_done: tells whether there is nothing to do; None for a step that is recorded.
        attached: the documents that may be kept beside its record.
        preview: tells what `run` would do.
        leftovers: what `clean` removes, besides records.
        doc: one line about it.

    """

    kind: str
    name: str
    run: Callable[[Work], Made[Facts_co]]
    facts: type[Facts_co]
    after: tuple[AnyStep, ...] = ()
    inputs: Callable[[], tuple[str, ...]] = tuple
    tools: Callable[[], tuple[str, ...]] = tuple
    replaces: tuple[AnyStep, ...] = ()
    shared: tuple[Path, ...] = ()
    misfit: Callable[[Made[Facts_co], Sequence[Part]], str | None] | None = None
    content: str | None = None
    is_done: Callable[[], bool] | None = None
    preview: Callable[[], str] | None = None
    attached: tuple[str, ...] = ()
    leftovers: tuple[Path, ...] = ()
    doc: str = ""

    @property
    def id(self) -> str:
        """Its name as a task, such as `squash:docker-20.10.13-arm64`."""
        return f"{self.kind}:{self.name}"

    @property
    def is_recorded(self) -> bool:
        """Whether it is put on record; what it brings may be known elsewhere."""
        return self.is_done is None

    @property
    def code(self) -> str:
        """The module that `run` stands in."""
        return str(getattr(self.run, "func", self.run).__module__)


def objection(
    made: Made[Facts_co],
    parts: Sequence[Part],
    misfit: Callable[[Made[Facts_co], Sequence[Part]], str | None] | None,
) -> str | None:
    """Return why what another machine has made is not to be taken; None where it is.

    Args:
        made: what it says that it has made.
        parts: the files that this is about, as they are here.
        misfit: tells why the step can't have made it.

    """
    if hidden_text(msgspec.to_builtins(made.facts)) is not None:
        return "it holds characters that are not shown"
    return misfit(made, parts) if misfit else None


AnyStep: TypeAlias = Step[msgspec.Struct]
AnyMade: TypeAlias = Made[msgspec.Struct]
