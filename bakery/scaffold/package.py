"""What a Debian package holds and says of itself. Its scripts are read and never run."""

from __future__ import annotations

import gzip
import re
import shlex
import zlib
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import PurePosixPath
from posixpath import join, normpath
from typing import TYPE_CHECKING

import msgspec

from bakery.archive.deb import control
from bakery.archive.unpack import members
from bakery.binary.headers import MAGIC
from bakery.image.tree import merged
from bakery.scaffold.release import UNKNOWN_LICENCE, expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

_LONGEST = 1 << 20
_TEXTS = re.compile(
    r"etc/.*|usr/lib/(systemd/system|sysusers\.d|tmpfiles\.d|udev/rules\.d)/.*"
    r"|usr/share/doc/[^/]+/copyright|usr/share/[^/]+/[^/]+\.conf(\.\w+)?|usr/share/man/man[18]/.*\.gz"
)
_PROGRAMS = ("usr/bin", "usr/sbin")
_RULES = "usr/lib/udev/rules.d/"
_WANTED = re.compile(r'ENV\{SYSTEMD_WANTS\}\s*\+?=\s*"([^"]*)"')
_SAYS_VERSION = re.compile(rb"(?<![\w-])(?:--)?version\x00|--version\b")
_ASSIGNED = re.compile(r"^\s*(\w+)=[\"']?([\w$./{}-]+)[\"']?\s*$", re.MULTILINE)
_ADDED = re.compile(r"^\s*(?:[^#\n]*\s)?(adduser|useradd)\s(.*)$", re.MULTILINE)
_PATH = re.compile(r"(?<![\w.}])/(usr/(?:bin|sbin|lib|libexec|share)/[\w./+-]*[\w+-])")
_ALTERNATIVE = re.compile(r"update-alternatives\s+(?:-\S+\s+)*?--install\s+(\S+)\s+\S+\s+(\S+)")
_VALUED = {
    "--home": "home",
    "--home-dir": "home",
    "-d": "home",
    "--gecos": "title",
    "-c": "title",
    "--comment": "title",
    "--shell": "shell",
    "-s": "shell",
    "--uid": "id",
    "-u": "id",
    **dict.fromkeys(("--ingroup", "--gid", "-g", "--firstuid", "--lastuid", "-K"), ""),
}
_SPDX = {
    "expat": "MIT",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "zlib": "Zlib",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "perl": "GPL-1.0-or-later OR Artistic-1.0-Perl",
    "psf": "PSF-2.0",
    "psf-2": "PSF-2.0",
    "boost-1.0": "BSL-1.0",
    "openssl": "OpenSSL",
}


