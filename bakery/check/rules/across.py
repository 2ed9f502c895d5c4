"""The rule about several images: what one of them would hide of another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from bakery.check.rule import Finding, Hit, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.check.subject import Subject
    from bakery.check.tree import Node
    from bakery.image.manifest import Manifest, ManifestEntry

conflict = Rule(
    id="path-conflict",
    severity="error",
    reason=(
        "of two images that ship the same path, one hides the other's, by the order of their names"
    ),
    fix=(
        "drop the path from one image, or say in a recipe that it `replaces` or `conflicts` with"
        " the other"
    ),
)


@dataclass(frozen=True)
class Shipped:
    """What one image ships.

    Attributes:
        name: as hosts see it; images of one name are never merged together.
        entries: what stands at each path.
        apart: names of images that are never merged beside it.

    """

    name: str
    entries: Mapping[str, Node | ManifestEntry]
    apart: frozenset[str] = frozenset()


def of_subject(subject: Subject) -> Shipped:
    """Return what a checked image ships."""
    return Shipped(subject.name, subject.tree.nodes, subject.context.apart)


def of_manifest(name: str, manifest: Manifest, apart: Iterable[str] = ()) -> Shipped:
    """Return what a staged image ships."""
    return Shipped(name, {entry.path: entry for entry in manifest.entries}, frozenset(apart))


def _sameness(thing: Node | ManifestEntry) -> str:
    match thing.type:
        case "file":
            return f"a file with the digest {thing.sha256} and mode {thing.mode:04o}"
        case "link":
            return f"a link to {thing.target}"
        case other:
            return f"a {other}"


def conflicts(images: Iterable[Shipped]) -> tuple[Finding, ...]:
    """Return a finding for each path that two images ship differently, in the order of paths."""
    by_path: defaultdict[str, list[Shipped]] = defaultdict(list)
    for image in images:
        for path in image.entries:
            by_path[path].append(image)
    hits = (hit for path in sorted(by_path) for hit in _fights(path, by_path[path]))
    return tuple(conflict.finding(hit) for hit in dict.fromkeys(hits))


def _fights(path: str, images: list[Shipped]) -> Iterator[Hit]:
    for one, other in combinations(images, 2):
        apart = one.name == other.name or one.name in other.apart or other.name in one.apart
        here, there = _sameness(one.entries[path]), _sameness(other.entries[path])
        if not apart and here != there:
            yield Hit(path, f"is {here} in {one.name}, and {there} in {other.name}")
