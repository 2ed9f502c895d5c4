"""Everything a contributor or a CI runs: bake, tests, lint, bench.

With nothing but Python and pip, `python3 noxfile.py -s bake` works as well as `nox -s bake`: nox
itself is then installed into a folder of the project.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
BOOTSTRAP = ROOT / ".nox" / "bootstrap"

if __name__ == "__main__" and BOOTSTRAP.is_dir():
    sys.path.insert(0, str(BOOTSTRAP))

try:
    import nox
except ImportError:
    if __name__ != "__main__":
        raise
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", BOOTSTRAP, "nox>=2025.2.9"], check=True)
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606  this very script again

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["bake"]

DEFAULT_IMAGES = ["build:caddy", "build:nats-server", "build:uv"]

BAKING_PROGRAMS = {"mksquashfs": "squashfs-tools"}
TESTING_PROGRAMS = {
    **BAKING_PROGRAMS,
    "bwrap": "bubblewrap",
    "debootstrap": "debootstrap",
    "fakeroot": "fakeroot",
    "faketime": "faketime",
    "gcc": "gcc",
    "git": "git",
    "gpg": "gnupg",
    "mkfs.btrfs": "btrfs-progs",
    "mkfs.erofs": "erofs-utils",
    "mkfs.ext4": "e2fsprogs",
    "setpriv": "util-linux",
    "systemd-nspawn": "systemd-container",
    "udevadm": "udev",
    "xz": "xz-utils",
    "zip": "zip",
    "zstd": "zstd",
}


@nox.session
def bake(session: nox.Session) -> None:
    """Build images: the default ones, or the tasks named after `--`, as in `doit`."""
    need(session, BAKING_PROGRAMS)
    session.install("-e", ".")
    session.run("doit", *(session.posargs or DEFAULT_IMAGES))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, those with real tools included; arguments go to pytest."""
    need(session, TESTING_PROGRAMS)
    session.install("-e", ".", *group("test"))
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, layers, and that generated files are up to date."""
    session.install("-e", ".", *group("lint"), *group("test"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, as ratios against bare pipelines in the same run; arguments choose benchmarks."""
    need(session, BAKING_PROGRAMS)
    session.install("-e", ".")
    session.run("python", "tests/bench/run.py", *session.posargs)


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group of pyproject.toml."""
    return nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), name)


def need(session: nox.Session, programs: dict[str, str]) -> None:
    """Install the Debian packages of missing programs, where this user may."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = sorted({p for name, p in programs.items() if not shutil.which(name, path=path)})
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        session.warn(f"not installed, so some work or tests will be refused: {' '.join(missing)}")
        return
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "--quiet", "--quiet"]
    session.run(*apt, "update", external=True, silent=True)
    session.run(
        *apt,
        "install",
        "--yes",
        "--no-install-recommends",
        *missing,
        external=True,
        silent=True,
        env=environment,
    )


if __name__ == "__main__":
    nox.main()
