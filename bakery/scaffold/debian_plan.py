"""What a recipe of Debian packages is to say, by what is in them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bakery.check import host
from bakery.image.setup import shared_tmpfiles
from bakery.recipe import debian, glob
from bakery.scaffold.package import Account
from bakery.scaffold.patterns import common_start
from bakery.scaffold.release import UNKNOWN_LICENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bakery.check.rule import Finding
    from bakery.image.manifest import Manifest
    from bakery.scaffold.package import Package

UNITS = "usr/lib/systemd/system/"
_SHELLS = {"sh", "bash", "dash"}  # interpreters that every host has
_BRINGING = {"perl": ("perl", "perl-base"), "bash": ("bash",)}
_CALLED = ("dash", "coreutils")  # by scripts and interpreters, in a root of their own
_SHARED = frozenset(  # folders of usr/share and usr/lib that are no program's own
    (
        *("applications", "apport", "bash-completion", "binfmt.d", "bug", "dbus-1", "debhelper"),
        *("doc", "doc-base", "emacs", "environment.d", "fish", "icons", "info", "initramfs-tools"),
        *("insserv", "licenses", "lintian", "locale", "man", "menu", "metainfo", "modules-load.d"),
        *("munin", "perl5", "pixmaps", "pkgconfig", "polkit-1", "python3", "resolvconf", "runit"),
        *("sysctl.d", "systemd", "sysusers.d", "tmpfiles.d", "udev", "vim", "zsh"),
    )
)
_APPLIED = re.compile(
    r"usr/(lib/(modules-load\.d|sysctl\.d|binfmt\.d|udev/rules\.d)|share/dbus-1(/[\w.-]+)?)"
)
_NO_CONFIG = re.compile(
    r"etc/(default|init\.d|logrotate\.d|cron|apparmor|pam\.d|dhcp|ppp|network|ufw|logcheck"
    r"|bash_completion|sv/|insserv|resolvconf|runit|munin|monit|xinetd|inetd|init/|rc\d)"
)
_COPIED = re.compile(r"\b(?:cp|ucf)\s(?:-\S+\s)*/(usr/share/\S+)\s+/(etc/[\w./-]+)")
_RUN = re.compile(r"/run/([\w.-]+)")
_PULLS_IN = r"(?m)^(?!Alias|Before|After|Conflicts|\s*#).*=(?:.*[ /])?"
_FEW = 4
_STATE = re.compile(r"/(var/(?:lib|log|cache|spool)/[\w.-]+)")
_LIBRARIES = re.compile(r"usr/lib/[a-z0-9_]+-linux-gnu/")
_LONGEST_TEXT = 1 << 18
_SMALL = 4 << 20  # bytes: what programs look for is brought along up to this


@dataclass(kw_only=True)
class Plan:
    """What the recipe is to say.

    Attributes:
        name: the recipe's.
        suite: the release of Debian.
        asked: the packages that it names.
        own: these and the others of the same source.
        install: pairs of a glob of members and the path for what it matches.
        private: why programs run in a private root; empty for a self-contained image.
        plain: whether nothing needs a loader or libraries: scripts, static programs, data.
        files: the texts of files/, by path.
        shipped: the units that are installed, with their text.
        start: the units that it starts.
        left: what is left out, and why.
        proposals: what the image breaks.
        licences: those of what is in the image.
        unclear: the packages whose licence nobody but people can name.
        extra: what else is installed, since programs look for it.
        dropped: the paths that are removed again: links to nothing, scripts that came along.
        broken: the units that can't run: what they run is not in the image.
        renamed: the paths of programs in sbin that a text names, by its path.

    """

    name: str
    suite: str
    asked: list[str]
    own: list[Package]
    install: dict[str, str] = field(default_factory=dict)
    private: str = ""
    plain: bool = False
    files: dict[str, str] = field(default_factory=dict)
    shipped: dict[str, str] = field(default_factory=dict)
    start: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    proposals: list[Finding] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    renamed: dict[str, list[str]] = field(default_factory=dict)

    def renounce(self) -> bool:
        """Do without what breaks the image: links to nothing, scripts that came along, units.

        Of units, those that can't run, if others are left. Tell whether there was any.
        """
        errors = [finding for finding in self.proposals if finding.severity == "error"]
        paths = {each.path for each in errors if each.rule == "broken-link"}
        along = tuple(self.extra.values())
        paths |= {
            each.path
            for each in errors
            if each.rule == "script-interpreter" and each.path.startswith(along)
        }
        found = {each.path.removeprefix(UNITS) for each in errors if each.rule == "unit-program"}
        if not [name for name in self.start if not {name, _triggered(name)} & found]:
            found = set()
        more = bool(paths - self.dropped or found - self.broken)
        self.dropped |= paths
        self.broken |= found
        return more

    @property
    def root(self) -> str:
        """The folder of the private root."""
        return f"usr/lib/{self.name}/root"

    def spelt(self, pattern: str) -> str:
        """Return a pattern as it fits the packages: older ones have some in /lib and /sbin."""
        short = pattern.removeprefix("usr/")
        raw = [path for package in self.own for path in package.raw]
        spellings = (pattern, short, f"s{short}" if short.startswith("bin/") else short)
        fitting = (each for each in spellings if any(glob.matches(each, path) for path in raw))
        return next(fitting, pattern)

    @property
    def account(self) -> Account | None:
        """The user that services run as, unless every host has that."""
        users = re.findall(r"(?m)^User=([\w-]+)$", "\n".join(self.shipped.values()))
        users += [line.split()[3] for line in self.tmpfiles if len(line.split()) > 3]  # noqa: PLR2004  its owner
        made = [account for package in self.own for account in package.accounts()]
        made += [Account(name=name) for name in users if name.isidentifier() or "-" in name[1:]]
        made = [account for account in made if account.name not in host.USERS]
        return next((each for each in made if each.name in users), made[0] if made else None)

    @property
    def tmpfiles(self) -> list[str]:
        """The lines of tmpfiles.d(5) that the packages have."""
        return [
            line
            for package in self.own
            for path, text in package.texts.items()
            if path.startswith("usr/lib/tmpfiles.d/")
            for line in text.splitlines()
            if line.strip() and not line.startswith("#")
        ]

    @property
    def trees(self) -> list[str]:
        """The folders of /etc that begin as a copy of a whole folder: they hold many files."""
        owned = [path for package in self.own for path in package.conffiles if path.count("/") > 1]
        folders = ["/".join(path.split("/")[:2]) for path in owned if not _NO_CONFIG.match(path)]
        return sorted({folder for folder in folders if folders.count(folder) > _FEW})

    @property
    def config(self) -> dict[str, str]:
        """The default below usr/share/NAME for each file in /etc that begins as a copy of it."""
        return {path: default for path, (_, default) in self.defaults.items()}

    @property
    def defaults(self) -> dict[str, tuple[str, str]]:
        """Where these files lie in the packages, and below usr/share/NAME.

        Packages have them in /etc, or their scripts copy them there from usr/share.
        """
        pairs = [
            (path, path)
            for package in self.own
            for path in package.conffiles
            if path in package.files and not _NO_CONFIG.match(path)
            if not path.startswith(tuple(f"{tree}/" for tree in self.trees))
        ]
        pairs += [
            (to, origin)
            for package in self.own
            for origin, to in _COPIED.findall(package.scripts)
            if origin in package.files
        ]
        short = re.compile(rf"etc/({re.escape(self.own[0].source)}/)?")
        return {path: (origin, short.sub("", path, count=1)) for path, origin in pairs}

    @property
    def commands(self) -> list[tuple[Package, str]]:
        """The programs that are installed, the recipe's namesake first.

        One of a name: what sbin and bin both have, bin can have once.
        """
        left = set() if self.private else self.foreign
        found = [
            (package, path)
            for package in self.own
            for path in package.commands
            if package.links.get(path, path) not in left
        ]
        found.sort(key=lambda each: each[1] not in each[0].links)  # a file has it, not a link to it
        once = {PurePosixPath(path).name: (package, path) for package, path in found}
        names = {self.name, *self.asked}
        order = sorted(once.values(), key=lambda each: each[1])
        return sorted(order, key=lambda each: PurePosixPath(each[1]).name not in names)

    @property
    def links(self) -> dict[str, str]:
        """The links by which programs are called what people call them: `nc` for `nc.openbsd`.

        Debian's alternatives of another name, such as `editor`, are the host's to choose.
        """
        paths = {path for _, path in self.commands}
        return {
            link: PurePosixPath(to).name
            for package in self.own
            for link, to in package.alternatives().items()
            if to in paths and link not in paths and re.match(rf"{re.escape(link)}[.-]", to)
        }

    @property
    def foreign(self) -> set[str]:
        """The scripts whose interpreter hosts may lack."""
        return {
            path
            for package in self.own
            for path, interpreter in package.programs.items()
            if interpreter and interpreter not in _SHELLS
        }


def choose_root(plan: Plan) -> None:
    """Decide whether programs need a root of their own: they are scripts that hosts can't run."""
    started = " ".join(text for package in plan.own for text in package.units().values())
    commands = [path for package in plan.own for path in package.commands]
    main = [p for p in commands if PurePosixPath(p).name in {plan.name, *plan.asked}] or commands
    for package in plan.own:
        for path, interpreter in package.programs.items():
            if path in plan.foreign and (path in main or f"/{path}" in started):
                plan.private = f"/{path} is a script for {interpreter}, which hosts may lack"
                bringing = (*_BRINGING.get(interpreter, ()), *_CALLED)
                plan.asked += [name for name in bringing if name not in plan.asked]
                return


