"""Costs as text, readable in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.text import format_size, format_time, plain_table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.costs.model import Costs, Growth

_WIDTH = 80
_NAME = 34  # of a step's or a recipe's


def show(costs: Costs, most: int | None) -> str:
    """Return costs as tables, the largest first, of so many recipes at most, and hints."""
    return "\n\n".join(_sections(costs, most))


def _sections(costs: Costs, most: int | None) -> Iterator[str]:
    yield f"{costs.recipes} recipes, {costs.releases} releases, {costs.images} images"
    yield _table(
        ["fetched from", "assets", "when cold", "here"],
        [
            [
                _short(each.name),
                str(each.assets),
                _at_least(each.bytes, each.unknown),
                format_size(each.fetched) if each.fetched else "",
            ]
            for each in costs.fetched
        ],
    )
    yield _table(
        ["kept", "files", "bytes"],
        [
            [each.what, str(each.files), format_size(each.bytes)]
            for each in (*costs.stored, *(costs.published or ()))
        ],
    )
    if costs.steps:
        yield _table(
            ["step", "steps", "time", "each", "longest", "took"],
            [
                [
                    each.kind,
                    str(each.steps),
                    format_time(each.seconds),
                    f"{each.seconds / each.steps:.1f} s",
                    _short(each.longest),
                    f"{each.longest_seconds:.1f} s",
                ]
                for each in costs.steps
            ],
        )
    yield _recipes(costs.growth, most)
    yield _table(
        ["calls of GitHub's API a day", "calls", "for"],
        [[each.workflow, str(each.calls), each.why] for each in costs.calls],
    )
    if costs.hints:
        yield "\n".join(wrapped(f"- {hint}", _WIDTH) for hint in costs.hints)


def _recipes(growth: Sequence[Growth], most: int | None) -> str:
    shown = growth if most is None else growth[:most]
    table = _table(
        ["recipe", "versions", "oldest", "newest", "growth", "all", "of"],
        [
            [
                _short(each.name, 17),
                str(each.versions),
                "?" if each.oldest is None else format_size(each.oldest),
                "?" if each.newest is None else format_size(each.newest),
                f"{each.factor - 1:+.0%}" if each.factor else "",
                _at_least(each.bytes, each.unknown),
                each.of,
            ]
            for each in shown
        ],
    )
    rest = growth[len(shown) :]
    if not rest:
        return table
    left = format_size(sum(each.bytes for each in rest))
    return f"{table}\nand {len(rest)} smaller ones, {left} together: --all"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = ("fetched from", "kept", "step", "longest", "recipe", "of", "for")
    numbers = {name for name in head if name not in (*text, "calls of GitHub's API a day")}
    return plain_table(head, rows, numbers=numbers)


def _at_least(count: int, unknown: int) -> str:
    """Return an amount of bytes, as a lower bound where some are not known."""
    if unknown:
        return f"> {format_size(count)}" if count else "?"
    return format_size(count)


def _short(name: str, width: int = _NAME) -> str:
    """Return a name that loses its middle where it is too long."""
    half = width // 2
    return name if len(name) <= width else f"{name[: width - half - 1]}…{name[-half:]}"
