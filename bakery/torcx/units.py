"""Units and scripts of Torcx images, rewritten for a host without Torcx.

Torcx told them where things are with variables in /run/metadata/torcx (TORCX_BINDIR,
TORCX_UNPACKDIR), and had torcx.target reached when they were there; they named their own folder in
TORCX_IMAGEDIR. In an extension all of that is /usr, from before any unit starts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DROPPED = re.compile(
    r"""^[ \t]*(
        EnvironmentFile\s*=\s*-?/run/metadata/torcx
        | Environment\s*=\s*"?TORCX_\w+=[^\s"]*"?
        | (Condition|Assert)Path\w*\s*=\s*\W*/run/(metadata/)?torcx\S*
        | (\.|source)[ \t]+/run/metadata/torcx
    )[ \t]*\n""",
    re.MULTILINE | re.VERBOSE,
)
_ORDER = re.compile(
    r"^[ \t]*(After|Before|Requires|Requisite|Wants|BindsTo|PartOf)\s*=(?P<units>[^\n\\]*)\n",
    re.MULTILINE,
)
_INSTALL = re.compile(r"\n*^[ \t]*\[Install\][ \t]*$(?s:.*?)(?=\n[ \t]*\[|\n*\Z)", re.MULTILINE)
_TORCX_UNIT = re.compile(r"torcx[\w.@-]*\.(target|service)")
_SEARCH = re.compile(r"/usr/bin/env PATH=\S*TORCX_BINDIR\S* ")
_VARIABLE = r"\$(?:\{{{0}\}}|{0}\b)"
_ROOT = (
    "(?:" + _VARIABLE.format("TORCX_UNPACKDIR") + "|(?:/var)?/run/torcx/unpack)"
    "/?(?:" + _VARIABLE.format("TORCX_IMAGEDIR") + r"|/?[\w.-]+)"
)
_IN_IMAGE = re.compile(_ROOT + r"(?P<path>(?:/[\w.@+-]+)*)(?=[/:;\s\"']|$)", re.MULTILINE)
_NAMED = re.compile(_ROOT + r"(?P<variable>\$(?:\{(?P<name>\w+)\}|(?P<bare>\w+)))")
_PROGRAMS = re.compile("(?:" + _VARIABLE.format("TORCX_BINDIR") + r"|(?:/var)?/run/torcx/bin\b)")
# Labels files for SELinux, which hosts without it lack: no reason for a service not to start
_LABELS = re.compile(
    r"^(?P<key>Exec\w+=)(?P<program>(?:/usr)?/?(?:s?bin/)?restorecon )", re.MULTILINE
)


def path_variables(texts: Iterable[str]) -> frozenset[str]:
    """Return the variables that units append to the image's folder: they hold paths in it."""
    return frozenset(
        match["name"] or match["bare"] for text in texts for match in _NAMED.finditer(text)
    )


def without_torcx(
    text: str,
    place: Callable[[str], str] = lambda path: f"/usr{path}",
    variables: frozenset[str] = frozenset(),
) -> str:
    """Return a unit's, drop-in's or script's text with paths in /usr for those of Torcx.

    Without [Install]: an extension starts its units with drop-ins, and nobody enables them.

    Args:
        text: the text.
        place: gives where a path of the image is in the extension; the empty one is its root.
        variables: those that hold paths of the image, as `path_variables` finds them.

    """
    text = _INSTALL.sub("", text)
    text = _DROPPED.sub("", text)
    text = _ORDER.sub(_without_torcx_units, text)
    text = _SEARCH.sub("", text)
    text = _NAMED.sub(lambda match: match["variable"], text)
    for name in variables:
        assigned = re.compile(rf"(?<=\b{name}=)(?P<path>/[\w.@+/-]+)")
        text = assigned.sub(lambda match: place(match["path"]), text)
    text = _IN_IMAGE.sub(lambda match: place(match["path"]), text)
    text = _PROGRAMS.sub("/usr/bin", text)
    return _LABELS.sub(r"\g<key>-\g<program>", text)


def mentions(text: str) -> list[str]:
    """Return the lines that still mention Torcx, comments aside."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if "torcx" in line.lower() and line[:1] not in ("#", ";")]


def _without_torcx_units(line: re.Match[str]) -> str:
    if not _TORCX_UNIT.search(line["units"]):
        return line[0]
    units = [unit for unit in line["units"].split() if not _TORCX_UNIT.fullmatch(unit)]
    return f"{line[1]}={' '.join(units)}\n" if units else ""
