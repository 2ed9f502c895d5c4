"""Addresses in registries: oci://HOST[:PORT]/PATH[:TAG][@DIGEST], and names as tags."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from bakery.http.address import split

SCHEME = "oci://"
TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
DIGEST = r"sha256:[0-9a-f]{64}"
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?"
_REFERENCE = re.compile(
    rf"(?P<host>{_HOST})/(?P<repository>{_NAME}(?:/{_NAME})*)(?::(?P<tag>{TAG}))?"
    rf"(?:@(?P<digest>{DIGEST}))?"
)
_LONGEST = 255  # characters of host and repository
_SERVERS = {"docker.io": "registry-1.docker.io"}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A repository in a registry, and maybe something in it.

    Attributes:
        host: the registry's host and port, as people write it.
        repository: the path of the repository.
        tag: a name of something in it.
        digest: the digest of something in it.

    """

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return what an address means, with or without `oci://`.

        Raises:
            ValueError: it is none; the text says how one looks.

        """
        found = _REFERENCE.fullmatch(text.removeprefix(SCHEME))
        if found and len(f"{found['host']}/{found['repository']}") <= _LONGEST:
            with suppress(ValueError):
                _ = urlsplit(f"//{found['host']}").port  # looks whether there can be such a host
                return cls(**found.groupdict())
        raise ValueError("HOST/PATH in a registry, in lower case, such as ghcr.io/owner/bakery")

    def __str__(self) -> str:
        """Return the address."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{SCHEME}{self.host}/{self.repository}{tag}{f'@{self.digest}' * bool(self.digest)}"

    @property
    def whole(self) -> Reference:
        """The repository, without anything in it."""
        return replace(self, tag=None, digest=None)

    @property
    def url(self) -> str:
        """Where the API has the repository; encrypted, unless the host is this computer."""
        scheme = "http" if is_loopback(f"//{self.host}") else "https"
        return f"{scheme}://{_SERVERS.get(self.host, self.host)}/v2/{self.repository}"


def is_loopback(url: str) -> bool:
    """Return whether an address is of this computer itself, whom nobody can overhear."""
    host = split(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def tag_of(name: str) -> str:
    """Return the tag that a name has in a registry.

    It does not tell the name: `_` may have been `+`, as Helm does it. What has the tag says the
    name.

    Raises:
        ValueError: no tag can stand for it; the text says why.

    """
    tag = name.replace("+", "_")
    if not re.fullmatch(TAG, tag):
        raise ValueError("a registry's tags have at most 128 of A-Z a-z 0-9 . _ - (and + as _)")
    return tag


def fallback(digest: str) -> str:
    """Return the tag of the list of what refers to something, where a registry keeps no list."""
    return digest.replace(":", "-")
