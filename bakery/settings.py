"""Settings: from the environment, over `[tool.bakery]` in pyproject.toml, over defaults."""

from __future__ import annotations

import os
import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args
from urllib.parse import urlsplit

from bakery.errors import SettingsError
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEYRING = "import-pubring.gpg"
"""The file of public keys, as systemd names it on hosts."""

CERTIFICATE = "verity.crt"
"""The file of certificates for dm-verity: beside recipes, in releases and in channels."""

_PEM = "-----BEGIN "
_REPOSITORY = r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::[0-9]+)?(?:/[a-z0-9._-]+)+"
_IMAGE = "application/vnd.sysext-bakery.sysext.v1+raw"
_SHORTEST = 2  # days: what is renewed each night, when half of them are over

Profile = Literal["default", "fast", "small"]


@dataclass(frozen=True, kw_only=True)
class BootWaiver:
    """What can't be booted here, and why.

    Attributes:
        subject: an architecture, a machine, or images by a pattern: `arm64`, `nspawn:forky`,
            `docker-*-arm64`.
        reason: published with what was not booted.

    """

    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"

    def covers(self, *, image: str, arch: str, machine: str) -> bool:
        """Return whether an image need not be booted on a machine."""
        return self.subject in {arch, machine} or fnmatchcase(image, self.subject)

    @classmethod
    def parse(cls, text: str) -> BootWaiver:
        """Return the waiver in `SUBJECT: REASON`.

        Raises:
            ValueError: it is not of that form.

        """
        subject, colon, reason = text.partition(": ")
        if not colon or not re.fullmatch(r"[^\s*]\S*", subject.strip()) or not reason.strip():
            raise ValueError(
                "SUBJECT: REASON, such as `arm64: no arm64 machine here`, where SUBJECT is an"
                " architecture, a machine or an image; several are separated by `;`"
            )
        return cls(subject=subject.strip(), reason=reason.strip())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are and how work is done.

    Each setting is read from the environment (`BAKERY_STORE`), else from `[tool.bakery]` in
    pyproject.toml, else it has a default. An empty variable counts as unset. `bakery settings`
    prints each with its value and origin.

    ```toml
    [tool.bakery]
    recipes = "recipes"
    dist = "dist"
    store = "~/.cache/sysext-bakery"
    mirror = "http://mirror.example/bakery"
    debian_mirror = "http://mirror.example/debian"
    debian_snapshot = "http://mirror.example/snapshot/{archive}"
    remote = "https://cache.example/bakery"
    remote_write = false
    remote_trusted = "cache-keys.gpg"
    offline = false
    profile = "small"
    verity = true
    verity_certificate = "verity.crt"
    file_contexts = "file_contexts"
    jobs = 4
    machines = "nspawn:bookworm nspawn:trixie nspawn:forky"
    publisher = "github:OWNER/REPO"
    channels = "directory:channels"
    image_media_type = "application/vnd.kairos.sysext.raw"
    keep = 3
    publish_url = "https://github.com/OWNER/REPO/releases/download"
    channels_url = "https://owner.github.io/REPO"
    signing_keyring = "import-pubring.gpg"
    valid_days = 30
    boot_waiver = "arm64: no arm64 machine here"
    profile_trace = "trace.json"
    ```

    Attributes:
        root: the project's folder, which relative settings are relative to.
        recipes: the folder that holds a folder per recipe.
        dist: where trees, images and releases are written.
        store: where assets are kept by digest; may be shared by many projects.
        mirror: has upstream's assets, as `bakery mirror` copies them, or serves
            `https://host/path` as `MIRROR/host/path`: an address, a folder such as ./mirror, or
            oci:HOST/PATH in a registry; unset, upstream is asked.
        debian_mirror: the archive that Debian packages come from, whose address ends in /debian;
            unset, the one that this computer's apt uses.
        debian_snapshot: an archive of Debian as it was at some time, with `{archive}` where
            `debian` or `debian-security` belongs; unset, apt's own mirror.
        remote: a cache of results that machines share: `https://HOST/PATH` for a web server,
            `oci://HOST/PATH` for a registry, or a folder.
        remote_write: whether what is made here is put into that cache.
        remote_trusted: the public keys of which one must have signed what is taken from the cache;
            unset, whoever can write there is believed.
        offline: use only what the store has, and a mirror that is a folder.
        profile: how hard images are compressed: `default`, `fast` or `small`.
        verity: whether every image has one for dm-verity beside it, whatever its recipe says.
        verity_certificate: the certificates that images for dm-verity are signed with, in PEM, or
            the path of the file that has them; hosts get all.
        jobs: how many processors the work may use.
        machines: what images are booted on, such as `nspawn:trixie`.
        publisher: where releases go: `directory:PATH`, `github:OWNER/REPO`, or `oci:HOST/PATH`, a
            repository in a registry.
        channels: where channels go, written likewise; unset, beside the releases.
        image_media_type: what a registry is told that images are, such as
            `application/vnd.kairos.sysext.raw`.
        keep: how many versions a channel has.
        publish_url: where releases are published, each in a folder of its name.
        channels_url: where channels are, each in a folder of its name; hosts follow it.
        signing_keyring: the public keys that may have signed what is published, of which hosts get
            all; unset, that of the signing key alone.
        valid_days: how many days the signed list of a channel is to be believed.
        file_contexts: a SELinux policy's table of labels (selabel_file(5)), where hosts have a
            policy that images are to be labelled for; unset, they suit most hosts.
        boot_waiver: what can't be booted here; all other boots must have passed before images are
            published.
        profile_trace: takes a timeline of each run of doit, for ui.perfetto.dev; unset, there is
            none. `--profile-trace FILE` behind a task does the same for one run.
        origins: for every setting, where its value comes from.

    """

    root: Path
    recipes: Path
    dist: Path
    store: Path
    mirror: str | None
    debian_mirror: str | None
    debian_snapshot: str | None
    remote: str | None
    remote_write: bool
    remote_trusted: Path | None
    offline: bool
    profile: Profile
    verity: bool
    verity_certificate: str
    jobs: int
    machines: tuple[str, ...]
    publisher: str
    channels: str | None
    image_media_type: str
    keep: int
    publish_url: str
    channels_url: str
    signing_keyring: Path | None
    valid_days: int
    file_contexts: Path | None
    boot_waiver: tuple[BootWaiver, ...]
    profile_trace: Path | None
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_published_nowhere(self) -> bool:
        """Whether nobody has said where releases are published: hosts can't reach this computer."""
        return self.origins.get("publish_url") == "default" and "//localhost" in self.publish_url

    @property
    def mirror_of_addresses(self) -> str | None:
        """The mirror, if it may serve addresses: a registry has assets by their digests alone."""
        return None if self.mirror and self.mirror.startswith("oci:") else self.mirror

    @property
    def is_mirror_here(self) -> bool:
        """Whether the mirror is a folder, which no network is needed for."""
        return self.mirror is not None and self.mirror.startswith("file:")

    @property
    def debian_archives(self) -> tuple[str | None, str | None]:
        """The mirror and the snapshot that Debian packages come from."""
        return self.debian_mirror, self.debian_snapshot


