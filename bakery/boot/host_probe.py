"""Units of the host's own: what images start takes none of them down.

systemd logs every unit that it was told to stop, and that fails, under IDs of sd-messages.h. Of one
that ended by itself, as those do that wait for work on a bus or a socket, these say nothing.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bakery.boot.guest import AGENT_NAME
from bakery.boot.verdict import Probe, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from bakery.boot.guest import Answer
    from bakery.boot.inspect import Shipped

_LOGGED = (  # messages that a unit stops, has stopped, has failed
    "de5b426a63be47a7b6ac3eaac82e2f6f",
    "9d1aaa27d60140bd96365438aad20286",
    "d9b373ed55a64feb8242e02dbe79a49c",
)
_SCRIPT = """\
units=$(
  journalctl --boot --quiet --output=cat --output-fields=UNIT \\
    --cursor-file=/run/bakery-host-cursor {messages}
)
[ -z "$units" ] || systemctl show --property={properties} -- {agent} $units {shipped}
"""
# Properties of a unit, and what another unit says that stops it
_STOPPED_BY = {
    "ConflictedBy": "which has Conflicts={name}",
    "Conflicts": "with which {name} has Conflicts=",
    "BindsTo": "to which {name} has BindsTo=",
    "Requires": "which {name} has in Requires=",
    "PartOf": "which {name} has in PartOf=",
    "StopPropagatedFrom": "which has PropagatesStopTo={name}",
}
_AT_ONCE = ("ConflictedBy", "Conflicts")  # even if somebody started it again
_DOWN = ("inactive", "failed")
_STARTED_BY = ("WantedBy", "RequiredBy", "UpheldBy", "TriggeredBy")
_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "FragmentPath", "Transient", "InvocationID"),
    *("StopWhenUnneeded", "ActiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic"),
    *(*_STARTED_BY, *_STOPPED_BY),
)
_ADVICE = (
    "The image must leave the host's own units alone; where it takes the place of {name}, let"
    " check.yaml say so: units: [{{name: {name}, state: inactive}}]"
)


def probe(shipped: Shipped, named: Collection[str], *, caused: bool = False) -> Probe:
    """Return the probe that since the one before no unit of the host's was stopped, or failed.

    Args:
        shipped: what the images brought.
        named: units about which something else is expected.
        caused: whether only what a unit of the images says is a reason: somebody else may have
            stopped what he liked.

    """

    def judge(answer: Answer) -> Verdict:
        units = {facts.get("Id", ""): facts for facts in _blocks(answer.stdout)}
        merge = _time(units.get(AGENT_NAME, {}), "ActiveEnter")  # it comes up right before that
        started = {each for each in shipped.units if units.get(each, {}).get("InvocationID")}
        wrong, advice = [], ""
        for name, facts in units.items():
            changed = _time(facts, "StateChange") > merge  # else in the initial RAM disk
            if name in named or not (changed and _is_the_hosts(facts, shipped)):
                continue
            reason = _cause(name, facts, started) or ("" if caused else _downfall(facts))
            if reason:
                wrong.append(f"{name} {reason}; it is {facts['ActiveState']} ({facts['SubState']})")
                advice = _ADVICE.format(name=name)
        return Verdict(not wrong, "\n".join(filter(None, [*wrong, advice])), final=True)

    return Probe(
        title="the host's own units stay up",
        script=_SCRIPT.format(
            messages=" ".join(f"MESSAGE_ID={each}" for each in _LOGGED),
            properties=",".join(_PROPERTIES),
            agent=AGENT_NAME,
            shipped=shlex.join(shipped.units),
        ),
        judge=judge,
        timeout=0,
        quiet=True,
    )


def _blocks(text: str) -> Iterator[Mapping[str, str]]:
    for block in text.split("\n\n"):
        yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _time(facts: Mapping[str, str], event: str) -> int:
    return int(facts.get(f"{event}TimestampMonotonic") or 0)


def _is_the_hosts(facts: Mapping[str, str], shipped: Shipped) -> bool:
    file = facts.get("FragmentPath", "").rpartition("/")[2]
    known = facts.get("LoadState") == "loaded" and facts.get("Transient") != "yes"
    return known and file not in shipped.unit_files


def _cause(name: str, facts: Mapping[str, str], started: Collection[str]) -> str | None:
    """Return which of the images' units stopped a unit, by what it says of it or it of that."""
    for key, text in _STOPPED_BY.items():
        for other in facts.get(key, "").split():
            if other in started and (key in _AT_ONCE or facts["ActiveState"] in _DOWN):
                return f"was stopped by {other}, {text.format(name=name)}"
    return None


def _downfall(facts: Mapping[str, str]) -> str | None:
    """Return how a unit went down that was up, and that the host wants to be."""
    was_up = _time(facts, "ActiveEnter") > 0
    if not was_up or facts["ActiveState"] not in _DOWN or facts.get("StopWhenUnneeded") == "yes":
        return None
    if facts["ActiveState"] == "failed":
        return "ran, and failed"
    wanted = any(facts.get(each) for each in _STARTED_BY)
    return "was stopped, and the journal does not say by whom" if wanted else None
