"""Debian packages and all that they depend on, chosen by apt; see apt-get(8), apt.conf(5).

apt works on a state of its own: packages of another release and architecture than the computer's
are no matter, nothing is installed, and its own signature checks hold. Of the computer's
configuration it keeps the proxies and logins.
"""

from __future__ import annotations

import functools
import re
import tempfile
import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple
from urllib.parse import quote

import msgspec

from bakery import interrupts
from bakery.arch import ARCHITECTURES
from bakery.recipe import debian
from bakery.recipe.policy import Published
from bakery.tools import NETWORK_PATIENCE, Tool, execute, run
from bakery.upstream import apt
from bakery.upstream.errors import NotFoundError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bakery.recipe.debian import Packages
    from bakery.recipe.upstreams import DebianUpstream
    from bakery.tools import Outcome
    from bakery.upstream.api import Api
    from bakery.upstream.apt import Mirrors

_Arguments = TypeVarTuple("_Arguments")
_T = TypeVar("_T")
_APT_GET = Tool(program="apt-get", apt="apt")
_APT_CACHE = Tool(program="apt-cache", apt="apt")
_GPGV = Tool(program="gpgv", apt="gpgv", dnf="gnupg2", zypper="gpg2", brew="gnupg")
_OPTIONS = {
    "APT::Get::AllowUnauthenticated": "false",
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "",
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::Check-Valid-Until": "false",  # a snapshot is old; the lock is what counts
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Acquire::http::Timeout": "30",  # seconds without a byte
    "Dir::Cache::pkgcache": "pkgcache.bin",
    "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::Etc::sourceparts": "/dev/null",
}

# What maintainer scripts and services of packages call, and every host has or no image needs.
# apt takes these for installed, as the suite has them and with all that they provide, so that what
# only they depend on doesn't come either; held, so that no other version of them does.
HOST = (
    *("adduser", "base-files", "base-passwd", "bash", "ca-certificates", "coreutils", "dash"),
    *("debconf", "debianutils", "dpkg", "grep", "gzip", "hostname"),
    *("init-system-helpers", "iproute2", "iptables", "kmod", "libc-bin", "login", "lsb-base"),
    *("mount", "netbase", "passwd", "perl", "perl-base", "procps", "sed", "sensible-utils"),
    *("systemd", "systemd-sysv", "sysvinit-utils", "tar", "tzdata", "ucf", "udev", "util-linux"),
)
_INSTALLED = """\
Package: {name}
Status: hold ok installed
Version: {version}
Architecture: {arch}
Multi-Arch: allowed
Maintainer: nobody
Description: the host's
{provides}
"""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package that the mirror has.

    Attributes:
        url: how locks call it; see `bakery.recipe.debian`.
        name: the package's name.
        version: its version, an epoch included.
        sha256: its digest, from an index that the archive has signed.
        size: its bytes.

    """

    url: str
    name: str
    version: str
    sha256: str
    size: int


def _once(work: Callable[[*_Arguments], _T]) -> Callable[[*_Arguments], _T]:
    """Let one thread do what others that ask for the same wait for; all get its result."""
    remembered = functools.cache(work)
    locks: dict[object, threading.Lock] = defaultdict(threading.Lock)

    @functools.wraps(work)
    def once(*arguments: *_Arguments) -> _T:
        with locks[arguments]:
            return remembered(*arguments)

    return once


@_once
def closure(packages: Packages, mirrors: Mirrors) -> tuple[Package, ...]:
    """Return packages and all that they depend on, less what they exclude and what hosts have.

    Raises:
        UpstreamError: there is no such package, or its dependencies can't be had.
        ToolFailedError: the mirror can't be reached, or its index is not signed as it must be.
        MissingToolError: apt is not installed.

    """
    _GPGV.require()
    index = _index(packages.suite, packages.arch, mirrors)
    with interrupts.temporary_folder("bakery-apt-") as folder:
        state = _State(folder, packages, index)
        return tuple(state.describe(state.solve()))


def versions(upstream: DebianUpstream, api: Api) -> Iterator[Published]:
    """Yield the one version that a suite has now, for the first architecture that has any.

    It is written as images can carry it: without its epoch, and with `.` for `~`.

    Raises:
        UpstreamError: no Debian mirror is known.
        ToolFailedError: the mirror can't be reached, or its index is not signed as it must be.
        NotFoundError: the suite has no such package.
        MissingToolError: apt is not installed.

    """
    _GPGV.require()
    mirrors, name = apt.mirrors(*api.settings.debian_archives), upstream.debian
    for arch in ARCHITECTURES.values():
        index = _index(upstream.suite, arch.debian, mirrors)
        if stanza := _newest(index, [name]).get(name):
            tag = debian.tag(stanza["Version"])
            yield Published(tag, prerelease=False)  # its suite is released
            return
    raise NotFoundError(
        f"{upstream.suite} has no package {name}",
        where=mirrors.main,
        fix="look for its name with `apt-cache search`, and correct the recipe's upstream:",
    )


@_once
def _index(suite: str, arch: str, mirrors: Mirrors) -> tuple[str, ...]:
    """Fetch what a suite has, signatures checked; return apt's options to work with it.

    It serves until the process ends: unpacking and reading it takes seconds.
    """
    folder = Path(tempfile.mkdtemp(prefix="bakery-apt-"))
    interrupts.remove_at_end(folder)
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "debian.sources").write_text(_sources(suite, mirrors))
    options = {
        **_OPTIONS,
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "Dir::Cache": str(folder),
        "Dir::Etc::sourcelist": str(folder / "debian.sources"),
        "Dir::State": str(folder),
        "Dir::State::status": str(folder / "status"),
    }
    words = tuple(f"-o{name}={value}" for name, value in options.items())
    run(
        [_APT_GET.require(), *words, "-qq", "--error-on=any", "update"],
        what=f"the index of Debian {suite} can't be had",
        network=True,
        patience=NETWORK_PATIENCE,
        fix=f"look at /etc/apt/sources.list.d; another mirror is set with {apt.VARIABLE}",
    )
    return words


class _State:
    """A state of apt's own, in a throw-away folder, beside an index."""

    def __init__(self, folder: Path, packages: Packages, index: tuple[str, ...]) -> None:
        self._packages = packages
        status = folder / "status"
        absent = sorted({*HOST, *packages.exclude} - {*packages.names})
        known = _newest(index, absent)
        status.write_text("".join(_installed(n, packages.arch, known.get(n, {})) for n in absent))
        self._options = [
            *index,
            f"-oDir::State::status={status}",
            f"-oDir::Cache::pkgcache={folder / 'pkgcache.bin'}",
        ]

    def solve(self) -> list[str]:
        """Return NAME:ARCH=VERSION of all packages that apt would install."""
        what = "apt can't resolve these packages"
        done = execute(
            [
                *(_APT_GET.require(), *self._options, "-q", "--yes", "--simulate"),
                *("install", "--", *self._packages.names),
            ],
            what=what,
        )
        if done.status != 0:
            raise UpstreamError(
                what,
                where=self._packages.label,
                why=_words(done),
                fix="correct packages:, suite: or exclude: in the recipe",
            )
        chosen = re.findall(r"(?m)^Inst (\S+) \((\S+) .*\[(\S+)\]\)", done.stdout)
        return [f"{name}:{arch}={version}" for name, version, arch in chosen]

    def describe(self, chosen: list[str]) -> Iterator[Package]:
        """Yield what the signed index says of packages."""
        said = run(
            [_APT_CACHE.require(), *self._options, "show", "--", *chosen],
            what="apt can't describe packages",
        )
        for fields in _stanzas(said):
            yield Package(
                url=f"{debian.SCHEME}{self._packages.suite}/{fields['Filename']}",
                name=fields["Package"],
                version=fields["Version"],
                sha256=fields["SHA256"],
                size=int(fields["Size"]),
            )


