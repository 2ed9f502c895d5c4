"""What has been done in an output folder: keys, records, locks and scratch folders.

A record is the truth about what is up to date. An output is trusted while its size and
modification time are those recorded when it was written; its content is not read again for that.
Every step works in a scratch folder of its own and under a lock, so it can be killed at any time
and two processes can share a folder. What was done on another machine can be taken over: from
a shared cache, or, by hand, though other versions of programs have done it than this machine has.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
from collections import defaultdict
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgspec

from bakery import trace
from bakery.build.code import Code
from bakery.build.step import Nothing, Work
from bakery.decoding import from_json
from bakery.errors import BakeryError
from bakery.files import boot_id, remove, write_whole
from bakery.interrupts import removing
from bakery.release.boots import Origin  # noqa: TC001  msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bakery.build.sharing import Found, Sharing
    from bakery.build.step import AnyMade, AnyStep, Made, Step
    from bakery.progress import Progress

Facts = TypeVar("Facts", bound=msgspec.Struct)
_BORROWED_FILE = "borrowed.json"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class StateError(BakeryError):
    """The output folder can't be written, or a record is missing."""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was when it was recorded.

    Attributes:
        path: relative to the output folder.
        size: its bytes.
        mtime: its modification time in nanoseconds.

    """

    path: str
    size: int
    mtime: int


class Record(msgspec.Struct, Generic[Facts], frozen=True, kw_only=True):
    """One finished step.

    Attributes:
        key: the key it was done for.
        outputs: the files it made.
        seconds: how long it took, without waiting for processors.
        facts: what later steps and reports want to know; each kind of step has a type for them.
        origin: where it was taken from; None where it was done here.
        boot: the boot of this system that its outputs may not have outlasted; None where no loss
            of power takes them.

    """

    key: str
    outputs: tuple[Output, ...]
    seconds: float
    facts: Facts
    origin: Origin | None = None
    boot: str | None = None


AnyRecord: TypeAlias = Record[msgspec.Struct]


class Borrowed(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was done on another machine.

    Attributes:
        question: the digest of what was to be done, programs left aside.
        key: what stands for its key here.

    """

    question: str
    key: str


