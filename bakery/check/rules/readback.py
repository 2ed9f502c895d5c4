"""Rules about the finished image: that it holds what was staged, and that systemd accepts it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check.loader import DISSECT
from bakery.check.rule import Rule, Skip, Violation, rule
from bakery.check.subject import released_name
from bakery.tools import ToolFailedError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node
    from bakery.image.manifest import ManifestEntry

mount = Rule(
    id="image-mount",
    severity="error",
    reason="a host mounts an image with its kernel's driver; what that refuses is never merged",
    fix="build or download the image again",
)


@rule(
    "image-content",
    "error",
    reason="an image that differs from what was staged is not what was checked, listed and signed",
    fix=(
        "remove the image and build it again; if it differs again, the tool that wrote it is at"
        " fault"
    ),
)
def content(subject: Subject) -> Iterator[Violation]:
    """Compare the image with the manifest, entry by entry."""
    manifest = subject.context.manifest
    if manifest is None:
        return
    staged = {entry.path: entry for entry in manifest.entries}
    for path, entry in staged.items():
        node = subject.tree.get(path)
        if node is None:
            yield Violation(path, "was staged, and is missing")
        else:
            for what, before, now in _differences(entry, node):
                yield Violation(path, f"has the {what} {now}; staged was {before}")
            if subject.file and node.mtime != manifest.epoch:
                yield Violation(path, f"has the time {node.mtime}; staged was {manifest.epoch}")
    for node in subject.tree:
        if node.path not in staged and node.path != ".":
            yield Violation(node.path, "is there, and was not staged")


def _differences(entry: ManifestEntry, node: Node) -> Iterator[tuple[str, object, object]]:
    if entry.type != node.type:
        yield "type", entry.type, node.type
        return
    if entry.type != "link" and entry.mode != node.mode:
        yield "mode", f"{entry.mode:04o}", f"{node.mode:04o}"
    if entry.target != node.target:
        yield "target", entry.target, node.target
    if entry.size != node.size:
        yield "size", entry.size, node.size
    elif entry.sha256 != node.sha256:
        yield "digest", entry.sha256, node.sha256


@rule(
    "image-dissect",
    "error",
    reason=(
        "systemd looks at an image with the same code before it merges it, and refuses what this"
        " refuses"
    ),
    fix="build the image again; traces of another file system in the file are a common cause",
)
def dissect(subject: Subject) -> Iterator[Violation | Skip]:
    """Ask systemd-dissect whether this is a system extension."""
    if subject.file is None or subject.release_file is None:
        return
    program = DISSECT.find()
    if program is None:
        yield Skip("systemd-dissect is not installed")
    elif not subject.keeps_owners:
        yield Skip("systemd-dissect needs root")
    else:
        yield from _dissected(program, subject.file, released_name(subject.release_file))


def _dissected(program: str, file: Path, name: str) -> Iterator[Violation]:
    with tempfile.TemporaryDirectory(prefix="bakery-check-") as scratch:
        # hosts take the name from the link, as with NAME.raw that leads to NAME-VERSION-ARCH.raw
        link = Path(scratch) / f"{name}.raw"
        link.symlink_to(file.resolve())
        try:
            description = json.loads(
                run([program, "--json=short", link], what="systemd-dissect refuses the image")
            )
        except ToolFailedError as error:
            lines = (error.why or error.what).splitlines()
            yield Violation(
                ".", f"is refused by systemd-dissect: {lines[-1].replace(str(link), file.name)}"
            )
            return
    if not description.get("useSystemExtension"):
        yield Violation(".", "is no system extension to systemd-dissect")
