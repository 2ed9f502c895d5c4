"""Rules about the finished image: that it holds what was staged, and that systemd accepts it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.check import partitions
from bakery.check.rule import BUILT_ELSEWHERE, Rule, Skip, Violation, rule
from bakery.check.rules.verified import systemd_version
from bakery.check.subject import released_name
from bakery.tools import Tool, ToolFailedError, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.check.subject import Kind, Subject
    from bakery.check.tree import Node
    from bakery.image.manifest import ManifestEntry

DISSECT = Tool(program="systemd-dissect", apt="systemd-container")
_USES: dict[Kind, str] = {  # the fields of systemd-dissect(1)'s JSON
    "sysext": "useSystemExtension",
    "confext": "useConfigurationExtension",
}

# Other rules look at hash tree and signature, which takes neither device-mapper nor certificate.
_WITHOUT_VERITY = {"SYSTEMD_DISSECT_VERITY_SIDECAR": "0", "SYSTEMD_DISSECT_VERITY_EMBEDDED": "0"}
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
def content(subject: Subject) -> Iterator[Violation | Skip]:
    """Compare the image with the manifest, entry by entry."""
    manifest = subject.context.manifest
    if manifest is None:
        yield BUILT_ELSEWHERE
        return
    staged = {entry.path: entry for entry in manifest.entries}
    for path, entry in staged.items():
        node = subject.tree.get(path)
        if node is None:
            yield Violation(path, "was staged, and is missing")
        else:
            for what, before, now in _differences(entry, node, as_root=subject.as_root):
                yield Violation(path, f"has the {what} {now}; staged was {before}")
            if node.mtime != manifest.epoch:
                yield Violation(path, f"has the time {node.mtime}; staged was {manifest.epoch}")
    for node in subject.tree:
        if node.path not in staged and node.path != ".":
            yield Violation(node.path, "is there, and was not staged")


def _differences(
    entry: ManifestEntry, node: Node, *, as_root: bool
) -> Iterator[tuple[str, object, object]]:
    if entry.type != node.type:
        yield "type", entry.type, node.type
        return
    if entry.type != "link" and entry.mode != node.mode:
        yield "mode", f"{entry.mode:04o}", f"{node.mode:04o}"
    if as_root and entry.capabilities != node.capabilities:
        yield "capabilities", entry.capabilities or "none", node.capabilities or "none"
    if as_root and entry.label != node.label:
        yield "label", entry.label or "none", node.label or "none"
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
    if any(partitions.mistakes(subject.partitions, subject.arch)):
        return  # the rule about these tells
    program = DISSECT.find()
    if program is None:
        yield Skip(f"{DISSECT.program} is not installed", fix=f"apt install {DISSECT.apt}")
    elif not subject.as_root:
        yield Skip("systemd-dissect needs root", fix=f"sudo bakery check {subject.file}")
    else:
        name = released_name(subject.release_file)
        yield from _dissected(program, subject.file, name, subject.kind)


def _dissected(program: str, file: Path, name: str, kind: Kind) -> Iterator[Violation | Skip]:
    with interrupts.temporary_folder("bakery-check-") as scratch:
        # hosts take the name from the link, as with NAME.raw that leads to NAME-VERSION-ARCH.raw
        link = scratch / f"{name}.raw"
        link.symlink_to(file.resolve())
        try:
            description = json.loads(
                run(
                    [program, "--json=short", link],
                    what="systemd-dissect refuses the image",
                    env=_WITHOUT_VERITY,
                )
            )
        except ToolFailedError as error:
            lines = (error.why or error.what).splitlines()
            why = lines[-1].replace(str(link), file.name)
            yield Violation(".", f"is refused by {_judge(program)}: {why}")
            return
    if _USES[kind] not in description:
        yield Skip(
            f"{_judge(program)} does not know a {kind}", fix="check it where systemd is newer"
        )
    elif not description[_USES[kind]]:
        yield Violation(".", f"is no {kind} to {_judge(program)}")


def _judge(program: str) -> str:
    return f"systemd-dissect {systemd_version(program)}"
