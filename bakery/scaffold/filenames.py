"""What the names of published files say: system, processor, C library, kind."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES
from bakery.archive.unpack import kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bakery.arch import Arch


def _words(alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9])(?:{alternatives})(?![a-z0-9])", re.IGNORECASE)


PROCESSORS: dict[Arch, re.Pattern[str]] = {
    arch: _words(names.pattern) for arch, names in ARCHITECTURES.items()
}
_OTHER_PROCESSORS = _words(
    r"i?[3-6]86|x86|x32|32[_-]?bit|linux32|arm(?:v?[5-7]\w*|hf|el|32)?|thumb\w*|riscv\w*|ppc\w*|"
    r"powerpc\w*|s390x?|mips\w*|loong\w*|sparc\w*|universal2?"
)
_OTHER_SYSTEMS = _words(
    r"darwin\w*|mac|macos\w*|osx\w*|apple|win|win32|win64|windows|msvc|mingw\w*|freebsd\w*|"
    r"netbsd|openbsd|dragonfly\w*|solaris|illumos|sunos|android\w*|wasm(?:32|64)?|wasi(?:p\d)?|plan9|aix|ios|"
    r"cygwin|haiku|openharmony|ohos"
)
_LINUX = _words(r"linux(?:32|64)?|manylinux\w*|musllinux\w*|ubuntu\d*|debian\d*|alpine|musl|gnu")
_STATIC = _words(r"musl\w*|static|musllinux\w*")
_GLIBC = _words(r"gnu|glibc\w*|manylinux\w*|ubuntu\d*|debian\d*")
_HARMLESS = _words(r"linux|unknown|pc|bin|binary|release|stable|v?\d\w*")
_NO_PROGRAM = re.compile(
    r"\.(?:deb|rpm|apk|snap|flatpak|flatpakref|appimage|pkg|pkg\.tar\.\w+|dmg|msi|exe|msix|vsix|"
    r"ipk|iso|img|qcow2|box|ova|whl|gem|jar|crate|nupkg|asc|sig|sign|pem|pub|cert|crt|minisig|"
    r"proof|sha\d+\w*|md5\w*|b2|b3|sum|sbom|spdx|cdx|cyclonedx|intoto|provenance|att\w*|bundle|"
    r"sigstore|jsonl?|ya?ml|toml|txt|md|html|patch|diff|sh|ps1|py|rb|zsync|torrent|dockerfile|"
    r"service|conf|1)$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\.(?:tar(?:\.\w+)?|t[gbx]z2?|tbz2?|tzst|zip|gz|xz|zst|bz2)$", re.IGNORECASE)
_SUMS = re.compile(
    r"sha-?(?:256|384|512)|sha256?sums?|shasums?256|shasum|checksums?|digests|b2sum|blake2|\.b2$",
    re.IGNORECASE,
)
_OTHER_SUMS = re.compile(
    r"sha-?1(?!\d)|md5|blake3|b3sum|"
    r"\.(?:asc|sig|sign|pem|pub|cert|crt|minisig|sigstore(?:\.json)?|bundle|att\w*|sbom|intoto.*)$",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"\.(?:asc|sig|gpg|minisig|sigstore(?:\.json)?|bundle)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a file's name says.

    Attributes:
        name: the file's name.
        arch: the processor that it names; None where it names none.
        linux: whether it names Linux.
        foreign: whether it is for another system, or no program at all.
        libc: 0 for static or musl, 1 where the name does not tell, 2 for glibc.
        extras: words in it that nothing explains, such as `debug` or `full`.

    """

    name: str
    arch: Arch | None
    linux: bool
    foreign: bool
    libc: int
    extras: tuple[str, ...]


