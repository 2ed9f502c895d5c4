"""Convert a Torcx image to a recipe, of which an extension is built like any other."""

from __future__ import annotations

import posixpath
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bakery.arch import ARCHITECTURES
from bakery.binary import elf
from bakery.binary.headers import MAGIC
from bakery.characters import visible
from bakery.check import host
from bakery.image.units import with_folded_programs
from bakery.provision.yaml_writer import dump
from bakery.recipe import lock, names
from bakery.recipe.folder import FILE, LOCK
from bakery.recipe.lock import Lock, LockedVersion
from bakery.recipe.version import Version
from bakery.torcx import units
from bakery.torcx.image import SUFFIXES, TorcxError, TorcxImage, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNITS = "usr/lib/systemd/system/"
_ENABLED = re.compile(_UNITS + r"(?P<target>[^/]+)\.(?:wants|requires)/(?P<unit>[^/]+)")
_FILE = re.compile(r"(?P<name>.+?)(?::(?P<version>.+))?")
_ACCOUNT = re.compile(
    r"^(User|SocketUser|Group|SocketGroup)=([A-Za-z_][\w-]*)[ \t]*$", re.MULTILINE
)
_TEXT = 1 << 20  # bytes; larger files are none that people wrote
_DOCKER = ["docker-flatcar", "containerd-flatcar"]
_SCHEMA = "# yaml-language-server: $schema=../../bakery/recipe/recipe.schema.json\n"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        name: of the extension.
        version: the image's reference if that is a version, else 0.
        arch: the architecture of its programs.
        changed: what differs from the image, as lines for people.
        lost: what could not be converted.
        host: what to remove on hosts.

    """

    name: str
    version: str
    arch: str
    changed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    host: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return the lists as text for people."""
        parts = (
            ("changed", self.changed),
            ("not carried over", self.lost),
            ("remove on the hosts", self.host),
        )
        lines = [line for title, items in parts if items for line in (f"{title}:", *_listed(items))]
        return "\n".join(lines)


def _listed(items: list[str]) -> list[str]:
    return [f"  {visible(item)}" for item in items]


def convert(file: Path, name: str | None, os: str | None, recipes: Path) -> Conversion:
    """Write a recipe of a Torcx image into a folder of recipes, which is made if need be.

    Args:
        file: the image, `NAME:REFERENCE.torcx.tgz` or `.torcx.squashfs`.
        name: the extension's name; None to take the image's.
        os: the only hosts that may merge it, `ID:VERSION_ID`, such as `flatcar:4152.2.0`.
        recipes: the folder of recipes.

    Raises:
        TorcxError: the file is not a Torcx image, it has dynamic programs and `os` is None, or the
            recipe exists already.
        BakeryError: the image is hostile or damaged.

    """
    named = _FILE.fullmatch(_stem(file))
    folder = _new_recipe(recipes, name or (named["name"] if named else ""))
    reference = named["version"] if named else None
    host = None if os is None else _host(os)
    with open_image(file) as image:
        binaries = dict(_binaries(image))
        _refuse_dynamic(binaries, host)
        machines = {headers.machine for headers in binaries.values()}
        conversion = Conversion(
            name=folder.name,
            version=reference if reference and Version.is_written(reference) else "0",
            arch=next((arch for arch in ARCHITECTURES if arch in machines), "x86-64"),
        )
        start = _write_files(folder / "files", image, conversion)
        _add_accounts(folder / "files", conversion)
    if not folder.is_dir():
        raise TorcxError(
            "nothing in the image can be part of an extension",
            where=str(file),
            fix="see that it is whole: tar --list --file FILE",
        )
    _describe(conversion, image, file)
    replaces = _DOCKER if (folder / "files/usr/bin/dockerd").exists() else []
    (folder / FILE).write_text(_recipe(conversion, file, start, host, replaces), "utf-8")
    locked = Lock(versions={conversion.version: LockedVersion(parts={}, assets=())})
    (folder / LOCK).write_bytes(lock.encode(locked))
    return conversion


