"""Versions of a project on the package indexes that pip is configured for.

pypi-simple reads what they answer (the simple repository API, as JSON or HTML:
https://packaging.python.org/en/latest/specifications/simple-repository-api/); `pip config list`
tells which they are, and ~/.netrc or their addresses who asks.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING

from bakery.http.address import shown
from bakery.http.client import Client
from bakery.http.errors import RequestError
from bakery.recipe.policy import Published
from bakery.recipe.wheel import WheelName
from bakery.upstream.errors import NotFoundError, UpstreamError
from bakery.upstream.pypi import run_pip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypi_simple import DistributionPackage, ProjectPage

    from bakery.recipe.upstreams import PypiUpstream
    from bakery.upstream.api import Api

_SECTIONS = ("global", "install", ":env:")  # of pip's configuration, the strongest last


def versions(upstream: PypiUpstream, api: Api) -> Iterator[Published]:
    """Yield the versions of which the index has wheels.

    A version is yanked when all its wheels are; its day is that of the first one.

    Raises:
        UpstreamError: the index does not have the project, or pip tells no index.

    """
    wheels: defaultdict[str, list[DistributionPackage]] = defaultdict(list)
    for file in _files(upstream.pypi, api):
        wheel = WheelName.parse(file.filename)
        if wheel is not None:
            wheels[wheel.version].append(file)
    for tag, files in wheels.items():
        days = [file.upload_time.date() for file in files if file.upload_time]
        yield Published(
            tag,
            date=min(days, default=None),
            yanked=all(file.is_yanked for file in files),
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


def _files(project: str, api: Api) -> list[DistributionPackage]:
    """Return what all indexes have of a project, as pip takes it from any of them."""
    missing: UpstreamError | None = None
    files: list[DistributionPackage] | None = None
    for index in indexes():
        try:
            page = _page(index, project, api)
        except NotFoundError as error:
            missing = error
        else:
            files = [*(files or ()), *page.packages]
    if files is None and missing is not None:
        raise missing
    return files or []


def _page(index: str, project: str, api: Api) -> ProjectPage:
    from packaging.utils import canonicalize_name
    from pypi_simple import ACCEPT_ANY, ProjectPage

    url = f"{index}/{canonicalize_name(project)}/"
    try:
        if url.startswith("file:"):
            return ProjectPage.from_html(project, _read(f"{url}index.html"), base_url=url)
        return ProjectPage.from_response(api.get(url, accept=ACCEPT_ANY, direct=True), project)
    except (ValueError, RecursionError) as error:
        raise UpstreamError(
            "the package index answers with something that is no list of files",
            where=shown(url),
            why=str(error),
            fix="look at `pip config list`, and whether a proxy or a login page answered",
        ) from None


def _read(url: str) -> bytes:
    try:
        return Client().read(url)
    except RequestError as error:
        raise NotFoundError(
            "the package index does not have the project",
            where=shown(url),
            why=str(error),
            fix="correct its name; `pip config list` shows which index is asked",
        ) from None


def indexes() -> list[str]:
    """Return the addresses of pip's indexes, with the logins that they may hold.

    Raises:
        UpstreamError: pip does not tell its configuration, or is told to use none.

    """
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    values = _configuration()
    if values.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        raise UpstreamError(
            "pip is configured to use no package index", fix="look at `pip config list`"
        )
    first = values.get("index-url", PYPI_SIMPLE_ENDPOINT)
    return [url.rstrip("/") for url in [first, *values.get("extra-index-url", "").split()]]


def _configuration() -> dict[str, str]:
    """Return what holds for `pip install`, from pip's files and variables."""
    done = run_pip("config", "list", what="pip does not tell its configuration")
    if done.status != 0:
        raise UpstreamError(
            "pip does not tell which package index it uses",
            why=done.stderr.strip() or None,
            fix="look at `pip config list`",
        )
    lines = [line.partition("=") for line in done.stdout.splitlines()]
    values = {key.rpartition(".")[::2]: ast.literal_eval(value) for key, _, value in lines}
    return {
        name: value
        for strength in _SECTIONS
        for (section, name), value in values.items()
        if section == strength and value
    }
