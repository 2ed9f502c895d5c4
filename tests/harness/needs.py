"""What a machine may lack that a test needs: the test is then skipped, and the lack is told."""

from __future__ import annotations

import os
import shutil

import pytest

from bakery.boot.debian import SUITES
from harness.native import ARCH

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
X86_64 = pytest.mark.skipif(ARCH != "x86-64", reason="runs programs for x86-64")
# What takes minutes boots one system each time, the others each night
LONG = [
    pytest.param(suite, marks=[] if suite == "trixie" else [pytest.mark.nightly])
    for suite in SUITES
]


def programs(*names: str) -> pytest.MarkDecorator:
    """Return a mark for what needs programs."""
    lacking = [name for name in names if shutil.which(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"needs {', '.join(lacking)}")
