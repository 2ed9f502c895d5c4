"""From a Torcx image to a recipe, and from that to a sysext image, like every other."""

from __future__ import annotations

import posixpath
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bakery.arch import ARCHITECTURES
from bakery.binary import elf
from bakery.provision.place import ProvisionError
from bakery.provision.text import dump
from bakery.recipe import lock, names
from bakery.recipe.load import FILE, LOCK
from bakery.recipe.lock import Lock, LockedVersion
from bakery.recipe.version import Version
from bakery.torcx import units
from bakery.torcx.image import SUFFIXES, TorcxImage, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNITS = "usr/lib/systemd/system/"
_ENABLED = re.compile(_UNITS + r"(?P<target>[^/]+)\.(?:wants|requires)/(?P<unit>[^/]+)")
_FILE = re.compile(r"(?P<name>.+?)(?::(?P<version>.+))?")
_DOCKER = ["docker-flatcar", "containerd-flatcar"]
_SCHEMA = "# yaml-language-server: $schema=../../bakery/recipe/recipe.schema.json\n"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What became of a Torcx image.

    Attributes:
        name: the extension's.
        version: the image's reference, where it is a version; else 0.
        arch: the architecture of its programs.
        changed: what is different from the image.
        lost: what could not be carried over.
        host: what to remove on hosts.

    """

    name: str
    version: str
    arch: str
    changed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    host: list[str] = field(default_factory=list)

    def told(self) -> str:
        """Return all of it as text for people."""
        parts = (
            ("changed", self.changed),
            ("not carried over", self.lost),
            ("remove on the hosts", self.host),
        )
        lines = [line for title, items in parts if items for line in (f"{title}:", *_listed(items))]
        return "\n".join(lines)


def _listed(items: list[str]) -> list[str]:
    return [f"  {item}" for item in items]


def convert(file: Path, name: str | None, os: str | None, recipes: Path) -> Conversion:
    """Write a recipe of a Torcx image into a folder of recipes, which need not be there.

    Args:
        file: the image, `NAME:REFERENCE.torcx.tgz` or `.torcx.squashfs`.
        name: the extension's; the image's own when None.
        os: the only hosts that may merge it, `ID:VERSION_ID`, such as `flatcar:4152.2.0`.
        recipes: the folder of recipes.

    Raises:
        ProvisionError: it is no Torcx image, has dynamic programs and no `os` is given, or there
            is such a recipe already.
        BakeryError: it is hostile or damaged.

    """
    found = _FILE.fullmatch(_stem(file))
    given = name or (found["name"] if found else "")
    refused = names.refusal(given)
    if refused:
        why, fix = refused
        raise ProvisionError(
            f"an extension can't be called {given!r}",
            why=why,
            fix=f"{fix}, and give it: bakery torcx FILE NAME",
        )
    reference = found["version"] if found else None
    folder = recipes / given
    if folder.exists():
        raise ProvisionError(
            f"there is a recipe {given} already", where=str(folder), fix="give another name"
        )
    host = None if os is None else _host(os)
    with opened(file) as image:
        binaries = dict(_binaries(image))
        _refuse_dynamic(binaries, host)
        machines = {headers.machine for headers in binaries.values()}
        done = Conversion(
            name=given,
            version=reference if reference and Version.is_written(reference) else "0",
            arch=next((arch for arch in ARCHITECTURES if arch in machines), "x86-64"),
        )
        started = _fill(folder / "files", image, done)
    _explain(done, image, file)
    replaces = _DOCKER if (folder / "files/usr/bin/dockerd").exists() else []
    (folder / FILE).write_text(_recipe(done, file, started, host, replaces), "utf-8")
    locked = Lock(versions={done.version: LockedVersion(parts={}, assets=())})
    (folder / LOCK).write_bytes(lock.encode(locked))
    return done


def _host(os: str) -> dict[str, str]:
    name, _, version = os.partition(":")
    if not (name and version):
        raise ProvisionError(f"{os!r} names no system", fix="write --os flatcar:4152.2.0")
    return {"id": name, "version": version}


def _stem(file: Path) -> str:
    for suffix in SUFFIXES:
        if file.name.endswith(suffix):
            return file.name.removesuffix(suffix)
    raise ProvisionError(
        "this is no Torcx image", where=str(file), fix=f"its name ends in {' or '.join(SUFFIXES)}"
    )


def _binaries(image: TorcxImage) -> Iterator[tuple[str, elf.Elf]]:
    for path in image.places:
        place = image.files[path]
        if place.is_symlink():
            continue
        with place.open("rb") as stream:
            if stream.read(len(elf.MAGIC)) == elf.MAGIC:
                stream.seek(0)
                yield path, elf.read(stream)


def _refuse_dynamic(binaries: dict[str, elf.Elf], host: dict[str, str] | None) -> None:
    dynamic = sorted(path for path, headers in binaries.items() if headers.interpreter)
    if dynamic and host is None:
        raise ProvisionError(
            "the image has dynamic programs, which fit one version of one system only",
            why="\n".join(dynamic),
            fix="name the system as its /etc/os-release has it: --os ID:VERSION_ID",
        )


def _fill(folder: Path, image: TorcxImage, done: Conversion) -> list[tuple[str, str]]:
    """Lay the files where the extension has them; return enabled units, each with its target."""
    started = []
    for path, place in sorted(image.places.items()):
        source, target = image.files[path], folder / place
        if enabled := _ENABLED.fullmatch(place):
            started.append((enabled["unit"], enabled["target"]))
            done.changed.append(f"{place}: {enabled['target']} upholds the unit instead")
            continue
        if target.exists() or target.is_symlink():
            done.lost.append(f"{path}: another file of the image has its place, {place}")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            _link(image, path, str(source.readlink()), target, done)
        elif place.startswith(_UNITS):
            _unit(source, place, target, done)
        else:
            shutil.copy(source, target)
    if not started and any(place.startswith(_UNITS) for place in image.places.values()):
        done.lost.append("no unit was enabled in the image: add `start:` to a recipe of it")
    return list(dict.fromkeys(started))


def _link(image: TorcxImage, path: str, aim: str, target: Path, done: Conversion) -> None:
    if aim == "/dev/null":
        target.symlink_to(aim)
        return
    meant = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), aim)).lstrip("/")
    if meant in image.places:
        here = posixpath.dirname(image.places[path])
        target.symlink_to(posixpath.relpath(image.places[meant], here))
    else:
        done.lost.append(f"{path}: a link to {aim}, which the extension does not have")


def _unit(source: Path, place: str, target: Path, done: Conversion) -> None:
    before = source.read_text("utf-8", errors="replace")
    after = units.rewritten(before)
    if after != before:
        done.changed.append(f"{place}: Torcx taken out")
    done.lost.extend(f"{place}: still has {line}" for line in units.mentions(after))
    target.write_text(after, "utf-8")


def _explain(done: Conversion, image: TorcxImage, file: Path) -> None:
    if not image.has_manifest:
        done.changed.append("there is no manifest: everything was placed by its folder")
    done.lost.extend(f"{path}: the manifest names it, and it is not there" for path in image.absent)
    for path in sorted(set(image.files) - set(image.places)):
        if not path.startswith(".torcx/"):
            done.lost.append(f"{path}: extensions only have /usr")
    done.host.extend(
        (
            f"/var/lib/torcx/store/**/{file.name}",
            "/etc/torcx/profiles/*.json that name it, and /etc/torcx/next-profile",
            "drop-ins with paths of Torcx: grep -ril torcx /etc/systemd/system",
        )
    )


def _recipe(
    done: Conversion,
    file: Path,
    started: list[tuple[str, str]],
    host: dict[str, str] | None,
    replaces: list[str],
) -> str:
    recipe: dict[str, Any] = {
        "summary": f"{done.name}, as the Torcx image {file.name} had it",
        "homepage": "https://www.flatcar.org/docs/latest/provisioning/sysext/",
        "license": "LicenseRef-unknown",
        "build": [done.version],
        "arch": {done.arch: done.arch},
        "start": [{"unit": unit, "target": target} for unit, target in started],
        "replaces": replaces,
    }
    if host is not None:
        recipe["os"] = host
    return _SCHEMA + dump({key: value for key, value in recipe.items() if value})
