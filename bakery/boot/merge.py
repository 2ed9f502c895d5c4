"""Extensions in a booted system: put there, replaced, and seen to be merged."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.boot import hints
from bakery.boot.report import ProbeResult, concise
from bakery.image.verity import image as verity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.boot.guest import Guest
    from bakery.boot.machine import BootImage

_EXTENSIONS = "/var/lib/extensions"
_MERGED = r"""
systemctl --version
printf '\0'
systemd-sysext status --json=short
"""
_LOOK = """\
mkdir -p /run/bakery-look
if [ -d {path} ]; then mount --bind {path} /run/bakery-look
else mount -o ro,loop {path} /run/bakery-look; fi || exit 0
ls /run/bakery-look/usr/lib/extension-release.d 2>/dev/null
umount /run/bakery-look
"""
# Tried again only to hear the reason: without debug messages systemd-sysext just counts.
_LOG = r"""
journalctl --boot --quiet --output=cat --unit=systemd-sysext.service --lines=10
SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console systemd-sysext refresh 2>&1 |
  grep -E "Extension '|No suitable|Failed to (read metadata|mount|set ?up|open).*|busy|Using"
"""
_UPDATE_LIMIT = 120

Placed = tuple["BootImage", str]  # an image and where the guest has it


def setup(images: Sequence[Placed]) -> str:
    """Return the script that prepares the first merge: images in place.

    Whose signatures for dm-verity they have is believed: the host gets the certificates that these
    bring along.
    """
    lines = []
    for image, _ in images:
        for number, pem in enumerate(
            verity.certificates(image.path) if image.path.is_file() else ()
        ):
            path = shlex.quote(f"/etc/verity.d/{image.name}-{number}.crt")
            lines.append(f"mkdir -p /etc/verity.d && printf %s {shlex.quote(pem)} >{path}\n")
    return "".join(lines) + links(images)


def links(images: Iterable[Placed]) -> str:
    """Return the script that leaves exactly these images in /var/lib/extensions."""
    lines = [f"mkdir -p {_EXTENSIONS}", f"rm -f {_EXTENSIONS}/*"]
    for image, path in images:
        source, link = shlex.quote(path), shlex.quote(f"{_EXTENSIONS}/{image.name}")
        lines.append(f"if [ -d {source} ]; then ln -s {source} {link}")
        lines.append(f"else ln -s {source} {link}.raw; fi")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What the system shows of the merge.

    Attributes:
        systemd: its version and its package's: `252 (252.39-1~deb12u2)`.
        names: the extensions that are merged.

    """

    systemd: str
    names: tuple[str, ...]

    @property
    def version(self) -> int:
        """The number of systemd's version; 0 where it did not say one."""
        return version(self.systemd)


def version(systemd: str) -> int:
    """Return the number of a version of systemd; 0 where there is none."""
    number = re.match(r"\d+", systemd)
    return int(number[0]) if number else 0


def merged(guest: Guest) -> Merged:
    """Return what is merged now."""
    version, status = guest.ask(_MERGED).stdout.split("\0")
    return Merged(
        systemd=version.strip().partition("\n")[0].removeprefix("systemd "),
        names=parse_status(status),
    )


def replace(guest: Guest, images: Iterable[Placed], restart: Sequence[str]) -> ProbeResult:
    """Put images in the place of those that are merged, as an update does.

    A merge does not restart what runs: that the units' new programs run is up to who updates.
    """
    script = f"set -e\n{links(images)}systemctl restart systemd-sysext.service\n"
    if restart:
        script += f"systemctl restart -- {shlex.join(restart)}\n"
    answer = guest.ask(script, limit=_UPDATE_LIMIT)
    return ProbeResult(
        title="the running system takes the newer images",
        passed=answer.status == 0,
        detail=answer.stdout + answer.stderr if answer.status else "",
    )


def parse_status(text: str) -> tuple[str, ...]:
    """Return the extensions in the JSON of `systemd-sysext status`, each named once."""
    names: dict[str, None] = {}
    for hierarchy in json.loads(text or "[]"):
        merged_here = hierarchy["extensions"]
        names.update(dict.fromkeys(merged_here if isinstance(merged_here, list) else ()))
    return tuple(names)


def is_merged(name: str) -> str:
    """Return what must hold of every image."""
    return f"{name} is merged"


def results(guest: Guest, images: Iterable[Placed], names: Sequence[str]) -> Iterator[ProbeResult]:
    """Yield for every image whether it is among the merged `names`, and why not."""
    for image, path in images:
        title = is_merged(image.name)
        if image.name in names:
            yield ProbeResult(title=title, passed=True)
            continue
        log = concise(guest.ask(_LOG).stdout)
        # none where it can't be mounted
        releases = guest.ask(_LOOK.format(path=shlex.quote(path))).stdout.split()
        yield ProbeResult(
            title=title,
            passed=False,
            detail=log,
            meaning=hints.refusal(image.name, log, releases),
        )