def expanded(text: str) -> Path:
    """Return a path as people write it, with `~` for a home.

    Raises:
        ValueError: it is the home of nobody.

    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"another path: {Path(text).parts[0]} is no home here") from None


def _folder(text: str, root: Path) -> Path:
    return Path(os.path.abspath(root / expanded(text)))  # noqa: PTH100  resolve() follows links


def _file(text: str, root: Path) -> Path | None:
    return _folder(text, root) if text else None


def _pem(text: str, root: Path) -> str:
    """Return a text in PEM as it is; anything else is the path of a file."""
    return text if not text or text.lstrip().startswith(_PEM) else str(_folder(text, root))


def _address(text: str, _root: Path) -> str | None:
    if text and not _is_address(text):
        raise ValueError("an address, such as http://mirror.example/bakery")
    return text.rstrip("/") or None


def _mirror(text: str, root: Path) -> str | None:
    """Return an address; a folder's, where the text can be nothing else."""
    if text.startswith(("/", "./", "../", "~")):
        return _folder(text, root).as_uri()
    if text.startswith("oci:"):
        return f"oci://{_publisher(text, root).removeprefix('oci:')}"
    try:
        return _address(text, root)
    except ValueError as error:
        raise ValueError(f"{error}, or a folder, such as /srv/mirror or ./mirror") from None


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(urlsplit(text).scheme and "://" in text)
    return False


