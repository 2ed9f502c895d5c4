"""Hosts go on believing the keys that they have believed, the vendor's too."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.openpgp import Person
from harness.shells import SHELLS

from bakery.provision import install, keys
from bakery.provision.errors import ProvisionError
from bakery.provision.host_root import HostRoot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = needs.programs("gpg")
PROGRAM = Path(keys.__file__).with_name("keys.sh")
ETC, VENDOR = "etc/systemd/import-pubring", "usr/lib/systemd/import-pubring"
OURS = "opt/extensions/app/import-pubring.gpg"


@pytest.fixture(scope="module")
def people() -> Iterator[dict[str, Person]]:
    found = {name: Person() for name in ("ours", "vendor", "other")}
    for name, each in found.items():
        each.key(name)
    yield found
    for each in found.values():
        each.close()


def by_python(root: Path) -> str | None:
    host = HostRoot(root)
    try:
        install._apply(keys.changes(host), host)
    except ProvisionError as error:
        return str(error)
    return None


def by_shell(shell: str) -> Callable[[Path], str | None]:
    def add(root: Path) -> str | None:
        program = [*shell.split(), str(PROGRAM)]
        environment = {"PATH": "/usr/bin:/bin", "root": str(root)}
        done = subprocess.run(program, env=environment, capture_output=True, check=False)
        return done.stderr.decode() if done.returncode else None

    return add


ways = pytest.mark.parametrize("add", [by_python, *map(by_shell, SHELLS)], ids=["py", *SHELLS])


def put(root: Path, path: str, data: bytes) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def believed(file: Path, home: Path) -> list[str]:
    """Return the names of the keys that gpg finds in a file as systemd-pull gives it."""
    home.mkdir(mode=0o700, exist_ok=True)
    command = ["gpg", "--homedir", str(home), "--no-default-keyring", f"--keyring={file}"]
    listed = subprocess.run(
        [*command, "--with-colons", "--list-keys"], capture_output=True, text=True, check=True
    )
    return sorted(line.split(":")[9] for line in listed.stdout.splitlines() if line[:3] == "uid")


@ways
@pytest.mark.parametrize("form", ["packets", "armored", "keybox", "none"])
@pytest.mark.parametrize("suffix", [".gpg", ".pgp"])
def test_all_keys_are_believed(
    tmp_path: Path,
    people: dict[str, Person],
    form: str,
    suffix: str,
    add: Callable[[Path], str | None],
) -> None:
    put(tmp_path, OURS, people["ours"].gpg("--export"))
    put(tmp_path, VENDOR + suffix, people["vendor"].gpg("--export"))
    others = {
        "packets": people["other"].gpg("--export"),
        "armored": people["other"].gpg("--armor", "--export"),
        "keybox": (people["other"].home / "pubring.kbx").read_bytes(),
    }
    if form in others:
        put(tmp_path, ETC + suffix, others[form])
    contents = set()
    for _ in range(2):
        assert add(tmp_path) is None
        ring = tmp_path / f"{ETC}{suffix if form in others else '.gpg'}"
        contents.add(ring.read_bytes())
        expected = ["ours", *["other"] * (form in others), "vendor"]
        assert believed(ring, tmp_path / "home") == sorted(expected)
    assert len(contents) == 1
    assert (tmp_path / f"{ETC}.pgp").exists() == (suffix == ".pgp" and form in others)


@ways
def test_keys_behind_a_link_stay(
    tmp_path: Path, people: dict[str, Person], add: Callable[[Path], str | None]
) -> None:
    put(tmp_path, OURS, people["ours"].gpg("--export"))
    elsewhere = put(tmp_path, "etc/systemd/keys/ring", people["other"].gpg("--export"))
    before = elsewhere.read_bytes()
    ring = tmp_path / f"{ETC}.gpg"
    ring.symlink_to("keys/ring")
    assert add(tmp_path) is None
    assert believed(ring, tmp_path / "home") == ["other", "ours"]
    assert elsewhere.read_bytes() == before


@ways
def test_what_holds_no_keys_is_left_as_it_is(
    tmp_path: Path, people: dict[str, Person], add: Callable[[Path], str | None]
) -> None:
    put(tmp_path, OURS, people["ours"].gpg("--export"))
    ring = put(tmp_path, f"{ETC}.gpg", b"no keys")
    said = add(tmp_path)
    assert said is not None
    assert "gpg --no-default-keyring --keyring" in said
    assert ring.read_bytes() == b"no keys"
    assert [path.name for path in ring.parent.iterdir()] == ["import-pubring.gpg"]


@ways
def test_keys_go_as_they_came(
    tmp_path: Path, people: dict[str, Person], add: Callable[[Path], str | None]
) -> None:
    ours = put(tmp_path, OURS, people["ours"].gpg("--export"))
    put(tmp_path, f"{VENDOR}.gpg", people["vendor"].gpg("--export"))
    ring = put(tmp_path, f"{ETC}.gpg", people["other"].gpg("--export"))
    before = ring.read_bytes()
    assert add(tmp_path) is None
    ours.unlink()
    (tmp_path / f"{VENDOR}.gpg").unlink()
    assert add(tmp_path) is None
    assert ring.read_bytes() == before
    assert not list((tmp_path / "etc/systemd/extensions-keys").iterdir())


@ways
def test_keys_that_were_there_before_stay(
    tmp_path: Path, people: dict[str, Person], add: Callable[[Path], str | None]
) -> None:
    ours = put(tmp_path, OURS, people["ours"].gpg("--export"))
    ring = put(tmp_path, f"{ETC}.gpg", people["other"].gpg("--export") + ours.read_bytes())
    before = ring.read_bytes()
    assert add(tmp_path) is None
    ours.unlink()
    assert add(tmp_path) is None
    assert ring.read_bytes() == before


@ways
def test_new_keys_of_the_vendor_come_first(
    tmp_path: Path, people: dict[str, Person], add: Callable[[Path], str | None]
) -> None:
    put(tmp_path, OURS, people["ours"].gpg("--export"))
    put(tmp_path, f"{VENDOR}.gpg", people["vendor"].gpg("--export"))
    assert add(tmp_path) is None
    put(tmp_path, f"{VENDOR}.gpg", people["other"].gpg("--export"))
    assert add(tmp_path) is None
    ring = tmp_path / f"{ETC}.gpg"
    assert believed(ring, tmp_path / "home") == ["other", "ours"]
    assert ring.read_bytes().startswith(people["other"].gpg("--export"))
