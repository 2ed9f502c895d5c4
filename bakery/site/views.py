"""What pages show, computed from what is published and from recipes; templates only lay it out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES
from bakery.recipe.version import Version
from bakery.site import pictures
from bakery.site.changes import UNITS, Changes, is_program, is_unit
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from bakery.arch import Arch
    from bakery.recipe.load import Source
    from bakery.release.document import ReleasedImage
    from bakery.site.configurations import Choice
    from bakery.site.published import Channel, Edition, File, Publication

_LARGEST = 8
_SHOWN_VERSIONS = 12
# What a unit sets that takes rights away from a service (systemd.exec(5)), in the order shown
_HARDENING = re.compile(
    r"^((?:Private|Protect|Restrict|NoNewPrivileges|MemoryDeny|LockPersonality|SystemCall|Capability"
    r"BoundingSet|DynamicUser|User|RemoveIPC|UMask|ReadOnlyPaths|IPAddressDeny|DevicePolicy)[A-Za-z]*)"
    r"=(.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Service:
    """A unit, and what it takes away from its own service."""

    name: str
    hardening: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One extension's pages.

    Attributes:
        publication: what is published of it.
        source: its recipe; None if the bakery has none any more.
        choices: its configurations.
        readme: its README as HTML; empty where there is none.

    """

    publication: Publication
    source: Source | None
    choices: tuple[Choice, ...]
    readme: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.publication.name

    @property
    def newest(self) -> Edition:
        """Its newest release."""
        return self.publication.newest

    @property
    def editions(self) -> Sequence[Edition]:
        """Its releases, the newest first."""
        return self.publication.editions

    @property
    def day(self) -> date | None:
        """When the newest release was published."""
        return self.newest.day

    def released(self, version: str) -> date | None:
        """Return when a version was published; None if nobody says."""
        return next((each.day for each in self.editions if each.version == version), None)

    @property
    def archs(self) -> list[Arch]:
        """The architectures of the newest release's images."""
        found = {image.arch for image in self.newest.document.images}
        return [arch for arch in ARCHITECTURES if arch in found]

    @property
    def hosts(self) -> str:
        """Which hosts it fits."""
        system = self.newest.document.os
        if isinstance(system, str):
            return "any host"
        return " ".join(filter(None, (system.id, system.version or system.level)))

    @property
    def size(self) -> str:
        """The size of the newest release's largest image."""
        sizes = [image.size for image in self.newest.document.images]
        return format_size(max(sizes)) if sizes else ""

    @property
    def followed(self) -> list[Channel]:
        """The channels that can be believed."""
        return [each for each in self.publication.channels if each.newest]

    @property
    def first_choice(self) -> Choice | None:
        """The configuration that is shown first."""
        return self.choices[0] if self.choices else None

    @property
    def files(self) -> tuple[File, ...]:
        """The files of the newest version's first image."""
        return self.newest.files

    @cached_property
    def programs(self) -> list[File]:
        """The programs that it brings."""
        found = (each for each in self.files if is_program(each.path))
        return sorted(found, key=lambda each: each.path)

    @cached_property
    def units(self) -> list[str]:
        """The names of the units that it brings."""
        return sorted(each.path.removeprefix(UNITS) for each in self.files if is_unit(each.path))

    @property
    def starts(self) -> list[str]:
        """The units that it starts."""
        return [str(each) for each in _units(self.source)] if self.source else []

    @property
    def ports(self) -> list[str]:
        """What its services listen on, as check.yaml says."""
        listened = self.source.expected.listen if self.source else ()
        return [str(getattr(each, "socket", each)) for each in listened]

    @property
    def account(self) -> str:
        """The account that it makes; empty for none."""
        account = self.source.recipe.account if self.source else None
        return "" if account is None else getattr(account, "name", None) or str(account)

    @property
    def config(self) -> list[str]:
        """The files in /etc that begin as copies of its defaults."""
        paths = self.source.recipe.config if self.source else {}
        return [f"/{path}" for path in paths]

    @cached_property
    def services(self) -> list[Service]:
        """The units of its recipe that take rights away from their services."""
        return list(_services(self.source)) if self.source else []

    @property
    def expected(self) -> list[str]:
        """The commands of check.yaml, as they are run in a booted system."""
        commands = self.source.expected.commands if self.source else ()
        runs = (each.run for each in commands)
        return [run if isinstance(run, str) else " ".join(run) for run in runs]

    @property
    def sizes(self) -> str:
        """A picture of its images' sizes."""
        bars = [
            pictures.bytes_bar(f"{edition.version} {image.arch}", image.size, number)
            for edition in self.editions[:_SHOWN_VERSIONS]
            for number, image in enumerate(plain(edition))
        ]
        return pictures.sizes(bars, f"Sizes of the images of {self.name}")

    @property
    def largest(self) -> str:
        """A picture of the largest files."""
        found = sorted(self.files, key=lambda each: -each.size)[:_LARGEST]
        bars = [pictures.bytes_bar(each.path, each.size) for each in found]
        return pictures.sizes(bars, f"Largest files of {self.name} {self.newest.version}")

    @cached_property
    def timeline(self) -> str:
        """A picture of minor series over time, where there are several."""
        series: dict[str, list[date]] = {}
        for edition in self.editions:
            if edition.day is not None:
                minor = Version.parse(edition.version).minor
                series.setdefault(minor, []).append(edition.day)
        if len(series) < 2:  # noqa: PLR2004  one series is no history
            return ""
        names = (each.name for each in self.publication.channels if each.name != self.name)
        followed = {name.removeprefix(f"{self.name}-") for name in names}
        spans = [
            pictures.Span(minor, tuple(sorted(days)), bool(followed) and minor not in followed)
            for minor, days in series.items()
        ]
        return pictures.timeline(spans, f"Releases of {self.name}")

    @cached_property
    def changes(self) -> Changes:
        """What differs between versions."""
        return Changes.between(self.editions[:_SHOWN_VERSIONS])


def plain(edition: Edition) -> list[ReleasedImage]:
    """Return a release's images that are files."""
    return [image for image in edition.document.images if image.format != "folder"]


def edges(extensions: Mapping[str, Extension]) -> Iterator[tuple[str, str, str]]:
    """Yield what extensions have to do with each other."""
    for name, each in extensions.items():
        document = each.newest.document
        yield from ((name, "requires", other) for other in document.requires)
        yield from ((name, "conflicts with", other) for other in document.conflicts if name < other)
        yield from ((name, "replaces", other) for other in document.replaces)


def _units(source: Source) -> Iterator[str]:
    for each in source.recipe.start:
        yield each if isinstance(each, str) else each.unit


def _services(source: Source) -> Iterator[Service]:
    for path, file in source.origins.items():
        if re.fullmatch(r"usr/lib/systemd/system/[^/]+\.service", path) and file.is_file():
            found = _HARDENING.findall(file.read_text("utf-8", "replace"))
            if found:
                settings = tuple(f"{key}={value}" for key, value in found)
                yield Service(path.rpartition("/")[2], settings)
