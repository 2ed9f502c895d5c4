"""Pictures as SVG, drawn when the site is made; each says in words what it shows (WCAG 1.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

_WIDTH = 640
_ROW = 24
_BAR = 14
_TEXT_WIDTH = 7.2  # of a letter of 13 pixels, on average


@dataclass(frozen=True)
class Bar:
    """A bar.

    Attributes:
        label: what it is about.
        value: its length, in any unit.
        shown: the value, for people.
        series: which of the picture's colours it has.

    """

    label: str
    value: float
    shown: str
    series: int = 0


def sizes(bars: Sequence[Bar], title: str) -> str:
    """Return bars below each other, the longest of which fills the width."""
    most = max((bar.value for bar in bars), default=0) or 1
    left = min(max((len(bar.label) for bar in bars), default=0) * _TEXT_WIDTH + 12, _WIDTH * 0.45)
    room = _WIDTH - left - 90
    rows = []
    for number, bar in enumerate(bars):
        top = number * _ROW + 4
        width = max(bar.value / most * room, 1)
        rows += [
            _text(0, top + 12, _fitting(bar.label, left)),
            (
                f'<rect class="series-{bar.series}" x="{left:.0f}" y="{top}" width="{width:.1f}" '
                f'height="{_BAR}" rx="2"/>'
            ),
            _text(left + width + 6, top + 12, bar.shown, "value"),
        ]
    said = "; ".join(f"{bar.label}: {bar.shown}" for bar in bars)
    return _picture(rows, len(bars) * _ROW + 4, title, said)


def bytes_bar(label: str, count: int, series: int = 0) -> Bar:
    """Return the bar of a size in bytes."""
    return Bar(label, count, format_size(count), series)


@dataclass(frozen=True)
class Span:
    """What lasted for some time.

    Attributes:
        label: what it is about.
        marks: the days on which something of it came, the first one first.
        ended: whether it is over.

    """

    label: str
    marks: tuple[date, ...]
    ended: bool


def timeline(spans: Sequence[Span], title: str) -> str:
    """Return one line for each span, from its first day on, with a dot for each of its days."""
    days = [day for span in spans for day in span.marks]
    if not days:
        return ""
    first, last = min(days), max(days)
    left = min(max(len(span.label) for span in spans) * _TEXT_WIDTH + 12, _WIDTH * 0.4)
    room = _WIDTH - left - 12
    length = max((last - first).days, 1)

    def across(day: date) -> float:
        return left + 4 + (day - first).days / length * room

    rows = []
    for number, span in enumerate(spans):
        middle = number * _ROW + 12
        end = across(span.marks[-1]) if span.ended else left + room + 8
        series = 1 if span.ended else 0
        rows += [
            _text(0, middle + 4, _fitting(span.label, left)),
            (
                f'<line class="series-{series}" x1="{across(span.marks[0]):.1f}" y1="{middle}" '
                f'x2="{end:.1f}" y2="{middle}"/>'
            ),
            *(
                f'<circle class="series-{series}" cx="{across(day):.1f}" cy="{middle}" r="4"/>'
                for day in span.marks
            ),
        ]
    bottom = len(spans) * _ROW + 16
    rows += [_text(left, bottom, f"{first}"), _text(_WIDTH, bottom, f"{last}", "value end")]
    said = "; ".join(
        f"{span.label}: {', '.join(map(str, span.marks))}{' (ended)' if span.ended else ''}"
        for span in spans
    )
    return _picture(rows, bottom + 6, title, said)


def dependencies(edges: Iterable[tuple[str, str, str]], title: str) -> str:
    """Return arrows between extensions: `(one, what it has to do with the other, the other)`."""
    edges = list(edges)
    if not edges:
        return ""
    rows = []
    for number, (one, what, other) in enumerate(edges):
        middle = number * _ROW + 12
        rows += [
            _text(220, middle + 4, one, "end"),
            f'<line class="series-0" x1="230" y1="{middle}" x2="400" y2="{middle}"/>',
            f'<path class="series-0" d="M400 {middle - 5} l9 5 l-9 5 z"/>',
            _text(315, middle - 3, what, "value middle"),
            _text(418, middle + 4, other),
        ]
    said = "; ".join(" ".join(edge) for edge in edges)
    return _picture(rows, len(edges) * _ROW + 4, title, said)


def _fitting(label: str, width: float) -> str:
    most = int(width / _TEXT_WIDTH) - 1
    return label if len(label) <= most else f"…{label[-most + 1 :]}"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{named}>{escape(text)}</text>'


def _picture(rows: Sequence[str], height: int, title: str, said: str) -> str:
    label = escape(f"{title}. {said}", quote=True)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
        f"{''.join(rows)}</svg>"
    )
