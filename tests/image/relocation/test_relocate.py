"""Small programs, made by the C compiler, that find their libraries in an image alone."""

from __future__ import annotations

import io
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import needs

from bakery.binary import elf
from bakery.image.errors import ImageError
from bakery.image.relocation.pool import LibraryPool
from bakery.image.relocation.relocate import relocate
from bakery.image.tree import TreeBuilder
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not shutil.which("gcc") or platform.system() != "Linux", reason="needs gcc"
)
LIBC = Path("/lib", f"{platform.machine()}-linux-gnu", "libc.so.6")
if not LIBC.exists():
    pytest.skip("needs the C library of a Debian system", allow_module_level=True)

MUSL = "ld-musl-x86_64.so.1"
FIRST = "int second(void); int first(void) { return second() + 1; }"
SECOND = "int second(void) { return 41; }"
PLUGIN = 'const char *folder = "/usr/lib/upstream/plugins"; int plugin(void) { return 1; }'
MAIN = """
#include <dlfcn.h>
#include <stdio.h>
int first(void);
const char *folder = "/usr/lib/upstream/plugins";
int main(void) {
  puts(dlopen("libplugin.so.1", RTLD_NOW) ? folder : dlerror());
  return first();
}
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gcc")

    def gcc(source: str, output: str, *options: str) -> None:
        (folder / "source.c").write_text(source)
        command = ["gcc", "source.c", "-o", output, "-L.", "-Wl,-rpath-link,.", *options]
        subprocess.run(command, cwd=folder, check=True)

    def library(source: str, name: str, *options: str) -> None:
        gcc(source, name, "-shared", "-fPIC", f"-Wl,-soname,{name}", *options)

    library(SECOND, "libsecond.so.1")
    library(FIRST, "libfirst.so.1", "-l:libsecond.so.1", "-Wl,-rpath,/usr/lib/upstream")
    library(PLUGIN, "libplugin.so.1")
    gcc(MAIN, "program", "-l:libfirst.so.1")
    musl = ("-nostdlib", f"-Wl,--dynamic-linker=/lib/{MUSL}")
    gcc("int second(void); void _start(void) { second(); }", "musl", "-l:libsecond.so.1", *musl)
    return folder


class Image:
    """A tree with the program, and a pool with what the machine and the compiler gave."""

    def __init__(self, folder: Path, built: Path) -> None:
        (folder / "tree").mkdir()
        self.folder = folder
        self.built = built
        self.tree = TreeBuilder(folder / "tree")
        self.pool = LibraryPool(io.BytesIO())
        self.install("program", "usr/bin/program")
        for name in ("libfirst.so.1", "libsecond.so.1", "libplugin.so.1"):
            self.keep(built / name)
        with (built / "program").open("rb") as program:
            interpreter = elf.read(program).interpreter
        for path in (LIBC, Path(interpreter or "")):
            self.keep(path)

    def install(self, name: str, place: str) -> None:
        with (self.built / name).open("rb") as stream:
            self.tree.add_stream(place, stream, executable=True, origin="a.deb", progress=Silent())

    def keep(self, path: Path) -> None:
        self.pool.add_file(f"usr/lib/{path.name}", io.BytesIO(path.read_bytes()), "a.deb")

    def relocated(self) -> Iterator[str]:
        relocate(self.tree, "tool", self.pool, self.folder)
        for path in sorted(self.tree.entries):
            yield path.rpartition("/")[2]

    def headers(self, path: str) -> elf.Elf:
        with (self.tree.root / path).open("rb") as file:
            return elf.read(file)


@pytest.fixture
def image(tmp_path: Path, built: Path) -> Image:
    return Image(tmp_path, built)


def test_all_that_is_needed_or_opened_comes_along_and_nothing_else(image: Image) -> None:
    image.pool.add_file("usr/lib/libnobody.so.1", io.BytesIO(b""), "a.deb")
    loader = Path(image.headers("usr/bin/program").interpreter or "").name
    expected = {"program", "libfirst.so.1", "libsecond.so.1", "libplugin.so.1", "libc.so.6", loader}
    assert set(image.relocated()) == expected


def test_programs_lead_into_the_image_and_libraries_nowhere(image: Image) -> None:
    list(image.relocated())
    program = image.headers("usr/bin/program")
    assert program.rpath == ("/usr/lib/tool/lib",)
    assert program.runpath == ()
    assert (program.interpreter or "").startswith("/usr/lib/tool/lib/ld-linux-")
    library = image.headers("usr/lib/tool/lib/libfirst.so.1")
    assert library.rpath == library.runpath == ()


def test_entries_say_what_was_written(image: Image) -> None:
    list(image.relocated())
    for path, entry in image.tree.entries.items():
        assert entry.size == (image.tree.root / path).stat().st_size
        assert entry.origin == "a.deb"
    loader = Path(image.headers("usr/bin/program").interpreter or "").name
    assert image.tree.entries[f"usr/lib/tool/lib/{loader}"].mode == 0o755
    assert image.tree.entries["usr/lib/tool/lib/libc.so.6"].mode == 0o644


def test_the_same_bytes_every_time(built: Path, tmp_path: Path) -> None:
    trees = []
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        image = Image(tmp_path / name, built)
        list(image.relocated())
        trees.append(image.tree.entries)
    assert trees[0] == trees[1]


def test_a_missing_library_is_named(image: Image, built: Path) -> None:
    image.pool = LibraryPool(io.BytesIO())
    image.keep(Path(image.headers("usr/bin/program").interpreter or ""))
    image.keep(built / "libfirst.so.1")
    image.keep(LIBC)
    with pytest.raises(ImageError, match=r"libfirst\.so\.1 needs libsecond\.so\.1"):
        list(image.relocated())


def test_musl_looks_for_libraries_in_the_image_alone(image: Image) -> None:
    image.install("musl", "usr/bin/musl")
    loader = (image.built / "libsecond.so.1").read_bytes()  # any will do: none runs here
    image.pool.add_file(f"lib/{MUSL}", io.BytesIO(loader), "a.deb")
    list(image.relocated())
    assert image.headers("usr/bin/musl").interpreter == f"/usr/lib/tool/lib/{MUSL}"
    assert image.tree.read("usr/lib/tool/etc/ld-musl-x86_64.path") == b"/usr/lib/tool/lib\n"


def test_scripts_follow_their_interpreter(image: Image) -> None:
    image.pool.installed["usr/bin/tclsh"] = "usr/lib/tool/bin/tclsh"
    for name in ("tclsh", "sh"):
        image.tree.add_bytes(
            f"usr/bin/for-{name}", f"#! /usr/bin/{name} -x\nexit\n".encode(), origin="a.deb"
        )
    list(image.relocated())
    assert image.tree.read("usr/bin/for-tclsh") == b"#! /usr/lib/tool/bin/tclsh -x\nexit\n"
    assert image.tree.read("usr/bin/for-sh") == b"#! /usr/bin/sh -x\nexit\n"


def test_nothing_to_make_self_contained(image: Image) -> None:
    image.tree.remove("usr/bin/program")
    with pytest.raises(ImageError, match="nothing in the image is a dynamic program"):
        list(image.relocated())


@needs.ROOT
def test_a_program_runs_in_an_image_without_a_host(image: Image) -> None:
    image.pool.paths.add("usr/lib/upstream/plugins/libplugin.so.1")
    image.pool.installed["usr/lib/upstream/plugins/libplugin.so.1"] = (
        "usr/lib/tool/plugins/libplugin.so.1"
    )
    image.install("libplugin.so.1", "usr/lib/tool/plugins/libplugin.so.1")
    list(image.relocated())
    image.tree.finish(0)
    command: list[str | Path] = ["chroot", image.tree.root, "/usr/bin/program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (42, "/usr/lib/tool/////plugins\n")
