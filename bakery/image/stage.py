"""Stage: make a tree of assets and a recipe's own files, and the manifest of it."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import trace
from bakery.image import health, release_file, setup, units
from bakery.image.errors import ImageError
from bakery.image.install import install
from bakery.image.labels import Labels, label
from bakery.image.manifest import Manifest
from bakery.image.relocation import private_root
from bakery.image.relocation.pool import LibraryPool
from bakery.image.relocation.relocate import relocate
from bakery.image.tree import TreeBuilder, folded
from bakery.recipe import glob
from bakery.recipe.model import Drop
from bakery.recipe.plan import StartedUnit
from bakery.recipe.template import Template, UnknownPlaceholderError
from bakery.text import nearest, show
from bakery.yaml.location import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.archive.kept import Kept
    from bakery.image.file_contexts import FileContexts
    from bakery.image.manifest import Reference
    from bakery.progress import Progress
    from bakery.recipe.plan import Image

EPOCH = 1577836800  # 2020-01-01: every file's time, since upstream's and the build's say nothing


def stage(
    image: Image,
    key: str,
    assets: Mapping[str, Path],
    root: Path,
    progress: Progress,
    *,
    policy: FileContexts | None = None,
    kept: Kept | None = None,
) -> Manifest:
    """Fill the empty folder `root` with an image's tree and return its manifest.

    Args:
        image: the image, as its recipe and lock define it.
        key: the step's key, recorded in the manifest.
        assets: a file for every asset, by its SHA-256.
        root: an empty folder.
        progress: told of the bytes written.
        policy: the labels of the policy of the hosts that it is for, if one is given.
        kept: what other images' assets unpacked to, if they may have some in common.

    Raises:
        ImageError: the assets lack what the recipe asks for, or two things have the same path.
        DocumentError: the same, and a line of the recipe is at fault.
        AlteredAssetError: an asset's file holds other bytes than the lock pins.
        BakeryError: an archive is hostile or damaged.

    """
    tree = TreeBuilder(root)
    dropped: set[str] = set()
    references = _install(tree, image, assets, dropped, progress, kept=kept)
    _copy_local_files(tree, image)
    for path, text in image.contents.write:
        tree.add_bytes(path, text.encode(), origin="write")
    for path, target in image.contents.links:
        tree.remove(path)
        tree.add_link(path, target, origin="links")
    _edit(tree, image)
    _drop(tree, image, dropped)
    _check_drops(image, dropped)
    corrected = _fold_units(tree)
    _start(tree, image)
    _set_modes(tree, image)
    with trace.span("finish", files=len(tree.entries)):
        entries = tree.finish(EPOCH)
    own = {folded(path): label(type_) for path, type_ in image.contents.labels}
    # systemd-tmpfiles is confined by policies, and reads its lines where those call them so
    own.setdefault(f"usr/share/{image.contents.name}/{setup.TMPFILES}", label("lib_t"))
    return Manifest(
        image=image.id,
        key=key,
        epoch=EPOCH,
        entries=Labels(tuple(own.items()), policy).apply(entries),
        references=references,
        notes=tuple(_notes(tree, corrected, image)),
    )


def _notes(tree: TreeBuilder, units: list[str], image: Image) -> Iterator[str]:
    contents = image.contents
    decided = dict((*contents.modes, *contents.capabilities))
    for path, rights in sorted(tree.privileges.items()):
        if path in tree.entries and path not in decided:
            yield f"{path} has {rights} upstream, and not here: `modes:`, `capabilities:` keep it"
        elif path.endswith(".deb") and not contents.capabilities:
            yield f"the postinst of {path} gives a program {rights}; here, `capabilities:` does"
    if tree.folded:
        names = ", ".join(sorted(tree.folded))
        yield f"in usr/bin, since usr/sbin is a link to it on some hosts: {names}"
    for path, _ in contents.labels:
        if folded(path) not in tree.entries:
            yield f"there is no {path} to label; versions may differ, or `labels:` in its spelling"
    if units:
        yield f"written /usr/bin for /usr/sbin in {', '.join(units)}"


def _install(
    tree: TreeBuilder,
    image: Image,
    assets: Mapping[str, Path],
    dropped: set[str],
    progress: Progress,
    *,
    kept: Kept | None,
) -> tuple[Reference, ...]:
    if not image.contents.self_contained:
        install(tree, image, assets, None, progress, kept=kept)
        if image.contents.private_root is not None:
            private_root.assemble(tree, image.contents.name, image.contents.private_root)
        return ()
    with (
        tempfile.TemporaryDirectory(dir=tree.root.parent) as folder,
        tempfile.TemporaryFile(dir=folder) as libraries,
    ):
        pool = LibraryPool(libraries)
        install(tree, image, assets, pool, progress, kept=kept)
        _drop(tree, image, dropped)  # nobody needs the libraries of what is dropped
        with trace.span("relocate"):
            return relocate(tree, image.contents.name, pool, Path(folder))


def _copy_local_files(tree: TreeBuilder, image: Image) -> None:
    contents = image.contents
    for file in contents.files:
        source = image.source.origins[file.path]
        tree.remove(file.path)
        if file.target is not None:
            tree.add_link(file.path, file.target, origin="files/")
            continue
        data = source.read_bytes()
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise ImageError(
                "a file changed while the image was built", where=show(source), fix="build again"
            )
        if file.path in contents.templates:
            data = _expand(data, source, contents.values)
        tree.add_bytes(file.path, data, origin="files/", executable=file.executable)


def _expand(data: bytes, file: Path, values: Mapping[str, str]) -> bytes:
    try:
        return Template.parse(data.decode()).expand(values).encode()
    except UnicodeDecodeError:
        raise ImageError(
            "a template must be UTF-8 text", where=show(file), fix="remove `template: true`"
        ) from None
    except UnknownPlaceholderError as error:
        known = ", ".join(f"{{{name}}}" for name in sorted(values))
        raise ImageError(
            str(error), where=show(file), fix=f"known here: {known}; write {{{{ for a brace"
        ) from None
    except ValueError as error:
        raise ImageError(str(error), where=show(file)) from None


def _edit(tree: TreeBuilder, image: Image) -> None:
    for path, old, new in image.contents.edit:
        data = tree.read(path)
        if data is None:
            raise image.source.invalid(
                InvalidError(
                    ["edit", path],
                    f"there is no file {path} to edit in {image.id}",
                    fix="name an installed file; `doit stage:…` leaves the tree to look at",
                    at_key=True,
                )
            )
        if old.encode() not in data:
            raise image.source.invalid(
                InvalidError(
                    ["edit", path],
                    f"{path} of {image.id} does not contain {old!r}",
                    fix="upstream may have changed it: look at the file, or add a `when`",
                    at_key=True,
                )
            )
        entry = tree.entries[path]
        executable = bool(entry.mode & 0o100)
        origin = entry.origin or "edit"
        tree.add_bytes(
            path, data.replace(old.encode(), new.encode()), origin=origin, executable=executable
        )


def _drop(tree: TreeBuilder, image: Image, dropped: set[str]) -> None:
    """Remove what the recipe drops of the tree so far; `dropped` learns the patterns that match."""
    for pattern in image.contents.drop:
        below = f"{pattern.rstrip('/')}/**"
        for path in [*tree.entries]:
            if glob.matches(pattern, path) or glob.matches(below, path):
                tree.remove(path)
                dropped.add(pattern)


def _check_drops(image: Image, dropped: set[str]) -> None:
    for pattern in image.contents.drop:
        if pattern not in dropped:
            raise image.source.invalid(
                InvalidError(
                    ["drop", _index(image, pattern)],
                    f"{pattern} matches nothing in {image.id}",
                    fix="correct or remove it, or add a `when`",
                )
            )


def _index(image: Image, pattern: str) -> int:
    """Return where the recipe lists a pattern to drop; those whose `when` fails count too."""
    listed = [drop.path if isinstance(drop, Drop) else drop for drop in image.source.recipe.drop]
    return listed.index(pattern)


def _start(tree: TreeBuilder, image: Image) -> None:
    contents = image.contents
    _check_defaults(tree, image)
    setup_unit = setup.add(tree, contents)
    first = () if setup_unit is None else (StartedUnit(setup_unit, "multi-user.target"),)
    if check := health.script(contents):
        tree.add_bytes(health.path(contents.name), check.encode(), origin="check.yaml")
    for path, text in units.drop_ins(contents.name, (*first, *contents.start)):
        tree.add_bytes(path, text.encode(), origin="start")
    tree.add_bytes(
        release_file.path(contents.name),
        release_file.text(contents, ships_units=units.are_shipped(tree.entries)).encode(),
        origin="release file",
    )


def _check_defaults(tree: TreeBuilder, image: Image) -> None:
    folder = f"usr/share/{image.contents.name}/"
    for path, config in image.contents.config:
        if setup.default_path(tree, image.contents, config.default) not in tree.entries:
            short = isinstance(image.source.recipe.config[path], str)
            near = nearest(folder + config.default, tree.entries)
            raise image.source.invalid(
                InvalidError(
                    ["config", path, *([] if short else ["default"])],
                    f"there is no file {folder}{config.default} in {image.id}",
                    fix=(f"did you mean {near}?\n" if near else "")
                    + f"put it there: files/{folder}{config.default} in the recipe's folder",
                )
            )


def _fold_units(tree: TreeBuilder) -> list[str]:
    """Correct the paths of programs in units that moved to usr/bin; return the units' names."""
    corrected = []
    programs = frozenset(
        path.rpartition("/")[2] for path in tree.entries if path.startswith("usr/bin/")
    )
    for path in [path for path in tree.entries if path.startswith(units.FOLDER)]:
        data = tree.read(path)
        if data is None:
            continue
        folded = units.with_folded_programs(data, programs)
        if folded != data:
            corrected.append(path.removeprefix(units.FOLDER))
            tree.add_bytes(path, folded, origin=tree.entries[path].origin or "units")
    return corrected


def _set_modes(tree: TreeBuilder, image: Image) -> None:
    contents = image.contents
    done = [
        *(("modes", path, tree.change(path, mode=int(mode, 8))) for path, mode in contents.modes),
        *(
            ("capabilities", path, tree.change(path, capabilities=text))
            for path, text in contents.capabilities
        ),
    ]
    for key, path, is_there in done:
        if not is_there:
            raise image.source.invalid(
                InvalidError([key, path], f"there is no file {path} in {image.id}", at_key=True)
            )
