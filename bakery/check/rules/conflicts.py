"""The rule about several images: paths that one of them would hide of another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from bakery.check.rule import Finding, Rule, Violation

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
class ShippedImage:
    """The paths of one image.

    Attributes:
        name: as hosts see it; images of one name are never merged together.
        entries: the files, folders and links, by path.
        apart: names of images that are never merged beside it.

    """

    name: str
    entries: Mapping[str, Node | ManifestEntry]
    apart: frozenset[str] = frozenset()


def of_subject(subject: Subject) -> ShippedImage:
    """Return the paths of a checked image."""
    return ShippedImage(subject.name, subject.tree.nodes, subject.context.apart)


def of_manifest(name: str, manifest: Manifest, apart: Iterable[str] = ()) -> ShippedImage:
    """Return the paths of a staged image."""
    return ShippedImage(name, {entry.path: entry for entry in manifest.entries}, frozenset(apart))


def _description(entry: Node | ManifestEntry) -> str:
    match entry.type:
        case "file":
            return f"a file with the digest {entry.sha256} and mode {entry.mode:04o}"
        case "link":
            return f"a link to {entry.target}"
        case kind:
            return f"a {kind}"


def conflicts(images: Iterable[ShippedImage]) -> tuple[Finding, ...]:
    """Return a finding for each path that two images ship differently, in the order of paths."""
    by_path: defaultdict[str, list[ShippedImage]] = defaultdict(list)
    for image in images:
        for path in image.entries:
            by_path[path].append(image)
    violations = (v for path in sorted(by_path) for v in _conflicts_at(path, by_path[path]))
    return tuple(conflict.finding(violation) for violation in dict.fromkeys(violations))


def _conflicts_at(path: str, images: list[ShippedImage]) -> Iterator[Violation]:
    for one, other in combinations(images, 2):
        apart = one.name == other.name or one.name in other.apart or other.name in one.apart
        here, there = _description(one.entries[path]), _description(other.entries[path])
        if not apart and here != there:
            yield Violation(path, f"is {here} in {one.name}, and {there} in {other.name}")
