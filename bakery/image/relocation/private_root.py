"""Private roots: Debian packages as they are, and programs that run with these files as /usr.

For what relocation can't do: interpreters with a library of their own, paths that are compiled in.
A program is entered by a script, in a mount namespace where the packages' files are the root and
chosen folders of the host are mounted in it; see mount_namespaces(7).
"""

from __future__ import annotations

from importlib.resources import files
from shlex import quote
from typing import TYPE_CHECKING

from bakery.image.errors import ImageError
from bakery.image.tree import merged

if TYPE_CHECKING:
    from bakery.image.tree import TreeBuilder
    from bakery.recipe.plan import PrivateRoot

_ORIGIN = "private-root"
_LINKS = {  # as packages expect them: hier(7), file-hierarchy(7)
    "bin": "usr/bin",
    "sbin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/sbin": "bin",
}


def assemble(tree: TreeBuilder, name: str, private: PrivateRoot) -> None:
    """Make a root of the installed packages, and the programs that enter it.

    Args:
        tree: an image's tree, with all of its assets installed.
        name: the extension's name on hosts.
        private: the root.

    Raises:
        ImageError: a program to run in the root is missing, or two things have the same path.

    """
    for path, target in _LINKS.items():
        link = f"{private.folder}/{path}"
        if (tree.root / link).parent.joinpath(target).is_dir():
            tree.add_link(link, target, origin=_ORIGIN)
    for folder in private.share:
        tree.add_folder(f"{private.folder}/{folder}")
    enter = f"usr/lib/{name}/enter"
    tree.add_bytes(enter, _script(private), origin=_ORIGIN, executable=True)
    for path, program in private.enter:
        _refuse_missing(tree, private, program)
        text = f'#!/bin/sh\nexec /{enter} {quote(program)} "$@"\n'
        tree.add_bytes(path, text.encode(), origin=_ORIGIN, executable=True)


def _script(private: PrivateRoot) -> bytes:
    head = f"#!/bin/sh\nroot=/{private.folder}\nshared='{' '.join(private.share)}'\n"
    return head.encode() + files("bakery.image.relocation").joinpath("enter.sh").read_bytes()


def _refuse_missing(tree: TreeBuilder, private: PrivateRoot, program: str) -> None:
    if f"{private.folder}/{merged(program[1:])}" not in tree.entries:
        raise ImageError(
            f"the private root has no {program}",
            where=private.folder,
            fix="correct the path below enter:, or add the package that has it to packages:",
        )
