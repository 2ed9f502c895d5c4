"""The release file, by which a host decides whether an extension fits (systemd-sysext(8))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.model import OsLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.plan import Contents


def path(name: str) -> str:
    """Return where the release file of an extension lies; `name` is as the host sees it."""
    return f"usr/lib/extension-release.d/extension-release.{name}"


def text(contents: Contents, *, ships_units: bool) -> str:
    """Return the release file's text (os-release(5), the section on extension-release).

    `ID=_any` matches every host, and then neither VERSION_ID nor SYSEXT_LEVEL may stand beside it.
    A reload of the manager is asked for only where there are units to load: it costs boot time
    and has led to deadlocks.
    """
    lines = []
    match contents.os:
        case None:
            lines.append("ID=_any")
        case OsLevel(id=name, level=level):
            lines += [f"ID={name}", f"SYSEXT_LEVEL={level}"]
        case host:
            lines += [f"ID={host.id}", f"VERSION_ID={host.version}"]
    lines.append(f"ARCHITECTURE={contents.arch}")
    if ships_units:
        lines.append("EXTENSION_RELOAD_MANAGER=1")
    lines += [f"SYSEXT_ID={contents.name}", f"SYSEXT_NAME={contents.name}"]
    lines += [f"SYSEXT_VERSION_ID={contents.version}", *_for_updates(contents)]
    return "\n".join(lines) + "\n"


def _for_updates(contents: Contents) -> Iterator[str]:
    """Yield what the hosts' program goes by in an update.

    Not EXTENSION_RESTART_UNITS= and EXTENSION_RELOAD_OR_RESTART_UNITS=, by which systemd 262 would
    do the same: at boot, where systemd-sysext.service merges before sysinit.target, it then waits
    for services that wait for sysinit.target, for ever.
    """
    yield f"BAKERY_RESTART={contents.restart}"
    for name, others in (("REQUIRES", contents.requires), ("CONFLICTS", contents.conflicts)):
        if others:
            yield f'BAKERY_{name}="{" ".join(others)}"'
