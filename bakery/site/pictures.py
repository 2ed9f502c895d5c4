"""Pictures as SVG, drawn when the site is made; each says in words what it shows (WCAG 1.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

_WIDTH = 400  # small enough that a phone shows its letters as they are
_ROW = 24
_BAR = 14
_TEXT_WIDTH = 7.2  # of a letter of 13 pixels, on average
_BESIDE = 120  # the widest labels that stand beside bars; wider ones stand above


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
    left = _label_width(bar.label for bar in bars)
    above = 0 if left <= _BESIDE else 16
    left = 0 if above else left
    rows = []
    for number, bar in enumerate(bars):
        top = number * (_ROW + above) + 4
        width = max(bar.value / most * (_WIDTH - left - 80), 1)
        rows += [
            _text(0, top + 12, _fitting(bar.label, _WIDTH if above else left)),
            (
                f'<rect class="series-{bar.series}" x="{left:.0f}" y="{top + above}" '
                f'width="{width:.1f}" height="{_BAR}" rx="2"/>'
            ),
            _text(left + width + 6, top + above + 12, bar.shown, "value"),
        ]
    said = "; ".join(f"{bar.label}: {bar.shown}" for bar in bars)
    return _picture(rows, len(bars) * (_ROW + above) + 4, title, said)


def _label_width(labels: Iterable[str]) -> float:
    return max(map(len, labels), default=0) * _TEXT_WIDTH + 12


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
    left = min(_label_width(span.label for span in spans), _BESIDE)
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
            _text(144, middle + 4, _fitting(one, 144), "end"),
            f'<line class="series-0" x1="150" y1="{middle}" x2="241" y2="{middle}"/>',
            f'<path class="series-0" d="M241 {middle - 5} l9 5 l-9 5 z"/>',
            _text(196, middle - 3, what, "value middle"),
            _text(256, middle + 4, _fitting(other, 144)),
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
