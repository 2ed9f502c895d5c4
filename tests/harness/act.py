"""Workflows run on this computer by act, as GitHub runs them, with stand-ins for GitHub's actions.

`strace` writes down every program that is started, by which job, and with which environment.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import tools
from bakery.upstream import apt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACTIONS = Path(__file__).with_name("actions")
_USES = re.compile(r"uses: ([\w.-]+/[\w.-]+)(?:/[\w.-]+)?@([0-9a-f]{40})")
_EXECUTES = re.compile(r'^(?P<pid>\d+) +execve\("(?:[^"\\]|\\.)*", \[(?P<words>.*)\], \[')
_EXECUTED = re.compile(r"^(?P<pid>\d+) +(?:execve\(|<\.\.\. execve resumed>).* = 0$")
_FOLDER = re.compile(r"/act/([0-9a-f]+)/hostexecutor")
_NOISE = re.compile("\u2705|\u2b50|LocalRepositoryCache|Requirement already satisfied")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Process:
    """A program that a job has started: its command line and its environment."""

    job: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def program(self) -> str:
        """The name of the program."""
        return self.command[0].rpartition("/")[2]

    def sees(self, secret: str) -> bool:
        """Return whether a text is anywhere in its environment or on its command line."""
        return any(secret in text for text in (*self.environment.values(), *self.command))


@dataclass(frozen=True)
class Run:
    """A run of a workflow.

    Attributes:
        passed: whether all its jobs have.
        output: what they wrote.

    """

    passed: bool
    output: str
    _trace: Path

    def processes(self) -> list[Process]:
        """Return every program that the jobs have started.

        Those that are not told which job they are of have its folder on their PATH.
        """
        started = [*self._executed()]
        told = [(_folder(each), each["GITHUB_JOB"]) for _, each in started if "GITHUB_JOB" in each]
        jobs = {folder: job for folder, job in told if folder}
        return [
            Process(
                environment.get("GITHUB_JOB") or jobs.get(_folder(environment), ""),
                tuple(words),
                environment,
            )
            for words, environment in started
        ]

    def _executed(self) -> Iterator[tuple[list[str], dict[str, str]]]:
        """Yield the command line and the environment of what was started."""
        begun: dict[str, str] = {}
        for line in self._trace.read_text("utf-8", "replace").splitlines():
            if executes := _EXECUTES.match(line):
                begun[executes["pid"]] = line
            if executed := _EXECUTED.match(line):
                whole = begun.pop(executed["pid"])
                before, _, after = whole.partition("], [")
                pairs = (text.partition("=") for text in _TEXT.findall(after))
                yield (
                    _TEXT.findall(before.partition("[")[2]),
                    {name: value for name, _, value in pairs},
                )


@dataclass
class Runner:
    """A repository's workflows, and where they run.

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

    def run(self, workflow: str, event: str = "workflow_dispatch", **chosen: str) -> Run:
        """Run a workflow to its end, which its jobs must reach."""
        run = self.start(workflow, event, **chosen)
        assert run.passed, _failed(run.output)
        return run

    def start(
        self,
        workflow: str,
        event: str = "workflow_dispatch",
        *,
        branch: str = "main",
        job: str | None = None,
    ) -> Run:
        """Run a workflow, which may fail.

        Args:
            workflow: the file's name.
            event: what has happened.
            branch: where; a pull request's is to be merged into `main`.
            job: run this one and what it needs; None for all.

        """
        shutil.rmtree(self.artifacts, ignore_errors=True)
        self.artifacts.mkdir(parents=True)
        (self.folder / "caches").mkdir(exist_ok=True)
        trace = self.folder / f"trace-{len([*self.folder.glob('trace-*')])}"
        options = [
            *(f"--local-repository={uses}={folder}" for uses, folder in self._stand_ins()),
            *(f"--var={name}={value}" for name, value in self.variables.items()),
            f"--secret-file={self._secret_file()}",
            *(f"--env={name}={value}" for name, value in self._environment(branch).items()),
            f"--eventpath={self._payload()}",
            *([f"--job={job}"] if job else []),
        ]
        command = [
            *("strace", "--follow-forks", "--seccomp-bpf", "--trace=execve", "--no-abbrev"),
            *("--string-limit=65536", "--quiet=all", "--signal=none", f"--output={trace}"),
            *("act", event, f"--workflows={self.source}/.github/workflows/{workflow}"),
            *("--platform=ubuntu-24.04=-self-hosted", "--platform=ubuntu-24.04-arm=-self-hosted"),
            *(
                "--no-cache-server",
                "--no-skip-checkout",
                "--pull=false",
                f"--directory={self.source}",
                *options,
            ),
        ]
        done = subprocess.run(
            command,
            env=_machine(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1500,
        )
        return Run(done.returncode == 0, done.stdout, trace)

    def _secret_file(self) -> Path:
        """Write the secrets where act reads them; jobs inherit what act has as its environment."""
        path = self.folder / "secrets"
        path.write_text(
            "".join(f"{name}={json.dumps(each)}\n" for name, each in self.secrets.items())
        )
        return path

    def _payload(self) -> Path:
        """Write what GitHub tells with an event, as far as the workflows ask for it."""
        path = self.folder / "event.json"
        base = {"ref": "main"}
        event = {"repository": {"default_branch": "main"}, "pull_request": {"base": base}}
        path.write_text(json.dumps(event))
        return path

    def _environment(self, branch: str) -> dict[str, str]:
        return {
            "ACT_BRANCH": branch,
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


def _folder(environment: Mapping[str, str]) -> str:
    """Return which job's folder is on PATH; nothing where none is."""
    found = _FOLDER.search(environment.get("PATH", ""))
    return found[1] if found else ""


def _failed(output: str) -> str:
    """Return what the jobs that failed have written; jobs that run side by side are mixed in it."""
    lines = output.splitlines()
    jobs = {line.partition("]")[0] for line in lines if "\u274c" in line}
    own = [line for line in lines if line.partition("]")[0] in jobs]
    said = [line[:500] for line in own or lines if not _NOISE.search(line)]
    return "\n".join(said[-150:])


def _machine(folder: Path) -> dict[str, str]:
    """Return what a runner's own environment is, and no more than reaching the network takes."""
    own = f"{ACTIONS}:{Path(sys.executable).parent}"
    needed = (*tools._NETWORK, apt.VARIABLE, *(name for name in os.environ if "PIP_" in name))
    return {
        **{name: os.environ[name] for name in needed if name in os.environ},
        "HOME": str(folder / "home"),
        "PATH": f"{own}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
    }
