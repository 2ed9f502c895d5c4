"""Which version of a tool, and of the library it compresses with, is installed."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from bakery.tools import ToolFailedError, execute

if TYPE_CHECKING:
    from bakery.tools import Tool

_VERSION = re.compile(r"^.*\d+\.\d+.*$", re.MULTILINE)


def tool_version(tool: Tool, option: str) -> str:
    """Return the line with which a tool tells its version, on either output, with any exit status.

    Raises:
        MissingToolError: it is not installed.
        ToolFailedError: it does not start, or tells no version.

    """
    return _told(tool.require(), option, f"{tool.program} does not tell its version")


@cache
def _told(program: str, option: str, what: str) -> str:
    command = [program, option]
    outcome = execute(command, what=what)
    said = outcome.stdout + outcome.stderr
    line = _VERSION.search(said)
    if line is None:
        raise ToolFailedError(what, where=" ".join(command), why=said.strip())
    return line[0].strip()


def library_version(name: str, function: str) -> str:
    """Return the version of the shared library that the system's tools load.

    Args:
        name: the library's file, such as `libzstd.so.1`.
        function: its function that returns the version as a number.

    """
    import ctypes

    try:
        number = getattr(ctypes.CDLL(name), function)()
    except (OSError, AttributeError):
        number = "built in"
    return f"{name} {number}"
