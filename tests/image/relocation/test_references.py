from __future__ import annotations

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bakery.image.manifest import Reference
from bakery.image.relocation.references import PathRewriter, _padded
from bakery.image.tree import merged

UPSTREAM = ("usr/lib/x86_64-linux-gnu/modules/a.so", "usr/share/tool/words", "usr/sbin/toold")
PLACES = {
    "usr/lib/x86_64-linux-gnu/modules/a.so": "usr/lib/tool/modules/a.so",
    "usr/share/tool/words": "usr/lib/tool/a/very/long/way/to/words",
    "usr/bin/toold": "usr/bin/toold",
}


def redirected(data: bytes) -> tuple[bytes, tuple[Reference, ...]]:
    upstream = [merged(path) for path in UPSTREAM] + ["usr/share/other/left.txt"]
    return PathRewriter(upstream, PLACES, PLACES.values()).apply("usr/bin/tool", data)


def test_a_folder_that_moved_is_found_in_its_new_place() -> None:
    data, left = redirected(b"\0/usr/lib/x86_64-linux-gnu/modules\0")
    assert data == b"\0/usr/lib/tool/////////////modules\0"
    assert left == ()


def test_a_longer_path_keeps_its_end() -> None:
    data, _ = redirected(b"dir=/usr/lib/x86_64-linux-gnu/modules/b-%d.so!")
    assert data == b"dir=/usr/lib/tool/////////////modules/b-%d.so!"


def test_a_place_that_is_too_long_remains_and_is_named() -> None:
    data, left = redirected(b"/usr/share/tool/words")
    assert data == b"/usr/share/tool/words"
    assert left == (
        Reference(
            path="usr/bin/tool",
            mentions="usr/share/tool/words",
            moved_to="usr/lib/tool/a/very/long/way/to/words",
        ),
    )


def test_what_lies_between_paths_stays() -> None:
    data, _ = redirected(b"a\0/usr/sbin/toold\0b/usr/x/y\0/usr/sbin/toold/c\0d")
    assert data == b"a\0/usr/bin//toold\0b/usr/x/y\0/usr/bin//toold/c\0d"


def test_a_binary_without_such_paths_is_not_copied() -> None:
    before = b"\x7fELF\0/usr/share/nobody/knows\0"
    data, _ = redirected(before)
    assert data is before


def test_what_is_left_out_is_named_once() -> None:
    mention = b"/usr/share/other/left.txt\0"
    data, left = redirected(mention * 2)
    assert data == mention * 2
    assert left == (Reference(path="usr/bin/tool", mentions="usr/share/other/left.txt"),)


def test_a_program_in_sbin_is_found_in_bin() -> None:
    data, left = redirected(b"\0/usr/sbin/toold\0")
    assert data == b"\0/usr/bin//toold\0"
    assert left == ()


@pytest.mark.parametrize(
    "mention",
    [b"/usr/lib/tool/modules", b"/usr/share/nobody/knows", b"/usr/lib/x86_64-linux-gnu", b"/usr"],
)
def test_other_paths_are_left_alone(mention: bytes) -> None:
    assert redirected(mention) == (mention, ())


STEPS = st.lists(st.text("abc", min_size=1, max_size=4), min_size=2, max_size=6)


@given(STEPS, STEPS)
@example(["a", "a", "a"], ["a", "a"])
@example(["abc", "a"], ["a"])
def test_padding_keeps_length_and_meaning(old: list[str], new: list[str]) -> None:
    before, after = "/" + "/".join(old), "/" + "/".join(new)
    if len(after) > len(before):
        before, after = after, before
    padded = _padded(before, after)
    assert len(padded) == len(before)
    assert posixpath.normpath(padded).replace("//", "/") == after
    same = posixpath.commonprefix([before[::-1], after[::-1]])[::-1]
    end = same[same.find("/") :] if "/" in same else ""
    assert padded.endswith(end)
