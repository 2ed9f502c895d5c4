"""Subjects: one image's tree, and what is known about the image besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bakery.arch import SYSTEMD
from bakery.check import host, image_name, os_release
from bakery.check.root import roots
from bakery.check.scan import scan
from bakery.check.tree import inside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bakery.check.root import Root
    from bakery.check.tree import Node, Tree
    from bakery.image.manifest import Manifest

RELEASE_FOLDER = "usr/lib/extension-release.d"
_RELEASE_PREFIX = "extension-release."


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is known about an image besides its content; everything is optional.

    Attributes:
        name: the extension's name on hosts, such as `docker`; None to take the file's.
        arch: its architecture, in systemd's words; None to take the file name's, then the
            release file's.
        start: the units that the recipe starts.
        manifest: of the staged tree, to compare the image with.
        companions: trees of the images that it requires, whose units and programs it may use.
        apart: names of images that are never merged beside it: `replaces` and `conflicts`.
        source: the file at which reviews show findings, such as the recipe.

    """

    name: str | None = None
    arch: str | None = None
    start: tuple[str, ...] = ()
    manifest: Manifest | None = None
    companions: tuple[Tree, ...] = ()
    apart: frozenset[str] = frozenset()
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One image, ready for the rules.

    Attributes:
        label: its name in reports.
        names: the names that a host may take from the file's, the most literal first.
        tree: its content.
        context: what else is known.
        file: the image file; None for a folder.
        keeps_owners: whether owners, capabilities and device nodes in `tree` are the image's own;
            only root can keep them.
        file_arch: the architecture in the file's name.

    """

    label: str
    names: tuple[str, ...]
    tree: Tree
    context: Context = field(default_factory=Context)
    file: Path | None = None
    keeps_owners: bool = True
    file_arch: str | None = None

    @cached_property
    def release_files(self) -> tuple[Node, ...]:
        """The release files, whatever name they carry."""
        below = self.tree.below(RELEASE_FOLDER)
        return tuple(n for n in below if n.type == "file" and n.name.startswith(_RELEASE_PREFIX))

    @cached_property
    def release_file(self) -> Node | None:
        """The release file that a host reads; the only one there is, if none has the right name."""
        for name in self.names:
            for node in self.release_files:
                if released_name(node) == name:
                    return node
        return self.release_files[0] if len(self.release_files) == 1 else None

    @cached_property
    def release(self) -> os_release.Fields:
        """The release file's fields; empty if there is none."""
        node = self.release_file
        return os_release.parse((node.text if node else None) or "")

    @property
    def name(self) -> str:
        """The extension's name on hosts."""
        node = self.release_file
        if node is not None and released_name(node) in self.names:
            return released_name(node)
        return self.names[0]

    @property
    def arch(self) -> str | None:
        """The architecture that the image is for, in systemd's words; None if it is unknown."""
        declared = self.release.get("ARCHITECTURE")
        known = declared if declared in SYSTEMD else None
        return self.context.arch or self.file_arch or known

    @property
    def coupled(self) -> bool:
        """Whether only hosts of one version of one operating system accept it."""
        return self.release.get("ID") not in ("", "_any") and bool(self.release.get("VERSION_ID"))

    @cached_property
    def roots(self) -> tuple[Root, ...]:
        """The host's root first, and the private ones."""
        return tuple(roots(self.tree))

    @property
    def providers(self) -> Iterable[Tree]:
        """The trees that are merged whenever this image is."""
        return (self.tree, *self.context.companions)

    def exists(self, root: Root, path: str) -> bool:
        """Return whether an absolute path exists for programs of a root."""
        if root.private:
            return root.tree.resolve(path) is not None
        return any(tree.resolve(path) for tree in self.providers) or host.has_program(inside(path))


def released_name(node: Node) -> str:
    """Return the name in a release file's own name: `docker` of `extension-release.docker`."""
    return node.name.removeprefix(_RELEASE_PREFIX)


def subject_of(
    root: Path, path: Path, context: Context, *, keeps_owners: bool, file: Path | None = None
) -> Subject:
    """Scan a tree and return it as a subject.

    Args:
        root: the folder to scan.
        path: the image file or folder that it is the content of.
        context: what is known about it.
        keeps_owners: whether owners, capabilities and device nodes below `root` are the image's.
        file: the image file; None for a folder.

    Raises:
        OSError: a folder of the tree can't be listed.

    """
    given = context.name
    return Subject(
        label=context.manifest.image if context.manifest else path.name,
        names=(given,) if given else image_name.candidates(path.name),
        tree=scan(root),
        context=context,
        file=file,
        keeps_owners=keeps_owners,
        file_arch=image_name.architecture(path.name),
    )