def _newest(index: tuple[str, ...], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what the signed index says of packages; those that it does not have are left out."""
    done = execute(
        [_APT_CACHE.require(), *index, "show", "--no-all-versions", "--", *names],
        what="apt can't describe packages",
    )
    return {fields["Package"]: fields for fields in _stanzas(done.stdout)}


def _stanzas(said: str) -> Iterator[dict[str, str]]:
    """Yield the fields of packages, of those that have a single line (deb822(5))."""
    for stanza in filter(None, re.split(r"\n\n+", said)):
        yield dict(re.findall(r"(?m)^([A-Za-z0-9-]+): (.*)$", stanza))


def _installed(name: str, arch: str, fields: dict[str, str]) -> str:
    """Return what dpkg would have in its status of a package; dpkg-query(1)."""
    provides = f"Provides: {fields['Provides']}\n" if "Provides" in fields else ""
    version = fields.get("Version", "9999:0")
    return _INSTALLED.format(name=name, arch=arch, version=version, provides=provides)


def _words(done: Outcome) -> str:
    """Return why apt refuses, in its words: what is unmet, and its errors."""
    _, heading, unmet = done.stdout.partition("The following packages have unmet dependencies:")
    return "\n".join(filter(None, [heading + unmet.rstrip(), done.stderr.strip()]))


def _sources(suite: str, mirrors: Mirrors) -> str:
    signed = f"Signed-By: {mirrors.keyring}\n" if mirrors.keyring else ""
    stanzas = [(mirrors.main, f"{suite} {suite}-updates")]
    if mirrors.security:
        stanzas.append((mirrors.security, f"{suite}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\n{signed}"
        for address, suites in stanzas
    )


def resolve(address: str, mirrors: Mirrors) -> str:
    """Return where a mirror has a locked package.

    Raises:
        UpstreamError: the address is malformed, or the package is in an archive nobody named.

    """
    deb = debian.parse(address)
    archive = mirrors.of(deb.path) if deb else None
    if deb is None or archive is None:
        raise UpstreamError(
            "the archive of a Debian package is not known",
            where=address,
            why="it is a security update, and apt knows no archive of these" if deb else None,
            fix=f"add it to /etc/apt/sources.list.d, or set {apt.VARIABLE}",
        )
    return f"{archive}/{quote(deb.path)}"
