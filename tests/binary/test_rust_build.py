from __future__ import annotations

import io
import json
import subprocess
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from harness import needs

from bakery.binary import rust_build
from bakery.binary.headers import ElfFile
from bakery.binary.rust_build import Crate

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs.programs("gcc", "objcopy")

LISTED = {
    "packages": [
        {"name": "app", "version": "1.2.3", "source": "local", "root": True, "dependencies": [1]},
        {"name": "serde", "version": "1.0.219", "source": "registry", "kind": "runtime"},
        {"name": "cc", "version": "1.0.0", "source": "registry", "kind": "build"},
    ]
}


def read(data: bytes) -> tuple[Crate, ...]:
    return rust_build.read(ElfFile(io.BytesIO(data)))


def binary(folder: Path, section: bytes | None) -> bytes:
    """Return a program with what cargo-auditable would have written into it."""
    (folder / "program.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-o", "program", "program.c"], cwd=folder, check=True)
    if section is not None:
        (folder / "section").write_bytes(section)
        added = "--add-section=.dep-v0=section"
        subprocess.run(["objcopy", added, "program"], cwd=folder, check=True)
    return (folder / "program").read_bytes()


def compressed(listed: Any) -> bytes:
    return zlib.compress(json.dumps(listed).encode())


def test_what_is_linked_is_named_and_what_only_builds_is_not(tmp_path: Path) -> None:
    crates = read(binary(tmp_path, compressed(LISTED)))
    assert crates == (
        Crate(name="app", version="1.2.3", source="local"),
        Crate(name="serde", version="1.0.219", source="registry"),
    )


@pytest.mark.parametrize(
    "section",
    [
        None,
        b"",
        b"no zlib",
        compressed([]),
        compressed({"packages": [{"name": 1}]}),
        zlib.compress(b'{"packages":[{"name":"\xff"}]}'),
    ],
    ids=["none", "empty", "not-compressed", "another-type", "another-shape", "no-utf-8"],
)
def test_programs_that_rust_did_not_audit_name_nothing(
    tmp_path: Path, section: bytes | None
) -> None:
    assert read(binary(tmp_path, section)) == ()


def test_what_is_endless_names_nothing(tmp_path: Path) -> None:
    assert read(binary(tmp_path, zlib.compress(b" " * (64 << 20)))) == ()