def lay_out(plan: Plan, everything: Mapping[str, Package]) -> None:
    """Say where what the packages have is installed."""
    plan.install.clear()
    plan.shipped.clear()
    plan.files.clear()
    if not plan.private:
        plan.install |= _programs(plan, everything)
        plan.install |= dict(_own_data(plan))
    folder = f"usr/share/{plan.name}/"
    for tree in plan.trees:
        plan.install[f"{tree}/**"] = f"{folder}{tree}/"
    for origin, default in plan.defaults.values():
        plan.install = {origin: folder + default, **plan.install}
    plan.install["usr/share/doc/**/copyright"] = f"usr/share/licenses/{plan.name}/"
    plan.install |= plan.extra if not plan.private else {}
    scripts = [] if plan.private else sorted(plan.foreign)
    plan.left = [f"{path}, a script" for path in scripts if not _covered(plan.install, [path])]
    plan.left += [
        f"{path}, which leads nowhere, or no host can run" for path in sorted(plan.dropped)
    ]
    _add_units(plan)


def _programs(plan: Plan, everything: Mapping[str, Package]) -> Iterator[tuple[str, str]]:
    """Yield the programs, a glob for those that begin alike if nothing else does."""
    for folder in ("usr/bin", "usr/sbin"):
        own = [path for _, path in plan.commands if path.startswith(f"{folder}/")]
        every = [p for package in everything.values() for p in package.files if p not in own]
        prefix = common_start([PurePosixPath(path).name for path in own])
        pattern = f"{folder}/{prefix}*"
        telling = len(own) > 2 and len(prefix) > 2  # noqa: PLR2004  a few, of which less says nothing
        if telling and not any(glob.matches(pattern, p) for p in every):
            yield pattern, "usr/bin/"
        else:
            yield from ((path, "usr/bin/") for path in own)


