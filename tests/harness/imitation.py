"""Files as upstreams publish them, by what their archives are known to hold."""

from __future__ import annotations

import io
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
import zstandard

from bakery.archive.unpack import kind_of
from bakery.recipe.requests import values
from bakery.recipe.template import Template
from bakery.recipe.version import Version
from harness.elf import program
from harness.tarball import tarball

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.recipe.plan import Asset, Image

LAYOUTS = Path(__file__).parents[1] / "e2e" / "layouts.yaml"
_COMPRESSION = {"gz": "gz", "tgz": "gz", "xz": "xz", "bz2": "bz2", "tbz": "bz2"}


class Imitator:
    """Makes assets out of small programs, in the layouts of layouts.yaml.

    Args:
        programs: by glob, real ones that take the place of those whose names it matches.

    """

    def __init__(self, programs: Mapping[str, bytes] | None = None) -> None:
        self._layouts: dict[str, list[str | dict[str, str]]] = yaml.safe_load(LAYOUTS.read_text())
        self._programs = programs or {}

    def knows(self, asset: Asset) -> bool:
        """Return whether an asset can be made: it is no archive, or has a known layout."""
        return _kind(asset) == "plain" or self._layout(asset) is not None

    def make(self, image: Image, asset: Asset) -> bytes:
        """Return the bytes that are published as one of an image's assets."""
        if _kind(asset) == "plain" and self._layout(asset) is None:
            name = asset.filename
            return self._real(name) or program(image.contents.arch, name)
        if _kind(asset) == "plain":
            return asset.filename.encode()
        members = dict(self._members(image, asset))
        if _kind(asset) == "zip":
            return _zip(members)
        if _kind(asset) == "deb":
            return _deb(members)
        suffix = asset.filename.rpartition(".")[2]
        if suffix == "zst":
            return zstandard.compress(tarball(members, compression=""))
        return tarball(members, compression=_COMPRESSION[suffix])

    def _real(self, name: str) -> bytes | None:
        return next(
            (data for glob, data in self._programs.items() if fnmatchcase(name, glob)), None
        )

    def _layout(self, asset: Asset) -> list[str | dict[str, str]] | None:
        return next(
            (found for glob, found in self._layouts.items() if fnmatchcase(asset.filename, glob)),
            None,
        )

    def _members(self, image: Image, asset: Asset) -> Iterator[tuple[str, bytes | str]]:
        """Yield paths with the content of a file, or the target of a link."""
        source, contents = image.source, image.contents
        parts = source.lock.versions[contents.version].parts
        words = {
            **values(source, Version.parse(contents.version), parts),
            "arch": source.recipe.arch[contents.arch],
        }
        for member in self._layout(asset) or ():
            path, text = next(iter(member.items())) if isinstance(member, dict) else (member, None)
            path, _, target = Template.parse(path).expand(words).partition(" -> ")
            path, _, kind = path.removesuffix(")").partition(" (")
            if text is not None:
                yield path, (text or path).encode()
            elif target:
                yield path, target
            else:
                machine = "riscv64" if kind == "firmware" else contents.arch
                label = f"{path} of {asset.url}"
                real = self._real(path.rpartition("/")[2])
                yield path, real or program(machine, label, dynamic=kind == "dynamic")


def _kind(asset: Asset) -> str:
    return asset.archive or kind_of(asset.filename)


def _zip(members: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def _deb(members: dict[str, bytes | str]) -> bytes:
    """Return a package as deb(5) has it: an archive by ar(5) of a version and two tar balls."""
    control = tarball({"./control": b"Package: imitation\n"})
    files = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": control,
        "data.tar.gz": tarball(members),
    }
    archive = b"!<arch>\n"
    for name, data in files.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n"
        archive += header.encode() + data + b"\n" * (len(data) % 2)
    return archive
