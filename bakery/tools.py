"""Programs of the system: found, run without a shell, explained when missing or failing."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.errors import BakeryError, MissingToolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LAST_LINES = 20


class ToolFailedError(BakeryError):
    """A program ran and reported failure."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program and the packages that bring it.

    Attributes:
        program: its name on PATH.
        apt: its package.
        dnf, zypper: its package for other package managers, where it has another name.
        brew: its package for macOS; None where there is none.

    """

    program: str
    apt: str
    dnf: str | None = None
    zypper: str | None = None
    brew: str | None = None

    def find(self) -> str | None:
        """Return the program's full path, or None when it is not installed.

        System folders are looked at too, since users other than root often lack them on PATH.
        """
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return shutil.which(self.program, path=path)

    def require(self) -> str:
        """Return the program's full path.

        Raises:
            MissingToolError: it is not installed; the error names the package to install.

        """
        found = self.find()
        if found is None:
            packages = {
                "apt": self.apt,
                "dnf": self.dnf or self.apt,
                "zypper": self.zypper or self.apt,
                "brew": self.brew,
            }
            raise MissingToolError(
                f"the program {self.program} is not installed",
                fix="\n".join(
                    f"{manager} install {package}"
                    for manager, package in packages.items()
                    if package
                ),
            )
        return found


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fix: str | None = None,
) -> str:
    """Run a command to its end and return what it wrote to standard output.

    The locale is C and the time zone UTC, so that output can be read by programs.

    Args:
        command: program and arguments; no shell is involved.
        what: what failed if it fails, as the first line of the error.
        env: variables that are set besides the caller's environment.
        cwd: the folder to run in.
        fix: what to do about a failure.

    Raises:
        ToolFailedError: the command could not be started or its exit status is not 0.

    """
    line = shlex.join(str(word) for word in command)
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", **(env or {})}
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ToolFailedError(what, where=line, why=str(error), fix=fix) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_LAST_LINES:]
        why = "\n".join([f"exit status {done.returncode}", *said])
        raise ToolFailedError(what, where=line, why=why, fix=fix)
    return done.stdout
