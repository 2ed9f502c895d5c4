"""Identifiers that SPDX has deprecated, as of its License List 3.27: https://spdx.org/licenses/."""

from __future__ import annotations

import re

_GNU = re.compile(r"(?P<license>(?:A|L)?GPL-\d\.\d|GFDL-\d\.\d)(?P<later>\+)?")
_REPLACEMENTS = {  # what stood in one identifier is often an expression now
    "GPL-2.0-with-GCC-exception": "GPL-2.0-or-later WITH GCC-exception-2.0",
    "GPL-2.0-with-autoconf-exception": "GPL-2.0-or-later WITH Autoconf-exception-2.0",
    "GPL-2.0-with-bison-exception": "GPL-2.0-or-later WITH Bison-exception-2.2",
    "GPL-2.0-with-classpath-exception": "GPL-2.0-only WITH Classpath-exception-2.0",
    "GPL-2.0-with-font-exception": "GPL-2.0-only WITH Font-exception-2.0",
    "GPL-3.0-with-GCC-exception": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "GPL-3.0-with-autoconf-exception": "GPL-3.0-or-later WITH Autoconf-exception-3.0",
    "BSD-2-Clause-FreeBSD": "BSD-2-Clause",
    "BSD-2-Clause-NetBSD": "BSD-2-Clause",
    "Net-SNMP": "the licenses that Net-SNMP's COPYING names",
    "Nokia-Qt-exception-1.1": "Qt-LGPL-exception-1.1",
    "Nunit": "zlib-acknowledgement",
    "StandardML-NJ": "SMLNJ",
    "bzip2-1.0.5": "bzip2-1.0.6",
    "eCos-2.0": "GPL-2.0-or-later WITH eCos-exception-2.0",
    "wxWindows": "LGPL-2.0-or-later WITH WxWindows-exception-3.1",
}


def replacement(identifier: str) -> str | None:
    """Return what to write for a deprecated identifier; None for every other one."""
    gnu = _GNU.fullmatch(identifier)
    if gnu is None:
        return _REPLACEMENTS.get(identifier)
    if gnu["later"]:
        return f"{gnu['license']}-or-later"
    return f"{gnu['license']}-only or {gnu['license']}-or-later, as upstream's sources say"
