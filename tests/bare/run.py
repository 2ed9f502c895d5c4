"""README's two commands in bare Debian systems, which have Python, pip, apt and git alone.

In each suite an ordinary user bakes, then root bakes and tests, each in a fresh system. What stands
after a second `--` goes to pytest.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.debian import CACHE, ROOTS

from bakery.upstream import apt
from bakery.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROJECT = Path(__file__).parents[2]
SUITES = ("bookworm", "trixie", "forky")
TESTING = "forky"
PACKAGES = ("python3", "python3-pip", "ca-certificates", "git")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
MACHINE_FILES = (CERTIFICATES, "/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/npmrc")
# How this machine reaches the network, and how output is wanted
VARIABLES = r"(?i)(pip|npm_config|bakery_debian)_.+|.+_proxy|ci|term|no_color"
CERTIFICATE_VARIABLES = r".+_CA_BUNDLE|.+_CERTS?(_FILE)?|GIT_SSL_CAINFO"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
# Not a chroot, in which nobody may make a user namespace. The shell stays, to reap as init does.
ENTER = f"""
mount --bind "$0" "$0"
cd "$0"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs run run
mkdir -p ".$1"
mount --bind "$2" ".$1"
pivot_root . mnt
PATH={PATH}
umount --lazy mnt
cd "$3"
shift 3
"$@"
exit
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a command.

    Attributes:
        system: the suite.
        user: who ran it.
        command: the words after `noxfile.py`.
        status: its exit status.
        seconds: how long it took.

    """

    system: str
    user: str
    command: Sequence[str]
    status: int
    seconds: float

    def __str__(self) -> str:
        verdict = "passed" if self.status == 0 else f"FAILED with exit code {self.status}"
        words = shlex.join(["python3", "noxfile.py", *self.command])
        return f"{self.system:8}  {self.user:5}  {self.seconds:6.0f} s  {verdict}  {words}"


@dataclass(frozen=True, kw_only=True)
class System:
    """A bare Debian.

    Attributes:
        suite: Debian's name for the release.
        folder: its root file system.

    """

    suite: str
    folder: Path

    def run(self, command: Sequence[str], *, user: str = "root", cwd: str = "/") -> int:
        """Run a command in the system, as if it had been booted; return its exit status."""
        home = "/root" if user == "root" else f"/home/{user}"
        clean = ["env", "-i", *machine_variables(), f"PATH={PATH}", f"HOME={home}", "LANG=C.UTF-8"]
        become = [] if user == "root" else ["runuser", f"--user={user}", "--"]
        inside = [*become, *clean, *command]
        # What tests have bootstrapped to boot is the same wherever it is made
        roots = f"/root/.cache/sysext-bakery/tests/{ROOTS.name}"
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER]
        return subprocess.run(
            [*enter, self.folder, roots, ROOTS, cwd, *inside], check=False
        ).returncode

    def nox(self, command: Sequence[str], *, user: str = "root") -> Result:
        """Clone the project for a user, and run a command of it."""
        home = "/root" if user == "root" else f"/home/{user}"
        checkout = f"{home}/checkout"
        if not (self.folder / checkout[1:]).exists():
            clone = ["git", "clone", "--quiet", "--no-hardlinks"]
            subprocess.run([*clone, PROJECT, self.folder / checkout[1:]], check=True)
            self.run(["chown", "--recursive", f"{user}:", checkout])
        before = time.monotonic()
        status = self.run(["python3", "noxfile.py", *command], user=user, cwd=checkout)
        return Result(
            system=self.suite,
            user=user,
            command=command,
            status=status,
            seconds=time.monotonic() - before,
        )


def machine_variables() -> Iterator[str]:
    """Yield what of this machine's environment a bare system needs as well."""
    for name, value in os.environ.items():
        if re.fullmatch(CERTIFICATE_VARIABLES, name):
            yield f"{name}={CERTIFICATES}"
        elif re.fullmatch(VARIABLES, name):
            yield f"{name}={value}"


def pristine(suite: str) -> Path:
    """Return the root file system of a bare Debian, made now if it is not there yet."""
    folder = CACHE / "bare" / suite
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{suite}-", dir=folder.parent) as scratch:
        root = Path(scratch, "root")
        script = SCRIPTS / suite if (SCRIPTS / suite).exists() else SCRIPTS / "sid"
        packages = f"--include={','.join(PACKAGES)}"
        command = ["debootstrap", "--variant=minbase", "--force-check-gpg"]
        command += [packages, suite, str(root)]
        try:
            mirrors = apt.mirrors()
        except UpstreamError:  # debootstrap knows one
            subprocess.run(command, check=True)
        else:
            subprocess.run([*command, mirrors.main, script], check=True)
            archives = {suite: mirrors.main, f"{suite}-updates": mirrors.main}
            if mirrors.security:
                archives[f"{suite}-security"] = mirrors.security
            lines = [f"deb {address} {name} main\n" for name, address in archives.items()]
            (root / "etc/apt/sources.list").write_text("".join(lines), "utf-8")
        root.rename(folder)
    return folder


@contextmanager
def fresh(suite: str) -> Iterator[System]:
    """Make a bare system that is removed afterwards."""
    source = pristine(suite)
    with tempfile.TemporaryDirectory(prefix=f".{suite}-", dir=source.parent) as scratch:
        folder = Path(scratch, "root")
        subprocess.run(["cp", "--archive", "--reflink=auto", source, folder], check=True)
        for file in filter(os.path.exists, MACHINE_FILES):
            shutil.copyfile(file, folder / file[1:])
        settings = [
            subprocess.check_output(["apt-config", "dump", f"Acquire::{protocol}"], text=True)
            for protocol in ("http", "https")
        ]
        if suite == TESTING:  # a mirror's copy may have run out: no point release renews it
            settings.append('Acquire::Check-Valid-Until "false";\n')
        (folder / "etc/apt/apt.conf.d/90machine").write_text("".join(settings), "utf-8")
        yield System(suite=suite, folder=folder)


def results(suite: str, only: Sequence[str], pytest: Sequence[str]) -> Iterator[Result]:
    """Yield the results of README's commands in a suite."""
    if "user" in only:
        with fresh(suite) as system:
            system.run(["apt-get", "-qq", "update"])
            system.run(["apt-get", "-qq", "install", "squashfs-tools"])  # as README says
            system.run(["useradd", "--create-home", "baker"])
            yield system.nox(["-s", "bake"], user="baker")
    if "bake" in only or "tests" in only:
        with fresh(suite) as system:
            if "bake" in only:
                yield system.nox(["-s", "bake"])
            if "tests" in only:
                yield system.nox(["-s", "tests", "--", *pytest] if pytest else ["-s", "tests"])


def main(words: Sequence[str]) -> int:
    """Run what is asked for; return 1 if anything failed."""
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(prog="nox -s bare --", description=__doc__)
    parser.add_argument("suites", nargs="*", default=SUITES, help="default: all")
    parser.add_argument("--only", action="append", choices=["user", "bake", "tests"])
    options = parser.parse_args(words[:at])
    if os.geteuid() != 0:
        parser.error("only root can make Debian systems: run it with sudo")
    ROOTS.mkdir(parents=True, exist_ok=True)
    seen: list[Result] = []
    for suite in options.suites:
        for result in results(suite, options.only or ["user", "bake", "tests"], words[at + 1 :]):
            print(f"{result}\n", flush=True)
            seen.append(result)
    print(*seen, sep="\n")
    return int(any(result.status for result in seen))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was made is removed
    sys.exit(main(sys.argv[1:]))
