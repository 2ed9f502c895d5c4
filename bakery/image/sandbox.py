"""Running a recipe's own script: without network, and with nothing but the tree to write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.tools import Tool, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUBBLEWRAP = Tool(program="bwrap", apt="bubblewrap")

_TREE = "/tree"
_SCRIPT = "/prepare"


def run_sandboxed(script: Path, tree: Path, values: Mapping[str, str]) -> None:
    """Run a script in a tree (bwrap(1)).

    The script sees the build machine's /usr read-only, an empty /tmp, and the tree at its current
    folder, the one place where what it writes stays. There is no network, and of the environment
    only PATH, HOME and `values`.

    Raises:
        MissingToolError: bubblewrap is not installed.
        ToolFailedError: the script failed.

    """
    command = [BUBBLEWRAP.require(), "--unshare-all", "--die-with-parent", "--new-session"]
    command += ["--ro-bind", "/usr", "/usr", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108  the sandbox's own
    for name in ("bin", "sbin", "lib", "lib64"):
        command += ["--symlink", f"usr/{name}", f"/{name}"]
    command += ["--bind", str(tree), _TREE, "--ro-bind", str(script), _SCRIPT, "--chdir", _TREE]
    command += ["--clearenv", "--setenv", "PATH", "/usr/bin:/usr/sbin", "--setenv", "HOME", "/tmp"]  # noqa: S108  the sandbox's own
    for name, value in values.items():
        command += ["--setenv", name, value]
    run([*command, "--", _SCRIPT], what=f"the script {script.name} failed")
