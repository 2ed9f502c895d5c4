from __future__ import annotations

from typing import Any, Literal

from bakery.binary.elf import Elf
from bakery.check.linkage import missing_from_library, missing_from_program
from bakery.check.root import Root, roots
from bakery.check.tree import Node, Tree

Kind = Literal["executable", "library"]
LOADER = "/usr/lib/demo/ld.so"


def binary(path: str, **headers: Any) -> Node:
    kind: Kind = "executable" if path.startswith("usr/bin/") else "library"
    elf = Elf(machine=headers.pop("machine", "x86-64"), kind=kind, **headers)
    return Node(path=path, type="file", mode=0o755, elf=elf)


def host(*nodes: Node) -> Root:
    [root] = roots(Tree({node.path: node for node in nodes}))
    return root


def missing(*nodes: Node) -> tuple[str, ...]:
    return missing_from_program(host(*nodes), nodes[0])


def program(**headers: Any) -> Node:
    return binary("usr/bin/demo", interpreter=LOADER, needed=("liba.so",), **headers)


def test_origin_in_both_spellings() -> None:
    library = binary("usr/lib/demo/liba.so")
    assert missing(program(runpath=("$ORIGIN/../lib/demo",)), library) == ()
    assert missing(program(runpath=("${ORIGIN}/../lib/demo",)), library) == ()
    assert missing(program(runpath=("/usr/lib/demo",)), library) == ()
    assert missing(program(), library) == ("liba.so",)


def test_origin_is_where_the_file_is_and_not_its_link() -> None:
    real = binary("usr/lib/demo/liba.so.1", needed=("libb.so",), runpath=("$ORIGIN",))
    link = Node(path="usr/lib/alias/liba.so", type="link", mode=0o777, target="../demo/liba.so.1")
    other = binary("usr/lib/demo/libb.so")
    assert missing(program(runpath=("/usr/lib/alias",)), real, link, other) == ()


def test_an_rpath_is_handed_down_and_a_runpath_is_not() -> None:
    libraries = (
        binary("usr/lib/demo/liba.so", needed=("libb.so",)),
        binary("usr/lib/demo/libb.so"),
    )
    assert missing(program(rpath=("/usr/lib/demo",)), *libraries) == ()
    assert missing(program(runpath=("/usr/lib/demo",)), *libraries) == ("libb.so",)
    more = binary("usr/lib/demo/liba.so", needed=("libb.so", "libc.so"))
    branch = binary("usr/lib/demo/libb.so", needed=("libd.so",))
    rest = (binary("usr/lib/demo/libc.so", needed=("libe.so",)), binary("usr/lib/demo/libd.so"))
    last = binary("usr/lib/demo/libe.so")
    handed = program(rpath=("/usr/lib/demo",))
    assert missing(handed, more, branch, *rest, last) == ()
    both = program(rpath=("/usr/lib/demo",), runpath=("/usr/lib/demo",))
    assert missing(both, *libraries) == ("libb.so",)


def test_the_loader_itself_counts_as_loaded() -> None:
    library = binary("usr/lib/demo/liba.so", needed=("ld.so",))
    assert missing(program(runpath=("/usr/lib/demo",)), library) == ()


def test_libraries_that_need_each_other() -> None:
    first = binary("usr/lib/demo/liba.so", needed=("libb.so",), runpath=("$ORIGIN",))
    second = binary("usr/lib/demo/libb.so", needed=("liba.so",), runpath=("$ORIGIN",))
    assert missing(program(runpath=("/usr/lib/demo",)), first, second) == ()


def test_a_library_for_another_architecture_is_not_found() -> None:
    library = binary("usr/lib/demo/liba.so", machine="arm64")
    assert missing(program(runpath=("/usr/lib/demo",)), library) == ("liba.so",)


def test_a_plugin_may_rely_on_what_its_program_has_loaded() -> None:
    plugin = binary("usr/lib/demo/plugin.so", needed=("libc.so.6", "liba.so", "libz.so.1"))
    assert missing_from_library(host(plugin), plugin, frozenset({"liba.so"})) == ("libz.so.1",)
