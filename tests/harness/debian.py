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

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "sysext-bakery", "tests")
ROOTS = CACHE / "roots"
DEBIAN_ARCH = {"x86-64": "amd64", "arm64": "arm64"}
DOCKER_PROGRAMS = {
    "docker.io": ["usr/sbin/dockerd", "usr/bin/docker", "usr/sbin/docker-proxy"],
    "containerd": ["usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/bin/ctr"],
    "runc": ["usr/sbin/runc"],
    "tini": ["usr/bin/tini-static"],
}


def store() -> Path:
    """Return a store that stays between runs; it boots the systems in ROOTS."""
    folder = CACHE / "store"
    for path in (folder, ROOTS):
        path.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (folder / "machines").symlink_to(ROOTS)
    return folder


class Debian:
    """Packages of the machine's own Debian, for either architecture, unpacked and not installed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._alone = FileLock(folder / ".lock")

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
        for name in ("lists/partial", "archives/partial"):
            (state / name).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        options = {
            "APT::Architecture": DEBIAN_ARCH[arch],
            "APT::Architectures": DEBIAN_ARCH[arch],
            "APT::Sandbox::User": "root",
            "Dir::State::lists": str(state / "lists"),
            "Dir::State::status": str(state / "status"),
            "Dir::Cache": str(state),
            "Acquire::Languages": "none",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        subprocess.run(["apt-get", *words, "update"], check=True, capture_output=True)
        return tuple(words)

    def docker_tarball(self, arch: str) -> Path:
        """Return a tar ball laid out as Docker's own, with Debian's programs."""
        path = self._folder / arch / "docker.tgz"
        with self._alone:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(".partial")
                with tarfile.open(partial, "w:gz", compresslevel=6) as tar:
                    for package, programs in DOCKER_PROGRAMS.items():
                        for program in programs:
                            source = self.unpacked(arch, package) / program
                            name = {"tini-static": "docker-init"}.get(source.name, source.name)
                            tar.add(source, f"docker/{name}")
                partial.rename(path)
        return path


def docker_url(version: str, arch: str) -> str:
    """Return where Docker publishes its static binaries."""
    word = {"x86-64": "x86_64", "arm64": "aarch64"}[arch]
    return f"https://download.docker.com/linux/static/stable/{word}/docker-{version}.tgz"
