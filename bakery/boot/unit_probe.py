"""Units: they come to the state they must have, and stay there.

systemd tells an invocation from the next by its ID, and counts the restarts it made by itself; see
org.freedesktop.systemd1(5). A service that is started again and again is active most of the time.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bakery.boot.verdict import Probe, Verdict
from bakery.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bakery.boot.guest import Answer
    from bakery.recipe.expectations import UnitExpectation

    _Judge = Callable[[Mapping[str, str]], Verdict]

WATCHED = ("service", "socket", "timer", "path", "mount", "automount", "swap")
_GIVEN_UP = 3_000_000  # microseconds after which nobody restarts a failed unit any more
_SLACK = 30  # seconds in which a unit comes back after a command that restarts it
_PROPERTIES = (
    "LoadState,ActiveState,SubState,Result,StateChangeTimestampMonotonic,InvocationID,NRestarts,"
    "ActiveEnterTimestampMonotonic,ConditionTimestampMonotonic,ConditionResult,"
    "Type,UpheldBy,WantedBy,RequiredBy,TriggeredBy,ExecMainStatus,ExecMainCode"
)
_SCRIPT = """\
systemctl show --property={properties} -- {name}
for each in $(systemctl show --value --property=UpheldBy -- {name}); do
  systemctl --quiet is-active -- "$each" && echo UpheldNow=yes
done
read -r now rest </proc/uptime; echo "Now=$now"
"""
_STATES_ON_THE_WAY = {"activating", "reloading", "refreshing"}


@dataclass
class Watch:
    """What is asked about one unit, and what was seen of it.

    Attributes:
        unit: what must hold.
        implied: whether nobody named it: an image ships it, and it must run if anything starts it.

    """

    unit: UnitExpectation
    implied: bool = False
    _seen: dict[str, str] = field(default_factory=dict)

    @property
    def lasting(self) -> bool:
        """Whether it must stay as it is."""
        return self.unit.state == "active"

    def comes(self) -> Probe:
        """Return the probe that it comes to its state."""
        title = f"{self.unit.name} " + ("runs" if self.implied else f"is {self.unit.state}")
        return self._probe(title, self._judge_coming, self.unit.timeout)

    def stays(self) -> Probe:
        """Return the probe that it is the same run of it for as long as its window."""
        title = f"{self.unit.name} stays active for {self.unit.window} s"
        return self._probe(title, self._judge_staying, self.unit.window + _SLACK)

    def still(self) -> Probe:
        """Return the probe that it is active at the end, and was not restarted by systemd."""
        return self._probe(f"{self.unit.name} is still active", self._judge_still, _SLACK)

    def _probe(self, title: str, judge: _Judge, timeout: int) -> Probe:
        name = self.unit.name

        def judged(answer: Answer) -> Verdict:
            return judge(_facts(answer.stdout))

        return Probe(
            title=title,
            script=_SCRIPT.format(properties=_PROPERTIES, name=shlex.quote(name)),
            judge=judged,
            timeout=timeout,
            unit=name,
            quiet=self.implied,
        )

    def _judge_coming(self, facts: Mapping[str, str]) -> Verdict:
        state = facts.get("ActiveState", "unknown")
        if state == self.unit.state:
            self._seen.update(facts)
            return Verdict(True)
        if self._may_rest(facts):
            return Verdict(True)
        if facts.get("LoadState") == "not-found":
            return Verdict(False, f"systemd knows no unit {self.unit.name}", final=True)
        result = facts.get("Result", "success")
        given_up = state == "failed" and (
            result == "start-limit-hit" or _since(facts, "StateChange") >= _GIVEN_UP
        )
        idle = state == "inactive" and not facts.get("InvocationID")
        nobody = ", and nothing has started it" if idle else ""
        return Verdict(False, f"it is {_described(facts)}{nobody}", final=given_up)

    def _judge_staying(self, facts: Mapping[str, str]) -> Verdict:
        if not self._seen or self._may_rest(facts):
            return Verdict(True)
        if wrong := self._change(facts, same_run=True):
            return Verdict(False, wrong, final=True)
        active = _since(facts, "ActiveEnter") / 1e6
        left = self.unit.window - active
        if left <= 0:
            return Verdict(True)
        detail = f"it has been active for {active:.0f} s"
        return Verdict(False, detail, pending=left)

    def _judge_still(self, facts: Mapping[str, str]) -> Verdict:
        if not self._seen or self._may_rest(facts):
            return Verdict(True)
        if facts.get("ActiveState") in _STATES_ON_THE_WAY:
            return Verdict(False, f"it is {_described(facts)}")
        wrong = self._change(facts, same_run=False)
        return Verdict(wrong is None, wrong or "", final=True)

    def _may_rest(self, facts: Mapping[str, str]) -> bool:
        return self.implied and facts.get("ActiveState") == "inactive" and not _must_run(facts)

    def _change(self, facts: Mapping[str, str], *, same_run: bool) -> str | None:
        """Return how a unit has changed for the worse since it was seen active."""
        before, now = (int(each.get("NRestarts") or 0) for each in (self._seen, facts))
        if now > before or facts.get("SubState") == "auto-restart":
            restarted = f"systemd restarted it {counted(now, 'time')}" if now else "it ended"
            return f"it did not stay up: {restarted}, and it is {_described(facts)}"
        if facts.get("ActiveState") not in {"active", "reloading", "refreshing"}:
            return f"it did not stay up: it is {_described(facts)}"
        if same_run and facts.get("InvocationID") != self._seen.get("InvocationID"):
            return "it did not stay up: it ended and was started again"
        return None


def _facts(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _must_run(facts: Mapping[str, str]) -> bool:
    """Return whether something is wrong with a unit that is not active, and has not failed."""
    enabled = any(facts.get(each) for each in ("UpheldBy", "WantedBy", "RequiredBy"))
    started = bool(facts.get("InvocationID"))
    if facts.get("ConditionResult") == "no" and started is False:
        looked_at = int(facts.get("ConditionTimestampMonotonic") or 0) > 0
        return not looked_at and "UpheldNow" in facts  # else they do not hold, or nothing starts it
    if facts.get("Type") == "oneshot" and started:
        return False  # it has done what it is for
    if facts.get("TriggeredBy") and not facts.get("UpheldBy"):
        return False  # it comes when it is needed
    return enabled or started


def _since(facts: Mapping[str, str], event: str) -> float:
    """Return how many microseconds ago something happened to a unit.

    A timer or path that triggers changes its state, and stays active.
    """
    return float(facts.get("Now", 0)) * 1e6 - int(facts.get(f"{event}TimestampMonotonic") or 0)


def _described(facts: Mapping[str, str]) -> str:
    result = facts.get("Result", "success")
    reason = "" if result == "success" else f", result: {result}"
    return f"{facts.get('ActiveState', 'unknown')} ({facts.get('SubState')}{reason})"
