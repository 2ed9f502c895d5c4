"""What rules look at: one image's tree, and what is known about it from outside."""

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
    """What is known about an image besides its bytes; everything is optional.

    Attributes:
        name: what hosts call it, such as `docker`; taken from the file's name when None.
        arch: the architecture it is for, in systemd's words; from the file's name, then from the
            release file, when None.
        start: the units that the recipe starts.
        manifest: what was staged, to compare an image with.
        companions: trees of the images that it requires, whose units and programs it may use.
        apart: names of images that are never merged beside it: `replaces` and `conflicts`.
        source: the file to show beside findings in reviews, such as the recipe's.

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
        label: how reports call it.
        names: the names a host may see it under, the most literal first.
        tree: what it holds.
        context: what else is known.
        file: the image file; None for a folder.
        keeps_owners: whether owners, capabilities and device nodes in `tree` are the image's own;
            they are not where root's rights lacked to keep them.
        file_arch: the architecture that the file's name claims.

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
        """What the release file says; nothing, if there is none."""
        node = self.release_file
        return os_release.parse((node.text if node else None) or "")

    @property
    def name(self) -> str:
        """The name that a host sees."""
        node = self.release_file
        if node is not None and released_name(node) in self.names:
            return released_name(node)
        return self.names[0]

    @property
    def arch(self) -> str | None:
        """The architecture that the image is for, in systemd's words; None if nothing tells."""
        said = self.release.get("ARCHITECTURE")
        known = said if said in SYSTEMD else None
        return self.context.arch or self.file_arch or known

    @property
    def coupled(self) -> bool:
        """Whether hosts of one operating system's one version alone accept it."""
        return self.release.get("ID") not in ("", "_any") and bool(self.release.get("VERSION_ID"))

    @cached_property
    def roots(self) -> tuple[Root, ...]:
        """The host's root first, and the private ones."""
        return tuple(roots(self.tree))

    @property
    def providers(self) -> Iterable[Tree]:
        """The trees that are merged whenever this image is."""
        return (self.tree, *self.context.companions)

    def finds(self, root: Root, path: str) -> bool:
        """Return whether programs of a root find something at an absolute path."""
        if root.private:
            return root.tree.resolve(path) is not None
        return any(tree.resolve(path) for tree in self.providers) or host.has_program(inside(path))


def released_name(node: Node) -> str:
    """Return the name that a release file's own name gives to its image."""
    return node.name.removeprefix(_RELEASE_PREFIX)


def subject_of(
    root: Path, path: Path, context: Context, *, keeps_owners: bool, file: Path | None = None
) -> Subject:
    """Scan a tree and return it as the subject that `path`, a file or folder, stands for.

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
