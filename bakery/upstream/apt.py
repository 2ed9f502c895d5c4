"""Where apt gets Debian packages from on this computer; sources.list(5)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "BAKERY_DEBIAN_MIRROR"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SECURITY = "-security"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One suite of one archive that apt knows.

    Attributes:
        address: of the archive, without a slash at its end.
        suite: what of it, such as `trixie` or `trixie-security`.
        keyring: the file with the keys that sign it; None for those that apt trusts anyway.

    """

    address: str
    suite: str
    keyring: str | None = None


class Mirrors(msgspec.Struct, frozen=True, kw_only=True):
    """A Debian mirror's archives.

    Attributes:
        main: the address of the archive of releases and their updates.
        security: the address of the archive of security updates; None where nobody named it.
        keyring: the file with the keys that sign both; None for those that apt trusts anyway.

    """

    main: str
    security: str | None
    keyring: str | None = None

    def of(self, path: str) -> str | None:
        """Return the archive that has a package, by the package's path in it."""
        return self.security if path.startswith("pool/updates/") else self.main


def mirrors(
    mirror: str | None = None,
    snapshot: str | None = None,
    system: Path = Path("/"),
) -> Mirrors:
    """Return the Debian mirror to use.

    That is `snapshot`, or `mirror`, or what this computer's own apt uses.

    Args:
        mirror: the address of an archive, which ends in /debian.
        snapshot: an address with `{archive}` where `debian` or `debian-security` belongs.
        system: the root of the computer's file system.

    Raises:
        UpstreamError: there is none of them.

    """
    keyring = str(_KEYRING) if _KEYRING.is_file() else None
    if snapshot:
        archives = [snapshot.replace("{archive}", name) for name in ("debian", "debian-security")]
        return Mirrors(main=archives[0], security=archives[1], keyring=keyring)
    if mirror:
        return Mirrors(main=mirror, security=f"{mirror}{_SECURITY}", keyring=keyring)
    release = _values(system / "etc/os-release")
    name = release.get("VERSION_CODENAME", "")
    known = {entry.suite: entry for entry in reversed([*entries(system / "etc/apt")])}
    if release.get("ID") != "debian" or name not in known:
        raise UpstreamError(
            "no Debian archive is known",
            why="this computer's apt has no address of one",
            fix=f"set {VARIABLE} to a Debian mirror's address, which ends in /debian",
        )
    security = known.get(f"{name}{_SECURITY}")
    return Mirrors(
        main=known[name].address,
        security=security.address if security else None,
        keyring=known[name].keyring or keyring,
    )


def _values(path: Path) -> dict[str, str]:
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def entries(apt: Path) -> Iterator[Entry]:
    """Yield every suite with binary packages and `main` that the files of /etc/apt name."""
    for path in (apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))):
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        for line in lines:
            pattern = r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s.*\bmain\b"
            if match := re.match(pattern, line):
                signed = re.search(r"signed-by=(/\S+)", match[1] or "")
                yield _entry(match[2], match[3], signed[1] if signed else None)
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text("utf-8")):
            yield from _stanza(stanza)


def _stanza(text: str) -> Iterator[Entry]:
    fields = re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", text)
    words = {name.lower(): value.split() for name, value in fields}
    if "deb" not in words.get("types", ()) or "main" not in words.get("components", ()):
        return
    signed = words.get("signed-by", [])
    keyring = signed[0] if len(signed) == 1 and signed[0].startswith("/") else None
    for address in words.get("uris", ()):
        yield from (_entry(address, suite, keyring) for suite in words.get("suites", ()))


def _entry(address: str, suite: str, keyring: str | None) -> Entry:
    return Entry(address=address.rstrip("/"), suite=suite.rstrip("/"), keyring=keyring)
