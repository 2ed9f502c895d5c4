"""Only what was laid is changed or removed: by the record, in Python and in sh."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness.shells import SHELLS

from bakery.provision import ownership, record
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import Laid
from bakery.provision.host_root import HostRoot

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = Path(record.__file__).with_name("record.sh")


def laid(kind: Any, path: str, proof: str = "") -> Laid:
    return Laid(kind=kind, path=path, proof=proof)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def put(root: Path, path: str, text: str) -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


APP = (
    laid("link", "/etc/extensions/app.raw", "*/opt/extensions/app/app-*-x86-64.raw"),
    laid("link", "/etc/extensions/built-in.raw", "/dev/null"),
    laid("file", "/etc/sysupdate.app.d/app.conf", digest("ours")),
    laid("file", "/etc/systemd/system/app.timer", digest("ours")),
    laid("shared", "/etc/systemd/system/merge.conf", digest("ours")),
    laid("images", "/opt/extensions/app/app-*-x86-64.raw"),
)
OTHER = (laid("link", "/etc/extensions/built-in.raw", "/dev/null"),)


def test_records_are_read_as_they_are_written() -> None:
    assert record.decode(record.encode(APP)) == APP
    assert record.encode(APP[:1]) == (
        b"link /etc/extensions/app.raw */opt/extensions/app/app-*-x86-64.raw\n"
    )


@pytest.mark.parametrize(
    "line",
    ["/etc/passwd", "file etc/passwd 0", "file /etc/../x 0", "dir /etc", "", "file /a\x1b 0"],
)
def test_other_lines_are_damage(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        record.decode(f"{line}\n".encode())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with an extension that was updated, and with files of others beside its own."""
    root = tmp_path / "root"
    for path in ("/etc/sysupdate.app.d/app.conf", "/etc/systemd/system/merge.conf"):
        put(root, path, "ours")
    put(root, "/etc/systemd/system/app.timer", "edited")
    for version in ("1.0", "2.0"):
        put(root, f"/opt/extensions/app/app-{version}-x86-64.raw", version)
    put(root, "/opt/extensions/app/mine.raw", "somebody's")
    put(root, "/etc/sysupdate.app.d/mine.conf", "somebody's")
    links = root / "etc/extensions"
    links.mkdir()
    (links / "app.raw").symlink_to("../../opt/extensions/app/app-2.0-x86-64.raw")
    (links / "built-in.raw").symlink_to("/dev/null")
    return root


def by_python(root: Path) -> None:
    host = HostRoot(root)
    ownership.write(host, "app", APP)
    ownership.write(host, "other", OTHER)
    ownership.take_away(host, "app", APP, ())


def by_shell(shell: str) -> Callable[[Path], None]:
    def take_away(root: Path) -> None:
        def moved(lines: tuple[Laid, ...]) -> bytes:
            text = record.encode(lines).decode()
            return text.replace(" /etc", f" {root}/etc").replace(" /opt", f" {root}/opt").encode()

        for name, lines in (("app", APP), ("other", OTHER)):
            written = root / f"opt/extensions/{name}/installed"
            written.parent.mkdir(exist_ok=True)
            written.write_bytes(moved(lines))
        script = f"set -eu\nrecords={root}/opt/extensions\n. {FUNCTIONS}\ntake_away app\n"
        subprocess.run([*shell.split(), "-c", script], check=True, capture_output=True)

    return take_away


@pytest.mark.parametrize("take_away", [by_python, *map(by_shell, SHELLS)], ids=["py", *SHELLS])
def test_only_what_was_laid_is_taken_away(root: Path, take_away: Callable[[Path], None]) -> None:
    take_away(root)
    left = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    assert left == {
        "etc/extensions/built-in.raw",
        "etc/systemd/system/app.timer",
        "etc/systemd/system/merge.conf",
        "etc/sysupdate.app.d/mine.conf",
        "opt/extensions/app/mine.raw",
        "opt/extensions/other/installed",
    }


def test_what_is_there_already_stays_somebody_elses(root: Path) -> None:
    host = HostRoot(root)
    ownership.write(host, "app", APP)
    mask = laid("link", "/etc/extensions/mask.raw", "/dev/null")
    (root / "etc/extensions/mask.raw").symlink_to("/dev/null")
    assert ownership.claim(host, "new", (mask, *OTHER)) == OTHER


@pytest.mark.parametrize(
    "path", ["etc/extensions/new.raw", "etc/extensions/new", "var/lib/extensions/new.raw"]
)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_others_have_in_the_place_is_refused(root: Path, path: str, kind: str) -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "file":
            place.write_text("somebody's")
        case "folder":
            place.mkdir()
        case _:
            place.symlink_to("/srv/new.raw")
    line = laid("link", "/etc/extensions/new.raw", "/opt/extensions/new/new-1.raw")
    with pytest.raises(ProvisionError, match="somebody else's files are in its place") as caught:
        ownership.claim(HostRoot(root), "new", (line,))
    assert caught.value.where == str(place)


def test_a_changed_file_of_ours_is_not_written_over(root: Path) -> None:
    host = HostRoot(root)
    ownership.write(host, "app", APP)
    with pytest.raises(ProvisionError, match="somebody else's") as caught:
        ownership.claim(host, "app", APP)
    assert caught.value.where == f"{root}/etc/systemd/system/app.timer"
