"""Workflow commands: lines by which programs tell GitHub Actions of errors, groups and more.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions; a runner obeys them
wherever they stand in a program's output, so what others have written is fenced in.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from bakery.characters import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)  # what a runner takes for one, now or of old

_AMBIGUOUS = re.compile(":(?=:|$)")  # with what follows, it would end the properties


def annotation(severity: str, message: str, **properties: str) -> str:
    """Return the command that shows a message beside a file or a run.

    Args:
        severity: error, warning or notice.
        message: its text, which may have several lines.
        properties: such as `file` and `title`.

    """
    pairs = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{severity}{f' {pairs}' if pairs else ''}::{_data(message)}"


def group(title: str, lines: Iterable[str]) -> list[str]:
    """Return the lines of a group that can be folded; no command is obeyed in them."""
    text = visible("\n".join(lines), allowed="\n\t")
    if _COMMAND.search(text):
        token = secrets.token_hex(16)
        text = f"::stop-commands::{token}\n{text}\n::{token}::"
    return [f"::group::{_data(title)}", text, "::endgroup::"]


def _data(value: str) -> str:
    escaped = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(escaped)


def _property(value: str) -> str:
    return _AMBIGUOUS.sub("%3A", _data(value)).replace(",", "%2C")