def read(name: str, known: Collection[str], version: str) -> Reading:
    """Return what a file's name says.

    Args:
        name: the file's name.
        known: words that its project goes by, in lower case.
        version: the release's version, without a leading `v`.

    """
    rest = name.replace(version, " ") if version else name
    rest = _SUFFIX.sub("", rest)
    arch = next((arch for arch, words in PROCESSORS.items() if words.search(rest)), None)
    for words in PROCESSORS.values():
        rest = words.sub(" ", rest)
    foreign = any(p.search(rest) for p in (_OTHER_PROCESSORS, _OTHER_SYSTEMS))
    libc = 0 if _STATIC.search(rest) else 2 if _GLIBC.search(rest) else 1
    unexplained = functools.reduce(
        lambda text, words: words.sub(" ", text), (_HARMLESS, _LINUX, _STATIC, _GLIBC), rest
    )
    tokens = re.findall(r"[a-z0-9]+", unexplained.lower())
    return Reading(
        name=name,
        arch=arch,
        linux=_LINUX.search(rest) is not None,
        foreign=foreign or _NO_PROGRAM.search(name) is not None,
        libc=libc,
        extras=tuple(token for token in tokens if token not in known),
    )


def pick(names: Iterable[str], project: Iterable[str], version: str) -> dict[Arch, list[str]]:
    """Return the files that are programs for Linux, by processor, the most suitable first.

    Static programs go before those that want a C library, and archives, which may bring licences,
    before bare programs. A bare program that is called like the project is taken to be for x86-64,
    as is what says Linux but no processor.

    Args:
        names: of all files that a release has.
        project: the names that the project goes by.
        version: the release's version, without a leading `v`.

    """
    known = {word for name in project for word in re.findall(r"[a-z0-9]+", name.lower())}
    readings = [r for r in (read(name, known, version) for name in names) if not r.foreign]
    by_arch: dict[Arch, list[str]] = {}
    for arch in ARCHITECTURES:
        suitable = [r for r in readings if r.arch == arch]
        if arch == "x86-64":
            suitable += [r for r in readings if r.arch is None and _implied(r)]
        if suitable:
            by_arch[arch] = [r.name for r in sorted(suitable, key=_rank)]
    return by_arch


def first_for_glibc(names: Iterable[str]) -> str | None:
    """Return the first file, platform or package that is not named after musl, if any."""
    return next((name for name in names if not _STATIC.search(name)), None)


def _implied(reading: Reading) -> bool:
    return reading.linux or (not reading.extras and kind_of(reading.name) == "plain")


def _rank(reading: Reading) -> tuple[object, ...]:
    form = {"tar": 0, "zip": 1}.get(kind_of(reading.name), 2)
    name = reading.name
    return (
        len(reading.extras),
        reading.arch is None,
        reading.libc,
        form,
        not reading.linux,
        len(name),
        name,
    )


def checksum_files(names: Collection[str], asset: str, arch: Arch) -> list[str]:
    """Return the files that may tell an asset's digest, the most likely first."""
    others = set(names) - {asset}

    def of_another(name: str) -> bool:
        processors = [words for other, words in PROCESSORS.items() if other != arch]
        rest = PROCESSORS[arch].sub(" ", name)
        about_others = any(words.search(rest) for words in (*processors, _OTHER_PROCESSORS))
        return about_others or any(name.startswith(f"{other}.") for other in others - {name})

    own = [name for name in names if name.startswith(f"{asset}.") and _is_sums(name)]
    shared = [name for name in names if _is_sums(name) and name not in own and not of_another(name)]
    return sorted(own, key=len) + sorted(shared, key=lambda name: ("256" not in name, len(name)))


def _is_sums(name: str) -> bool:
    return _SUMS.search(name) is not None and _OTHER_SUMS.search(name) is None


def signatures(names: Iterable[str], of: str) -> list[str]:
    """Return the files that sign another one."""
    return [name for name in names if name.startswith(of) and _SIGNATURE.fullmatch(name[len(of) :])]


def program_name(filename: str, version: str) -> str:
    """Return what a program is called whose file is named after system, processor or version."""
    marks = [*PROCESSORS.values(), _LINUX, _STATIC, re.compile(rf"v?{re.escape(version)}")]
    starts = [match.start() for mark in marks if (match := mark.search(filename, 1))]
    return filename[: min(starts)].rstrip("-_.") if starts else filename