def _cache(text: str, root: Path) -> str | None:
    """Return where a shared cache is; a folder as `directory:PATH`."""
    kind, colon, place = text.partition(":")
    if not colon or kind == "directory":
        folder = place if colon else text
        return f"directory:{_folder(folder, root)}" if folder else None
    if kind not in {"http", "https", "oci"} or not place.strip("/") or not place.startswith("//"):
        raise ValueError("https://HOST/PATH, oci://HOST/PATH or directory:PATH")
    return _address(text, root)


def _archives(text: str, root: Path) -> str | None:
    if text and "{archive}" not in text:
        raise ValueError("an address with {archive} for debian and debian-security")
    return _address(text, root)


def _switch(text: str, _root: Path) -> bool:
    if text.lower() in ("1", "true", "yes"):
        return True
    if text.lower() in ("0", "false", "no", ""):
        return False
    raise ValueError("1 or 0")


def _profile(text: str, _root: Path) -> Profile:
    if text not in get_args(Profile):
        raise ValueError(f"one of {', '.join(get_args(Profile))}")
    return cast("Profile", text)


def _count(text: str, _root: Path) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("a whole number from 1 up")
    return int(text)


def _days(text: str, _root: Path) -> int:
    if not text.isdecimal() or int(text) < _SHORTEST:
        raise ValueError(f"a whole number of days from {_SHORTEST} up")
    return int(text)


def _words(text: str, _root: Path) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _cache_folder(environment: Mapping[str, str]) -> str:
    return str(Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "sysext-bakery")


def _publish_url(text: str, root: Path) -> str:
    address = _address(text, root)
    if address is None:
        raise ValueError("an address, such as https://github.com/OWNER/REPO/releases/download")
    return address


def _waivers(text: str, _root: Path) -> tuple[BootWaiver, ...]:
    lines = [" ".join(each.split()) for each in text.split(";")]
    return tuple(BootWaiver.parse(line) for line in lines if line)


def publisher_of(text: str) -> str | None:
    """Return the publisher that a text names as the setting does; None where it names none."""
    try:
        return _publisher(text, Path())
    except ValueError:
        return None


def _publisher(text: str, _root: Path) -> str:
    kind, _, place = text.partition(":")
    if kind == "directory" and place:
        return text
    if kind == "github" and re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", place):
        return text
    if kind == "oci" and re.fullmatch(_REPOSITORY, place.removeprefix("//")):
        return f"oci:{place.removeprefix('//')}"
    raise ValueError(
        "directory:PATH, github:OWNER/REPO, or oci:HOST/PATH in a registry, in lower case"
    )


def _media_type(text: str, _root: Path) -> str:
    if not re.fullmatch(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+-]*", text):
        raise ValueError("a media type, such as application/vnd.kairos.sysext.raw")
    return text


def _channels(text: str, root: Path) -> str | None:
    return _publisher(text, root) if text else None


def _site(publisher: str, channels: str, environment: Mapping[str, str]) -> str:
    """Return where hosts find channels that are apart: a folder is taken for GitHub's Pages."""
    kind, _, repository = publisher.partition(":")
    if channels.startswith(("github:", "oci:")) or kind != "github":
        return _downloads(channels, environment)
    owner, _, name = repository.lower().partition("/")
    site = f"https://{owner}.github.io"
    return site if f"https://{name}" == site else f"{site}/{repository.partition('/')[2]}"


