"""What is known about a release before its assets are opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping  # noqa: TC003  types are read at run time
from email.parser import HeaderParser
from typing import Literal

import msgspec

from bakery.arch import Arch  # noqa: TC001  types are read at run time
from bakery.recipe.version import Version  # noqa: TC001  types are read at run time

UNKNOWN_LICENCE = "LicenseRef-Unknown"
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
_WORDINGS = {  # licences whose text says which one it is, without versions to choose from
    "Apache-2.0": "Apache License Version 2.0",
    "BSD-3-Clause": "Neither the name of",
    "CC0-1.0": "CC0 1.0 Universal",
    "ISC": "Permission to use, copy, modify, and/or distribute this software for any purpose",
    "MIT": "Permission is hereby granted, free of charge, to any person obtaining a copy",
    "MPL-2.0": "Mozilla Public License Version 2.0",
    "Unlicense": "This is free and unencumbered software released into the public domain",
}


_GNU = re.compile(
    r"\b(?:GNU )?(?:(?P<kind>Affero|Lesser|Library) )?(?P<name>[AL]?GPL|General Public Licen[sc]e)"
    r"(?:,? +(?:version +|v)|v)(?P<version>\d(?:\.\d)?)"
    r"(?P<later>\+|,? or (?:any |\(at [\w ]+\) )?later)?",
    re.IGNORECASE,
)
# As Debian has them, and SPDX had: deprecated, and in use
_SUFFIXLESS = re.compile(
    r"\b([AL]?GPL|GFDL)-?(\d)(\.\d)?(?:\.0)?(\+|-or-later|-only)?(?![\w.-])", re.IGNORECASE
)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe says about a project. The licence is an SPDX expression."""

    summary: str
    homepage: str
    licence: str = UNKNOWN_LICENCE


class UpstreamFile(msgspec.Struct, frozen=True, kw_only=True):
    """A published file.

    Attributes:
        name: its name.
        url: where it is had.
        label: what the recipe calls it: its address, the platform tag of a wheel, or the name of an
            npm package.
        sums: addresses of files that may tell its digest, the most likely first.
        otherwise: gives the file to take if this one's programs turn out to need musl's loader.

    """

    name: str
    url: str
    label: str
    sums: tuple[str, ...] = ()
    otherwise: Callable[[], UpstreamFile] | None = None


class UpstreamRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a project, with the files to make images of.

    Attributes:
        version: upstream's version.
        upstream: the recipe's `upstream:`; None where nothing lists versions.
        index: of what kind the index is that has them; None for files at addresses.
        about: the project.
        files: a file for each processor.
        digests: whether its index or API gives every file's digest.
        notes: what was chosen, and why.

    """

    version: Version
    upstream: Mapping[str, str] | None
    index: Literal["npm", "pypi"] | None = None
    about: About
    files: Mapping[Arch, UpstreamFile]
    digests: bool = False
    notes: tuple[str, ...] = ()


def one_line(text: str | None, fallback: str) -> str:
    """Return a description as one line of text without a full stop, or what stands in for none."""
    return " ".join((text or "").split()).rstrip(".") or fallback


def expression(text: str | None) -> str:
    """Return the SPDX expression that a text is, in SPDX's spelling, or the one for `unknown`."""
    from packaging.licenses import (
        InvalidLicenseExpression,
        canonicalize_license_expression,
    )

    spelt = _SUFFIXLESS.sub(_suffixed, text or "")
    try:
        return canonicalize_license_expression(spelt)
    except InvalidLicenseExpression:
        return UNKNOWN_LICENCE


def _suffixed(match: re.Match[str]) -> str:
    """Return a GNU licence as SPDX has it now: without a suffix, it meant this version alone."""
    later = "only" if (match[4] or "-only").lower() == "-only" else "or-later"
    return f"{match[1].upper()}-{match[2]}{match[3] or '.0'}-{later}"


def licence_said(text: str) -> str | None:
    """Return the SPDX expression of the licence that a program names with its version, if any."""
    if match := _GNU.search(text):
        kind = (match["kind"] or match["name"])[:1].upper().replace("G", "")
        return expression(f"{kind}GPL-{match['version']}{'+' if match['later'] else ''}")
    for line in re.findall(
        r"(?im)^\s*licen[sc]e(?:d under)?:? +(?:the )?(.+?)(?: licen[sc]e)?\.?$", text
    ):
        if (licence := expression(line)) != UNKNOWN_LICENCE:
            return licence
    return None


def licence_of(text: str) -> str:
    """Return the SPDX identifier of a licence by its text, or the one for `unknown`."""
    flat = re.sub(r"[\s,]+", " ", text.replace("*", " ")).lower()
    names = [
        name for name, phrase in _WORDINGS.items() if re.sub(r"[\s,]+", " ", phrase).lower() in flat
    ]
    return names[0] if len(names) == 1 else UNKNOWN_LICENCE


def from_metadata(text: str, about: About) -> About:
    """Return what a wheel's METADATA says about its project, over what was known before.

    https://packaging.python.org/en/latest/specifications/core-metadata/
    """
    headers = HeaderParser().parsestr(text)
    pairs = (line.partition(",") for line in headers.get_all("Project-URL", []))
    links = {label.strip().lower(): url.strip() for label, _, url in pairs}
    pages = (links.get(label) for label in ("homepage", "repository", "source", "source code"))
    licences = [
        _CLASSIFIERS[name]
        for line in headers.get_all("Classifier", [])
        if (name := line.rpartition(" :: ")[2]) in _CLASSIFIERS
    ]
    spelt = headers["License-Expression"] or headers["License"]
    licence = expression(spelt)
    if licence == UNKNOWN_LICENCE and licences:
        licence = " OR ".join(sorted(set(licences)))
    return About(
        summary=one_line(headers["Summary"], about.summary),
        homepage=headers["Home-page"] or next(filter(None, pages), about.homepage),
        licence=licence,
    )
