from __future__ import annotations

from bakery.scaffold.peek import Content, Program


def content(*programs: Program, libraries: dict[str, tuple[str, ...]]) -> Content:
    return Content(single=False, executables=[*programs], libraries=libraries)


def test_what_an_asset_has_itself_is_not_needed_but_what_that_needs_is() -> None:
    app = Program("bin/app", "/lib64/ld-linux-x86-64.so.2", ("libown.so.1", "libc.so.6"))
    libraries = {
        "libown.so.1": ("libown.so.1.2",),  # a link
        "libown.so.1.2": ("libstdc++.so.6", "libown.so.1"),
        "libother.so": ("libunused.so.1",),
    }
    assert content(app, libraries=libraries).needed() == {
        "ld-linux-x86-64.so.2",
        "libc.so.6",
        "libstdc++.so.6",
    }
    assert content(Program("bin/app"), libraries=libraries).needed() == set()
