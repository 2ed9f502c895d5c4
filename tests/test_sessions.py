"""Sessions of noxfile.py that are no tests run with what they install, which has no pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
WITHOUT = "import runpy, sys; sys.modules['pytest'] = None; runpy.run_path(sys.argv[1])"


@pytest.mark.parametrize("script", ["bare/run.py", "bench/run.py"])
def test_a_script_of_a_session_needs_no_pytest(script: str) -> None:
    command = [sys.executable, "-c", WITHOUT, str(TESTS / script)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
