"""doit's commands, with one clear message for what is wrong; doit finds them as entry points."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from doit.cmd_base import DodoTaskLoader, check_tasks_exist
from doit.cmd_clean import Clean as DoitClean
from doit.cmd_completion import TabCompletion as DoitTabCompletion
from doit.cmd_dumpdb import DumpDB as DoitDumpDB
from doit.cmd_forget import Forget as DoitForget
from doit.cmd_help import Help as DoitHelp
from doit.cmd_ignore import Ignore as DoitIgnore
from doit.cmd_info import Info as DoitInfo
from doit.cmd_list import List as DoitList
from doit.cmd_resetdep import ResetDep as DoitResetDep
from doit.cmd_run import Run as DoitRun
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand

from bakery import surroundings
from bakery.build.selection import COMMANDS, PROFILE_TRACE
from bakery.errors import BakeryError, explained
from bakery.settings import NAMES
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_NOTHING_RUN = 3
"""doit's exit status where a command line is wrong."""
_UNKNOWN = re.compile(r"option (?P<option>-\S+) not recognized")
_WORDS = re.compile(r"Error parsing \w+: (?P<words>.*?) \(parsing options:", re.DOTALL)
_VALUE = re.compile(r"Error parsing parameter '(?P<name>\w+)'[^.]*\.(?P<words>.*)", re.DOTALL)
_NUMBER = re.compile(r"invalid literal for int\(\) with base 10: (.*)")


class _Explaining:
    """A command of doit's that says what is wrong with an option, and no more."""

    name: str
    cmdparser: Any

    def parse_execute(self, arguments: Sequence[str]) -> Any:
        """Parse the arguments, and do what they say."""
        try:
            surroundings.prepare()
            result = super().parse_execute(arguments)  # type: ignore[misc]
            sys.stdout.flush()
        except CmdParseError as error:
            self._refuse(str(error))
        except InvalidCommand as error:
            self._refuse_unknown(error)
        except (BakeryError, OSError) as error:  # such as a full disk that its output goes to
            surroundings.drop_unwritten()
            raise CmdParseError(explained(error).render()) from None
        return result

    def _refuse_unknown(self, error: InvalidCommand) -> NoReturn:
        """Name the command or task that was meant, which doit does not."""
        from bakery.build.graph import KINDS
        from bakery.build.unknown import no_command

        if error.not_found is None:
            raise error
        text = no_command(error.not_found, [*COMMANDS, *KINDS]).render()
        raise InvalidCommand(text) from None

    def _refuse(self, said: str) -> NoReturn:
        unknown = _UNKNOWN.search(said)
        if unknown:
            option = unknown["option"]
            raise CmdParseError(
                BakeryError(
                    f"doit {self.name} has no option {option}", fix=self._meant(option)
                ).render()
            ) from None
        fix = f"doit help {self.name} lists what it takes"
        raise CmdParseError(BakeryError(self._words(said), fix=fix).render()) from None

    def _words(self, said: str) -> str:
        """Return what doit says, without its own names of things."""
        if value := _VALUE.match(said):
            options = {each.name: each.long for each in self.cmdparser.options}
            option = f"--{options.get(value['name']) or value['name']}"
            number = _NUMBER.search(value["words"])
            words = f"takes a number, not {number[1]}" if number else value["words"].lower()
            return f"{option}: {words.strip()}"
        words = _WORDS.match(said)
        return words["words"] if words else said

    def _meant(self, option: str) -> str:
        name = option.lstrip("-")
        if name.replace("-", "_") in NAMES:
            if option == PROFILE_TRACE:
                return f"write it behind a task: doit build {option} FILE"
            return f"that is a setting: BAKERY_{name.replace('-', '_').upper()}=VALUE doit …"
        known = [long for each in self.cmdparser.options if (long := each.long)]
        near = nearest(name, known)
        lists = f"doit help {self.name} lists them"
        return f"did you mean --{near}? {lists}" if near else lists


class Run(_Explaining, DoitRun):  # type: ignore[misc]
    """Runs tasks."""

    name = "run"


class List(_Explaining, DoitList):  # type: ignore[misc]
    """Lists tasks."""

    name = "list"

    def _print_task(self, template: str, task: Any, status: bool, *more: Any) -> None:  # noqa: FBT001  doit's way
        fields = dict.fromkeys(("name", "doc", *(["status"] if status else [])), "")
        try:
            template.format(**fields)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            what = f"--template can't be {template.removesuffix(chr(10))!r}"
            known = ", ".join(f"{{{field}}}" for field in fields)
            why = f"there is no field {error}" if isinstance(error, KeyError) else str(error)
            raise BakeryError(what, why=why, fix=f"it may have {known}") from None
        super()._print_task(template, task, status, *more)


class Clean(_Explaining, DoitClean):  # type: ignore[misc]
    """Removes what tasks have made."""

    name = "clean"


class Info(_Explaining, DoitInfo):  # type: ignore[misc]
    """Shows a task."""

    name = "info"

    def _execute(self, pos_args: Sequence[str], hide_status: bool = False) -> Any:  # noqa: FBT001, FBT002  doit's way
        check_tasks_exist({task.name: task for task in self.task_list}, pos_args)
        return super()._execute(pos_args, hide_status)


class Help(_Explaining, DoitHelp):  # type: ignore[misc]
    """Shows what commands and tasks take."""

    name = "help"


class TabCompletion(_Explaining, DoitTabCompletion):  # type: ignore[misc]
    """Prints a script for a shell."""

    name = "tabcompletion"


class Forget(_Explaining, DoitForget):  # type: ignore[misc]
    """Forgets what doit itself knows of tasks."""

    name = "forget"


class Ignore(_Explaining, DoitIgnore):  # type: ignore[misc]
    """Has doit leave tasks out."""

    name = "ignore"


class ResetDep(_Explaining, DoitResetDep):  # type: ignore[misc]
    """Has doit take tasks for done."""

    name = "reset-dep"


class DumpDB(DoitDumpDB):  # type: ignore[misc]
    """Shows nothing."""

    name = "dumpdb"

    def parse_execute(self, _: Sequence[str]) -> NoReturn:
        """Say why there is nothing to show."""
        why = "what is done is recorded beside the outputs"
        fix = "`doit list` shows what is locked, built, booted and published"
        raise CmdParseError(BakeryError("doit has no database here", why=why, fix=fix).render())


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    try:
        said = explained(error) if isinstance(error, (BakeryError, OSError)) else None
    except OSError:
        said = None
    if said is None:
        sys.__excepthook__(kind, error, trace)
    else:
        surroundings.drop_unwritten()
        sys.stderr.write(f"ERROR: {said.render()}\n")


class Loader(DodoTaskLoader):  # type: ignore[misc]
    """Reads dodo.py; first it refuses what doit would stumble over."""

    def __init__(self) -> None:
        super().__init__()
        sys.excepthook = _explain  # of --help and --version, which are no commands
        if "" in sys.argv[1:]:
            fix = "name a task, such as build; `doit list` shows them"
            sys.stderr.write(f"ERROR: {BakeryError('an argument is empty', fix=fix).render()}\n")
            sys.exit(_NOTHING_RUN)
