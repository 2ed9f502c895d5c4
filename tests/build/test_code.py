from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from harness.project import REPOSITORY

from bakery.build.code import Code

STEPS = ("stage", "squash", "check", "compare", "boot", "release")


def keys(package: Path) -> dict[str, str]:
    code = Code(package, package.parent / "index.json")
    return {step: code.digest(f"bakery.build.steps.{step}") for step in STEPS}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(REPOSITORY / "bakery", tmp_path_factory.mktemp("code") / "bakery"))


def changed(pristine: Path, folder: Path, file: str, old: str, new: str) -> set[str]:
    """Return the steps whose code has changed with one line of one file."""
    package = Path(shutil.copytree(pristine, folder / "bakery"))
    before = keys(package)
    text = (package / file).read_text("utf-8")
    assert re.search(old, text), f"{file} has no {old}"
    (package / file).write_text(re.sub(old, new, text, count=1), "utf-8")
    after = keys(package)
    return {step for step in STEPS if before[step] != after[step]}


@pytest.mark.parametrize(
    ("file", "old_new", "steps"),
    [
        ("recipe/glob.py", (r"\n    return ", "\n    return not "), {"stage"}),
        ("image/relocation/enter.sh", (r"\n(?=\w)", "\necho entered\n"), {"stage"}),
        ("archive/deb.py", (r"\nfrom ", "\nCHANGED = 1\nfrom "), {"stage", "boot"}),
        ("image/formats/squashfs.py", (r'"-quiet", ', ""), {"squash", "check", "boot"}),
        ("check/rules/hardening.py", (r'(reason=")', r"\1indeed "), {"check", "compare"}),
        ("boot/poll.py", (r"\nimport ", "\nCHANGED = 1\nimport "), {"boot"}),
        ("release/spdx.py", (r"\nfrom ", "\nCHANGED = 1\nfrom "), {"release"}),
        ("cli/images.py", (r"\nimport ", "\nCHANGED = 1\nimport "), set()),
        ("build/reporter.py", (r"\nimport ", "\nCHANGED = 1\nimport "), set()),
        ("recipe/glob.py", (r'^"""', '"""Differently: '), set()),
        ("image/stage.py", (r"\nfrom ", "\n# a comment\n\nfrom "), set()),
    ],
)
def test_a_changed_line_changes_the_steps_that_it_decides(
    pristine: Path, tmp_path: Path, file: str, old_new: tuple[str, str], steps: set[str]
) -> None:
    assert changed(pristine, tmp_path, file, *old_new) == steps


def package(folder: Path, **files: str) -> Path:
    (folder / "mine").mkdir()
    for name, text in {"__init__": "", **files}.items():
        path = folder / "mine" / name.replace("__sh", ".sh")
        (path if path.suffix else path.with_suffix(".py")).write_text(text)
    return folder / "mine"


def files(package: Path, module: str = "mine.a") -> set[str]:
    return set(Code(package, package.parent / "index.json").files(module))


def test_imports_count_wherever_they_stand_but_for_those_of_types(tmp_path: Path) -> None:
    mine = package(
        tmp_path,
        a="from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import mine.types\nelse:\n    import mine.b\n"
        "def f():\n    try:\n        from mine import c\n    except ImportError:\n"
        "        import mine.d\n    match 1:\n        case 1:\n            import mine.e\n",
        b="import mine.a",
        c="import mine.f",
        d="",
        e="",
        f="import os, other.g",
        types="",
        unused="",
    )
    assert files(mine) == {f"{name}.py" for name in ("__init__", *"abcdef")}


def test_a_file_that_a_module_names_counts(tmp_path: Path) -> None:
    mine = package(tmp_path, a="SCRIPT = 'run.sh'", run__sh="true", other__sh="true")
    assert files(mine) == {"__init__.py", "a.py", "run.sh"}
    before = Code(mine, tmp_path / "index.json").digest("mine.a")
    (mine / "run.sh").write_text("echo longer")
    assert Code(mine, tmp_path / "index.json").digest("mine.a") != before


def test_what_looks_like_a_comment_in_a_text_counts(tmp_path: Path) -> None:
    mine = package(tmp_path, a="SCRIPT = '''\n# one\n'''\n")
    before = Code(mine, tmp_path / "index.json").digest("mine.a")
    (mine / "a.py").write_text("SCRIPT = '''\n# two\n'''\n")
    assert Code(mine, tmp_path / "index.json").digest("mine.a") != before


def test_the_index_saves_reading_and_may_be_damaged(tmp_path: Path) -> None:
    mine = package(tmp_path, a="import mine.b", b="")
    index = tmp_path / "index.json"
    first = Code(mine, index).digest("mine.a")
    written = index.read_bytes()
    for damage in (b"", b"{", b"[]", b'{"a.py": 1}'):
        index.write_bytes(damage)
        assert Code(mine, index).digest("mine.a") == first
        assert index.read_bytes() == written
    assert Code(mine, Path("/dev/null/index.json")).digest("mine.a") == first
