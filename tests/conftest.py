"""What tests of several layers stand on."""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.openpgp import Person
from harness.upstream import Upstream
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# The same examples on every run, however busy the computer; others with
# `--hypothesis-profile=explore`
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("steady")
# Shells have what they start in the background ignore Ctrl-C, and nohup a terminal that goes;
# children inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="run what takes minutes, too")
    parser.addoption("--renew-screens", action="store_true", help="write tests/screens anew")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).with_name("e2e") in item.path.parents:
            item.add_marker("e2e")
        if item.get_closest_marker("nightly") and not config.getoption("--nightly"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --nightly"))


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    """Somebody with a keyring of their own, who signs for the tests of a module."""
    if not shutil.which("gpg"):
        pytest.skip("needs gpg")
    person = Person()
    yield person
    person.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server that answers as it is told to."""
    with Upstream() as server:
        yield server


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds back what waits for it, until the test is over at the latest."""
    event = threading.Event()
    yield event
    event.set()
