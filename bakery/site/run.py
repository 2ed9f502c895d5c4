"""What the last run of the release workflow did: `--run FILE`, as pages.yaml writes it.

It is `{"url": …, "day": …, "needs": …}`, where the last is the workflow's context `needs`: the
result of each job, and what it handed on (GitHub's "Contexts reference").
"""

from __future__ import annotations

from datetime import date  # noqa: TC003  msgspec reads it at run time
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import msgspec

from bakery.arch import ARCHITECTURES
from bakery.decoding import from_json
from bakery.site.errors import SiteError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Result = Literal["success", "failure", "cancelled", "skipped"]


class Job(msgspec.Struct, frozen=True):
    """A job's result, and its outputs, of which some runners write `null` for none."""

    result: Result
    outputs: dict[str, str] | None = None


class _Shard(msgspec.Struct, frozen=True):
    build: str


class _Matrix(msgspec.Struct, frozen=True):
    include: tuple[_Shard, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A run.

    Attributes:
        url: where its log is.
        day: when it ended.
        needs: its jobs, by name.

    """

    url: str
    day: date
    needs: dict[str, Job] = {}

    @cached_property
    def wanted(self) -> list[str]:
        """The releases that it was to build."""
        text = self._output("plan", "matrix")
        shards = from_json(text, _Matrix).include if text else ()
        images = (task.partition(":")[2] for shard in shards for task in shard.build.split())
        return sorted({_release(image) for image in images})

    @property
    def published(self) -> list[str]:
        """The releases that it published."""
        return sorted(self._output("publish", "published").split())

    @property
    def left(self) -> list[str]:
        """The releases that it was to build, and did not publish."""
        published = self.published
        return [each for each in self.wanted if each not in published]

    @property
    def failed(self) -> Mapping[str, str]:
        """The jobs that failed or were cancelled, by name."""
        results = {name: job.result for name, job in self.needs.items()}
        return {name: each for name, each in results.items() if each in ("failure", "cancelled")}

    def _output(self, job: str, name: str) -> str:
        found = self.needs.get(job)
        return ((found.outputs if found else None) or {}).get(name, "")


def _release(image: str) -> str:
    for arch in ARCHITECTURES:
        image = image.removesuffix(f"-{arch}")
    return image


def read(path: Path) -> Run:
    """Return the run that a file tells of.

    Raises:
        SiteError: the file can't be read, or tells of none.

    """
    try:
        run = from_json(path.read_bytes(), Run)
        run.wanted  # noqa: B018  decodes the matrix
    except OSError as error:
        raise SiteError("the run can't be read", where=str(path), why=str(error)) from None
    except msgspec.DecodeError as error:
        raise SiteError(
            "this tells of no run",
            where=str(path),
            why=str(error),
            fix='write {"url": "https://…", "day": "2026-11-26", "needs": {}}, where `needs` is '
            "the workflow's context of that name",
        ) from None
    return run
