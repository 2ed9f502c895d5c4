"""README, the guides and the recipes' READMEs: what they name exists, and commands are run."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from harness import needs

from bakery import cli, settings
from bakery.build import selection
from bakery.recipe.load import Recipes

if TYPE_CHECKING:
    from harness.openpgp import Person

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / ".github/docs").glob("*.md"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / ".github").glob("*.md")), *GUIDES]
TEXTS = {path.name: path.read_text("utf-8") for path in DOCUMENTS}
READMES = {path: path.read_text("utf-8") for path in (ROOT / "recipes").glob("*/README.md")}
EVERYTHING = {**READMES, **{path: TEXTS[path.name] for path in DOCUMENTS}}
RECIPES = Recipes(ROOT / "recipes")
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
    "$ bakery new ruff --pypi ruff": "e2e/test_new.py",
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
# The guides about the options of a command, and the scripts whose messages guides explain
OPTIONS = {"first-boot.md": "provision", "air-gap.md": "mirror"}
MESSAGES = {"updates.md": "extensions.sh", "registry.md": "registry.sh"}
SAID_BY_CURL = {"Failed to connect", "Could not resolve host"}
ABOUT = re.compile(r"^- \*\*(.+?)\*\*(.*?)(?=\n- |\n\n)", re.MULTILINE | re.DOTALL)
WORDS = re.compile(r"`((?:bakery|doit) [^`]+)`|^ {4}((?:bakery|doit) .+)$", re.MULTILINE)
DRAFTED = "ruff"  # the recipe that CONTRIBUTING writes
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
    tasks = {each.partition(":")[0] for each in arguments if not each.startswith("-")}
    assert tasks <= {*TASKS, "tabcompletion", "bash", "all"}
    assert "--dry-run" not in arguments or line.split()[1].startswith(("publish:", "channel:"))


def test_the_readme_counts_rules_and_recipes() -> None:
    assert "Over ninety rules" in TEXTS["README.md"]
    assert "over a hundred recipes" in TEXTS["README.md"]
    listed = CliRunner().invoke(cli.main, ["rules"]).output
    assert 90 < len(re.findall(r"^[a-z-]+ \(", listed, re.MULTILINE)) < 100
    assert len(RECIPES) > 100


def test_what_is_drafted_is_in_no_catalogue_yet() -> None:
    drafted = {line.split()[2] for line in written("bakery") if line.startswith("bakery new ")}
    assert DRAFTED in drafted
    assert drafted & set(RECIPES) == set()


def test_each_release_and_channel_that_is_named_is_one() -> None:
    names = "|".join(map(re.escape, sorted(RECIPES, key=len, reverse=True)))
    release = re.compile(rf"(?<![\w-])({names})-(v?\d+\.[\w.+~-]*\w)")
    for path, text in EVERYTHING.items():
        for name, rest in release.findall(text):
            version = re.sub(r"(-(x86-64|arm64))?(\.verity)?(\.raw)?$", "", rest)
            source = RECIPES[name]
            series = {tag for tag in source.lock.tags if tag.startswith(f"{version}.")}
            followed = series and "minor" in source.recipe.channels
            assert version in source.lock.tags or followed or not source.lock.tags, (path, name)


def test_each_command_and_task_that_messages_name_is_one() -> None:
    named = re.compile(r'(?:`|fix=f?"|run: )(bakery|doit) ([a-z][a-z-]+)')
    known = {
        "bakery": set(cli.main.list_commands(click.Context(cli.main))),
        "doit": {*TASKS, "squash", "check", "fetch", "ignore", "help"},
    }
    for path in (ROOT / "bakery").rglob("*.py"):
        for program, word in named.findall(path.read_text("utf-8")):
            assert word in known[program], (path, word)


def test_each_variable_that_is_named_is_read() -> None:
    code = [*(ROOT / "bakery").rglob("*.py"), *(ROOT / ".github/workflows").iterdir()]
    read = {f"BAKERY_{name.upper()}" for name in settings.NAMES}
    for path in code:
        read |= set(re.findall(r"BAKERY_[A-Z_]+", path.read_text("utf-8")))
    for path, text in EVERYTHING.items():
        assert set(re.findall(r"BAKERY_[A-Z_]+", text)) <= read, path


def test_each_path_of_the_repository_that_is_named_is_there() -> None:
    folder = re.compile(r"`((?:tests|recipes|\.github|\.locks|\.ci)/[\w./-]+)`")
    for document, text in TEXTS.items():
        for path in folder.findall(text):
            drafted = path.startswith(f"recipes/{DRAFTED}")
            assert drafted or (ROOT / path).exists(), (document, path)


def test_links_lead_somewhere() -> None:
    for path, text in EVERYTHING.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^#)]*)#?([^)]*)\)", text):
            there = path.parent / target if target else path
            assert there.exists(), (path, target)
            titles = re.findall(r"^#+ (.+)$", there.read_text() if anchor else "", re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles}
            assert not anchor or anchor in anchors, (path, target, anchor)


@pytest.mark.parametrize(("guide", "name"), OPTIONS.items())
def test_each_option_in_a_table_is_one(guide: str, name: str) -> None:
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    known = {option for each in command.params for option in each.opts}
    rows = re.findall(r"^\| (`--.+?) \|", TEXTS[guide], re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", " ".join(rows))) <= known
    assert len(rows) > 5


@pytest.mark.parametrize(("guide", "script"), MESSAGES.items())
def test_each_message_in_a_table_is_said(guide: str, script: str) -> None:
    said = (ROOT / "bakery/provision" / script).read_text("utf-8")
    table = TEXTS[guide].partition("| it says |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    assert len(rows) > 3
    for message in re.findall(r"`(.+?)`", " ".join(rows)):
        for part in re.split(r" ?(?:…|[A-Z]{2,} …|/etc/extensions|\b\d{3}\b) ?", message):
            assert part in said or message in SAID_BY_CURL, part


def test_the_readme_of_a_recipe_tells_what_it_asks_of_hosts() -> None:
    for path, text in READMES.items():
        recipe = RECIPES[path.parent.name].recipe
        told = dict(ABOUT.findall(text))
        units = [each if isinstance(each, str) else each.unit for each in recipe.start]
        assert not (units and told["Starts"].startswith(" nothing")), path
        for title, named in {
            "Starts": units,
            "Needs": recipe.requires,
            "Not together with": recipe.conflicts,
            "Mask on Flatcar": recipe.replaces,
        }.items():
            missing = set(named) - set(re.findall(r"[`\[]([^`\]]+)[`\]]", told.get(title, "")))
            assert not missing, (path, title)


def test_the_readme_of_a_recipe_names_commands_about_it() -> None:
    for path, text in READMES.items():
        for line in re.findall(r"`(bakery [^`]+)`", " ".join(text.split())):
            name, *words = line.split()[1:]
            command = cli.main.get_command(click.Context(cli.main), name)
            assert command is not None, line
            assert path.parent.name in words, line
            command.make_context(name, words)


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
