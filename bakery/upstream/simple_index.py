"""Versions of a project on the package index that pip is configured for.

The simple repository API, as JSON or HTML:
https://packaging.python.org/en/latest/specifications/simple-repository-api/
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  types are read at run time
import os
import re
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from bakery.http.address import split
from bakery.recipe.policy import Published
from bakery.recipe.wheel import WheelName
from bakery.upstream.errors import UpstreamError
from bakery.upstream.listing import Links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import PypiUpstream
    from bakery.upstream.api import Api

_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_INDEX = re.compile(r"--index-url <url>.*?\(default (\S+)\)", re.DOTALL)


class _File(msgspec.Struct, rename="kebab"):
    filename: str
    upload_time: dt.datetime | None = None
    yanked: bool | str = False


class _Project(msgspec.Struct):
    files: list[_File]


def versions(upstream: PypiUpstream, api: Api) -> Iterator[Published]:
    """Yield the versions of which the index has wheels.

    A version is yanked when all its wheels are; its day is that of the first one.

    Raises:
        UpstreamError: the index does not have the project, or pip tells no index.

    """
    wheels: defaultdict[str, list[_File]] = defaultdict(list)
    for file in _files(upstream.pypi, api):
        wheel = WheelName.parse(file.filename)
        if wheel is not None:
            wheels[wheel.version].append(file)
    for tag, files in wheels.items():
        days = [file.upload_time.date() for file in files if file.upload_time]
        yield Published(
            tag,
            date=min(days, default=None),
            yanked=all(file.yanked is not False for file in files),
        )


def wheels(project: str, version: str, api: Api) -> list[str]:
    """Return the names of a version's wheels.

    Raises:
        UpstreamError: the index does not have the project, or pip tells no index.

    """
    return [
        file.filename
        for file in _files(project, api)
        if (wheel := WheelName.parse(file.filename)) and wheel.is_version(version)
    ]


def _files(project: str, api: Api) -> list[_File]:
    name = re.sub(r"[-_.]+", "-", project).lower()
    answer = api.get(f"{index()}/{name}/", accept=_ACCEPT, direct=True)
    if answer.headers.get("Content-Type", "").startswith(_JSON):
        return api.decoded(answer, _Project).files
    return [
        _File(
            filename=unquote(split(link["href"] or "").path).rpartition("/")[2],
            yanked="data-yanked" in link,
        )
        for link, _ in Links(answer.text).found
        if "href" in link
    ]


def index() -> str:
    """Return the address of pip's index.

    pip's help says it, with what configuration files and PIP_INDEX_URL set as the default, but
    not the login in it: that is looked up in ~/.netrc.

    Raises:
        UpstreamError: pip does not say it.

    """
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--help"],
        env={**os.environ, "COLUMNS": "1000", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = _INDEX.search(done.stdout)
    if found is None:
        raise UpstreamError(
            "pip does not tell which package index it uses",
            why=done.stderr.strip() or None,
            fix="look at `pip config list`",
        )
    return re.sub(r"//[^/@]*@", "//", found[1]).rstrip("/")
