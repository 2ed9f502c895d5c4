"""Two clones at different paths, by other users, on other days, give the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from harness import clock, needs
from harness.project import REPOSITORY, digest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.project import Project

pytestmark = needs.ROOT

# Somebody else, who may read root's Python but not write anything of root's.
AS_NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
    *("sh", "-c", 'umask 077; exec "$@"', "sh"),
)


def released(dist: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(dist.glob("docker-*/*"))
    }


def test_everything_varied_at_once_gives_the_same_release(
    docker_project: Project, elsewhere: Path
) -> None:
    docker_project.doit("build:docker")
    clone = elsewhere / "clone"
    shutil.copytree(docker_project.root, clone, ignore=shutil.ignore_patterns("dist", "store"))
    shutil.copytree(REPOSITORY / "bakery", clone / "bakery")
    for path in [clone, *clone.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
        os.utime(path, (12345, 12345), follow_symlinks=False)
    shutil.copytree(docker_project.store, clone / "store")
    for path in [clone / "store", *(clone / "store").rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    done = subprocess.run(
        [
            *(*clock.alone(), *AS_NOBODY, *clock.later(), "taskset", "--cpu-list", "0"),
            *(sys.executable, "-m", "doit", "build:docker"),
        ],
        cwd=clone,
        env={
            **docker_project.environment,
            "BAKERY_STORE": str(clone / "store"),
            "BAKERY_JOBS": "1",
            "HOME": str(clone),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(clone),
            "SOURCE_DATE_EPOCH": "1",
            "TZ": "Asia/Kolkata",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert released(clone / "dist") == released(docker_project.dist)
    assert digest(clone / "dist/docker-20.10.13/SHA256SUMS")
