"""The hosts' program, as far as it needs no host; tests/e2e/test_hosts.py boots some."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.shells import SHELLS

from bakery.provision import program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "extensions"
    path.write_text(program.script())
    return path


def run(shell: str, script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*shlex.split(shell), str(script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_its_usage_is_told(shell: str, script: Path) -> None:
    done = run(shell, script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("status", "update", "rollback", "pin", "unpin", "remove"):
        assert f"extensions {command}" in done.stdout
    for wrong in ([], ["upgrade"], ["pin", "app"], ["rollback"], ["remove", "a", "b"]):
        done = run(shell, script, *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("usage: extensions")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_not_installed_is_not_changed(shell: str, script: Path) -> None:
    for words in (["unpin", "nothing-here"], ["remove", "nothing-here"]):
        done = run(shell, script, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "there is no extension nothing-here in /opt/extensions" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["..", ".", "", "app/..", "ap", "another app"])
def test_a_name_is_one_that_is_installed(
    shell: str, script: Path, tmp_path: Path, name: str
) -> None:
    for each in ("app", "another"):
        (tmp_path / "images" / each).mkdir(parents=True)
    text = script.read_text().replace("images=/opt/extensions", f"images={tmp_path}/images", 1)
    script.write_text(text)
    done = run(shell, script, "unpin", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no extension {name} in {tmp_path}/images" in done.stderr


def functions(script: Path, *lines: str) -> str:
    """Return a script with the program's functions, and lines in the place of its commands."""
    text = script.read_text()
    return text[: text.index("\narch=$(uname -m)")] + "\n" + "\n".join(lines)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("version", "pin", "does"),
    [
        ("1.2.3", "", True),
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "1.2", True),
        ("1.20.3", "1.2", False),
        ("v1.32.2+k3s1", "v1.32.2", True),
        ("v1.32.2+k3s1", "v1.33", False),
    ],
)
def test_versions_fit_pins(shell: str, script: Path, version: str, pin: str, *, does: bool) -> None:
    text = functions(script, f"fits {shlex.quote(version)} {shlex.quote(pin)}")
    command = [*shlex.split(shell), "-c", text]
    assert subprocess.run(command, check=False).returncode == (0 if does else 1)


@pytest.mark.parametrize("shell", SHELLS)
def test_state_is_kept_by_key(shell: str, script: Path, tmp_path: Path) -> None:
    lines = [
        f"states={shlex.quote(str(tmp_path))}",
        "put app pin 1.2",
        "put app shunned '3.0 4.0'",
        "put app pin ''",
        "put app last 'a \"b\" \\c'",
        "get app shunned",
        'quoted "$(get app last)"',
    ]
    command = [*shlex.split(shell), "-c", functions(script, *lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == '3.0 4.0\n"a \\"b\\" \\\\c"'
    assert (tmp_path / "app.state").read_text() == 'shunned=3.0 4.0\nlast=a "b" \\c\n'
    assert [path.name for path in tmp_path.glob(".*")] == []


STACK = """
mount -t tmpfs tmpfs /opt && mkdir -p /opt/extensions/app /opt/empty
for layer in $(seq "$1"); do
  mount -t overlay -o lowerdir=/opt/empty:/usr overlay /usr
done
shift
exec "$@"
"""


def on_overlays(count: int, script: Path, *words: str) -> str:
    """Run the program where /usr is so many overlays upon each other, as composefs is one."""
    command = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-euc", STACK, "sh"]
    command += [str(count), *words[:1], str(script), *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@needs.ROOT
def test_a_kernel_that_cannot_stack_an_overlay_is_told_by_status(script: Path) -> None:
    assert on_overlays(0, script, "sh", "status") == on_overlays(1, script, "sh", "status")
    assert "obstacle" not in on_overlays(1, script, "sh", "status")
    for shell in ("dash", "bash"):
        said = on_overlays(2, script, shell, "status", "app")
        assert "  obstacle no overlay can be put on /usr, which is overlayfs, by Linux" in said
        assert "boot another kernel, such as 6.18.5" in said
    (told,) = json.loads(on_overlays(2, script, "sh", "status", "--json"))
    assert told["obstacle"].startswith("no overlay can be put on /usr")
    (told,) = json.loads(on_overlays(1, script, "sh", "status", "--json"))
    assert told["obstacle"] is None


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("label", "enforced", "knows"),
    [
        ("system_u:object_r:unlabeled_t:s0", "1", False),
        ("system_u:object_r:unlabeled_t:s0", "0", True),
        ("system_u:object_r:lib_t:s0", "1", True),
    ],
)
def test_files_that_a_policy_has_no_label_for_are_told_by_status(
    shell: str, script: Path, tmp_path: Path, label: str, enforced: str, *, knows: bool
) -> None:
    (tmp_path / "enforce").write_text(f"{enforced}\n")
    (tmp_path / "released.app").write_text("SYSEXT_VERSION_ID=1.0\n")
    text = functions(
        script,
        f"released={shlex.quote(str(tmp_path / 'released'))}",
        f"stat() {{ echo {label}; }}",  # no file here has one that the kernel would show
        "obstacle app",
    ).replace("/sys/fs/selinux/enforce", str(tmp_path / "enforce"))
    command = [*shlex.split(shell), "-c", text]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("" if knows else "SELinux is enforced, and its policy knows no label of")
    assert bool(said) != knows
