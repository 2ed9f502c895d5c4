"""Rules about symbolic links: whether their targets exist on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.check import fragment_files
from bakery.check.rule import Violation, rule
from bakery.check.tree import destination
from bakery.check.unit_files import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.root import Root
    from bakery.check.subject import Subject

_MERGED = ("usr", "opt")
_MADE_AT_RUN_TIME = ("run", "dev", "proc", "sys", "tmp")
_OF_THE_HOST = ("etc", "var")


@rule(
    "broken-link",
    "error",
    reason="a link to nothing is a program that can't be started, or a file that can't be opened",
    fix="correct the link's target, or ship what it leads to",
)
def broken(subject: Subject) -> Iterator[Violation]:
    """Find links to nothing."""
    for root in subject.roots:
        for link in (node for node in root.nodes if node.type == "link"):
            if link.folder.startswith(SYSTEM) and link.folder.endswith((".wants", ".requires")):
                continue  # rules about units answer these
            if not _leads_somewhere(subject, root, destination(link)):
                yield Violation(
                    root.path(link),
                    f"leads to {link.target}, which neither the image nor every host has",
                )


def _leads_somewhere(subject: Subject, root: Root, target: str) -> bool:
    top = target.partition("/")[0]
    if top in (*_MADE_AT_RUN_TIME, *_OF_THE_HOST) or target == ".":
        return True
    return subject.exists(root, target) and (root.private or top in _MERGED)


@rule(
    "link-into-host",
    "warning",
    reason=(
        "/etc and /var are the host's: unless something makes it there, the link leads to nothing"
    ),
    fix="make the target with a line in usr/lib/tmpfiles.d, or allow the link with a reason",
)
def into_host(subject: Subject) -> Iterator[Violation]:
    """Find links into /etc and /var whose target no tmpfiles.d line of the image makes."""
    made = {line.path for line in fragment_files.tmpfiles(subject)}
    for link in (node for node in subject.roots[0].nodes if node.type == "link"):
        target = "/" + destination(link)
        inside = target.startswith(tuple(f"/{top}/" for top in _OF_THE_HOST))
        if inside and not any(target == path or path.startswith(target + "/") for path in made):
            yield Violation(
                link.path, f"leads to {link.target}, and nothing in the image makes that"
            )
