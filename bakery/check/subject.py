"""Subjects: one image's tree, and what is known about the image besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from bakery.arch import SYSTEMD
from bakery.check import host, image_name, os_release, partitions
from bakery.check.root import roots
from bakery.check.scan import scan
from bakery.check.tree import inside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bakery.check.partitions import Verity
    from bakery.check.root import Root
    from bakery.check.tree import Node, Tree
    from bakery.image.manifest import Manifest
    from bakery.image.verity.gpt import Partition
    from bakery.image.verity.signing import Certificates
    from bakery.recipe.load import Source

Kind = Literal["sysext", "confext"]

_RELEASE_FOLDERS: dict[Kind, str] = {
    "sysext": "usr/lib/extension-release.d",
    "confext": "etc/extension-release.d",
}
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
        recipe: the recipe that it is built of.
        certificates: those by one of which it must be signed; None where nobody says.
        source: the file at which reviews show findings, such as the recipe.

    """

    name: str | None = None
    arch: str | None = None
    start: tuple[str, ...] = ()
    manifest: Manifest | None = None
    companions: tuple[Tree, ...] = ()
    apart: frozenset[str] = frozenset()
    recipe: Source | None = None
    certificates: Certificates | None = None
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
        knows_owners: whether owners in `tree` are the image's own.
        as_root: whether it was read with root's rights; if not, `tree` may lack capabilities and
            device nodes.
        file_arch: the architecture in the file's name.
        is_gpt: whether the file has partitions.

    """

    label: str
    names: tuple[str, ...]
    tree: Tree
    context: Context = field(default_factory=Context)
    file: Path | None = None
    knows_owners: bool = True
    as_root: bool = True
    file_arch: str | None = None
    is_gpt: bool = False

    @cached_property
    def kind(self) -> Kind:
        """What the image extends: the system in /usr and /opt, or the configuration in /etc."""
        return next((kind for kind in _RELEASE_FOLDERS if self._release_files(kind)), "sysext")

    @property
    def release_folder(self) -> str:
        """The folder of the release file."""
        return _RELEASE_FOLDERS[self.kind]

    @property
    def hierarchies(self) -> tuple[str, ...]:
        """The top folders that a merge takes."""
        return ("usr", "opt") if self.kind == "sysext" else ("etc",)

    @cached_property
    def release_files(self) -> tuple[Node, ...]:
        """The release files, whatever name they carry."""
        return self._release_files(self.kind)

    def _release_files(self, kind: Kind) -> tuple[Node, ...]:
        below = self.tree.below(_RELEASE_FOLDERS[kind])
        return tuple(n for n in below if n.type == "file" and n.name.startswith(_RELEASE_PREFIX))

    @cached_property
    def release_file(self) -> Node | None:
        """The release file that a host reads; the only one there is, if none has the right name.

        One whose attribute user.extension-release.strict is false holds for every name.
        """
        for name in self.names:
            for node in self.release_files:
                if released_name(node) == name:
                    return node
        lenient = [node for node in self.release_files if not node.strict]
        return next((nodes[0] for nodes in (lenient, self.release_files) if len(nodes) == 1), None)

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

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """Its partitions; none where the file is a file system and nothing else."""
        return partitions.table(self.file).partitions if self.file and self.is_gpt else ()

    @cached_property
    def vouched(self) -> tuple[Verity, ...]:
        """What vouches for its file system, in its partitions and beside it."""
        if self.file is None:
            return ()
        own = partitions.of_partitions(self.file, self.arch) if self.is_gpt else None
        found = (own, partitions.beside(self.file))
        return tuple(each for each in found if each)

    def exists(self, root: Root, path: str) -> bool:
        """Return whether an absolute path exists for programs of a root."""
        if root.private:
            return root.tree.resolve(path) is not None
        there = any(tree.resolve(path) for tree in self.providers)
        return there or host.has_program(inside(path)) or host.has_file(inside(path))

    def is_outside(self, path: str) -> bool:
        """Return whether an absolute path is outside /usr, where only a host knows what there is.

        Links of the image and of those that it requires may lead there.
        """
        return any(not f"{tree.followed(path)}/".startswith("usr/") for tree in self.providers)


def released_name(node: Node) -> str:
    """Return the name in a release file's own name: `docker` of `extension-release.docker`."""
    return node.name.removeprefix(_RELEASE_PREFIX)


def subject_of(
    root: Path, path: Path, context: Context, *, as_root: bool, file: Path | None = None
) -> Subject:
    """Scan a tree and return it as a subject.

    Args:
        root: the folder to scan.
        path: the image file or folder that it is the content of.
        context: what is known about it.
        as_root: whether it was unpacked or mounted with root's rights.
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
        knows_owners=as_root,
        as_root=as_root,
        file_arch=image_name.architecture(path.name),
    )
