"""Put on record that all is done that a command line needs, and lay the files there it stands for.

Run in a project's folder. What doit then finds is what a build leaves, without its hours.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.build.step import Made
from bakery.build.steps.squashed import Squashed

if TYPE_CHECKING:
    from bakery.build.step import AnyStep

_FACTS = {"sha256": "0" * 64, "size": 1, "contents": 1, "tools": "", "warnings": 0, "not_run": 0}


def _made(step: AnyStep) -> Made[msgspec.Struct]:
    known = {field.name for field in msgspec.structs.fields(step.facts)}
    facts = msgspec.convert({k: v for k, v in _FACTS.items() if k in known}, step.facts)
    outputs = step.leftovers if step.facts is Squashed else ()
    if step.kind == "build":
        outputs = tuple([step.leftovers[0] / name for name in ("SHA256SUMS", "release.json")])
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")
    return Made(facts=facts, outputs=outputs)


def main() -> None:
    """Do so for `doit build`."""
    sys.argv = ["doit", "build"]
    graph = runpy.run_path(str(Path("dodo.py").resolve()))["bakery"]
    state = graph.state
    for step in graph._steps.values():
        if step.kind in ("squash", "check", "build"):
            state._record(step, state.key(step), 0.1, _made(step))


if __name__ == "__main__":
    main()
