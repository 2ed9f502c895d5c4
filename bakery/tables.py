"""Text in columns, for terminals, and as Markdown for pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_STEP = 8  # `publish` and a blank


def plain(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[str] = ()
) -> str:
    """Return a table whose columns are as wide as their longest cell.

    Args:
        head: the columns' names.
        rows: their cells.
        numbers: the names of columns whose cells end below each other.

    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    aligned = [str.rjust if name in numbers else str.ljust for name in head]
    return "\n".join(
        "  ".join(
            align(cell, width) for align, cell, width in zip(aligned, row, widths, strict=True)
        ).rstrip()
        for row in (head, *rows)
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as GitHub and GitLab render it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in lines)


def task(name: str, width: int) -> str:
    """Return a task's step and name in columns, `width` wide together.

    A long name loses its middle, for its ends tell it apart.
    """
    step, _, rest = name.partition(":")
    room = width - _STEP
    end = room // 2
    shortened = rest if len(rest) <= room else f"{rest[: room - end - 1]}…{rest[-end:]}"
    return f"{step:<{_STEP - 1}} {shortened:<{room}}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