class State:
    """The state of one output folder.

    Args:
        dist: the output folder.
        code: the code whose changes make steps stale; the bakery's own when None.
        sharing: what is shared with other machines; nothing when None.

    """

    def __init__(
        self, dist: Path, code: Code | None = None, sharing: Sharing | None = None
    ) -> None:
        self.dist = dist
        self._folder = dist / ".bakery"
        self._code = code or Code()
        self._sharing = sharing
        self._found: dict[AnyStep, Found] = {}
        self._origins: dict[AnyStep, Origin | None] = {}
        self._replaced_by: dict[AnyStep, list[AnyStep]] = defaultdict(list)
        self._keys: dict[AnyStep, str] = {}
        self._done: dict[AnyStep, bool] = {}

    @cached_property
    def _borrowed(self) -> dict[str, Borrowed]:
        try:
            data = (self._folder / _BORROWED_FILE).read_bytes()
            return from_json(data, dict[str, Borrowed])
        except (OSError, msgspec.DecodeError):
            return {}

    # Keys

    def add(self, step: AnyStep) -> None:
        """Take note of which steps a step makes unnecessary."""
        for earlier in step.replaces:
            self._replaced_by[earlier].append(step)

    def key(self, step: AnyStep) -> str:
        """Return the digest of everything that decides what a step makes.

        That is its kind, its code, its inputs and the keys of the steps before it.

        Raises:
            BakeryError: an input can't be told, as with a tool that is missing.

        """
        key = step.content or self._keys.get(step)
        if key is None:
            borrowed = self._borrowed.get(step.id)
            if borrowed and borrowed.question == self._question(step):
                key = borrowed.key
            else:
                before = [self.key(each) for each in step.after]
                key = self._digest(step, *step.inputs(), *step.tools(), *before)
            self._keys[step] = key
        return key

    def _question(self, step: AnyStep) -> str:
        """Return the digest of what a step is to do, whatever programs do it."""
        before = [self._question(each) for each in step.after]
        return step.content or self._digest(step, *step.inputs(), *before)

    def _digest(self, step: AnyStep, *parts: str) -> str:
        data = (step.kind, self._code.digest(step.code), *parts)
        # as a list, so that no two of them look alike
        return hashlib.sha256(msgspec.json.encode(data)).hexdigest()

    # Records

    def record(self, kind: str, name: str, facts: type[Facts]) -> Record[Facts] | None:
        """Return what is recorded of a step; None when nothing is, or nothing that can be read.

        Args:
            kind: the step's kind.
            name: the step's name.
            facts: the type of what is on record of steps of that kind.

        """
        try:
            path = f"{self._folder}/{kind}/{name}.json"
            with open(path, "rb") as file:  # noqa: PTH123  thousands
                return decode(file.read(), facts)
        except (OSError, msgspec.DecodeError):
            return None

    def required(self, step: Step[Facts]) -> Record[Facts]:
        """Return what is recorded of a step.

        Raises:
            StateError: nothing is.

        """
        record = self.record(step.kind, step.name, step.facts)
        if record is None:
            raise StateError(f"{step.id} has left no record", fix=f"doit {step.id}")
        return record

    def attachment(self, kind: str, name: str, attached: str) -> bytes | None:
        """Return a document that a step has left beside its record; None where there is none."""
        try:
            return self._attachment(kind, name, attached).read_bytes()
        except FileNotFoundError:
            return None

    def required_attachment(self, step: AnyStep, attached: str) -> bytes:
        """Return a document that a step has left beside its record.

        Raises:
            StateError: there is none.

        """
        data = self.attachment(step.kind, step.name, attached)
        if data is None:
            raise StateError(
                f"{step.id} has left no {attached}",
                fix=f"doit clean {step.id}, and run the same command again",
            )
        return data

    def standing(self, step: Step[Facts]) -> Facts | None:
        """Return the facts of a step whose outputs are untouched, for whatever key it was done."""
        record = self.record(step.kind, step.name, step.facts)
        return record.facts if record and _is_standing(record, self.dist) else None

    def origin(self, step: AnyStep) -> Origin | None:
        """Return where a finished step's result was taken from; None where it was done here."""
        return self._origins.get(step) if self.is_done(step) else None

    def is_done(self, step: AnyStep) -> bool:
        """Return whether there is nothing to do: a step is done, or steps that replace it are."""
        known = self._done.get(step)
        if known is None:
            known = self._done[step] = self._is_replaced(step) or self._is_done(step)
        return known

    def _is_replaced(self, step: AnyStep) -> bool:
        later = self._replaced_by.get(step)
        return bool(later) and all(self.is_done(each) for each in later or ())

    def _is_done(self, step: AnyStep) -> bool:
        if step.is_done is not None:
            return step.is_done()
        if not all(self.is_done(each) for each in step.after if each not in step.replaces):
            return False
        record = self.record(step.kind, step.name, step.facts)
        if record is None:
            return False
        self._origins[step] = record.origin
        try:
            return record.key == self.key(step) and _is_standing(record, self.dist)
        except BakeryError:
            return False

    # Sharing

    def look(self, steps: Iterable[AnyStep]) -> None:
        """Ask the shared cache, if there is one, for the steps that are not done, all at once."""
        if self._sharing is None:
            return
        asked = {}
        for step in steps:
            if step.shared and not self.is_done(step):
                with suppress(BakeryError):  # doing it will say the same
                    asked[step] = self.key(step)
        if asked:
            self._found.update(self._sharing.look(asked))

    def is_found(self, step: AnyStep) -> bool:
        """Return whether the shared cache has a step's result, as far as has been looked."""
        return step in self._found

    def complaints(self) -> list[str]:
        """Return what is to be told of the shared cache since this was last asked."""
        return self._sharing.complaints() if self._sharing else []

    def _take(self, step: AnyStep, found: Found, work: Work) -> str | None:
        """Take over what was found; return what to tell the user, or None if it can't be had."""
        if self._sharing is None or self.key(step) != found.result.key:
            return None
        with trace.span(f"{step.id}: from the cache", "remote"):
            made = self._sharing.take(step, found, work)
        if made is None:
            return None
        self._record(step, found.result.key, found.result.seconds, made, found.origin)
        return made.note

    def _make_up(self, step: AnyStep, progress: Progress) -> None:
        """Do what comes before a step, and was left out since a shared cache seemed to have it."""
        for before in step.after:
            if not self.is_done(before):
                self._make_up(before, progress)
                self.do(before, progress)

    # Work

    def do(self, step: AnyStep, progress: Progress) -> str:
        """Do a step unless it is done; return what to tell the user.

        Raises:
            BakeryError: it fails.

        """
        scratch = self._folder / "scratch" / f"{step.kind}@{step.name}"
        if not step.is_recorded:
            work = Work(step, self, progress, scratch)
            made = self._run(step, work)
            if step.facts is not Nothing:
                with self.alone(step):
                    self._record(step, step.content or "", work.seconds, made)
            return made.note
        if found := self._found.pop(step, None):
            with self.alone(step), removing(scratch):
                work = Work(step, self, progress, scratch)
                note = "" if self.is_done(step) else self._take(step, found, work)
            if note is not None:
                return note
            self._make_up(step, progress)
        with self.alone(step), removing(scratch):
            if self.is_done(step):
                return ""
            key = self.key(step)
            work = Work(step, self, progress, scratch)
            made = self._run(step, work)
            record = self._record(step, key, work.seconds, made)
        if self._sharing:
            self._sharing.put(step, record, made.attachments)
        return made.note

    def _run(self, step: AnyStep, work: Work) -> AnyMade:
        with trace.span(step.id, step.kind) as span:
            tracing = trace.active()
            if tracing:
                tracing.uses([each.id for each in step.after])
            made = step.run(work)
            if tracing:
                sizes = [path.stat().st_size for path in made.outputs if path.is_file()]
                span.note(bytes=getattr(made.facts, "size", sum(sizes)))
                tracing.result(step.id)
            return made

    def _record(
        self,
        step: AnyStep,
        key: str,
        seconds: float,
        made: AnyMade,
        origin: Origin | None = None,
    ) -> AnyRecord:
        for attached, data in made.attachments.items():
            write_whole(self._attachment(step.kind, step.name, attached), data)
        record = Record(
            key=key,
            outputs=tuple(_output(path, self.dist) for path in made.outputs),
            seconds=seconds,
            facts=made.facts,
            origin=origin,
            boot=made.boot,
        )
        write_whole(self._path(step), msgspec.json.encode(record))
        self._look_again()
        return record

    def take_over(self, step: Step[Facts], record: Record[Facts], made: Made[Facts]) -> None:
        """Record what was done on another machine, as if it had been done here.

        Args:
            step: the step as it is here.
            record: what the other machine has put on record.
            made: what lies here now.

        """
        with self.alone(step):
            taken = self._record(step, record.key, record.seconds, made, record.origin)
            borrowed = Borrowed(question=self._question(step), key=record.key)
            all_borrowed = {**self._borrowed, step.id: borrowed}
            write_whole(self._folder / _BORROWED_FILE, msgspec.json.encode(all_borrowed))
            del self._borrowed
        if self._sharing and not taken.origin:
            self._sharing.put(step, taken, made.attachments)

    def clean(self, step: AnyStep) -> None:
        """Remove all that a step has left, and its record.

        Raises:
            StateError: a file can't be removed.

        """
        with self.alone(step):
            self._path(step).unlink(missing_ok=True)
            for attached in step.attached:
                self._attachment(step.kind, step.name, attached).unlink(missing_ok=True)
            for path in step.leftovers:
                remove(path)
            self._look_again()

    @contextmanager
    def alone(self, step: AnyStep) -> Iterator[None]:
        """Have what a step is about, such as an image, for oneself.

        Whoever else works on it is waited for; what was known before is then looked up again.

        Raises:
            StateError: a file can't be written.

        """
        try:
            with self._lock(step.name):
                self._look_again()
                yield
        except OSError as error:
            raise StateError(
                f"{step.id} can't be written: {error.strerror}",
                where=str(error.filename or self.dist),
                fix="make room, or set BAKERY_DIST to a folder with more"
                if error.errno in _FULL
                else "look at the folder's rights; BAKERY_DIST names another one",
            ) from error

    def sweep(self) -> None:
        """Remove what killed runs have left in scratch folders."""
        scratch = self._folder / "scratch"
        for leftover in scratch.iterdir() if scratch.is_dir() else ():
            with self._lock(leftover.name.partition("@")[2], wait=False) as locked:
                if locked:
                    remove(leftover)

    @contextmanager
    def _lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        from filelock import FileLock, Timeout

        folder = self._folder / "lock"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name, timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _look_again(self) -> None:
        self._keys.clear()
        self._done.clear()
        self._origins.clear()

    def _path(self, step: AnyStep) -> Path:
        return self._folder / step.kind / f"{step.name}.json"

    def _attachment(self, kind: str, name: str, attached: str) -> Path:
        return self._folder / kind / f"{name}.{attached}"


def decode(data: bytes, facts: type[Facts]) -> Record[Facts]:
    """Return a record of a kind of step whose facts have this type.

    Raises:
        msgspec.DecodeError: the bytes are none.

    """
    return from_json(data, _recorded(facts))


@functools.cache
def _recorded(facts: type[Facts]) -> type[Record[Facts]]:
    return Record[facts]  # type: ignore[valid-type]


def _output(path: Path, dist: Path) -> Output:
    status = path.stat()
    name = path.relative_to(dist).as_posix()
    return Output(path=name, size=status.st_size, mtime=status.st_mtime_ns)


def _is_standing(record: Record[Any], dist: Path) -> bool:
    if record.boot not in (None, boot_id()):
        return False
    for output in record.outputs:
        try:
            status = os.stat(f"{dist}/{output.path}")  # noqa: PTH116  thousands
        except OSError:
            return False
        if (status.st_size, status.st_mtime_ns) != (output.size, output.mtime):
            return False
    return True
