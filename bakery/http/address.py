"""Addresses of assets: where a mirror has them, and how to show them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from bakery.characters import visible

_PORTS = {"http": 80, "https": 443}


def split(url: str) -> SplitResult:
    """Return the parts of an address; what is none, `http://[`, is all path."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url.rpartition("@")[2], "", "")


def joined(base: str, link: str) -> str:
    """Return where a link on a page leads; what is no link stays as it is."""
    try:
        return urljoin(base, link)
    except ValueError:
        return link


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port: what must be equal for two addresses to be one server's."""
    parts = split(url)
    port = None
    with suppress(ValueError):
        port = parts.port
    return parts.scheme, parts.hostname or "", port or _PORTS.get(parts.scheme)


def mirrored(url: str, mirror: str) -> str:
    """Return where a mirror serves `https://host/path?query`: at `MIRROR/host/path?query`.

    Whoever the address names as user stays out of it.
    """
    parts = split(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{mirror.rstrip('/')}/{_host(parts.netloc)}{parts.path}{query}"


def shown(url: str) -> str:
    """Return an address for people: no user, no password, no values in the query.

    Characters that would steer a terminal are escaped.
    """
    parts = split(url)
    names = [word.partition("=") for word in parts.query.split("&") if word]
    query = "&".join(f"{name}=…" if equals else "…" for name, equals, _ in names)
    plain = parts._replace(netloc=_host(parts.netloc), query=query, fragment="")
    return visible(plain.geturl())


def file_name(url: str) -> str:
    """Return the last part of an address's path for people, or the address where it has none."""
    return visible(PurePosixPath(unquote(split(url).path)).name) or shown(url)


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]
