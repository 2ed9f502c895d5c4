"""A trace, read strictly: the Trace Event Format as Perfetto's importer takes it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema

if TYPE_CHECKING:
    from pathlib import Path

_COMMON = {"name": {"type": "string"}, "pid": {"type": "integer"}, "tid": {"type": "integer"}}
_TIMED = {**_COMMON, "ts": {"type": "number", "minimum": 0}, "cat": {"type": "string"}}


def _event(phase: str, properties: dict[str, Any]) -> dict[str, Any]:
    known = {"ph": {"const": phase}, **properties}
    return {
        "type": "object",
        "properties": known,
        "required": [*known],
        "additionalProperties": False,
    }


SCHEMA = {
    "type": "object",
    "required": ["traceEvents", "displayTimeUnit"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {
            "items": {
                "oneOf": [
                    _event(
                        "X",
                        {
                            **_TIMED,
                            "dur": {"type": "number", "minimum": 0},
                            "args": {
                                "additionalProperties": {"type": ["string", "number", "boolean"]}
                            },
                        },
                    ),
                    _event("i", {**_TIMED, "s": {"enum": ["g", "p", "t"]}}),
                    _event("s", {**_TIMED, "id": {"type": "integer"}}),
                    _event("f", {**_TIMED, "id": {"type": "integer"}, "bp": {"const": "e"}}),
                    _event(
                        "M",
                        {
                            **_COMMON,
                            "name": {"enum": ["process_name", "thread_name"]},
                            "args": {
                                "properties": {"name": {"type": "string"}},
                                "required": ["name"],
                            },
                        },
                    ),
                ]
            }
        },
    },
}
_SAME = 0.002  # microseconds that rounding may take


@dataclass(frozen=True)
class Slice:
    """A span: microseconds from when it began to when it ended."""

    name: str
    kind: str
    track: int
    began: float
    ended: float
    args: dict[str, Any]

    def contains(self, other: Slice) -> bool:
        """Return whether another one is within it, on the same track."""
        return (
            self.track == other.track
            and self.began <= other.began + _SAME
            and other.ended <= self.ended + _SAME
        )


class Timeline:
    """A trace that is as the format asks for, with all that Perfetto would only warn about."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text())
        jsonschema.validate(document, SCHEMA)
        events = document["traceEvents"]
        self.slices = [
            Slice(e["name"], e["cat"], e["tid"], e["ts"], e["ts"] + e["dur"], e["args"])
            for e in events
            if e["ph"] == "X"
        ]
        self.instants = [e["name"] for e in events if e["ph"] == "i"]
        named = {e["tid"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
        assert {each.track for each in self.slices} <= named
        self.flows = self._flows([e for e in events if e["ph"] in "sf"])
        self._refuse_overlaps()

    def of(self, kind: str) -> dict[str, Slice]:
        """Return the slices of a kind, by name."""
        return {each.name: each for each in self.slices if each.kind == kind}

    def within(self, outer: Slice) -> list[str]:
        """Return the names of the slices in another one."""
        return [each.name for each in self.slices if each is not outer and outer.contains(each)]

    def _flows(self, events: list[dict[str, Any]]) -> set[tuple[str, str]]:
        """Return from which step's slice to which one arrows lead."""
        ends: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
        for event in events:
            assert event["ph"] not in ends[event["id"]]
            ends[event["id"]][event["ph"]] = event
        flows = set()
        for each in ends.values():
            assert each["s"]["ts"] <= each["f"]["ts"]
            flows.add((self._step_at(each["s"]), self._step_at(each["f"])))
        return flows

    def _step_at(self, event: dict[str, Any]) -> str:
        here = [
            each
            for each in self.slices
            if each.track == event["tid"]
            and each.began <= event["ts"] <= each.ended
            and each.name.startswith(f"{each.kind}:")
        ]
        return min(here, key=lambda each: each.ended - each.began).name

    def _refuse_overlaps(self) -> None:
        for track in {each.track for each in self.slices}:
            open_: list[Slice] = []
            here = [each for each in self.slices if each.track == track]
            for each in sorted(here, key=lambda s: (s.began, -s.ended)):
                while open_ and open_[-1].ended <= each.began + _SAME:
                    open_.pop()
                assert not open_ or open_[-1].contains(each), (open_[-1], each)
                open_.append(each)

    def idle(self, within: Slice) -> float:
        """Return the microseconds of a slice in which nothing else was at work on any track."""
        busy, end = 0.0, within.began
        times = sorted((s.began, s.ended) for s in self.slices if s is not within)
        for began, ended in times:
            busy += max(0.0, ended - max(began, end))
            end = max(end, ended)
        return within.ended - within.began - busy
