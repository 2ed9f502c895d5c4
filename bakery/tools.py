"""Programs of the system: found, run without a shell, explained when missing or failing."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypedDict, Unpack

from bakery import interrupts, trace
from bakery.errors import BakeryError, MissingToolError
from bakery.watch import Family, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO

PATIENCE = 120.0
NETWORK_PATIENCE = 900.0  # what wget, and so debootstrap, waits for a silent server

_LAST_LINES = 20
_AGAIN = (
    "run the same command again; if it hangs again, install another version of the program,"
    " or start it by hand and look at what it waits for"
)
_EVERYBODY = ("PATH", "HOME", "TMPDIR")
_NETWORK = (
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    *("APT_CONFIG", "NETRC"),
)
_TICK = 0.25
_MERCY = 1.0


class ToolFailedError(BakeryError):
    """A program ran and reported failure."""


class ToolHungError(BakeryError):
    """A program neither read nor wrote nor computed any more, and has been ended.

    It is no verdict about what the program was given, so it is no `ToolFailedError`.
    """


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program and the packages that bring it.

    Attributes:
        program: its name on PATH.
        apt: its package.
        dnf, zypper: its package for other package managers, where it has another name.
        brew: its package for macOS; None where there is none.

    """

    program: str
    apt: str
    dnf: str | None = None
    zypper: str | None = None
    brew: str | None = None

    def find(self) -> str | None:
        """Return the program's full path, or None when it is not installed.

        System folders are looked at too, since users other than root often lack them on PATH.
        """
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return shutil.which(self.program, path=path)

    def require(self) -> str:
        """Return the program's full path.

        Raises:
            MissingToolError: it is not installed; the error names the package to install.

        """
        found = self.find()
        if found is None:
            packages = {
                "apt": self.apt,
                "dnf": self.dnf or self.apt,
                "zypper": self.zypper or self.apt,
                "brew": self.brew,
            }
            raise MissingToolError(
                f"the program {self.program} is not installed",
                fix="\n".join(
                    f"{manager} install {package}"
                    for manager, package in packages.items()
                    if package
                ),
            )
        return found


_SETPRIV = Tool(program="setpriv", apt="util-linux")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a program left behind.

    Attributes:
        command: what was run, as for a shell.
        status: its exit status; below 0, the signal that ended it.
        stdout, stderr: what it wrote.

    """

    command: str
    status: int
    stdout: str
    stderr: str

    def failure(self, what: str, fix: str | None = None) -> ToolFailedError:
        """Return it as a failure, with the last that it said."""
        said = _last_words(self.stderr.strip() or self.stdout.strip())
        ended = f"signal {-self.status}" if self.status < 0 else f"exit status {self.status}"
        return ToolFailedError(what, where=self.command, why="\n".join([ended, *said]), fix=fix)


def environment(*, network: bool = False) -> dict[str, str]:
    """Return all that a program is told of the variables of who runs this, so no secrets.

    Args:
        network: whether it uses the network: proxies may have logins, so others don't get them.

    """
    names = (*_EVERYBODY, *_NETWORK) if network else _EVERYBODY
    known = {name: os.environ[name] for name in names if name in os.environ}
    return {**known, "LC_ALL": "C", "TZ": "UTC"}


class Options(TypedDict, total=False):
    """How a command is run; see `execute`."""

    env: Mapping[str, str] | None
    network: bool
    stdin: bytes
    cwd: Path | None
    patience: float


def run(
    command: Sequence[str | Path], *, what: str, fix: str | None = None, **options: Unpack[Options]
) -> str:
    """Run a command as `execute` does and return what it wrote to standard output.

    Raises:
        ToolFailedError: the command could not be started or its exit status is not 0.
        ToolHungError: it did nothing any more.

    """
    outcome = execute(command, what=what, fix=fix, **options)
    if outcome.status != 0:
        raise outcome.failure(what, fix)
    return outcome.stdout


def execute(
    command: Sequence[str | Path],
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    network: bool = False,
    stdin: bytes = b"",
    cwd: Path | None = None,
    fix: str | None = None,
    patience: float = PATIENCE,
) -> Outcome:
    """Run a command to its end, watched, and return what came of it.

    The locale is C and the time zone UTC, so that output can be read by programs. It has no
    terminal. Neither it nor what it started outlives a failure here or Ctrl-C.

    Args:
        command: program and arguments; no shell is involved.
        what: what failed if it fails, as the first line of the error.
        env: variables that are set besides those of `environment`.
        network: whether it uses the network.
        stdin: its input.
        cwd: the folder to run in.
        fix: what to do about a failure.
        patience: seconds in which it may neither read nor write nor compute.

    Raises:
        ToolFailedError: the command could not be started.
        ToolHungError: it did nothing any more; it has been ended.

    """
    words = [str(word) for word in command]
    line = shlex.join(words)
    with trace.span(os.path.basename(words[0]), "program") as span, ExitStack() as registered:  # noqa: PTH119
        try:
            with interrupts.starting():
                process = subprocess.Popen(
                    [*_tied(), *words],
                    env={**environment(network=network), **(env or {})},
                    cwd=cwd,
                    stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
                watch = Watch(process.pid, patience)
                registered.enter_context(interrupts.ended_with(watch.family.signal))
        except OSError as error:
            raise ToolFailedError(what, where=line, why=str(error), fix=fix) from error
        _feed(process, stdin)
        try:
            stdout, stderr = _communicate(process, watch)
        except _HungError as hung:
            why = "\n".join([str(hung), *_last_words(hung.said)])
            raise ToolHungError(what, where=line, why=why, fix=fix or _AGAIN) from None
        span.note(command=line, status=process.returncode)
    return Outcome(
        command=line, status=process.returncode, stdout=_text(stdout), stderr=_text(stderr)
    )


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Give a program its input, beside `communicate`, which goes on with none after a timeout."""

    def write(pipe: IO[bytes]) -> None:
        with suppress(BrokenPipeError), pipe:
            pipe.write(data)

    if process.stdin is not None:
        threading.Thread(target=write, args=(process.stdin,), daemon=True).start()
        process.stdin = None


class _HungError(Exception):
    def __init__(self, watch: Watch, said: bytes) -> None:
        names = sorted({process.name for process in watch.family.members()})
        super().__init__(
            f"{', '.join(names)} neither read nor wrote nor computed"
            f" for {watch.patience:g} seconds, and was ended"
        )
        self.said = _text(said)


def _communicate(process: subprocess.Popen[bytes], watch: Watch) -> tuple[bytes, bytes]:
    try:
        while True:
            try:
                return process.communicate(timeout=min(_TICK, watch.interval))
            except subprocess.TimeoutExpired as expired:
                if watch.has_hung():
                    raise _HungError(watch, expired.stderr or expired.output or b"") from None
    except BaseException:
        _end(process, watch.family)
        raise


def _end(process: subprocess.Popen[bytes], family: Family) -> None:
    """End a program and what it started; what it must tidy up, it may."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        family.signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_MERCY)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@cache
def _tied() -> tuple[str, ...]:
    """Return the words that have a program end with the thread that starts it: prctl(2)."""
    setpriv = _SETPRIV.find()
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _last_words(said: str) -> list[str]:
    return said.strip().splitlines()[-_LAST_LINES:]


def _text(said: bytes) -> str:
    """Return output as text, with the line ends that `subprocess` would give it."""
    return said.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