def _new_recipe(recipes: Path, name: str) -> Path:
    refused = names.refusal(name)
    if refused:
        why, fix = refused
        raise TorcxError(
            f"an extension can't be called {name!r}",
            why=why,
            fix=f"{fix}, and give it: bakery torcx FILE NAME",
        )
    folder = recipes / name
    if folder.exists():
        raise TorcxError(
            f"there is a recipe {name} already", where=str(folder), fix="give another name"
        )
    return folder


def _host(os: str) -> dict[str, str]:
    name, _, version = os.partition(":")
    if not (name and version):
        raise TorcxError(f"{os!r} names no system", fix="write --os flatcar:4152.2.0")
    return {"id": name, "version": version}


def _stem(file: Path) -> str:
    for suffix in SUFFIXES:
        if file.name.endswith(suffix):
            return file.name.removesuffix(suffix)
    raise TorcxError(
        "this is no Torcx image", where=str(file), fix=f"its name ends in {' or '.join(SUFFIXES)}"
    )


def _binaries(image: TorcxImage) -> Iterator[tuple[str, elf.Elf]]:
    for path in image.destinations:
        file = image.files[path]
        if file.is_symlink():
            continue
        with file.open("rb") as stream:
            if stream.read(len(MAGIC)) == MAGIC:
                yield path, elf.read(stream)


def _refuse_dynamic(binaries: dict[str, elf.Elf], host: dict[str, str] | None) -> None:
    dynamic = sorted(path for path, headers in binaries.items() if headers.interpreter)
    if dynamic and host is None:
        raise TorcxError(
            "the image has dynamic programs, which fit one version of one system only",
            why="\n".join(dynamic),
            fix="name the system as its /etc/os-release has it: --os ID:VERSION_ID",
        )


def _write_files(folder: Path, image: TorcxImage, conversion: Conversion) -> list[tuple[str, str]]:
    """Write the extension's files; return the enabled units, each with its target."""
    enabled = []
    rewriter = _Rewriter(image, conversion)
    for path, destination in sorted(image.destinations.items()):
        source, target = image.files[path], folder / destination
        if link := _ENABLED.fullmatch(destination):
            enabled.append((link["unit"], link["target"]))
            conversion.changed.append(f"{destination}: {link['target']} upholds the unit instead")
            continue
        if target.exists() or target.is_symlink():
            conversion.lost.append(
                f"{path}: another file of the image has its place, {destination}"
            )
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            _link(image, path, target, conversion)
        else:
            rewriter.copy(source, destination, target)
    if not enabled and any(path.startswith(_UNITS) for path in image.destinations.values()):
        conversion.lost.append("no unit was enabled in the image: add `start:` to a recipe of it")
    return list(dict.fromkeys(enabled))


def _link(image: TorcxImage, path: str, target: Path, conversion: Conversion) -> None:
    verbatim = str(image.files[path].readlink())
    if verbatim == "/dev/null":
        target.symlink_to(verbatim)
        return
    leads_to = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), verbatim))
    moved = image.destinations.get(leads_to.lstrip("/"))
    if moved is None:
        conversion.lost.append(f"{path}: a link to {verbatim}, which the extension does not have")
    else:
        folder = posixpath.dirname(image.destinations[path])
        target.symlink_to(posixpath.relpath(moved, folder))