def _downloads(publisher: str, environment: Mapping[str, str]) -> str:
    """Return where GitHub or a registry has releases, or where a folder may be tried out."""
    kind, _, repository = publisher.partition(":")
    if kind == "oci":
        return f"oci://{repository.removeprefix('//')}"
    if kind != "github":
        return "http://localhost:8000"
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    return f"{server}/{repository}/releases/download"


_PARSERS: dict[str, Callable[[str, Path], Any]] = {
    "recipes": _folder,
    "dist": _folder,
    "store": _folder,
    "mirror": _mirror,
    "debian_mirror": _address,
    "debian_snapshot": _archives,
    "remote": _cache,
    "remote_write": _switch,
    "remote_trusted": _file,
    "offline": _switch,
    "profile": _profile,
    "verity": _switch,
    "verity_certificate": _pem,
    "jobs": _count,
    "machines": _words,
    "publisher": _publisher,
    "channels": _channels,
    "image_media_type": _media_type,
    "keep": _count,
    "publish_url": _publish_url,
    "channels_url": _publish_url,
    "signing_keyring": _file,
    "valid_days": _days,
    "file_contexts": _file,
    "boot_waiver": _waivers,
    "profile_trace": _file,
}

NAMES = tuple(_PARSERS)


def load(root: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that hold for the project in `root`. An empty variable counts as unset.

    Args:
        root: the project's folder.
        environment: the variables to read.

    Raises:
        SettingsError: a value makes no sense, or pyproject.toml has an unknown name.

    """
    root = root.resolve()
    project = root / "pyproject.toml"
    table = _project_table(project)
    defaults = {
        "recipes": "recipes",
        "dist": "dist",
        "store": _cache_folder(environment),
        "profile": "default",
        "jobs": str(len(os.sched_getaffinity(0))),
        "machines": "nspawn:bookworm nspawn:trixie",
        "publisher": "directory:published",
        "image_media_type": _IMAGE,
        "keep": "3",
        "verity_certificate": CERTIFICATE if (root / CERTIFICATE).is_file() else "",
        "signing_keyring": KEYRING if (root / KEYRING).is_file() else "",
        "valid_days": "30",
    }
    publisher, channels = (
        environment.get(f"BAKERY_{name.upper()}", "").strip() or str(table.get(name, ""))
        for name in ("publisher", "channels")
    )
    defaults["publish_url"] = _downloads(publisher, environment)
    defaults["channels_url"] = _site(publisher, channels, environment) if channels else ""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, parse in _PARSERS.items():
        variable = f"BAKERY_{name.upper()}"
        if environment.get(variable, "").strip():
            text, origin = environment[variable], variable
        elif name in table:
            text, origin = _text(table[name]), f"{project.name}, [tool.bakery]"
        else:
            text, origin = defaults.get(name, ""), "default"
        if name == "channels_url" and not text:
            text = values["publish_url"]
        try:
            values[name] = parse(text, root)
        except ValueError as error:
            raise SettingsError(
                f"the setting {name} can't be {text!r}", where=origin, fix=f"give it {error}"
            ) from None
        origins[name] = origin
    return Settings(root=root, origins=origins, **values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _project_table(project: Path) -> Mapping[str, Any]:
    try:
        table = tomllib.loads(project.read_text("utf-8")).get("tool", {}).get("bakery", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            "the project's settings can't be read",
            where=str(project),
            why=str(error),
            fix="correct the file: it is TOML",
        ) from error
    for name in table:
        if name not in _PARSERS:
            raise SettingsError(
                f"there is no setting {name!r}",
                where=f"{project}, [tool.bakery]",
                fix=f"use {nearest(name, NAMES) or ' or '.join(NAMES)}",
            )
    return cast("Mapping[str, Any]", table)
