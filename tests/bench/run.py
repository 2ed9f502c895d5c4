"""Benchmarks: our build against bare pipelines of the same work, as ratios within one run.

Every command line is printed. Give names to run some only; `--bash-bakery FOLDER` (a checkout of
flatcar/sysext-bakery) adds the comparison with it, `--against FOLDER` (a worktree of another
commit) that with an earlier bakery. Python keeps its bytecode, as it does by default.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.catalogue import catalogue, release
from harness.debian import DEBIAN_ARCH, ROOTS, Debian, docker_url, store
from harness.docker import docker_project
from harness.mirror import Mirror
from harness.native import ARCH
from harness.nginx import nginx
from harness.project import REPOSITORY, Project, digest
from harness.recipes import HOUR
from harness.verity import Repart

from bakery.boot.debian import SUITES
from bakery.boot.machine import BootImage
from bakery.boot.nspawn import Nspawn
from bakery.boot.report import render
from bakery.boot.session import Deployment, boot
from bakery.image.verity.image import Seed, make
from bakery.recipe import lock as lockfile
from bakery.recipe.expectations import Expectations, UnitExpectation
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SQUASH = "-quiet -no-progress -noappend -all-root -no-xattrs -comp zstd -Xcompression-level 6 -b 1M"
CATALOGUE = (
    *("age", "bat", "btop", "caddy", "conntrack", "ethtool", "fd"),
    *("fzf", "htop", "jq", "nats-server", "ripgrep", "strace", "uv"),
)
CHECK = (
    "import sys, pathlib; from bakery.check.command import check_path;"
    "check_path(pathlib.Path(sys.argv[1]))"
)
FOUR = ("one", "two", "three", "four")
TOOL = """summary: tool {name}
homepage: https://example.com
license: MIT
build: ['1.0']
arch: {{x86-64: x86_64}}
assets:
  - url: https://example.com/{name}-{{version}}.tgz
    install: {{docker/*: usr/lib/{name}/}}
"""
ALLOWED = """allow:
  - {{rule: elf-interpreter, path: usr/lib/{name}/*, reason: programs of Debian's}}
"""
BOOTED = {
    "usr/lib/extension-release.d/extension-release.app": "ID=_any\nEXTENSION_RELOAD_MANAGER=1\n",
    "usr/lib/systemd/system/app.service": "[Service]\nExecStart=sleep infinity\n",
    "usr/lib/systemd/system/multi-user.target.d/10-app.conf": "[Unit]\nUpholds=app.service\n",
}
FLAT = """summary: one of many
homepage: https://example.com
license: MIT
build: ['1.0', '1.1', '1.2', '1.3', '1.4']
arch: {x86-64: x86_64, arm64: aarch64}
assets:
  - url: https://example.com/{name}-{version}-{arch}
    install: usr/bin/
"""
# A Debian system as it is without our configuration: its own generators, nothing that we ask it
BARE_BOOT = """\
mkdir changes work root
mount -t overlay -o lowerdir={system},upperdir=changes,workdir=work overlay root
cd root/etc/systemd/system
rm -rf ../system-generators sysinit.target.wants/bakery-*
cat >bye.service <<END
[Unit]
After=graphical.target
[Service]
ExecStart=systemctl --no-block poweroff
END
mkdir -p graphical.target.wants
ln -s ../bye.service graphical.target.wants/
cd ../../../..
exec systemd-nspawn --quiet --boot --register=no {keep_unit} --private-network --console=pipe \
  --resolv-conf=off --timezone=off --link-journal=no --private-users={owner}:65536 \
  --private-users-ownership=off --directory=root </dev/null
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What benchmarks work on."""

    folder: Path
    mirror: Mirror
    debian: Debian
    bash_bakery: Path | None
    against: Path | None
    repeat: int


def timed(command: Sequence[str | Path], *, cwd: Path, env: dict[str, str] | None = None) -> float:
    """Run a command and return its seconds."""
    print("   $", shlex.join(str(word) for word in command), flush=True)
    before = _processor_seconds()
    started = time.perf_counter()
    done = subprocess.run(
        [str(w) for w in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}\n{done.stderr}")
    print(f"     {seconds:.2f} s, of processors {_processor_seconds() - before:.2f} s")
    return seconds


def _processor_seconds() -> float:
    """Return what all programs that ended have taken, on all processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def show(what: str, ours: float, theirs: float, limit: float) -> None:
    """Print a ratio and whether it keeps its promise."""
    verdict = "ok" if ours / theirs <= limit else "TOO SLOW"
    print(
        f"{what}: {ours:.2f} s / {theirs:.2f} s = {ours / theirs:.2f} (at most {limit}) {verdict}"
    )


def bare(place: Place, urls: Sequence[str], inside: str) -> float:
    """Return the seconds that curl, sha256sum, tar and mksquashfs take, one after another."""
    script = [
        f"curl -sSfo {i}.tgz {place.mirror.url}/{url.partition('://')[2]} && "
        f"sha256sum {i}.tgz >{i}.sum && mkdir -p {i}/{inside} && "
        f"tar -xzf {i}.tgz -C {i}/{inside} --strip-components=1 && "
        f"mksquashfs {i} {i}.raw {SQUASH} >/dev/null"
        for i, url in enumerate(urls)
    ]
    with tempfile.TemporaryDirectory(dir=place.folder) as folder:
        return timed(["sh", "-ec", "\n".join(script)], cwd=Path(folder))


def docker(place: Place) -> Project:
    """Return a project with docker 20.10.13, whose mirror has Debian's programs."""
    root = Path(tempfile.mkdtemp(dir=place.folder)) / "project"
    return docker_project(root, place.mirror, place.debian)


def cold(project: Project, *tasks: str) -> float:
    """Return the seconds of a build with nothing in store."""
    shutil.rmtree(project.dist, ignore_errors=True)
    shutil.rmtree(project.store, ignore_errors=True)
    return timed(project.command("doit", *tasks), cwd=project.root, env=project.environment)


def bench_cold(place: Place) -> None:
    """A cold build of docker against the bare pipeline; at most 0.50."""
    project = docker(place)
    urls = [docker_url("20.10.13", arch) for arch in DEBIAN_ARCH]
    images = [f"squash:docker-20.10.13-{arch}" for arch in DEBIAN_ARCH]
    ours, checked, theirs = [], [], []
    for _ in range(place.repeat):
        theirs.append(bare(place, urls, "usr/bin"))
        ours.append(cold(project, *images))
        checked.append(cold(project, "build:docker-20.10.13"))
    show("cold, both images", min(ours), min(theirs), 0.5)
    show("cold, checked and released (not in the bare pipeline)", min(checked), min(theirs), 0.75)


def bench_bound(place: Place) -> None:
    """One cold image against the fastest gunzip, and then mksquashfs; at most 1.25."""
    project = docker(place)
    archive = place.mirror.place(docker_url("20.10.13", "x86-64"))
    tree = project.dist / "stage/docker-20.10.13-x86-64/tree"
    output = place.folder / "bound.raw"
    gunzip = [sys.executable, "-m", "isal.igzip", "-dc", archive]
    squash: list[str | Path] = ["mksquashfs", tree, output, *SQUASH.split()]
    ours, unpacked, squashed = [], [], []
    for _ in range(place.repeat):
        ours.append(cold(project, "squash:docker-20.10.13-x86-64"))
        unpacked.append(timed(["sh", "-c", f"{shlex.join(map(str, gunzip))} >/dev/null"], cwd=tree))
        squashed.append(timed(squash, cwd=place.folder))
    show("cold against gunzip and mksquashfs", min(ours), min(unpacked) + min(squashed), 1.25)


def copies(place: Place, names: Sequence[str], more: str = "") -> tuple[Project, list[str]]:
    """Return a project of recipes, each with docker's programs, and what each downloads."""
    docker(place)
    project = Project(
        Path(tempfile.mkdtemp(dir=place.folder)) / "project", {"BAKERY_MIRROR": place.mirror.url}
    )
    source = place.mirror.place(docker_url("20.10.13", "x86-64"))
    urls = []
    for number, name in enumerate(names):
        url = f"https://example.com/{name}-1.0.tgz"
        target = place.mirror.place(url)
        stamped = bytearray(source.read_bytes())
        stamped[4:8] = number.to_bytes(4, "little")  # the time in gzip's header: another digest
        target.write_bytes(stamped)
        urls.append(url)
        project.add(name, **{"recipe.yaml": TOOL.format(name=name) + more.format(name=name)})
        project.lock(name, "1.0", {url: digest(target)})
    return project, urls


def bench_four(place: Place) -> None:
    """Four recipes at once against the sum of their bare pipelines; at most 0.55."""
    project, urls = copies(place, FOUR)
    tasks = [f"squash:{name}-1.0-x86-64" for name in FOUR]
    ours, theirs = [], []
    for _ in range(place.repeat):
        theirs.append(sum(bare(place, [url], "usr/bin") for url in urls))
        ours.append(cold(project, *tasks))
    show("four recipes at once", min(ours), min(theirs), 0.55)


def bench_remote(place: Place) -> None:
    """Twelve recipes from a filled cache, on a web server, against building them; at most 0.15."""
    project, _ = copies(place, [f"{name}{number}" for name in FOUR for number in range(3)], ALLOWED)
    built, taken = [], []
    for number in range(place.repeat):
        with nginx(place.debian, place.folder / f"nginx-{number}") as server:
            built.append(cold(project, "build"))
            project.environment |= {"BAKERY_REMOTE": server.writers_url}
            project.environment |= {"BAKERY_REMOTE_WRITE": "yes"}
            cold(project, "build")
            taken.append(cold(project, "build"))
            for name in ("BAKERY_REMOTE", "BAKERY_REMOTE_WRITE"):
                del project.environment[name]
    show("twelve recipes from a shared cache", min(taken), min(built), 0.15)


def bench_verity(place: Place) -> None:
    """Images for dm-verity beside docker's: at most 1.1 of the build without, 1 % + 1.1 MiB more.

    Beside it, how long systemd-repart takes for the same image, without a signature.
    """
    project = docker(place)
    task = "build:docker-20.10.13"
    environment = {**project.environment, "BAKERY_VERITY": "1"}
    plain, both = [], []
    for _ in range(place.repeat):
        plain.append(cold(project, task))
        shutil.rmtree(project.dist)
        shutil.rmtree(project.store)
        command = project.command("doit", task)
        both.append(timed(command, cwd=project.root, env=environment))
    show("build with images for dm-verity / without", min(both), min(plain), 1.1)
    folder = project.dist / "docker-20.10.13"
    for image in sorted(folder.glob("*.verity.raw")):
        size = folder.joinpath(image.name.replace(".verity", "")).stat().st_size
        more = image.stat().st_size - size
        verdict = "ok" if more <= size / 100 + 1.1 * 2**20 else "TOO BIG"
        print(f"{image.name}: {size} bytes and {more} more, {more / size:.2%} {verdict}")
    repart, ours = Repart(), []
    image = folder / f"docker-20.10.13-{ARCH}.raw"
    sha256, theirs = digest(image), []
    seed = Seed.of(sha256)
    for number in range(place.repeat):
        output = place.folder / f"verity-{number}.raw"
        started = time.perf_counter()
        make(image, output, arch=ARCH, sha256=sha256, seed=seed)
        ours.append(time.perf_counter() - started)
        output = place.folder / f"repart-{number}.raw"
        started = time.perf_counter()
        repart.make(image, output, arch=ARCH, seed=seed.data)
        theirs.append(time.perf_counter() - started)
    show("one image for dm-verity / systemd-repart", min(ours), min(theirs), 1.5)


def bench_site(place: Place) -> None:
    """A site about 100 extensions with 6 versions each: at most 3 s, and nothing written again.

    The processor time is the process's own; the wall clock's counts on an idle machine alone.
    """
    root = Path(tempfile.mkdtemp(dir=place.folder))
    (root / "published").mkdir()
    versions = {f"tool-x{number}": [f"1.{v}" for v in range(6)] for number in range(100)}
    for name, tags in versions.items():
        for tag in tags:
            own = {f"/usr/bin/{name}-{i}": (5000 + i, f"{tag if i % 3 else i}") for i in range(12)}
            shared = {f"/usr/share/{name}/{i}": (50 + i, str(i)) for i in range(12)}
            release(root / "published", name, tag, {**own, **shared})
    catalogue(root / "published", versions, None)
    env = {**os.environ, "BAKERY_PUBLISHER": f"directory:{root / 'published'}"}
    command = [sys.executable, "-m", "bakery", "site", str(root / "site"), "--url", "https://e.org"]
    for what in ("first", "again"):
        before = os.times()
        seconds = timed(command, cwd=REPOSITORY, env=env)
        after = os.times()
        spent = sum(after[2:4]) - sum(before[2:4])
        verdict = "ok" if seconds <= 3 else "TOO SLOW"
        print(f"site, {what}: {seconds:.2f} s, of a processor {spent:.2f} s {verdict}")


def bench_bash(place: Place) -> None:
    """A cold build of docker against the bash bakery's `create docker`; at most 0.13."""
    if place.bash_bakery is None:
        print("skipped: give --bash-bakery FOLDER, a checkout of flatcar/sysext-bakery")
        return
    project = docker(place)
    fake = place.folder / "curl"
    fake.mkdir(exist_ok=True)
    wrapper = fake / "curl"
    wrapper.write_text(
        f"#!/bin/sh\nexec {shutil.which('curl')} "
        f'$(printf "%s\\n" "$@" | sed "s#https://#{place.mirror.url}/#")\n'
    )
    wrapper.chmod(0o755)
    env = {**os.environ, "PATH": f"{fake}:{os.environ['PATH']}"}
    command: list[str | Path] = [place.bash_bakery / "bakery.sh", "create", "docker", "20.10.13"]
    ours, theirs = [], []
    for _ in range(place.repeat):
        with tempfile.TemporaryDirectory(dir=place.folder) as folder:
            theirs.append(timed(command, cwd=Path(folder), env=env))
            their_size = next(Path(folder).glob("*.raw")).stat().st_size
        ours.append(cold(project, "squash:docker-20.10.13-x86-64"))
    our_size = next(project.dist.glob("*/*x86-64.raw")).stat().st_size
    show("cold against the bash bakery", min(ours), min(theirs), 0.13)
    print(f"size: {our_size} / {their_size} = {our_size / their_size:.2f} (at most 0.90)")


def bench_host(place: Place) -> None:
    """What a host reads of docker's image to start dockerd for the first time, and how long.

    Beside it, the same of an image as mksquashfs makes it by default: gzip, blocks of 128 KiB.
    """
    if os.geteuid() != 0:
        print("skipped: only root mounts images, and empties the page cache")
        return
    project = docker(place)
    cold(project, "squash:docker-20.10.13-x86-64")
    tree = project.dist / "stage/docker-20.10.13-x86-64/tree"
    default = place.folder / "default.raw"
    plain = ["mksquashfs", str(tree), str(default), "-noappend", "-all-root"]
    plain += ["-quiet", "-no-progress"]
    timed(plain, cwd=place.folder)
    for image in (next(project.dist.glob("docker-20.10.13/*x86-64.raw")), default):
        runs = [first_start(image, place.folder) for _ in range(3 * place.repeat)]
        seconds, size = map(min, zip(*runs, strict=True))
        print(f"{image.name}: {size / 2**20:.1f} MiB read, first start {seconds * 1000:.0f} ms")


def first_start(image: Path, folder: Path) -> tuple[float, int]:
    """Return the seconds of `dockerd --version` from an image nobody has read, and bytes read."""
    target = folder / "mounted"
    target.mkdir(exist_ok=True)
    mount: list[str | Path] = ["mount", "-o", "loop,ro", image, target]
    subprocess.run(mount, check=True)
    try:
        find: list[str | Path] = ["findmnt", "-no", "SOURCE", target]
        loop = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(["sync"], check=True)
        Path("/proc/sys/vm/drop_caches").write_text("3")
        started = time.perf_counter()
        subprocess.run([target / "usr/bin/dockerd", "--version"], check=True, capture_output=True)
        seconds = time.perf_counter() - started
        counts = Path("/sys/block", Path(loop).name, "stat").read_text().split()
        return seconds, int(counts[2]) * 512
    finally:
        subprocess.run(["umount", target], check=True)


def bench_check(place: Place) -> None:
    """A check of docker's image against mounting it and hashing every file; at most 0.6."""
    if os.geteuid() != 0:
        print("skipped: only root mounts images")
        return
    project = docker(place)
    cold(project, "squash:docker-20.10.13-x86-64")
    image = next(project.dist.glob("docker-20.10.13/*x86-64.raw"))
    target = place.folder / "checked"
    target.mkdir()
    script = (
        f"mount -o loop,ro {image} {target}; find {target} -type f -exec sha256sum {{}} +; "
        f"umount {target}"
    )
    ours, theirs = [], []
    check: list[str | Path] = [sys.executable, "-c", CHECK, image]
    for _ in range(3 * place.repeat):
        theirs.append(timed(["sh", "-ec", script], cwd=place.folder))
        ours.append(timed(check, cwd=project.root, env=project.environment))
    show("check, Python's start included", min(ours), min(theirs), 0.6)


def bench_catalogue(place: Place) -> None:
    """Recipes from Debian and PyPI, cold, and booted, against another commit's; at most 0.6.

    Their assets are in the store beforehand; the other commit's bakery builds the same recipes.
    """
    if place.against is None:
        print("skipped: give --against FOLDER, a worktree of another commit")
        return
    projects = {}
    for bakery in (REPOSITORY, place.against):
        project = Project(Path(tempfile.mkdtemp(dir=place.folder)) / "project")
        shutil.copy(bakery / "dodo.py", project.root)
        for name in CATALOGUE:
            shutil.copytree(place.against / "recipes" / name, project.recipes / name)
        more = {"PYTHONPATH": str(bakery), "BAKERY_STORE": str(store())}
        project.environment.update(more)
        projects[bakery] = project
    newest = {
        name: lockfile.read(projects[REPOSITORY].recipes / name / "lock.json").tags[-1]
        for name in CATALOGUE
    }
    builds = [f"build:{name}-{tag}" for name, tag in newest.items()]
    timed(projects[REPOSITORY].command("doit", *builds), **within(projects[REPOSITORY]))
    runs: dict[Path, list[float]] = {bakery: [] for bakery in projects}
    for _ in range(place.repeat):
        for bakery, project in projects.items():
            shutil.rmtree(project.dist, ignore_errors=True)
            runs[bakery].append(timed(project.command("doit", *builds), **within(project)))
    ours, theirs = runs.values()
    show("28 images, cold", min(ours), min(theirs), 0.6)
    boots = [f"boot:{name}" for name in CATALOGUE]
    booted = {}
    for bakery, project in projects.items():
        project.environment["BAKERY_MACHINES"] = "nspawn:bookworm nspawn:trixie"
        booted[bakery] = timed(project.command("doit", *boots), **within(project))
    ours_booted, theirs_booted = booted.values()
    show("14 images, each on two systems", ours_booted, theirs_booted, 0.6)


def within(project: Project) -> dict[str, Any]:
    """Return how a command is run in a project."""
    return {"cwd": project.root, "env": project.environment}


def bench_noop(place: Place) -> None:
    """Builds with nothing to do against the bare import of doit; at most 2.5, 3 and 7.

    One release in the real catalogue, the same beside 1,000 more recipes, and 1,000 images; and
    10,000 of them at most 8 times that.
    """
    project = Project(Path(tempfile.mkdtemp(dir=place.folder)) / "project")
    shutil.copytree(REPOSITORY / "recipes", project.recipes, dirs_exist_ok=True)
    project.environment["BAKERY_STORE"] = str(store())
    release = f"build:caddy-{lockfile.read(project.recipes / 'caddy/lock.json').tags[0]}"
    timed(project.command("doit", release), cwd=project.root, env=project.environment)
    show("no-op of one release", *against_import(place, project, release), 2.5)
    for number in range(1000):
        project.add(f"tool-x{number}", **{"recipe.yaml": FLAT})
    show("no-op beside 1,000 recipes", *against_import(place, project, release), 3)
    many, very_many = of_images(place, 100), of_images(place, 1000)
    thousand, base = against_import(place, many, "build")
    show("no-op of 1,000 images", thousand, base, 7)
    ten_thousand, _ = against_import(place, very_many, "build")
    show("no-op of 10,000 images against 1,000", ten_thousand, thousand, 8)
    print("where the time goes, seconds within functions:")
    profile = [sys.executable, "-m", "cProfile", "-s", "tottime", "-m", "doit", "build"]
    done = subprocess.run(
        profile, cwd=many.root, env=many.environment, capture_output=True, text=True, check=True
    )
    start = done.stdout.index("   ncalls")
    print("\n".join(done.stdout[start:].splitlines()[:16]))


def against_import(place: Place, project: Project, task: str) -> tuple[float, float]:
    """Return the least seconds of a build and of the bare import, which take turns."""
    commands = (project.command("doit", task), [sys.executable, "-c", "import doit.doit_cmd"])
    runs = [
        [timed(command, cwd=project.root, env=project.environment) for command in commands]
        for _ in range(3 * place.repeat)
    ]
    ours, base = map(min, zip(*runs, strict=True))
    return ours, base


def of_images(place: Place, recipes: int) -> Project:
    """Return a project of recipes with 5 versions each, for both architectures, all built."""
    project = Project(
        Path(tempfile.mkdtemp(dir=place.folder)) / "project", {"BAKERY_PROFILE": "fast"}
    )
    for number in range(recipes):
        name = f"tool-x{number}"
        project.add(name, **{"recipe.yaml": FLAT, "files/usr/share/tool/note": f"{name}\n"})
        versions = {}
        for version in ("1.0", "1.1", "1.2", "1.3", "1.4"):
            urls = [f"https://example.com/{name}-{version}-{a}" for a in ("x86_64", "aarch64")]
            assets = [
                LockedAsset(
                    url=url, sha256=hashlib.sha256(url.encode()).hexdigest(), trust="first-use"
                )
                for url in urls
            ]
            versions[version] = LockedVersion(assets=tuple(assets))
        lock = project.recipes / name / "lock.json"
        lock.write_bytes(lockfile.encode(Lock(versions=versions)))
    timed([sys.executable, Path(__file__).with_name("done.py")], **within(project))
    return project


def bench_memory(place: Place) -> None:
    """Peak memory of builds of a small and of a twentyfold asset: flat, at most 60 MiB."""
    peaks = []
    for megabytes in (20, 400):
        project = Project(
            Path(tempfile.mkdtemp(dir=place.folder)) / "project",
            {"BAKERY_MIRROR": place.mirror.url},
        )
        url = "https://example.com/big-1.0.tgz"
        with tempfile.TemporaryDirectory(dir=place.folder) as folder:
            inner = Path(folder) / "docker" / "big"
            inner.parent.mkdir()
            block = os.urandom(1 << 20)
            with inner.open("wb") as file:
                for _ in range(megabytes):
                    file.write(block)
            timed(
                ["tar", "-czf", place.mirror.place(url), "-C", folder, "docker"], cwd=place.folder
            )
        project.add("big", **{"recipe.yaml": TOOL.format(name="big")})
        project.lock("big", "1.0", {url: digest(place.mirror.place(url))})
        peaks.append(peak_memory(project, "stage:big-1.0-x86-64"))
        print(f"   {megabytes} MiB: peak {peaks[-1] / 1024:.0f} MiB")
    verdict = "ok" if peaks[1] <= 60 << 10 else "TOO MUCH"
    growth = peaks[1] / peaks[0]
    print(f"memory: {peaks[1] / 1024:.0f} MiB (at most 60) {verdict}; {growth:.2f} times")


def bench_boot(place: Place) -> None:
    """A boot with an image against a bare `systemd-nspawn --boot` that powers off; at most 1.5.

    The image has a service; the window in which it is watched is as short as can be, since that is
    waiting alone.
    """
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        print("skipped: only root boots containers, with systemd-nspawn")
        return
    tree = place.folder / "app"
    for path, text in BOOTED.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text, "utf-8")
    image = place.folder / "app.raw"
    timed(["mksquashfs", tree, image, *SQUASH.split()], cwd=place.folder)
    unit = UnitExpectation(name="app.service", window=1)
    deployment = Deployment(
        images=[BootImage(path=image, name="app")], expected=Expectations(units=(unit,))
    )
    for suite in SUITES:
        machine = Nspawn(suite=suite, cache=ROOTS, arch=ARCH)
        machine.prepare(lambda step, *, lasting=False: print(f"   {step}") if lasting else None)
        ours, theirs = [], []
        for _ in range(3 * place.repeat):
            theirs.append(bare_boot(place, machine))
            report = boot(deployment, machine=machine, journal=place.folder / "journal")
            waited = next(each for each in report.rounds[0].results if "stays active" in each.title)
            if report.outcome != "passed":
                raise SystemExit(render(report))
            ours.append(report.seconds - waited.seconds)
        show(f"boot of {suite}, systemd {report.systemd}", min(ours), min(theirs), 1.5)


def bench_try(place: Place) -> None:
    """`bakery try caddy` after a change of its unit against a bare boot; at most 10.

    The image is 50 MB; staged, squashed, checked, booted, and its service watched for a second.
    """
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        print("skipped: only root boots containers, with systemd-nspawn")
        return
    machine = Nspawn(suite="trixie", cache=ROOTS, arch=ARCH)
    machine.prepare(lambda step, *, lasting=False: print(f"   {step}") if lasting else None)
    project = Project(Path(tempfile.mkdtemp(dir=place.folder)), {"BAKERY_STORE": str(store())})
    (unit,) = project.add("caddy").glob("files/usr/lib/systemd/system/*.service")
    ours, theirs = [], []
    for _ in range(place.repeat + 1):  # the first builds all of it
        unit.write_text(f"{unit.read_text()}# changed\n")
        began = time.perf_counter()
        done = project.run("bakery", "try", "caddy", "--on", "nspawn:trixie", "--no-shell")
        ours.append(time.perf_counter() - began)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        print("  ", next(line for line in done.stdout.splitlines() if "tried in" in line))
        theirs.append(bare_boot(place, machine))
    show("try after a change of a unit", min(ours[1:]), min(theirs), 10)


def bench_hour(place: Place) -> None:
    """A contributor's hour: recipes from nothing to a passed boot; at most 300 s each.

    Beside the seconds, how many commands that takes, and what is left for people to say.
    """
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        print("skipped: only root boots containers, with systemd-nspawn")
        return
    for name, words in HOUR.items():
        root = Path(tempfile.mkdtemp(dir=place.folder))
        project = Project(root, {"BAKERY_STORE": str(store())})
        (root / "dodo.py").unlink()
        commands = [
            ("bakery", "new", name, *words),
            ("bakery", "try", name, "--no-shell"),
            ("doit", f"boot:{name}"),
        ]
        took = [
            timed(project.command(*each), cwd=root, env=project.environment) for each in commands
        ]
        left = project.run("bakery", "lint", name, "--format", "gcc").stdout.count("[review]")
        each = ", ".join(
            f"{' '.join(c[:2])} {s:.0f} s" for c, s in zip(commands, took, strict=True)
        )
        verdict = "ok" if sum(took) <= 300 else "TOO SLOW"
        print(f"{name}: {sum(took):.0f} s (at most 300) {verdict}: {each};", end=" ")
        print(f"no file by hand, {left} lines left to say")


def bare_boot(place: Place, machine: Nspawn) -> float:
    """Return the seconds of a container that boots, and powers off at once."""
    script = BARE_BOOT.format(
        system=machine.folder,
        owner=machine.root.owner,
        keep_unit="" if Path("/run/systemd/system").is_dir() else "--keep-unit",
    )
    with tempfile.TemporaryDirectory(dir=place.folder) as folder:
        unshare = ["unshare", "--mount", "--propagation=slave", "sh", "-ec", script]
        return timed(
            unshare,
            cwd=Path(folder),
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )


def peak_memory(project: Project, task: str) -> int:
    """Return the peak resident memory of a build in KiB."""
    code = (
        "import runpy, sys; sys.argv = ['doit', *sys.argv[1:]]\n"
        "try:\n    runpy.run_module('doit', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    status = open('/proc/self/status').read().partition('VmHWM:')[2]\n"
        "    print('PEAK', status.split()[0]); raise"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, task],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return int(done.stdout.rpartition("PEAK ")[2])


def benchmarks() -> Iterator[tuple[str, Callable[[Place], None]]]:
    """Yield the benchmarks' names and functions."""
    for name, value in globals().items():
        if name.startswith("bench_"):
            yield name.removeprefix("bench_"), value


def main() -> None:
    """Run benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = dict(benchmarks())
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}")
    parser.add_argument("--bash-bakery", type=Path)
    parser.add_argument("--against", type=Path, metavar="FOLDER")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="bakery-bench-") as folder:
        served = Path(folder) / "mirror"
        served.mkdir()
        with Mirror(served) as mirror:
            place = Place(
                folder=Path(folder),
                mirror=mirror,
                debian=Debian("bookworm"),
                bash_bakery=arguments.bash_bakery,
                against=arguments.against,
                repeat=arguments.repeat,
            )
            for name in arguments.names or known:
                print(f"== {name}: {known[name].__doc__}")
                known[name](place)


if __name__ == "__main__":
    main()
