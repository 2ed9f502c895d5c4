"""What an extension has made on a host, and what of it stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from harness import needs
from harness.shells import SHELLS

from bakery.cli import main
from bakery.provision import record
from bakery.provision.host_config import Laid
from bakery.provision.stays import stays

FUNCTIONS = Path(record.__file__).with_name("record.sh")
SETUP = """[Service]
ExecStart=/usr/bin/systemd-sysusers app.conf
ExecStart=/usr/bin/systemd-tmpfiles --create app.conf /usr/share/app/tmpfiles.conf
"""
TREE = {
    "usr/lib/systemd/system/app-setup@.service": SETUP,
    "usr/lib/systemd/system/multi-user.target.d/10-app.conf": "[Unit]\nUpholds=app.service\n",
    "usr/lib/systemd/system/app.service": "[Service]\nStateDirectory=app\nLogsDirectory=app\n",
    "usr/lib/sysusers.d/app.conf": 'u app - "The app"\nm app video\nu gone - "Gone"\n',
    "usr/lib/tmpfiles.d/app.conf": "d /run/app\nd /var/spool/app\n",
    "usr/share/app/tmpfiles.conf": "C /etc/app/app.conf - - - - /usr/share/app/app.conf\n",
}
LEFT = ["/etc/app/app.conf", "/var/lib/app", "account app"]


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path / "tree", TREE)
    return tmp_path / "tree"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system in which it has run, made its state and settings, and no logs."""
    folder = tmp_path / "root"
    write(folder, {"etc/app/app.conf": "mine", "var/lib/app/data": "", "run/app/socket": ""})
    write(folder, {"etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:999:999::/var/lib/app:\n"})
    (folder / "usr").mkdir()
    return folder


@pytest.mark.parametrize("shell", SHELLS)
def test_hosts_tell_what_stays(shell: str, tree: Path, root: Path) -> None:
    script = f'set -eu\nusr={tree}/usr top={root}\n. {FUNCTIONS}\nsay_stays "$(stays app)"\n'
    told = subprocess.run(
        [*shell.split(), "-c", script], check=True, capture_output=True, text=True
    )
    assert told.stdout.splitlines() == [f"stays, and is yours to remove: {each}" for each in LEFT]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_made_nothing_leaves_nothing(shell: str, root: Path) -> None:
    script = f'set -eu\nusr={root}/usr top={root}\n. {FUNCTIONS}\nsay_stays "$(stays app)"\n'
    told = subprocess.run([*shell.split(), "-c", script], check=True, capture_output=True)
    assert told.stdout + told.stderr == b""


@needs.programs("mksquashfs", "unsquashfs")
def test_in_a_mounted_root(tree: Path, root: Path) -> None:
    image = root / "opt/extensions/app/app-1.0-x86-64.raw"
    image.parent.mkdir(parents=True)
    subprocess.run(["mksquashfs", tree, image, "-quiet"], check=True, capture_output=True)
    link = root / "etc/extensions/app.raw"
    link.parent.mkdir()
    link.symlink_to("/opt/extensions/app/app-1.0-x86-64.raw")
    laid = [
        Laid(kind="link", path="/etc/extensions/app.raw", proof="/opt/extensions/app/*"),
        Laid(kind="file", path="/opt/extensions/app/app-1.0-x86-64.raw", proof="*"),
    ]
    (image.parent / "installed").write_bytes(record.encode(laid))
    assert stays("app", root) == LEFT
    told = CliRunner().invoke(main, ["uninstall", "app", "--root", str(root)])
    assert told.output.splitlines() == [
        "removed /etc/extensions/app.raw",
        "removed /opt/extensions/app/app-1.0-x86-64.raw",
        *(f"stays, and is yours to remove: {each}" for each in LEFT),
    ]
    assert (root / "etc/app/app.conf").read_text() == "mine"
    assert stays("app", root) == []
    again = CliRunner().invoke(main, ["uninstall", "app", "--root", str(root)])
    assert "was not installed here" in again.output
