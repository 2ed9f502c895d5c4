"""What a machine may lack that a test needs: the test is then skipped, and the lack is told."""

from __future__ import annotations

import os
import shutil

import pytest

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def programs(*names: str) -> pytest.MarkDecorator:
    """Return a mark for what needs programs."""
    lacking = [name for name in names if shutil.which(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"needs {', '.join(lacking)}")
