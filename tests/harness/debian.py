"""Real programs from Debian packages."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from bakery.upstream import apt

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "sysext-bakery", "tests")
ROOTS = CACHE / "roots"
DEBIAN_ARCH = {"x86-64": "amd64", "arm64": "arm64"}
SUITES = {"bookworm": "12", "trixie": "13"}
DOCKER_PROGRAMS = {
    "docker.io": ["dockerd", "docker-proxy"],
    "containerd": ["containerd", "containerd-shim-runc-v2", "ctr"],
    "runc": ["runc"],
    "tini": ["tini-static"],
}
DOCKER_CLIENT = {"bookworm": "docker.io", "trixie": "docker-cli"}


def store() -> Path:
    """Return a store that stays between runs; it boots the systems in ROOTS."""
    folder = CACHE / "store"
    for path in (folder, ROOTS):
        path.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (folder / "machines").symlink_to(ROOTS)
    return folder


class Debian:
    """Packages of a Debian release, for either architecture, unpacked and not installed.

    Which release is the test's choice, and the same on every machine.
    """

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self._folder = CACHE / "debian" / suite
        self._folder.mkdir(parents=True, exist_ok=True)
        self._alone = FileLock(self._folder / ".lock")

    @functools.cache  # noqa: B019  one object for the session
    def unpacked(self, arch: str, package: str) -> Path:
        """Return the folder that a package is unpacked in."""
        target = self._folder / arch / package
        with self._alone:
            if not target.is_dir():
                debs = self.package(arch, package)
                partial = target.with_name(f"{package}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                subprocess.run(["dpkg-deb", "-x", debs, partial], check=True)
                partial.rename(target)
        return target

    def package(self, arch: str, package: str) -> Path:
        """Return the .deb file of a package."""
        folder = self._folder / arch / "debs"
        folder.mkdir(parents=True, exist_ok=True)
        with self._alone:
            command = ["apt-get", *self._apt(arch), "download", package]
            subprocess.run(command, check=True, cwd=folder, capture_output=True)
            return next(folder.glob(f"{package}_*.deb"))

    @functools.cache  # noqa: B019  one object for the session
    def _apt(self, arch: str) -> tuple[str, ...]:
        state = self._folder / arch / "apt"
        archive = apt.mirrors()
        signed = f" [signed-by={archive.keyring}]" if archive.keyring else ""
        for name in ("lists/partial", "archives/partial"):
            (state / name).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        (state / "sources.list").write_text(f"deb{signed} {archive.main} {self.suite} main\n")
        options = {
            "APT::Architecture": DEBIAN_ARCH[arch],
            "APT::Architectures": DEBIAN_ARCH[arch],
            "APT::Sandbox::User": "root",
            "Acquire::Check-Valid-Until": "false",
            "Dir::Etc::sourcelist": str(state / "sources.list"),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": str(state / "lists"),
            "Dir::State::status": str(state / "status"),
            "Dir::Cache": str(state),
            "Acquire::Languages": "none",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        subprocess.run(["apt-get", *words, "update"], check=True, capture_output=True)
        return tuple(words)

    def program(self, arch: str, package: str, name: str) -> Path:
        """Return a program of a package, in whichever folder of programs the release has it."""
        return next(self.unpacked(arch, package).glob(f"**/*bin/{name}"))

    def docker_programs(self, arch: str) -> list[Path]:
        """Return what Docker is made of."""
        wanted = [(package, name) for package, names in DOCKER_PROGRAMS.items() for name in names]
        wanted.append((DOCKER_CLIENT[self.suite], "docker"))
        return [self.program(arch, package, name) for package, name in wanted]

    def docker_tarball(self, arch: str) -> Path:
        """Return a tar ball laid out as Docker's own, with Debian's programs."""
        path = self._folder / arch / "docker.tgz"
        with self._alone:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(".partial")
                with tarfile.open(partial, "w:gz", compresslevel=1) as tar:
                    for source in self.docker_programs(arch):
                        name = {"tini-static": "docker-init"}.get(source.name, source.name)
                        tar.add(source, f"docker/{name}")
                partial.rename(path)
        return path


def docker_url(version: str, arch: str) -> str:
    """Return where Docker publishes its static binaries."""
    word = {"x86-64": "x86_64", "arm64": "aarch64"}[arch]
    return f"https://download.docker.com/linux/static/stable/{word}/docker-{version}.tgz"