def _own_data(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield what programs read of their own: data, plug-ins, rules and settings."""
    for package in plan.own:
        for path in package.files:
            steps = path.split("/")
            folder = "/".join(steps[:3])
            applied = _APPLIED.match(path)
            if _LIBRARIES.match(path) and len(steps) > 4:  # noqa: PLR2004  below a folder of it
                yield f"usr/lib/*/{steps[3]}/**", f"usr/lib/{plan.name}/{steps[3]}/"
            elif applied:
                yield f"{applied[0]}/**", f"{applied[0]}/"
            elif path.startswith("usr/libexec/") and len(steps) == 3:  # noqa: PLR2004  a file in it
                yield path, "usr/libexec/"
            elif path in package.programs and folder == "usr/lib/udev":  # its rules run that
                yield path, f"{folder}/"
            elif len(steps) > 3 and _is_own(steps):  # noqa: PLR2004  below a folder of it
                yield f"{folder}/**", f"{folder}/"


def _is_own(steps: list[str]) -> bool:
    own = steps[1] in {"share", "lib", "libexec"} and steps[2] not in _SHARED
    return steps[0] == "usr" and own and not _LIBRARIES.match("/".join(steps[:3]) + "/")


def _add_units(plan: Plan) -> None:
    """Say which units come along and start, and what makes the folders that services write to."""
    every = {name: text for package in plan.own for name, text in package.units().items()}
    enabled = [name for package in plan.own for name in package.enabled()]
    plan.start = [name for name in enabled if not {name, _triggered(name)} & plan.broken]
    templates = [name for name in every if "@." in name]  # administrators start instances of them
    announced = [name for package in plan.own for name in package.announced()]
    others = [name for name in (*templates, *announced) if name in every]
    pending = [*plan.start, *(name for name in others if name not in plan.broken)]
    while pending:
        started = pending.pop(0)
        if started in plan.shipped:
            continue
        text = plan.shipped[started] = every[started]
        named = [name for name in every if re.search(_PULLS_IN + re.escape(name), text)]
        named += [_triggered(started)]
        pending += [name for name in named if name in every and name not in plan.shipped]
    plan.left += [f"{name}, which nothing starts" for name in every if name not in plan.shipped]
    for name in plan.shipped:
        plan.install[UNITS + name] = UNITS
        if plan.private and name.endswith(".service"):
            plan.files[f"{UNITS}{name}.d/10-root.conf"] = _root_of(plan)
    lines = list(_tmpfiles(plan))
    if lines:
        plan.files[shared_tmpfiles(plan.name)] = "".join(f"{line}\n" for line in lines)


def _triggered(unit: str) -> str:
    """Return the service that a socket, timer or path starts, or the unit itself."""
    stem, _, kind = unit.rpartition(".")
    return f"{stem}.service" if kind in {"socket", "timer", "path"} else unit


def _root_of(plan: Plan) -> str:
    """Return the drop-in by which a service runs in the private root.

    Not all of /run is in it: below a container's /run/host systemd could not mount what it adds.
    """
    texts = [text for package in plan.own for text in package.texts.values()]
    places = sorted({place for text in texts for place in _RUN.findall(text)} & _names(plan))
    run = " ".join(f"-/run/{place}" for place in ("dbus", *places))
    return (
        "# The service runs in the image's private root, with the host's folders in it.\n"
        f"[Service]\nRootDirectory=/{plan.root}\nMountAPIVFS=yes\nTemporaryFileSystem=/run\n"
        f"BindPaths=/etc /home /root /tmp /var {run}\n"
    )


def _names(plan: Plan) -> set[str]:
    names = {plan.name, *(name for each in plan.own for name in (each.name, each.source))}
    return names | ({plan.account.name} if plan.account else set())


def _tmpfiles(plan: Plan) -> Iterator[str]:
    """Yield lines of tmpfiles.d(5): the packages' own, and folders that scripts or units name."""
    own = plan.tmpfiles
    group = plan.account.name if plan.account else "root"
    yield from (re.sub(r"\bnogroup\b", group, line) for line in own)  # it is Debian's alone
    yield from (f"d /{folder} 0755 - -" for folder in sorted(_empty(plan)))
    yield from (f"C /{tree} - - - - /usr/share/{plan.name}/{tree}" for tree in plan.trees)
    said = [text for package in plan.own for text in (package.scripts, *configs(plan, package))]
    said += [*plan.shipped.values(), *(f"/{f}" for package in plan.own for f in package.folders)]
    owner = plan.account.name if plan.account else ""
    home = (plan.account.home or f"/var/lib/{owner}") if plan.account else ""
    mentioned = dict.fromkeys(path for text in said for path in _STATE.findall(text))
    for path in sorted(mentioned):
        made = any(f"/{path}" in line.split() for line in own)
        last = path.rpartition("/")[2]
        if not made and f"/{path}" != home and last in _names(plan):
            who = f":{owner} :{owner}" if owner else "- -"
            yield f"d /{path} :0750 {who}"


def _empty(plan: Plan) -> Iterator[str]:
    """Yield the folders in /etc, beside the packages' configuration, that begin without a file."""
    tops = tuple(f"etc/{path.split('/')[1]}/" for path in (*plan.config, *plan.trees))
    files = [path for package in plan.own for path in package.files]
    for folder in {folder for package in plan.own for folder in package.folders}:
        empty = not any(path.startswith(f"{folder}/") for path in files)
        if empty and folder.startswith(tops):
            yield folder


def configs(plan: Plan, package: Package) -> Iterator[str]:
    """Yield the texts of a package's configuration files."""
    paths = {path for path, _ in plan.defaults.values()}
    for path, text in package.texts.items():
        if path in paths or path.startswith(tuple(f"{tree}/" for tree in plan.trees)):
            yield text


def licences(
    plan: Plan, manifest: Manifest, everything: Mapping[str, Package]
) -> tuple[list[str], list[str]]:
    """Return the licences of the packages that are in an image, and the unclear packages."""
    texts = "usr/share/licenses/"
    origins = {each.origin for each in manifest.entries if not each.path.startswith(texts)}
    debs = (debian.parse(origin or "") for origin in origins)
    names = {deb.name for deb in debs if deb} if not plan.private else {*everything}
    inside = [each.name for each in plan.own if each.name in names]
    inside += sorted(names - {*inside})
    by_name = {
        n: everything[n].licence() for n in inside if n in everything and _has(everything[n])
    }
    known = [licence for licence in by_name.values() if licence != UNKNOWN_LICENCE]
    unclear = [name for name, licence in by_name.items() if licence == UNKNOWN_LICENCE]
    return [*dict.fromkeys(known)], unclear


def _has(package: Package) -> bool:
    return any(not path.startswith("usr/share/doc/") for path in package.files)


def mentioned(plan: Plan, manifest: Manifest, everything: Mapping[str, Package]) -> dict[str, str]:
    """Return what programs look for in their packages, and is small enough to come along."""
    found: dict[str, str] = {}
    sizes = {p: size for package in everything.values() for p, size in package.files.items()}
    scripts = (path for package in plan.own for path in sorted(package.named))
    wanted = (*(reference.mentions for reference in manifest.references), *scripts)
    for path in dict.fromkeys(wanted if not plan.private else ()):
        if path.startswith("usr/lib/systemd/"):
            continue  # the host's own, which an image must not add to
        below = [each for each in sizes if each.startswith(f"{path}/")]
        library = _LIBRARIES.match(path)
        inner = path[library.end() :] if library else ""
        file = [path] if path.startswith("usr/share/") and path in sizes else []
        inside = below or file
        if not inside or (library and not inner) or sum(sizes[each] for each in inside) > _SMALL:
            continue
        pattern, target = (
            (f"usr/lib/*/{inner}/**", f"usr/lib/{plan.name}/{inner}/")
            if library
            else (f"{path}/**", f"{path}/")
        )
        if file:
            pattern, target = path, path
        if pattern not in plan.install and not _covered(plan.install, inside):
            found[pattern] = target
    return {pattern: to for pattern, to in found.items() if not _within(pattern, found)}


def in_sbin(plan: Plan, tree: Path) -> dict[str, list[str]]:
    """Return what texts of a staged image name in sbin, and the image has in bin; by their paths.

    What it does to units, a build does by itself.
    """
    names = [p.removeprefix("usr/sbin/") for _, p in plan.commands if p.startswith("usr/sbin/")]
    if plan.private or not names:
        return {}
    named = re.compile(rf"(?:/usr)?/sbin/(?:{'|'.join(map(re.escape, names))})(?![\w-])")
    found = {}
    for path in sorted(tree.glob("usr/**/*")):
        place = path.relative_to(tree).as_posix()
        if place.startswith((UNITS, "usr/share/licenses/")) or not path.is_file():
            continue
        if path.is_symlink() or path.stat().st_size > _LONGEST_TEXT:
            continue
        with suppress(UnicodeDecodeError):
            texts = dict.fromkeys(named.findall(path.read_text("utf-8")))
            found[place] = sorted(texts, reverse=True)  # /usr/sbin before /sbin, which is in it
    return {place: texts for place, texts in found.items() if texts}


def _covered(patterns: Iterable[str], paths: Iterable[str]) -> bool:
    return all(any(glob.matches(pattern, path) for pattern in patterns) for path in paths)


def _within(pattern: str, others: Iterable[str]) -> bool:
    """Return whether another pattern has all that one has: nothing would be left for it."""
    folders = (each.removesuffix("**") for each in others if each != pattern)
    return any(pattern.startswith(folder) for folder in folders if folder.endswith("/"))
