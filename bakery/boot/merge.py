"""Extensions in a booted system: put there, replaced, and seen to be merged."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from bakery.boot import hints
from bakery.boot.report import ProbeResult, concise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.boot.guest import Guest
    from bakery.boot.machine import BootImage

_EXTENSIONS = "/var/lib/extensions"
_LOOK = """\
mkdir -p /run/bakery-look
mount {option} {place} /run/bakery-look || exit 0
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


def links(images: Iterable[Placed]) -> str:
    """Return the script that leaves exactly these images in /var/lib/extensions."""
    lines = [f"mkdir -p {_EXTENSIONS}", f"rm -f {_EXTENSIONS}/*"]
    lines += [
        f"ln -s {shlex.quote(place)} {_EXTENSIONS}/{shlex.quote(image.link)}"
        for image, place in images
    ]
    return "\n".join(lines) + "\n"


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


def merged(guest: Guest) -> tuple[str, ...]:
    """Return the names of the extensions that are merged now."""
    return parse_status(guest.ask("systemd-sysext status --json=short").stdout)


def parse_status(text: str) -> tuple[str, ...]:
    """Return the extensions in the JSON of `systemd-sysext status`, each named once."""
    names: dict[str, None] = {}
    for hierarchy in json.loads(text or "[]"):
        found = hierarchy["extensions"]
        names.update(dict.fromkeys(found if isinstance(found, list) else ()))
    return tuple(names)


def results(guest: Guest, images: Iterable[Placed], names: Sequence[str]) -> Iterator[ProbeResult]:
    """Yield for every image whether it is among the merged `names`, and why not."""
    for image, place in images:
        title = f"{image.name} is merged"
        if image.name in names:
            yield ProbeResult(title=title, passed=True)
            continue
        log = concise(guest.ask(_LOG).stdout)
        option = "--bind" if image.path.is_dir() else "-o ro,loop"
        look = guest.ask(_LOOK.format(option=option, place=shlex.quote(place)))
        releases = look.stdout.split()
        yield ProbeResult(
            title=title,
            passed=False,
            detail=log,
            meaning=hints.refusal(image.name, log, releases),
        )