class Account(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A system user as `account:` has it, without what goes without saying."""

    name: str
    home: str | None = None
    groups: tuple[str, ...] = ()
    shell: str | None = None
    id: int | None = None
    title: str | None = None


@dataclass(kw_only=True)
class Package:
    """One package.

    Attributes:
        name: what it is called.
        source: the source package that it is built of.
        homepage: of the project, if it says that.
        summary: the first line of its description.
        conffiles: the paths of its configuration files.
        scripts: the text of its maintainer scripts that run when it is installed.
        recommends: the packages that it recommends.
        raw: all paths, as patterns have to name them; below, those of /lib are in usr/lib.
        files: the bytes of every file and link, by path.
        folders: the paths of its folders.
        texts: the content of units, udev's rules, configuration, manual pages, licences, by path.
        links: the targets of links, by path.
        programs: for what is executable, the interpreter of a script or "" for a binary, by path.
        versed: the programs that know an option `--version`.
        holding: those that have the version in them, so may tell it.
        named: the paths below /usr that its scripts name.

    """

    name: str
    source: str
    homepage: str
    summary: str
    conffiles: list[str]
    scripts: str
    recommends: list[str]
    raw: list[str] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)
    versed: set[str] = field(default_factory=set)
    holding: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)

    @property
    def commands(self) -> tuple[str, ...]:
        """The paths of what people and units can run by name."""
        return tuple(path for path in self.files if str(PurePosixPath(path).parent) in _PROGRAMS)

    def units(self) -> dict[str, str]:
        """Return the text of each unit, by its name."""
        folder = "usr/lib/systemd/system/"
        return {
            path.removeprefix(folder): text
            for path, text in self.texts.items()
            if path.startswith(folder) and "/" not in path.removeprefix(folder)
        }

    def announced(self) -> tuple[str, ...]:
        """Return the units that systemd starts when udev announces a device of theirs."""
        rules = (text for path, text in self.texts.items() if path.startswith(_RULES))
        said = (words for text in rules for words in _WANTED.findall(text))
        return tuple(name for words in said for name in words.split())

    def enabled(self) -> tuple[str, ...]:
        """Return the units that installing it would start."""
        wanted = [name for name, text in self.units().items() if "WantedBy=" in text]
        said = re.findall(r"deb-systemd-helper enable '?([\w@.-]+)", self.scripts)
        return tuple(name for name in wanted if "@" not in name and (not said or name in said))

    def accounts(self) -> tuple[Account, ...]:
        """Return the system users that it makes, by sysusers.d(5) or its maintainer scripts."""
        lines = [
            shlex.split(line)
            for path, text in self.texts.items()
            if path.startswith("usr/lib/sysusers.d/")
            for line in text.splitlines()
            if line.strip() and not line.startswith("#")
        ]
        made = {each.name: each for each in (*_by_sysusers(lines), *_by_scripts(self.scripts))}
        return tuple(made.values())

    def alternatives(self) -> dict[str, str]:
        """Return the program for each name in usr/bin that it offers to stand for, by the path."""
        values = dict(_ASSIGNED.findall(self.scripts))
        offered = _ALTERNATIVE.findall(_filled(self.scripts, values))
        return {
            merged(link.lstrip("/")): merged(to.lstrip("/"))
            for link, to in offered
            if merged(link.lstrip("/")).startswith("usr/bin/")
        }

    def licence(self) -> str:
        """Return the SPDX expression of its main licence, as its copyright file has it (DEP 5)."""
        text = next((t for path, t in self.texts.items() if path.endswith("/copyright")), "")
        named = [
            fields["License"].splitlines()[0]
            for fields in map(HeaderParser().parsestr, re.split(r"\n\s*\n", text))
            if fields["License"] and (fields["Files"] or "").split()[:1] == ["*"]
        ]
        return spdx(named[0]) if named else UNKNOWN_LICENCE


def read(path: Path, filename: str) -> Package:
    """Return what a package holds and says.

    Raises:
        BakeryError: it is hostile or damaged.

    """
    about = {name: data.decode(errors="replace") for name, data in control(path)}
    fields = HeaderParser().parsestr(about.get("control", ""))
    name = fields["Package"] or filename.partition("_")[0]
    scripts = f"{about.get('preinst', '')}\n{about.get('postinst', '')}"
    package = Package(
        name=name,
        source=(fields["Source"] or name).split()[0],
        homepage=fields["Homepage"] or "",
        summary=(fields["Description"] or name).splitlines()[0],
        conffiles=[line.strip().lstrip("/") for line in about.get("conffiles", "").split("\n")],
        scripts=scripts.replace("\\\n", " "),
        recommends=re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]+)", fields["Recommends"] or ""),
    )
    version = re.split(r"[-+~]", (fields["Version"] or "?").rpartition(":")[2])[0]
    for member, stream in members(path, filename, lambda _: True):
        place = member.path if member.path.startswith("usr/sbin/") else merged(member.path)
        package.raw.append(member.path)
        if member.type == "directory":
            package.folders.add(place)
            continue
        package.files[place] = member.size or 0
        if member.target is not None:
            target = normpath(join("/", place, "..", member.target))
            package.links[place] = target.lstrip("/")
        if stream is None:
            continue
        if _TEXTS.fullmatch(place):
            package.texts[place] = _text(place, stream)
        elif member.executable and ".so" not in PurePosixPath(place).name:
            _add_program(package, place, stream, version.encode())
    return package


def _text(path: str, stream: BinaryIO) -> str:
    data = stream.read(_LONGEST)
    if path.endswith(".gz"):
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, _LONGEST)
        except (zlib.error, gzip.BadGzipFile):
            data = b""
    return data.decode(errors="replace")


def _add_program(package: Package, path: str, stream: BinaryIO, version: bytes) -> None:
    """Say of a program what interprets it, which paths it names, and what it knows of versions.

    Of scripts the version may be in a module, so they count as having it.
    """
    data = head = stream.read(_LONGEST)
    text = re.compile(rb"(?<![\d.])" + re.escape(version) + rb"(?=[\0\s)\"',;])")  # in no path
    knows, has = bool(_SAYS_VERSION.search(data)), bool(text.search(data))
    while not (knows and has) and (more := stream.read(_LONGEST)):
        data = data[-64:] + more
        knows, has = knows or bool(_SAYS_VERSION.search(data)), has or bool(text.search(data))
    interpreter = ""
    if not head.startswith(MAGIC):
        words = head.split(b"\n", 1)[0].decode(errors="replace").removeprefix("#!").split()
        named = [word for word in words if not word.endswith("/env") and not word.startswith("-")]
        interpreter = PurePosixPath(named[0] if named else "sh").name
        package.named |= {*_PATH.findall(head.decode(errors="replace"))}
        knows, has = b"version" in head, True
    package.programs[path] = interpreter
    package.versed |= {path} if knows else set()
    package.holding |= {path} if has else set()


def _by_sysusers(lines: Iterable[list[str]]) -> Iterator[Account]:
    words = [(*line, *["-"] * (6 - len(line))) for line in lines]
    groups = [(user, group) for kind, user, group, *_ in words if kind == "m"]
    for kind, name, number, title, home, shell, *_ in words:
        if kind.rstrip("!") == "u":
            yield _account(
                name,
                {"id": number.partition(":")[0], "title": title, "home": home, "shell": shell},
                tuple(group for user, group in groups if user == name),
            )


def _by_scripts(text: str) -> Iterator[Account]:
    values = dict(_ASSIGNED.findall(text))
    for _ in values:  # values may name others
        values = {name: _filled(value, values) for name, value in values.items()}
    for _, line in _ADDED.findall(text):
        try:
            words = shlex.split(_filled(line, values), comments=True)
        except ValueError:
            continue
        if "--system" in words or "-r" in words:
            names, given = _arguments(words)
            if names and re.fullmatch(r"[a-z_][\w-]*", names[0]):
                yield _account(names[0], given, ())


def _arguments(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the names that a command is about, and what its options say of them."""
    given: dict[str, str] = {}
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        key, equals, value = word.partition("=")
        if key in _VALUED:
            given[_VALUED[key]] = value if equals else next(rest, "")
        elif re.match(r"[|&;>\d]", word):
            break
        elif not word.startswith("-"):
            names.append(word.rstrip(";"))
    return names, given


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1], match[0]), text)


