"""Catalogues as they are published: releases with bills of materials, channels, and an index."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.names import INDEX, ImageName, release_name
from bakery.release import document
from bakery.release import index as indexes
from harness import released

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from harness.openpgp import Person

URL = "https://example.com/releases"
Files = "Mapping[str, tuple[int, str]]"


def release(
    root: Path,
    name: str,
    version: str,
    files: Mapping[str, tuple[int, str]],
    archs: Sequence[Arch] = ("x86-64", "arm64"),
    **fields: object,
) -> None:
    """Publish a release whose images have files, `{path: (bytes, content)}`."""
    images: dict[Arch, bytes] = {arch: f"{name} {version} {arch}".encode() for arch in archs}
    bill = f"{name}-{version}.cdx.json"
    folder = released.release(root, name, version, images)
    described = document.decode((folder / document.FILE).read_bytes())
    transfers = tuple(f"{name}{suffix}" for suffix in (".conf", ".transfer", ".component"))
    whole = msgspec.structs.replace(described, sbom=(bill,), transfers=transfers, **fields)
    (folder / document.FILE).write_bytes(document.encode(whole))
    (folder / bill).write_text(json.dumps(_bill(name, version, archs, files)))
    for transfer in transfers:
        (folder / transfer).touch()
    released.index(folder)


def _bill(
    name: str, version: str, archs: Sequence[Arch], files: Mapping[str, tuple[int, str]]
) -> object:
    listed = [
        {
            "name": path,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(text.encode()).hexdigest()}],
            "properties": [
                {"name": "sysext-bakery:size", "value": str(size)},
                {"name": "sysext-bakery:origin", "value": "files/"},
            ],
        }
        for path, (size, text) in files.items()
    ]
    return {
        "components": [
            {"name": ImageName(name, version, arch).file, "components": listed} for arch in archs
        ]
    }


def catalogue(root: Path, versions: Mapping[str, Sequence[str]], signer: Person | None) -> None:
    """Publish the channels of extensions whose releases are there, and the index of all."""
    listed = []
    for name, tags in versions.items():
        released.channel(root, name, URL, *tags, signer=signer)
        listed += [released._indexed(root, name, tag) for tag in reversed(tags)]
    folder = root / INDEX
    folder.mkdir()
    (folder / f"{INDEX}.json").write_bytes(indexes.encode(listed))
    released.index(folder, signer)


def example(root: Path, signer: Person | None = None) -> None:
    """Publish three extensions, of which one has three versions and one needs another."""
    common = {"/usr/share/app/logo": (900, "logo")}
    release(root, "app", "1.0", {**common, "/usr/bin/app": (5000, "1.0"), "/usr/bin/old": (9, "o")})
    release(root, "app", "1.1", {**common, "/usr/bin/app": (5100, "1.1")})
    release(
        root,
        "app",
        "1.2",
        {
            **common,
            "/usr/bin/app": (5200, "1.2"),
            "/usr/lib/systemd/system/app.service": (120, "unit"),
        },
        summary='A <b>bold</b> & "quoted" app',
    )
    release(root, "plugin", "0.9", {"/usr/lib/app/plugin": (70, "p")}, requires=("app",))
    release(root, "small", "2.0", {"/usr/bin/small": (1, "s")}, archs=["x86-64"], tier="core")
    versions = {"app": ["1.0", "1.1", "1.2"], "plugin": ["0.9"], "small": ["2.0"]}
    assert all((root / release_name(n, v)).is_dir() for n, tags in versions.items() for v in tags)
    catalogue(root, versions, signer)
