"""Whatever consumers are given, they end with a message or with success: never with a traceback."""

from __future__ import annotations

import json
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from harness.released import channel, index, release
from harness.server import Handler, Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakery.characters import hidden_at
from bakery.cli import main
from bakery.http.retry import RetryPolicy
from bakery.provision import install
from bakery.registry.files import Files
from bakery.release import document, reader, sums
from bakery.release import index as indexes

if TYPE_CHECKING:
    from pathlib import Path

GARBAGE = {
    "nothing": b"",
    "zeros": bytes(4096),
    "no-utf8": b"\xff\xfe\xfd",
    "other-json": b"[]",
    "null": b"null",
    "deep": b"[" * 200_000,
    "deep-object": b'{"a":' * 100_000,
    "long-number": b"1" * 5000,
    "large-exponent": b'{"releases": 1e999}',
    "lone-surrogate": b'"\\ud800"',
    "html": b"<!doctype html><title>404</title>",
    "elf": b"\x7fELF" + bytes(60),
    "squashfs": b"hsqs" + bytes(range(256)),
    "gzip": b"\x1f\x8b\x08" + b"\xff" * 64,
    "openpgp": b"\x99\xff\xff\xff\xff",
    "lines": b"\n" * 5000,
}
FILES = (sums.FILE, sums.SIGNATURE, document.FILE, "app-1.0-x86-64.raw")
CHANNEL_FILES = (*FILES[:2], indexes.CHANNEL, "app.transfer", "import-pubring.gpg")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TYPICAL: list[object] = [None, "", "x", "../..", "a\nb", -1, 1 << 70, 1.5, "9" * 5000]
TYPICAL += [[], {}, [None], {"a": {}}]
once = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run(*words: str | Path, home: Path) -> str:
    """Run a command, which may fail, but not with an exception; return what it said."""
    environment = {"BAKERY_PUBLISH_URL": (home / "site").as_uri(), "HOME": str(home)}
    done = CliRunner().invoke(main, [str(word) for word in words], env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert "Traceback" not in done.output
    assert hidden_at(done.output, allowed="\n\t") is None
    return done.output


def consume(reference: str, home: Path) -> None:
    """Have every consumer meet what is published."""
    root = home / "root"
    for name in ("etc", "usr"):
        (root / name).mkdir(parents=True, exist_ok=True)
    site = home / "site"
    run("verify-release", "--unsigned", site / reference, home=home)
    run("provision", "--unsigned", reference, home=home)
    run("install", "--unsigned", reference, "--root", root, home=home)
    if (site / "keys").exists():
        run("verify-release", "--keyring", site / "keys", site / reference, home=home)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    site = tmp_path / "site"
    release(site, "app", "1.0", {"x86-64": b"app 1.0"})
    channel(site, "app", "https://example.com", "1.0")
    return tmp_path


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    client = partial(Files, retry=RetryPolicy(sleep=lambda _: None))
    monkeypatch.setattr(reader, "Files", client)
    monkeypatch.setattr(install, "Files", client)


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("reference", ["app-1.0", "app"])
def test_files_that_are_garbage(home: Path, reference: str, garbage: bytes) -> None:
    folder = home / "site" / reference
    (home / "site/keys").write_bytes(garbage)
    for name in FILES if reference == "app-1.0" else CHANNEL_FILES:
        path = folder / name
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(garbage)
        consume(reference, home)
        if name not in (sums.FILE, sums.SIGNATURE):
            index(folder)  # by a publisher who lists what is there
            consume(reference, home)
        path.unlink() if before is None else path.write_bytes(before)
        index(folder)


def mutated(path: Path, keys: list[Any], value: object) -> None:
    """Change one value in a JSON file."""
    data = json.loads(path.read_bytes())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(data))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in plain data."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        place
        for key, each in inner
        for place in (
            (*path, key),
            *(places(each, (*path, key)) if isinstance(each, (dict, list)) else ()),
        )
    ]


@pytest.mark.parametrize(
    ("reference", "file"), [("app-1.0", document.FILE), ("app", indexes.CHANNEL)]
)
def test_documents_with_one_wrong_value(home: Path, reference: str, file: str) -> None:
    path = home / "site" / reference / file
    before = path.read_bytes()
    for keys in places(json.loads(before)):
        for value in TYPICAL:
            path.write_bytes(before)
            mutated(path, list(keys), value)
            index(path.parent)
            run("verify-release", "--unsigned", path.parent, home=home)
            run("provision", "--unsigned", "--format", "shell", reference, home=home)


@once
@given(value=json_values)
def test_documents_that_are_any_json(home: Path, value: object) -> None:
    for reference, file in (("app-1.0", document.FILE), ("app", indexes.CHANNEL)):
        path = home / "site" / reference / file
        path.write_text(json.dumps(value))
        index(path.parent)
        consume(reference, home)


@once
@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/")))
def test_references_that_are_any_text(home: Path, name: str) -> None:
    for words in (
        ["provision", "--", name],
        ["install", "--root", home / "root", "--", name],
        ["uninstall", "--root", home / "root", "--", name],
        ["verify-release", "--unsigned", "--", name],
        ["provision", "--", f"https://127.0.0.1:1/{name}"],
        ["verify-release", "--unsigned", "--", f"{name}://{name}"],
    ):
        run(*words, home=home)


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_images_that_are_garbage(home: Path, garbage: bytes) -> None:
    image = home / "app-1.0-x86-64.raw"
    image.write_bytes(garbage)
    run("check", image, home=home)
    run("provision", "--offline", image, home=home)
    run("install", image, "--root", home / "root", home=home)
    shutil.copy(image, home / "app:1.0.torcx.tgz")
    run("torcx", home / "app:1.0.torcx.tgz", home=home)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        b"HTTP/1.1 99999 \r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://[\r\n\r\n",
        b"HTTP/1.1 302 Moved\r\nLocation: gopher://x/%0a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes " + b"1" * 5000 + b"-2/3\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip",
        b"HTTP/1.1 200 OK\r\n\xff\xfe: \x1b[2J\r\n\r\n",
        b"HTTP/1.1 404 \x1b[2J Nothing\r\n\r\n",
    ],
)
def test_servers_that_answer_garbage(home: Path, answer: bytes) -> None:
    class Garbled(Handler):
        def get(self) -> None:
            self.wfile.write(answer)

    with Server(Garbled) as server:
        run("verify-release", "--unsigned", f"{server.url}/app-1.0", home=home)
        run("provision", f"{server.url}/app", home=home)