def _account(name: str, given: Mapping[str, str], groups: tuple[str, ...]) -> Account:
    said = {key: value for key, value in given.items() if value not in {"", "-"}}
    home = said.get("home", "")
    usual = home in {"", "/", f"/var/lib/{name}"} or "nonexistent" in home
    shell = said.get("shell", "")
    return Account(
        name=name,
        home=None if usual or not home.startswith("/") else home,
        groups=groups,
        shell=None if not shell or shell.endswith(("nologin", "false")) else shell,
        id=int(said["id"]) if said.get("id", "").isdecimal() else None,
        title=said.get("title", "").strip(", ") or None,
    )


def spdx(text: str) -> str:
    """Return the SPDX expression for a short name of a licence in a copyright file (DEP 5)."""
    parts = re.split(r"\s*,?\s+(and|or)\s+|\s*(?:,|;)\s*", text.strip(), flags=re.IGNORECASE)
    named = [part for part in parts if part]
    said = [f" {p.upper()} " if p.lower() in {"and", "or"} else _licence(p) for p in named]
    return UNKNOWN_LICENCE if UNKNOWN_LICENCE in said else expression("".join(said))


def _licence(name: str) -> str:
    plain = name.split(" with ", maxsplit=1)[0].strip()
    known = _SPDX.get(plain.lower())
    return (f"({known})" if known and " " in known else known) or expression(plain)
