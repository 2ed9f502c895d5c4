"""Workflows run on this computer by act, as GitHub runs them, with stand-ins for GitHub's actions.

`strace` writes down every program that is started, by which job, and with which environment.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACTIONS = Path(__file__).with_name("actions")
_USES = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40})")
_EXECUTED = re.compile(r'^\d+ +execve\("(?P<program>(?:[^"\\]|\\.)*)", \[(?P<words>.*)\], \[')
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Process:
    """A program that a job has started: its command line, and what of its environment."""

    job: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def program(self) -> str:
        """The name of the program."""
        return self.command[0].rpartition("/")[2]


@dataclass
class Runner:
    """One run of a workflow over and over.

    Attributes:
        source: the repository, of which jobs check out the newest commit.
        folder: where artifacts, attestations and act's own files go.
        variables: the repository's variables.
        secrets: its secrets, GITHUB_TOKEN among them.
        environment: what else the jobs see.

    """

    source: Path
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def artifacts(self) -> Path:
        """What jobs have handed over, by name; those of one run are gone with the next."""
        return self.folder / "artifacts"

    @property
    def attested(self) -> list[str]:
        """What has been attested, as lines of `sha256sum`."""
        path = self.folder / "attested"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def _trace(self) -> Path:
        return self.folder / "trace"

    def run(self, workflow: str, event: str = "workflow_dispatch") -> str:
        """Run a workflow to its end; return what its jobs wrote."""
        done = self.start(workflow, event)
        assert done.returncode == 0, _failed(done.stdout)
        return done.stdout

    def start(
        self, workflow: str, event: str = "workflow_dispatch"
    ) -> subprocess.CompletedProcess[str]:
        """Run a workflow, which may fail."""
        shutil.rmtree(self.artifacts, ignore_errors=True)
        self.artifacts.mkdir(parents=True)
        options = [
            *(f"--local-repository={uses}={folder}" for uses, folder in self._stand_ins()),
            *(f"--var={name}={value}" for name, value in self.variables.items()),
            f"--secret-file={self._secret_file()}",
            *(f"--env={name}={value}" for name, value in self._environment().items()),
        ]
        command = [
            *("strace", "--follow-forks", "--seccomp-bpf", "--trace=execve", "--no-abbrev"),
            *("--string-limit=65536", "--quiet=all", "--signal=none", f"--output={self._trace}"),
            *("act", event, f"--workflows={self.source}/.github/workflows/{workflow}"),
            *("--platform=ubuntu-24.04=-self-hosted", "--platform=ubuntu-24.04-arm=-self-hosted"),
            *("--no-cache-server", "--pull=false", f"--directory={self.source}", *options),
        ]
        return subprocess.run(
            command,
            env=_machine(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1500,
        )

    def processes(self) -> Iterator[Process]:
        """Yield every program that the jobs of the last run have started."""
        for line in self._trace.read_text("utf-8", "replace").splitlines():
            executed = _EXECUTED.match(line)
            if executed is None or not line.endswith("= 0"):
                continue
            words = _TEXT.findall(line[: executed.end()].partition("[")[2])
            pairs = (text.partition("=") for text in _TEXT.findall(line[executed.end() :]))
            environment = {name: value for name, _, value in pairs}
            yield Process(environment.get("GITHUB_JOB", ""), tuple(words), environment)

    def _secret_file(self) -> Path:
        """Write the secrets where act reads them; jobs inherit what act has as its environment."""
        path = self.folder / "secrets"
        path.write_text(
            "".join(f"{name}={json.dumps(each)}\n" for name, each in self.secrets.items())
        )
        return path

    def _environment(self) -> dict[str, str]:
        return {
            "ACT_SOURCE": str(self.source),
            "ACT_ARTIFACTS": str(self.artifacts),
            "ACT_ATTESTED": str(self.folder / "attested"),
            "ACT_PYTHON": sys.executable,
            **self.environment,
        }

    def _stand_ins(self) -> Iterator[tuple[str, Path]]:
        """Yield a repository of its own for each action that the workflows use, as act wants it."""
        for path in sorted((self.source / ".github/workflows").glob("*.yaml")):
            for action, commit in _USES.findall(path.read_text()):
                folder = self.folder / "actions" / action.replace("/", "-")
                if not folder.exists():
                    shutil.copytree(ACTIONS / action.rpartition("/")[2], folder)
                yield f"{action}@{commit}", folder


def _failed(output: str) -> str:
    """Return what the jobs that failed have written; jobs that run side by side are mixed in it."""
    lines = output.splitlines()
    jobs = {line.partition("]")[0] for line in lines if "\u274c" in line}
    own = [line for line in lines if line.partition("]")[0] in jobs]
    return "\n".join(line[:500] for line in (own or lines)[-120:])


def _machine(folder: Path) -> dict[str, str]:
    """Return what a runner's own environment is, and no more."""
    own = f"{ACTIONS}:{Path(sys.executable).parent}"
    return {
        "HOME": str(folder / "home"),
        "PATH": f"{own}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
    }