class _Rewriter:
    """Copies files of an image, with paths of the extension for those of Torcx in texts."""

    def __init__(self, image: TorcxImage, conversion: Conversion) -> None:
        self._image = image
        self._conversion = conversion
        texts = filter(None, (_text(file) for file in image.files.values()))
        self._variables = units.path_variables(texts)
        self._programs = frozenset(
            posixpath.basename(path)
            for path in image.destinations.values()
            if path.startswith("usr/bin/")
        )

    def copy(self, source: Path, destination: str, target: Path) -> None:
        """Copy a file to its place, with its permissions."""
        shutil.copy(source, target)
        before = _text(source)
        is_unit = destination.startswith(_UNITS)
        if before is None or not (is_unit or "torcx" in before.lower()):
            return
        after = units.without_torcx(before, self._image.place, self._variables)
        if after != before:
            self._conversion.changed.append(f"{destination}: Torcx taken out")
        folded = with_folded_programs(after.encode(), self._programs).decode()
        if folded != after:
            self._conversion.changed.append(f"{destination}: /usr/bin for sbin")
        self._conversion.lost.extend(
            f"{destination}: still has {line}" for line in units.mentions(folded)
        )
        target.write_text(folded, "utf-8")


def _text(file: Path) -> str | None:
    """Return a small text; None for all other files, and links."""
    if file.is_symlink() or file.stat().st_size > _TEXT:
        return None
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _add_accounts(files: Path, conversion: Conversion) -> None:
    """Make the users and groups that units name, and that Flatcar has but others may not."""
    folder = files / "usr/lib/sysusers.d"
    made = {
        (line[:1], words[1])
        for file in sorted(folder.glob("*.conf"))
        for line in file.read_text("utf-8", "replace").splitlines()
        if len(words := line.split()) > 1
    }
    made |= {("g", name) for kind, name in made if kind == "u"}
    missing: list[tuple[str, str]] = []
    for file in sorted((files / _UNITS).rglob("*")):
        for key, value in _ACCOUNT.findall((_text(file) or "") if file.is_file() else ""):
            kind, known = ("u", host.USERS) if key.endswith("User") else ("g", host.GROUPS)
            ours = (kind, value) in (*made, *missing) or value in known or value.isdecimal()
            if not ours:
                missing.append((kind, value))
    users = {name for kind, name in missing if kind == "u"}
    wanted = [(kind, name) for kind, name in missing if kind == "u" or name not in users]
    if wanted:
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f"{conversion.name}-accounts.conf"
        lines = [f"{kind} {name} -" for kind, name in sorted(wanted)]
        written.write_text("\n".join(lines) + "\n", "utf-8")
        made_of = f"usr/lib/sysusers.d/{written.name}: makes {', '.join(n for _, n in wanted)}"
        conversion.changed.append(f"{made_of}, which units name")


def _describe(conversion: Conversion, image: TorcxImage, file: Path) -> None:
    if not image.has_manifest:
        conversion.changed.append("there is no manifest: every file was moved by its folder")
    conversion.lost.extend(
        f"{path}: the manifest names it, and it is not there" for path in image.absent
    )
    for path in sorted(set(image.files) - set(image.destinations)):
        if not path.startswith(".torcx/") and path not in image.folders:
            conversion.lost.append(f"{path}: extensions only have /usr")
    conversion.lost.extend(
        f"{path}: its setuid or setgid bit or capabilities: it has the rights of who starts it"
        for path in sorted(image.privileged)
    )
    conversion.host.extend(
        (
            f"/var/lib/torcx/store/**/{file.name}",
            "/etc/torcx/profiles/*.json that name it, and /etc/torcx/next-profile",
            "drop-ins with paths of Torcx: grep -ril torcx /etc/systemd/system",
        )
    )


def _recipe(
    conversion: Conversion,
    file: Path,
    start: list[tuple[str, str]],
    host: dict[str, str] | None,
    replaces: list[str],
) -> str:
    recipe: dict[str, Any] = {
        "summary": f"{conversion.name}, as the Torcx image {file.name} had it",
        "homepage": "https://www.flatcar.org/docs/latest/provisioning/sysext/",
        "license": "LicenseRef-unknown",
        "build": [conversion.version],
        "arch": {conversion.arch: conversion.arch},
        "start": [{"unit": unit, "target": target} for unit, target in start],
        "replaces": replaces,
    }
    if host is not None:
        recipe["os"] = host
    return _SCHEMA + dump({key: value for key, value in recipe.items() if value})
