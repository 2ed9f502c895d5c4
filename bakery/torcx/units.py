"""Units of Torcx images, rewritten for a host without Torcx.

Torcx told units where things are with variables in /run/metadata/torcx (TORCX_BINDIR,
TORCX_UNPACKDIR), and had torcx.target reached when they were there; units named their own folder
in TORCX_IMAGEDIR. In an extension all of that is /usr, from before any unit starts.
"""

from __future__ import annotations

import re

_DROPPED = re.compile(
    r"""^[ \t]*(
        EnvironmentFile\s*=\s*-?/run/metadata/torcx
        | Environment\s*=\s*"?TORCX_\w+=[^\s"]*"?
        | (Condition|Assert)Path\w*\s*=\s*\W*/run/(metadata/)?torcx\S*
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
_IMAGE = re.compile(
    "(?:" + _VARIABLE.format("TORCX_UNPACKDIR") + "|/run/torcx/unpack)"
    "/?(?:" + _VARIABLE.format("TORCX_IMAGEDIR") + r"|/?[\w.-]+)(?=[/:\s\"']|$)"
)
_PROGRAMS = re.compile("(?:" + _VARIABLE.format("TORCX_BINDIR") + r"|/run/torcx/bin\b)")


def without_torcx(text: str) -> str:
    """Return a unit's or drop-in's text with paths in /usr for those of Torcx.

    Without [Install]: an extension starts its units with drop-ins, and nobody enables them.
    """
    text = _INSTALL.sub("", text)
    text = _DROPPED.sub("", text)
    text = _ORDER.sub(_without_torcx_units, text)
    text = _SEARCH.sub("", text)
    text = _IMAGE.sub("/usr", text)
    return _PROGRAMS.sub("/usr/bin", text)


def mentions(text: str) -> list[str]:
    """Return the lines that still mention Torcx, comments aside."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if "torcx" in line.lower() and line[:1] not in ("#", ";")]


def _without_torcx_units(line: re.Match[str]) -> str:
    if not _TORCX_UNIT.search(line["units"]):
        return line[0]
    units = [unit for unit in line["units"].split() if not _TORCX_UNIT.fullmatch(unit)]
    return f"{line[1]}={' '.join(units)}\n" if units else ""
