"""What the programs that a build and a boot start are told: watched by strace."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from harness import needs
from harness.debian import ROOTS
from harness.project import TOOL, TOOL_URL, digest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.mirror import Mirror
    from harness.project import Project

pytestmark = [needs.ROOT, needs.programs("strace", "systemd-nspawn", "debootstrap", "mksquashfs")]
SECRETS = {
    "BAKERY_SIGNING_PASSPHRASE": "hidden-1",
    "GITHUB_TOKEN": "hidden-2",
    "AWS_SECRET_ACCESS_KEY": "hidden-3",
    "https_proxy": "http://me:hidden-4@127.0.0.1:9",
    "ANYTHING_ELSE": "hidden-5",
}
_STARTED = re.compile(r'execve\("[^"]*/([^"/]+)", (\[.*?\]), (\[.*)')


@needs.X86_64
def test_no_program_of_a_build_and_a_boot_is_told_a_secret(
    project: Project, mirror: Mirror, tmp_path: Path
) -> None:
    tool = mirror.place(TOOL_URL)
    shutil.copy("/bin/true", tool)
    recipe = f"{TOOL}os: {{id: debian, version: '12'}}\n"
    commands = "commands: [{run: [tool, --version]}]\n"
    project.add("tool", **{"recipe.yaml": recipe, "check.yaml": commands})
    project.lock("tool", "1.0", {TOOL_URL: digest(tool)})
    project.store.mkdir()
    (project.store / "machines").symlink_to(ROOTS)
    log = tmp_path / "started"
    doit = project.command("doit", "check:tool-1.0-x86-64", "boot:tool-1.0-x86-64")
    done = subprocess.run(
        ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "execve", "-v", "-s9999", "-o", log, *doit],
        cwd=project.root,
        env={**project.environment, "BAKERY_MACHINES": "nspawn:bookworm", **SECRETS},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    started = [match for match in map(_STARTED.search, log.read_text().splitlines()) if match]
    assert "hidden-2" in started[0][3]  # the work itself is told
    names = {match[1] for match in started}
    assert {"setpriv", "mksquashfs", "systemd-nspawn"} <= names
    told = {match[1] for match in started[1:] if "hidden-" in match[2] + match[3]}
    assert told == set()
