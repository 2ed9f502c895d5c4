"""A terminal that shows what people see: tmux, with one command in one pane."""

from __future__ import annotations

import difflib
import re
import shlex
import subprocess
import time
import uuid
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCREENS = Path(__file__).parents[1] / "screens"
_PATIENCE = 120.0
_HEIGHT = 72
_STEADY = 60  # looks
_SCRIPT = 'trap : INT; {command}; echo "exit status $?"; tmux -L {name} wait-for -S over; read -r _'
_END = re.compile(r"^exit status \d+$", re.MULTILINE)
_VARIABLES = ("CI", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES", "TMUX")

# What differs from run to run or from machine to machine is shown as if it had been nothing.
_VARIABLE = [
    (re.compile(r"\b127\.0\.0\.1:\d+"), "127.0.0.1:0"),
    (re.compile(r", [\d:]+( s)? left"), ""),
    (re.compile(r"[\d.]+ (bytes|.iB)/s"), "0 bytes/s"),
    (re.compile(r" +\d+\.\d s\b"), "0.0 s"),
    (re.compile(r" +(\d+ s|\d+:\d\d)$"), "0 s"),
]
_UNLABELLED = re.compile(r"Without SELinux labels: .*?miss\s+them\.\n", re.DOTALL)  # old tools
_BOOTED = re.compile(r"^(failed on .*, systemd) [^,]*,\s+[\d.]+ s *\n", re.MULTILINE)
# Tasks end in any order, so their lines are sorted; a table is as wide as its longest number.
_FINISHED = re.compile(r"(fetch|stage|squash|check|build|boot) .*\.\d s$")
_RUNNING = re.compile(r"(fetch|stage|squash|check|build|boot) .* s$")
_TABLE = re.compile(r"(image|[a-z]+-[\d.]+-(x86-64|arm64)) ")


class Terminal:
    """A terminal of a width, in which a command runs; gone with the block."""

    def __init__(
        self, command: Sequence[str], *, width: int, env: Mapping[str, str], cwd: Path
    ) -> None:
        self._name = f"bakery-{uuid.uuid4().hex}"
        self._cwd = cwd
        known = {name: value for name, value in env.items() if name not in _VARIABLES}
        subprocess.run(
            [
                *("tmux", "-u", "-L", self._name, "-f", "/dev/null", "new-session", "-d"),
                *("-x", str(width), "-y", str(_HEIGHT)),
                _SCRIPT.format(command=shlex.join(command), name=self._name),
            ],
            env={**known, "LC_ALL": "C.UTF-8"},
            cwd=cwd,
            check=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["tmux", "-L", self._name, "kill-server"], check=False)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-u", "-L", self._name, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def screen(self, *options: str) -> str:
        """Return what is on the screen, variable parts normalised."""
        text = self._tmux("capture-pane", "-p", *options)
        text = _UNLABELLED.sub("", text)
        text = _BOOTED.sub(r"\1 0, 0.0 s\n", text)
        text = text.replace(str(self._cwd), "/tmp/project".ljust(len(str(self._cwd)), "_"))
        return _normalised([line.rstrip() for line in text.rstrip().splitlines()])

    def wraps(self) -> bool:
        """Return whether a line has been broken in two."""
        return self.screen() != self.screen("-J")

    def press(self, key: str) -> None:
        """Press a key, such as `C-c`."""
        self._tmux("send-keys", key)

    def wait(self) -> None:
        """Wait until the command is over; its status is on the screen."""
        self._tmux("wait-for", "over")

    def cursor_is_shown(self) -> bool:
        """Return whether the cursor can be seen."""
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def shows(self, name: str, *, renew: bool) -> None:
        """Wait until the screen is as a file of SCREENS has it; `renew` writes that file."""
        file = SCREENS / f"{name}.txt"
        if renew:
            file.write_text(f"{self._steady()}\n")
            return
        expected = file.read_text().rstrip("\n")
        deadline = time.monotonic() + _PATIENCE
        while (shown := self.screen()) != expected:
            if _END.search(shown) or time.monotonic() > deadline:
                lines = difflib.unified_diff(
                    expected.splitlines(), shown.splitlines(), str(file), "shown", lineterm=""
                )
                raise AssertionError("\n".join(lines))
            time.sleep(0.05)

    def _steady(self) -> str:
        shown, looks = self.screen(), 0
        while looks < _STEADY:
            time.sleep(0.1)
            now = self.screen()
            shown, looks = now, looks + 1 if now == shown != "" else 0
        return shown


def _normalised(lines: Sequence[str]) -> str:
    shown: list[str] = []
    for kind, group in groupby(map(_steadied, lines), key=_kind):
        run = [*group]
        shown += run if kind is None else sorted(run)
    return "\n".join(shown)


def _kind(line: str) -> re.Pattern[str] | None:
    return next((each for each in (_FINISHED, _RUNNING) if each.match(line)), None)


def _in_place(instead: str, match: re.Match[str]) -> str:
    return instead.rjust(len(match[0])) if match[0].startswith(" ") else instead


def _steadied(line: str) -> str:
    for pattern, instead in _VARIABLE:
        line = pattern.sub(partial(_in_place, instead), line)
    return re.sub(" {2,}", "  ", line) if _TABLE.match(line) else line
