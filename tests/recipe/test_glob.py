from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe import glob


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("docker/*", ["docker/dockerd", "docker/.x"], ["docker", "docker/a/b", "x/docker/a"]),
        ("*", ["a", ".a"], ["a/b"]),
        ("**/*.so", ["a.so", "x/a.so", "x/y/a.so"], ["a.so.1", "x/a.so/b"]),
        ("lib/**", ["lib/a", "lib/a/b"], ["lib", "lib2/a", "x/lib/a"]),
        ("**", ["a", "a/b/c"], [""]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz", "z"]),
        ("*.data/scripts/*", ["uv-1.0.data/scripts/uv"], ["uv.data/scripts/a/b", "data/scripts/x"]),
        ("app-?.?", ["app-1.2"], ["app-10.2", "app-/.2"]),
        ("[a].+(b)$", ["[a].+(b)$"], ["a.+(b)$", "[a]xx(b)$"]),
        ("a", ["a"], ["A", "a/", "ba"]),
        ("bin/!(app)", ["bin/tool", "bin/application"], ["bin/app", "bin/x/app", "lib/tool"]),
        ("bin/!(*.debug|test-?)", ["bin/app", "bin/test-10"], ["bin/app.debug", "bin/test-1"]),
        ("lib!(c|m).so", ["libz.so", "libmagic.so", "lib.so"], ["libc.so", "libm.so", "libz.a"]),
        ("share/!(doc)/**", ["share/man/a", "share/docs/a"], ["share/doc/a", "share/a"]),
        ("**/!(test)/*.so", ["a/b/c.so", "b/c.so"], ["a/test/c.so", "test/c.so"]),
        ("a!", ["a!"], ["a", "ab"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, inside: list[str], outside: list[str]) -> None:
    assert [path for path in inside if not glob.matches(pattern, path)] == []
    assert [path for path in outside if glob.matches(pattern, path)] == []


@pytest.mark.parametrize(
    ("pattern", "path", "kept"),
    [
        ("docker/*", "docker/dockerd", "dockerd"),
        ("*", "a", "a"),
        ("a/b/c", "a/b/c", "c"),
        ("*.data/scripts/*", "uv-1.0.data/scripts/uv", "uv"),
        ("**/*.so", "x/y/a.so", "x/y/a.so"),
        ("lib/**", "lib/x/a", "x/a"),
        ("v*/lib/**/*.so", "v1/lib/x/a.so", "x/a.so"),
    ],
)
def test_what_is_kept_of_a_path(pattern: str, path: str, kept: str) -> None:
    assert glob.matches(pattern, path)
    assert glob.below(pattern, path) == kept


@given(st.text(alphabet="ab*?/[]!.\\", max_size=10), st.text(alphabet="ab/[.\n", max_size=10))
def test_what_is_kept_is_the_end_of_every_match(pattern: str, path: str) -> None:
    if glob.matches(pattern, path):
        assert ("/" + path).endswith("/" + glob.below(pattern, path))


@given(st.text(max_size=10))
def test_a_text_without_wildcards_matches_itself_only(text: str) -> None:
    literal = text.replace("*", "").replace("?", "").replace("!(", "")
    assert glob.matches(literal, literal)
    assert not glob.matches(literal, literal + "x")
