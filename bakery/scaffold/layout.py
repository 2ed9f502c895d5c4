"""What a recipe installs of its assets, and where."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  types are read at run time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from bakery.scaffold.filenames import program_name
from bakery.scaffold.patterns import glob, versioned

if TYPE_CHECKING:
    from bakery.arch import Arch
    from bakery.recipe.version import Version
    from bakery.scaffold.peek import Content


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What goes where.

    Attributes:
        install: a path for a single file, or pairs of a pattern and a path.
        programs: the names of programs as hosts see them.
        dynamic: those that need a loader and libraries.
        needed: which of these the assets have not.
        for_musl: whether one of the loaders is musl's.
        licences: whether licences come along.

    """

    install: str | Mapping[str, str]
    programs: tuple[str, ...]
    dynamic: tuple[str, ...]
    needed: tuple[str, ...]
    for_musl: bool
    licences: bool


def lay_out(
    contents: Mapping[Arch, Content], words: Mapping[Arch, str], version: Version, name: str
) -> Layout | None:
    """Return where to install what assets hold; None if they don't hold the same, linked alike.

    Args:
        contents: what the asset for each processor holds.
        words: what the recipe's `{arch}` stands for.
        version: the release's.
        name: the recipe's.

    """
    programs = [_by_name(content, version) for content in contents.values()]
    names = tuple(programs[0])
    kinds = {content.single for content in contents.values()}
    needed = [content.needed() for content in contents.values()]
    unlike = len(kinds) > 1 or len({*map(bool, needed)}) > 1
    if unlike or any(set(each) != set(names) for each in programs):
        return None
    every_program = [program for content in contents.values() for program in content.programs]
    dynamic = {_called(program.path, version) for program in every_program if program.dynamic}
    pairs: dict[str, str] = {}
    if kinds == {True}:
        install: str | dict[str, str] = f"usr/bin/{names[0]}"
    else:
        for called in names:
            paths = {arch: each[called] for arch, each in zip(contents, programs, strict=True)}
            if len({path.count("/") for path in paths.values()}) > 1:
                return None
            own = {PurePosixPath(path).name for path in paths.values()} == {called}
            target = "usr/bin/" if own else f"usr/bin/{called}"
            pairs[_pattern(paths, words, version)] = target
        pairs = _folded(pairs, contents, words, version)
        pairs |= _licences(contents, words, version, name)
        install = pairs
    return Layout(
        install=install,
        programs=names,
        dynamic=tuple(sorted(dynamic)),
        needed=tuple(sorted(set.union(*needed))),
        for_musl=any(content.for_musl for content in contents.values()),
        licences=any(target.startswith("usr/share/licenses/") for target in pairs.values()),
    )


def _by_name(content: Content, version: Version) -> dict[str, str]:
    return {_called(program.path, version): program.path for program in content.programs}


def _called(path: str, version: Version) -> str:
    return program_name(PurePosixPath(path).name, version.bare)


def _pattern(paths: Mapping[Arch, str], words: Mapping[Arch, str], version: Version) -> str:
    return glob({arch: versioned(path, version) for arch, path in paths.items()}, words)


def _folded(
    pairs: Mapping[str, str],
    contents: Mapping[Arch, Content],
    words: Mapping[Arch, str],
    version: Version,
) -> dict[str, str]:
    """Return `FOLDER/*` for folders that hold several programs and nothing else."""
    folders = [_program_folders(content) for content in contents.values()]
    patterns = {
        _pattern(dict(zip(contents, several, strict=True)), words, version)
        for several in zip(*map(sorted, folders), strict=False)
        if len({folder.count("/") for folder in several}) == 1
    }
    merged: dict[str, str] = {}
    for pattern, target in pairs.items():
        folder = pattern.rpartition("/")[0]
        whole = folder in patterns and target == "usr/bin/"
        merged[f"{folder}/*" if whole else pattern] = target
    return merged


def _program_folders(content: Content) -> set[str]:
    programs = {program.path for program in content.programs}
    folders = {path.rpartition("/")[0] for path in programs} - {""}
    return {
        folder
        for folder in folders
        if len(below := [f for f in content.files if f.rpartition("/")[0] == folder]) > 1
        and set(below) <= programs
    }


def _licences(
    contents: Mapping[Arch, Content], words: Mapping[Arch, str], version: Version, name: str
) -> dict[str, str]:
    """Return where licences go that the assets for all processors have at the same path."""
    patterns = [
        {_pattern({arch: path}, words, version) for path in content.licences}
        for arch, content in contents.items()
    ]
    shared = sorted(set.intersection(*patterns))
    folder = shared[0].rpartition("/")[0] if shared else ""
    if folder.endswith("/licenses"):
        shared = [f"{folder}/*"]
    return dict.fromkeys(shared, f"usr/share/licenses/{name}/")
