"""Real binaries from Debian packages, a mirror that serves them as upstreams do, a project."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "sysext-bakery", "tests")
DEBIAN_ARCH = {"x86-64": "amd64", "arm64": "arm64"}
DOCKER_PROGRAMS = {
    "docker.io": ["usr/sbin/dockerd", "usr/bin/docker", "usr/sbin/docker-proxy"],
    "containerd": ["usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/bin/ctr"],
    "runc": ["usr/sbin/runc"],
    "tini": ["usr/bin/tini-static"],
}


class Debian:
    """Packages of the machine's own Debian, for either architecture, unpacked and not installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @functools.cache  # noqa: B019  one object for the session
    def unpacked(self, arch: str, package: str) -> Path:
        """Return the folder that a package is unpacked in."""
        target = self._folder / arch / package
        if not target.is_dir():
            debs = self._download(arch, package)
            partial = target.with_name(f"{package}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            subprocess.run(["dpkg-deb", "-x", debs, partial], check=True)
            partial.rename(target)
        return target

    def _download(self, arch: str, package: str) -> Path:
        apt = self._apt(arch)
        folder = self._folder / arch / "debs"
        folder.mkdir(exist_ok=True)
        subprocess.run(
            ["apt-get", *apt, "download", package], check=True, cwd=folder, capture_output=True
        )
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


@pytest.fixture(scope="session")
def debian() -> Debian:
    """Debian packages; they stay in the user's cache between runs."""
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get, to get real binaries from Debian packages")
    return Debian(CACHE / "debian")


class Mirror:
    """A web server that serves `https://host/path` as `/host/path` from a folder.

    Attributes:
        folder: what it serves.
        url: its address.
        requests: the paths that were asked for.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        mirror = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def place(self, url: str) -> Path:
        """Return where the file lies that is served for an upstream address."""
        path = self.folder / url.partition("://")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """An empty mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = Mirror(folder)
    yield server
    server.close()


class Project:
    """A project of its own: dodo.py, some of the repository's recipes, an empty store and dist."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.recipes = root / "recipes"
        self.recipes.mkdir(parents=True)
        shutil.copy(REPOSITORY / "dodo.py", root)
        self.dist = root / "dist"
        self.store = root / "store"
        self.environment = {
            **{name: value for name, value in os.environ.items() if "BAKERY" not in name},
            "BAKERY_STORE": str(self.store),
            "NO_COLOR": "1",
            **(environment or {}),
        }
        self.environment.pop("GITHUB_ACTIONS", None)

    def add(self, name: str, **files: str) -> Path:
        """Copy one of the repository's recipes and write files over it; return its folder."""
        folder = self.recipes / name
        if (REPOSITORY / "recipes" / name).is_dir():
            shutil.copytree(REPOSITORY / "recipes" / name, folder)
        for path, text in files.items():
            target = folder / path.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return folder

    def lock(self, name: str, version: str, assets: Mapping[str, str], **parts: str) -> None:
        """Write the lock of one version: addresses and digests."""
        locked = LockedVersion(
            parts=parts,
            assets=tuple(
                LockedAsset(url=url, sha256=digest, trust="first-use")
                for url, digest in assets.items()
            ),
        )
        path = self.recipes / name / "lock.json"
        path.write_bytes(lockfile.encode(Lock(versions={version: locked})))

    def command(self, *words: str) -> list[str]:
        """Return the command line of doit or bakery."""
        module = "bakery.cli" if words[0] == "bakery" else "doit"
        return [sys.executable, "-m", module, *words[1:]]

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run doit or bakery to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def doit(self, *words: str, **environment: str) -> str:
        """Run doit, which must succeed; return what it wrote."""
        done = self.run("doit", *words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def project(tmp_path: Path, mirror: Mirror) -> Project:
    """A project whose upstream is the mirror."""
    return Project(tmp_path / "project", {"BAKERY_MIRROR": mirror.url})


def docker_url(version: str, arch: str) -> str:
    """Return where Docker publishes its static binaries."""
    word = {"x86-64": "x86_64", "arm64": "aarch64"}[arch]
    return f"https://download.docker.com/linux/static/stable/{word}/docker-{version}.tgz"


@pytest.fixture(scope="session")
def docker_tarballs(debian: Debian, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return, for each architecture, a tar ball laid out as Docker's own, with Debian's programs."""
    folder = tmp_path_factory.mktemp("docker")
    found = {}
    for arch in DEBIAN_ARCH:
        path = folder / f"docker-{arch}.tgz"
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            for package, programs in DOCKER_PROGRAMS.items():
                for program in programs:
                    source = debian.unpacked(arch, package) / program
                    name = {"tini-static": "docker-init"}.get(source.name, source.name)
                    tar.add(source, f"docker/{name}")
        found[arch] = path
    return found


@pytest.fixture
def docker_project(
    project: Project, mirror: Mirror, docker_tarballs: Mapping[str, Path], digest: Callable[..., str]
) -> Project:
    """A project with the docker recipe at 20.10.13, its mirror filled with Debian's programs."""
    folder = project.add("docker")
    recipe = (folder / "recipe.yaml").read_text()
    build = next(line for line in recipe.splitlines() if line.startswith("build:"))
    (folder / "recipe.yaml").write_text(
        recipe.replace(build, "build: [20.10.13]\nos: {id: debian, version: '12'}")
    )
    assets = {}
    for arch, tarball in docker_tarballs.items():
        url = docker_url("20.10.13", arch)
        shutil.copy(tarball, mirror.place(url))
        assets[url] = digest(tarball)
    project.lock("docker", "20.10.13", assets)
    return project


@pytest.fixture(scope="session")
def digest() -> Callable[[Path], str]:
    """Return the function that gives a file's SHA-256."""
    import hashlib

    def of(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return of
