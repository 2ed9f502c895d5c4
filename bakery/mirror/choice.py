"""What of all that sources have is copied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.mirror import publication
from bakery.mirror.errors import MirrorError
from bakery.recipe.names import ASSETS, INDEX
from bakery.recipe.version import Version
from bakery.release import sums
from bakery.text import LEFT_OUT, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.mirror.publication import Publication
    from bakery.mirror.source import Source


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is asked for.

    Attributes:
        names: recipes, releases and channels; all of them where there are none.
        arches: the architectures of images.
        current: whether of releases only those are copied that channels hold.

    """

    names: tuple[str, ...]
    arches: tuple[Arch, ...]
    current: bool

    def may_be(self, tag: str) -> bool:
        """Return whether a tag can be of what is asked for: a recipe's, at a version or a minor."""
        return not self.names or any(_is_of(tag, name) for name in self.names)

    def asks_for(self, found: Publication) -> bool:
        """Return whether a publication is named, or its recipe is."""
        return not self.names or found.tag in self.names or found.recipes <= {*self.names}


class Choice:
    """What is found at sources, and why the rest is not.

    Attributes:
        sources: where is looked.
        failures: what can't be believed or read, by its tag.
        notes: for people, what is left out.

    """

    def __init__(
        self, sources: Sequence[Source], selection: Selection, keyring: Path | None
    ) -> None:
        """Look at what is at some sources; of what several have, the first one's counts.

        Args:
            sources: the sources.
            selection: what is asked for.
            keyring: public keys, one of which must have signed it; None does without a signature.

        Raises:
            MirrorError: there is nothing of a name, or nothing at all.
            BakeryError: a source can't be read.

        """
        self.failures: dict[str, BakeryError] = {}
        self.notes: list[str] = []
        self.sources = sources
        self._selection = selection
        self._keyring = keyring
        self._found: dict[str, Publication | None] = {}
        tags = list(dict.fromkeys(tag for source in sources for tag in source.tags()))
        for tag in tags:
            if tag != ASSETS and (selection.may_be(tag) or tag == INDEX):
                self._look(tag, listed=True)
        for tag in selection.names:
            if re.fullmatch(sums.NAME, tag):
                self._look(tag)
        self._look_for_channels()
        for channel in self.channels:
            for tag in sorted(channel.releases):
                self._look(tag, listed=True)
        self._refuse_unknown(tags)

    @property
    def channels(self) -> list[Publication]:
        """The channels that are copied."""
        return [each for each in self._of("channel") if self._selection.asks_for(each)]

    @property
    def releases(self) -> list[Publication]:
        """The releases that are copied."""
        held = {tag for channel in self.channels for tag in channel.releases}
        return [
            each
            for each in self._of("release")
            if each.tag in held
            or each.tag in self._selection.names
            or (not self._selection.current and self._selection.asks_for(each))
        ]

    @property
    def index(self) -> list[Publication]:
        """The index of everything, if there is one."""
        return self._of("index")

    def _of(self, kind: publication.Kind) -> list[Publication]:
        return [
            each
            for _, each in sorted(self._found.items())
            if each and each.kind == kind and each.has(self._selection.arches)
        ]

    def _look(self, tag: str, *, listed: bool = False) -> None:
        """Find what has a tag; say so where it should be, and nowhere has a list."""
        if tag in self._found:
            return
        self._found[tag] = None
        try:
            looks = (publication.find(source, tag, self._keyring) for source in self.sources)
            self._found[tag] = next(filter(None, looks), None)
        except BakeryError as error:
            self.failures[tag] = error
        else:
            if listed and self._found[tag] is None:
                self.notes.append(f"{LEFT_OUT}{tag}, since there is no {sums.FILE} of it")

    def _look_for_channels(self) -> None:
        """Look for channels that no list names: releases tell which they have."""
        for release in self._of("release"):
            if self._selection.asks_for(release) and release.document:
                for name in release.document.transfers:
                    stem = name.rpartition(".")[0].removesuffix(".verity")
                    if self._selection.may_be(stem):
                        self._look(stem)

    def _refuse_unknown(self, tags: Collection[str]) -> None:
        where = " ".join(source.where for source in self.sources)
        chosen = [*self.releases, *self.channels]
        for name in self._selection.names:
            known = any(name == each.tag or name in each.recipes for each in chosen)
            if not known and not any(_is_of(tag, name) for tag in self.failures):
                near = nearest(name, _names(tags))
                raise MirrorError(
                    f"nothing is published as {name}",
                    where=where,
                    fix=f"did you mean {near}?"
                    if near
                    else "name a recipe, a release or a channel",
                )
        if not chosen and not self.failures:
            raise MirrorError(
                "nothing is published there",
                where=where,
                why=f"there is no {INDEX}/{INDEX}.json, nor a folder of a release",
                fix="give the address or folder that holds a folder for each release, or say what"
                " is there: --only NAME",
            )


def _is_of(tag: str, name: str) -> bool:
    """Return whether a tag can be a recipe's: its own name, or at a version or minor series."""
    start, _, version = tag.partition(f"{name}-")
    return tag == name or (not start and Version.is_written(version))


def _names(tags: Iterable[str]) -> set[str]:
    """Return tags, and what recipes they can be of."""
    stems = (tag[:at] for tag in tags for at, character in enumerate(tag) if character == "-")
    return {*tags, *stems}
