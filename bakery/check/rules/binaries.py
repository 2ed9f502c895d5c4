"""Rules about programs: whether a host can start them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bakery.binary.elf import BPF
from bakery.check import host, linkage
from bakery.check.rule import BUILT_ELSEWHERE, Severity, Skip, Violation, path_rule, rule
from bakery.check.tree import binaries, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.binary.elf import Elf
    from bakery.check.root import Root
    from bakery.check.subject import Subject
    from bakery.check.tree import Node

_SELF_CONTAINED = (
    "use upstream's static build (often called musl), let `debian:` make it self-contained,"
    " or couple the image"
    " to the operating system it was built for with `os:` and its version"
)


def _complete_roots(subject: Subject) -> Iterator[Root]:
    """Yield the roots in which programs can rely on the image alone."""
    return (root for root in subject.roots if root.private or not subject.coupled)


def _fix(root: Root) -> str | None:
    return "add the package that has it to packages: of the recipe" if root.private else None


damaged = path_rule(
    "elf-damaged",
    "error",
    where=lambda node: node.defect and node.sha256 is not None,
    says="{node.defect}",
    reason="a binary that is cut off crashes, or does not start at all",
    fix="look at the asset it comes from: it is damaged, or was unpacked halfway",
)


@rule(
    "elf-arch",
    "error",
    reason="a binary for another architecture fails with «Exec format error»",
    fix=(
        "take upstream's asset for this architecture: compare `arch:` in the recipe with"
        " upstream's words"
    ),
)
def architecture(subject: Subject) -> Iterator[Violation]:
    """Find binaries for another architecture than the image's."""
    for node, elf in binaries(subject.tree):
        if subject.arch not in (None, elf.machine) and elf.machine != BPF:
            yield Violation(
                node.path, f"is a binary for {elf.machine}, in an image for {subject.arch}"
            )


@rule(
    "elf-mode",
    "error",
    reason="starting it fails with «Permission denied»",
    fix='say `modes: {PATH: "0755"}` in the recipe',
)
def mode(subject: Subject) -> Iterator[Violation]:
    """Find programs that nobody may execute; kernels and firmware lie elsewhere, and need not."""
    for node, elf in binaries(subject.tree):
        folders = node.folder.split("/")
        if elf.kind == "executable" and not node.executable and {"bin", "libexec"} & set(folders):
            yield Violation(node.path, f"is a program, and its mode is {node.mode:04o}")


@rule(
    "elf-interpreter",
    "error",
    reason="a program whose loader is not there fails with «No such file or directory»",
    fix=_SELF_CONTAINED,
)
def interpreter(subject: Subject) -> Iterator[Violation]:
    """Find dynamic programs whose loader is not in the image."""
    for root in _complete_roots(subject):
        for node, elf in binaries(root.nodes):
            if elf.interpreter and linkage.bundled_loader(root.tree, elf) is None:
                yield Violation(root.path(node), _foreign(root, elf), fix=_fix(root))


def _foreign(root: Root, elf: Elf) -> str:
    if root.private:
        return f"is a dynamic binary, and its root has no loader {elf.interpreter}"
    if "ld-musl" in (elf.interpreter or ""):
        libc = (
            f"musl's, {elf.interpreter}, which hosts with glibc, such as Flatcar and Debian, do"
            " not have"
        )
    else:
        libc = f"the host's, {elf.interpreter}, whose version differs from host to host"
    needed = f"; so are its libraries: {', '.join(elf.needed)}" if elf.needed else ""
    return f"is a dynamic binary, and its loader is {libc}{needed}"


@rule(
    "elf-library",
    "error",
    reason="a program that does not find a library stops with «cannot open shared object file»",
    fix="ship the library in usr/lib/NAME and point the binary's RUNPATH there: " + _SELF_CONTAINED,
)
def libraries(subject: Subject) -> Iterator[Violation]:
    """Find needed libraries that are not where the loader looks."""
    for root in _complete_roots(subject):
        in_root = frozenset(
            name
            for node, elf in binaries(root.nodes)
            for name in (node.name, elf.soname)
            if name is not None
        )
        for node, elf in binaries(root.nodes):
            if missing := _missing(root, node, elf, in_root):
                where = "its root" if root.private else "the image"
                names = ", ".join(missing)
                message = f"needs libraries that it won't find in {where}: {names}"
                yield Violation(root.path(node), message, fix=_fix(root))


def _missing(root: Root, node: Node, elf: Elf, in_root: frozenset[str]) -> tuple[str, ...]:
    if elf.kind == "library":
        return linkage.missing_from_library(root, node, in_root)
    if elf.dynamic and (not elf.interpreter or linkage.bundled_loader(root.tree, elf)):
        return linkage.missing_from_program(root, node)
    return ()


@rule(
    "elf-path",
    "warning",
    reason="a program finds nothing at such a path, or what a host happens to have there",
    fix=(
        "install: what it looks for; or tell the program by its configuration or environment where"
        " to look; or, if it can do without, accept it with `allow:`"
    ),
)
def mentions(subject: Subject) -> Iterator[Violation | Skip]:
    """Find paths in self-contained programs that lead to nothing in the image."""
    manifest = subject.context.manifest
    if manifest is None:
        yield BUILT_ELSEWHERE
        return
    for path, references in groupby(manifest.references, key=lambda r: r.path):
        paths = ", ".join(
            f"/{each.mentions}" + (f" (now {each.moved_to})" if each.moved_to else "")
            for each in references
        )
        yield Violation(path, f"looks for what its packages have at {paths}")


@rule(
    "script-interpreter",
    "error",
    reason="a script whose interpreter is missing fails with «No such file or directory»",
    fix="ship the interpreter too, write the script for /bin/sh, or leave it out",
)
def script(subject: Subject) -> Iterator[Violation]:
    """Find scripts for interpreters that neither the image nor every host has."""
    for root in _complete_roots(subject):
        for node in root.nodes:
            if not (node.executable and node.script) or _startable(subject, root, node.script):
                continue
            if root.private and node.folder != "usr/bin":
                continue  # modules of an interpreter, and others that nobody starts by their name
            severity: Severity = "warning" if node.path.startswith("usr/share/") else "error"
            message = f"is a script for {' '.join(node.script)}"
            yield Violation(root.path(node), message, severity=severity, fix=_fix(root))


def _startable(subject: Subject, root: Root, words: tuple[str, ...]) -> bool:
    if not subject.exists(root, words[0]):
        return False
    if inside(words[0]) != "usr/bin/env":
        return True
    names = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    name = names[0] if names else "env"
    return subject.exists(root, f"/usr/bin/{name}") or (
        not root.private and host.knows_program(name)
    )
