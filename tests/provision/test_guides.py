"""The guides show what the commands in them write."""

from __future__ import annotations

import base64
import re
import shlex
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from bakery import cli

if TYPE_CHECKING:
    from bakery.settings import Settings

SHOWN = re.compile(r"```console\n\$ (bakery provision .*)\n```\n\n```\w+\n(.*?)```\n", re.DOTALL)
GUIDES = [
    guide
    for guide in sorted((Path(__file__).parents[2] / ".github/docs").glob("*.md"))
    if "$ bakery provision " in guide.read_text("utf-8")
]


@pytest.fixture(autouse=True)
def project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the guides' commands find releases."""
    monkeypatch.setenv("BAKERY_PUBLISH_URL", settings.publish_url)
    monkeypatch.chdir(settings.root)


def written(command: str) -> str:
    done = CliRunner().invoke(cli.main, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_what_a_guide_runs_is_right(guide: Path) -> None:
    for command in re.findall(
        r"^\$ (bakery provision .*)$", guide.read_text("utf-8"), re.MULTILINE
    ):
        assert written(command)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_shows_what_is_written(guide: Path, settings: Settings, published: Path) -> None:
    found = SHOWN.search(guide.read_text("utf-8"))
    assert found is not None
    shown = written(found[1]).replace(settings.publish_url, "https://example.com/releases")
    keys = (published / "docker/import-pubring.gpg").read_bytes()
    mine = b"public keys"
    shown = shown.replace(base64.b64encode(keys).decode(), base64.b64encode(mine).decode())
    shown = shown.replace(sha256(keys).hexdigest(), sha256(mine).hexdigest())
    parts = [re.escape(part) for part in re.split(r"^ *…\n", found[2], flags=re.MULTILINE)]
    assert re.fullmatch(".*".join(parts), shown, re.DOTALL), shown
