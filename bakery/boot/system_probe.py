"""What images bring for udev and systemd-sysctl: it is read before the merge, and must act."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from bakery.boot.verdict import Probe, Verdict
from bakery.check.udevadm import NO_ACCOUNT, VERIFIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.boot.guest import Answer
    from bakery.boot.inspect import Shipped

_TIMEOUT = 10
# A line of comments, or of a condition alone; and what sums up, even such lines
_HARMLESS = re.compile(r"line (has|takes) no effect|udev rules check failed")
# Every line that sets a variable, as PATH|VALUE|NOW; sysctl.d(5). Globs and `-name` are left out.
_SYSCTLS = r"""
sed -e 's/[[:space:]]*=[[:space:]]*/=/' -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' {file} |
grep '^[A-Za-z][^=*]*=' |
while IFS='=' read -r name value; do
  case $name in */*) path=$name ;; *) path=$(echo "$name" | tr . /) ;; esac
  [ -w "/proc/sys/$path" ] && may=yes || may=no
  echo "$name|$value|$(cat "/proc/sys/$path" 2>&1 | tr '\t' ' ')|$may"
done
"""


def probes(shipped: Shipped, systemd: int, *, virtual: bool) -> Iterator[Probe]:
    """Yield what must hold of rules and variables.

    Args:
        shipped: what the images brought.
        systemd: the version that runs.
        virtual: whether udev runs, and devices are there that rules are about.

    """
    yield from (_sysctl(path, virtual=virtual) for path in shipped.sysctls)
    for path in shipped.rules:
        yield _grammar(path, systemd)
    if shipped.rules and virtual:
        yield _devices(shipped.rules)


def _sysctl(path: str, *, virtual: bool) -> Probe:
    def judge(answer: Answer) -> Verdict:
        wrong = []
        for line in answer.stdout.splitlines():
            name, value, now, writable = line.split("|", 3)
            if now.split() != value.split():
                wrong.append(f"{name} is {now}, and not {value}")
                if writable == "no" and not virtual:
                    wrong.append("a container can't set it: say `machine: vm` in check.yaml")
        hint = "systemd read sysctl.d before the merge: a unit of the image must apply it"
        return Verdict(not wrong, "\n".join([*wrong, hint]) if wrong else "")

    return Probe(
        title=f"{path} is applied",
        script=_SYSCTLS.format(file=shlex.quote(path)),
        judge=judge,
        timeout=_TIMEOUT,
    )


def _grammar(path: str, systemd: int) -> Probe:
    """Return the probe that udev understands a file of rules.

    Before version 254 only reading all rules for a device shows it.
    """
    name = path.rpartition("/")[2]

    def judge(answer: Answer) -> Verdict:
        output = answer.stdout + answer.stderr
        named = [line for line in output.splitlines() if name in line]
        said = [line for line in named if not _HARMLESS.search(line)]
        if systemd >= VERIFIES and answer.status != 0 and not named:
            said = [output.strip() or f"udevadm ends with status {answer.status}"]
        # the image's setup may still be making an account
        lasting = not all(NO_ACCOUNT.search(line) for line in said)
        return Verdict(not said, "\n".join(said), final=lasting)

    quoted = shlex.quote(path)
    read = "udevadm test /sys/class/net/lo 2>&1 | grep -E 'Invalid|Unknown|unknown|ignoring'"
    return Probe(
        title=f"udev understands {path}",
        script=f"udevadm verify {quoted}" if systemd >= VERIFIES else read,
        judge=judge,
        timeout=_TIMEOUT,
    )


def _devices(rules: tuple[str, ...]) -> Probe:
    """Return the probe that udev applies rules to every device, and their programs run.

    Accounts are `_grammar`'s: udev may have read the rules before the setup made them.
    """

    def judge(answer: Answer) -> Verdict:
        lines = answer.stdout.strip().splitlines()
        said = [line for line in lines if not NO_ACCOUNT.search(line)]
        return Verdict(not said, "\n".join(said), final=True)

    return Probe(
        title=f"udev applies {', '.join(rules)}",
        script="udevadm control --reload && udevadm trigger --action=add && "
        "udevadm settle --timeout=60\n"
        "journalctl --boot --quiet --output=cat --unit=systemd-udevd.service --priority=warning",
        judge=judge,
        timeout=90,
    )
