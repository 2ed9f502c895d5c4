"""Files at addresses that have the version in them, and perhaps the processor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES
from bakery.errors import BakeryError
from bakery.http.address import file_name, split
from bakery.http.errors import RequestError
from bakery.recipe.types import VersionPattern
from bakery.recipe.upstreams import ListingUpstream
from bakery.recipe.version import Version
from bakery.scaffold.release import About, UpstreamFile, UpstreamRelease
from bakery.upstream.errors import UpstreamError
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.arch import Arch
    from bakery.upstream.api import Api

_OWN_SUMS = (".sha256", ".sha256sum")
_SHARED_SUMS = ("SHA256SUMS", "sha256sum.txt", "sha256sums.txt", "checksums.txt")


def look(address: str, name: str, version: str | None, api: Api) -> UpstreamRelease:
    """Return a version with its files; see `create`.

    The address is of a file, with `{version}` or `{bare}`, and `{arch}` where it has the processor;
    or of one version's file for one processor, whose words for both are found in it. The newest
    version is that of the folder above.

    Raises:
        BakeryError: the address has no version in it, or nothing is there.
        UpstreamError: the server does not answer, or lists no versions.

    """
    notes, upstream = [], None
    if "{" not in address:
        _refusal(address, api)  # a server that can't be asked at all is no reason to go on
    if not re.search(r"\{(?:version|bare)\}", address):
        address, found = _with_placeholders(address)
        notes.append(f"{address}, version {found}")
        version = version or found
        upstream = _listed(address, found, api)
    _check(address)
    if version is None:
        upstream, version = _newest(address, api)
        notes.append(f"{version}, the newest below {upstream['listing']}")
    parsed = Version.parse(version)
    address = address.replace("{version}", parsed.tag).replace("{bare}", parsed.bare)
    files = _files(address, api)
    notes += [
        f"{arch}: {files[arch].name if arch in files else 'nothing'}" for arch in ARCHITECTURES
    ]
    return UpstreamRelease(
        version=parsed,
        upstream=upstream,
        about=About(
            summary=f"{name}, as {split(address).hostname} publishes it",
            homepage=f"https://{split(address).hostname}/",
        ),
        files=files,
        notes=tuple(notes),
    )


def _with_placeholders(address: str) -> tuple[str, str]:
    """Return the address of one file with placeholders in it, and its version.

    The version is the longest number with dots in the path, wherever that stands; what it is
    called with a `v` decides how upstream tags it.
    """
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    start = f"{scheme}://{host}/"
    number = r"(?<![\d.])\d+(?:\.\d+)+(?:-(?:alpha|beta|rc)\d*(?:\.\d+)*)?(?!\d)"
    numbers = re.findall(number, path)
    if not numbers:
        return address, ""
    bare = max(numbers, key=len)
    tag = f"v{bare}" if re.search(rf"(?<!\w)v{re.escape(bare)}", path) else bare
    path = re.sub(rf"(?<!\d){re.escape(bare)}(?!\d)", "{bare}", path).replace(
        "v{bare}", "{version}"
    )
    if tag == bare:
        path = path.replace("{bare}", "{version}")
    words = [word for names in ARCHITECTURES.values() for word in names.upstream]
    for word in sorted(filter(None, words), key=len, reverse=True):
        marked = re.sub(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", "{arch}", path)
        if marked != path:
            return start + marked, tag
    return start + path, tag


def _listed(address: str, tag: str, api: Api) -> dict[str, str] | None:
    """Return the `upstream:` whose page lists versions as the address has them, if one does."""
    if not tag:
        return None
    try:
        return _newest(address, api)[0]
    except UpstreamError:
        return None


def _check(address: str) -> None:
    if not re.search(r"\{(?:version|bare)\}", address) or not re.match(r"https?://", address):
        raise BakeryError(
            "the address does not say where its version stands",
            where=address,
            fix="put {version} (v1.2.3), or {bare} (1.2.3), in its place, and {arch} in that of\n"
            "the processor: https://dl.example.org/{version}/app-linux-{arch}.tar.gz",
        )


def _files(address: str, api: Api) -> dict[Arch, UpstreamFile]:
    """Return the file for each processor that an address has one for; it has no version left."""
    files = {
        arch: UpstreamFile(name=file_name(url), url=url, label=url, sums=tuple(_sums(url, api)))
        for arch in ARCHITECTURES
        if (url := _existing(address, arch, api)) is not None
    }
    if not files:
        last = address.replace("{arch}", ARCHITECTURES["arm64"].upstream[-1])
        raise UpstreamError(
            "nothing is at the address",
            where=address,
            why=str(_refusal(last, api)),
            fix="look at the address in a browser; another version: --version VERSION",
        )
    return files


def _newest(address: str, api: Api) -> tuple[dict[str, str], str]:
    """Return the `upstream:` of the page above the first step with a version, and the newest one.

    Raises:
        UpstreamError: there is no such page.

    """
    addresses = dict.fromkeys(
        address.replace("{arch}", word) for word in ARCHITECTURES["x86-64"].upstream
    )
    for listing in map(_listing, addresses):
        try:
            newest = offers(listing, api)[-1].tag
            return {"listing": listing.listing, "pattern": str(listing.pattern)}, newest
        except UpstreamError as error:
            refusal = error
    raise UpstreamError(
        "no page lists the versions",
        where=listing.listing,
        why=str(refusal),
        fix="name one: --version VERSION",
    )


def _listing(address: str) -> ListingUpstream:
    before, placeholder, behind = re.split(r"(\{version\}|\{bare\})", address, maxsplit=1)
    folder, _, start = before.rpartition("/")
    version = "[0-9][0-9.]*" if placeholder == "{bare}" else "v?[0-9][0-9.]*"
    end = re.escape(re.split(r"[/{]", behind)[0]) + ("[^/]*" if "{" in behind.split("/")[0] else "")
    pattern = VersionPattern(f"{re.escape(start)}(?P<version>{version}){end}")
    return ListingUpstream(listing=f"{folder}/", pattern=pattern)


def _existing(address: str, arch: Arch, api: Api) -> str | None:
    """Return the address for a processor; one without {arch} is taken to be for x86-64."""
    if "{arch}" not in address:
        return address if arch == "x86-64" and _is_there(address, api) else None
    urls = (address.replace("{arch}", word) for word in ARCHITECTURES[arch].upstream)
    return next((url for url in urls if _is_there(url, api)), None)


def _is_there(url: str, api: Api) -> bool:
    return _refusal(url, api) is None


def _refusal(url: str, api: Api) -> UpstreamError | None:
    try:
        api.size(url)
    except UpstreamError as error:
        cause = error.__cause__
        if not isinstance(cause, RequestError) or cause.status is None:
            raise
        return error
    return None


def _sums(url: str, api: Api) -> Iterator[str]:
    folder = url.rpartition("/")[0]
    candidates = [url + suffix for suffix in _OWN_SUMS]
    candidates += [f"{folder}/{name}" for name in _SHARED_SUMS]
    yield from (candidate for candidate in candidates if _is_there(candidate, api))
