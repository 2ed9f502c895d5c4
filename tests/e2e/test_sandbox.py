"""A recipe's own script: what it can reach, and what it can't."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bakery.image.sandbox import run_sandboxed
from bakery.tools import ToolFailedError

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("bwrap"), reason="needs bubblewrap"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree/usr/bin").mkdir(parents=True)
    return tmp_path / "tree"


def run(tree: Path, text: str) -> None:
    script = tree.parent / "prepare.sh"
    script.write_text(f"#!/bin/sh -eu\n{text}\n")
    script.chmod(0o755)
    run_sandboxed(script, tree, {"NAME": "tool", "VERSION": "1.2", "ARCH": "arm64"})


def test_it_changes_the_tree_and_knows_what_is_built(tree: Path) -> None:
    run(tree, 'echo "$NAME $VERSION $ARCH" >usr/bin/made')
    assert (tree / "usr/bin/made").read_text() == "tool 1.2 arm64\n"


@pytest.mark.parametrize(
    "reach",
    [
        "touch /usr/bin/outside",
        f"ls {Path(__file__).parent}",
        "test -n \"$(ip -o link 2>/dev/null | grep -v ' lo:')\"",
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/22'",
        "test -e /etc/passwd",
        'test -n "${BAKERY_SECRET:-}"',
    ],
)
def test_it_reaches_nothing_else(tree: Path, reach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKERY_SECRET", "secret")
    run(tree, f"if {reach} 2>/dev/null; then echo reached >usr/bin/reached; fi")
    assert not (tree / "usr/bin/reached").exists()


def test_a_failure_shows_what_the_script_said(tree: Path) -> None:
    with pytest.raises(ToolFailedError, match="no such thing"):
        run(tree, "echo no such thing >&2; exit 3")
