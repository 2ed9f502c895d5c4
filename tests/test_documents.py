"""README, CONTRIBUTING and the guides: each command is run by a test, or is one that exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from harness import needs

from bakery import cli
from bakery.build import selection
from bakery.recipe import lock

if TYPE_CHECKING:
    from harness.openpgp import Person

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / ".github/docs").glob("*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / ".github/CONTRIBUTING.md", *GUIDES]
TEXTS = {path.name: path.read_text("utf-8") for path in DOCUMENTS}
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
# How blocks begin, and the file of the tests that run them as they stand
RUN_BY = {
    "$ python3 noxfile.py -s ": "bare/run.py",
    "$ bakery provision ": "provision/test_guides.py",
    "$ bakery torcx ": "torcx/test_convert.py",
    "install -D docker-": "e2e/test_provision.py",
    "set -e\nurl=": "e2e/test_provision.py",
    "set -e\npart()": "e2e/test_provision.py",
    'set -e\ncd "$(mktemp -d)"': "e2e/test_channel_trust.py",
    "extensions ": "e2e/test_hosts.py",
    "journalctl --boot --priority=err --unit=extensions-update": "e2e/test_hosts.py",
    "gpg --quick-generate-key": "test_documents.py",
    "$ python3 -m venv .venv": "../noxfile.py",
    "$ pip install ": "../noxfile.py",
    "$ pytest -m ": "../noxfile.py",
    "$ ruff check . ": "../noxfile.py",
    "$ bakery new just --pypi rust-just": "e2e/test_new.py",
    "$ bakery try ": "e2e/test_new.py",
    "$ bakery lint ": "scaffold/test_lint.py",
    "$ doit build:": "e2e/test_build.py",
    "$ doit boot:": "e2e/test_boot.py",
    "$ find dist/stage/": "e2e/test_build.py",
    "openssl ": "image/verity/test_signing.py",
    "$ bakery mirror ": "e2e/test_mirror.py",
    "$ BAKERY_PUBLISH_URL=": "e2e/test_mirror.py",
    "$ BAKERY_MIRROR=": "e2e/test_mirror.py",
    "sed -i 's|^Path=": "e2e/test_mirror.py",
}
WORDS = re.compile(r"`((?:bakery|doit) [^`]+)`|^ {4}((?:bakery|doit) .+)$", re.MULTILINE)
DRAFTED = "just"  # the recipe that CONTRIBUTING writes
TASKS = {"site", "build", "boot", "release", "stage", "publish", "channel", "clean", "list"}


def blocks(language: str) -> list[str]:
    found = [match for text in TEXTS.values() for match in BLOCK.finditer(text)]
    return [
        re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        for match in found
        if match["language"] == language
    ]


@pytest.mark.parametrize("block", [*blocks("console"), *blocks("sh")])
def test_each_block_is_run(block: str) -> None:
    commands = [block]
    if block.startswith("$ "):
        commands = [f"$ {each}" for each in block.split("$ ")[1:]]
    for command in commands:
        tests = [file for start, file in RUN_BY.items() if command.startswith(start)]
        assert len(tests) == 1, command
        assert (ROOT / "tests" / tests[0]).is_file()


def commands(program: str) -> list[str]:
    found = {"".join(each) for text in TEXTS.values() for each in WORDS.findall(text)}
    return sorted(each for each in found if each.startswith(f"{program} "))


def written(program: str) -> list[str]:
    """Return the commands in prose and in consoles, without what a shell does with their output."""
    prompts = {
        line.removeprefix("$ ")
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith(f"$ {program} ")
    }
    return sorted({each.partition(" > ")[0] for each in {*commands(program), *prompts}})


@pytest.mark.parametrize("line", written("bakery"))
def test_each_command_takes_what_is_written(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *words = shlex.split(line.replace("…", "x"))[1:]
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    monkeypatch.chdir(tmp_path)
    Path("DIR").mkdir()
    for word in words:
        if word.endswith((".raw", ".p7s")):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    if words:
        command.make_context(name, words)


@pytest.mark.parametrize("line", written("doit"))
def test_each_task_is_one(line: str) -> None:
    arguments, _ = selection._without_trace(shlex.split(line)[1:])
    for word in (each for each in arguments if not each.startswith("-")):
        task, _, name = word.partition(":")
        assert task in {*TASKS, "tabcompletion", "bash", "all"}, line
        recipes = [path.name for path in (ROOT / "recipes").iterdir()]
        recipe = max((each for each in recipes if name.startswith(each)), key=len, default="")
        if name not in ("", "NAME") and not name.startswith(DRAFTED):
            version = name.removeprefix(recipe).lstrip("-")
            versions = lock.read(ROOT / "recipes" / recipe / "lock.json").tags
            assert not version or version.removesuffix("-x86-64").removesuffix("-arm64") in versions


@needs.programs("gpg")
def test_a_new_key_beside_an_old_one(person: Person, tmp_path: Path) -> None:
    (block,) = [each for each in blocks("sh") if each.startswith("gpg --quick")]
    old = person.key("My bakery 2026")
    gpg = f"gpg() {{ command gpg --homedir {person.home} --batch --passphrase '' \"$@\"; }}\n"
    lines = block.replace("OLD NEW", f"{old} 'My bakery 2027'")
    subprocess.run(["sh", "-euc", gpg + lines], cwd=tmp_path, check=True, capture_output=True)
    shown = person.gpg("--show-keys", tmp_path / "import-pubring.gpg").decode()
    assert "My bakery 2026" in shown
    assert "My bakery 2027" in shown
