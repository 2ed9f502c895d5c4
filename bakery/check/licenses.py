"""Recognise licences by their texts: by a title, or by words that only this one has."""

from __future__ import annotations

import re

_FILE = re.compile(r"(.*/)?(LICEN[CS]E|COPYING|UNLICENSE)([.-][^/]*)?", re.IGNORECASE)
_TAG = re.compile(r"SPDX-License-Identifier:\s*([\w.+-]+)")
_WORDS = {  # in lower case, with single blanks and without punctuation
    "AGPL-3.0": "gnu affero general public license version 3 19 november 2007",
    "Apache-2.0": "apache license version 2 0",
    "BSD-2-Clause": "redistribution and use in source and binary forms",
    "BSL-1.0": "boost software license version 1 0",
    "BUSL-1.1": "business source license",
    "CC0-1.0": "cc0 1 0 universal",
    "EPL-2.0": "eclipse public license v 2 0",
    "Elastic-2.0": "elastic license 2 0",
    "GPL-2.0": "gnu general public license version 2 june 1991",
    "GPL-3.0": "gnu general public license version 3 29 june 2007",
    "ISC": (
        "permission to use copy modify and or distribute this software for any purpose with or"
        " without fee is hereby granted provided that"
    ),
    "LGPL-2.1": "gnu lesser general public license version 2 1 february 1999",
    "LGPL-3.0": "gnu lesser general public license version 3 29 june 2007",
    "MIT": "permission is hereby granted free of charge to any person obtaining a copy",
    "MPL-2.0": "mozilla public license version 2 0",
    "SSPL-1.0": "server side public license version 1",
    "Unlicense": "this is free and unencumbered software released into the public domain",
    "Zlib": "altered source versions must be plainly marked as such",
}
_BSD_THIRD_CLAUSE = "neither the name"


def is_license_file(path: str) -> bool:
    """Return whether a file's name is one that licences have: LICENSE, COPYING, LICENSE-MIT, …."""
    return _FILE.fullmatch(path) is not None


def identify(text: str) -> str | None:
    """Return the SPDX identifier of a licence's text, of GNU's without `-only` and `-or-later`.

    Of several the first in the text; None if none is recognised.
    """
    if tag := _TAG.search(text):
        return family(tag[1])
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    positions = {words.find(phrase): name for name, phrase in _WORDS.items() if phrase in words}
    if not positions:
        return None
    name = positions[min(positions)]
    three = name == "BSD-2-Clause" and _BSD_THIRD_CLAUSE in words
    return "BSD-3-Clause" if three else name


def family(identifier: str) -> str:
    """Return an SPDX identifier without what follows a GNU licence's version."""
    return re.sub(r"(-only|-or-later|\+)$", "", identifier)
