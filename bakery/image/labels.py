"""SELinux labels: what every path of an image is called for a host's policy.

A host's services start and read only what has a label that its policy knows, and a merge gives
none: what has none is `unlabeled_t` there. The table's types are in Fedora's policy, and but for
that of units in Debian's; others derive from these. A host that enforces nothing takes no notice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.image.file_contexts import FileContexts
    from bakery.image.manifest import ManifestEntry

_PRIVATE_ROOT = re.compile(r"usr/lib/[^/]+/root/(?=.)")
_LIBRARY = re.compile(r"\.so(?:\.[^/]*)?$")
_PROGRAM = "bin_t"
_PLACES = tuple(
    (re.compile(pattern), type_)
    for pattern, type_ in (  # the first that matches counts
        (r"\.", "root_t"),
        (r"(?:usr/lib|(?:usr/)?etc)/systemd/(?:system|user)(?:/.*)?", "systemd_unit_file_t"),
        (r"usr/lib/udev/rules\.d(?:/.*)?", "udev_rules_t"),
        (r"usr/lib/modules(?:/.*)?", "modules_object_t"),
        (r"(?:usr|opt)/(?:.*/)?(?:s?bin|libexec)(?:/.*)?", _PROGRAM),
        (r"(?:usr|opt)/(?:.*/)?lib(?:32|64|x32)?/(?:.*/)?ld-[^/]*\.so[^/]*", "ld_so_t"),
        (r"usr/(?:local/)?lib(?:32|64|x32)?(?:/.*)?|opt/(?:.*/)?lib(?:64)?(?:/.*)?", "lib_t"),
        (r"usr/share/man(?:/.*)?", "man_t"),
        (r"(?:usr/)?etc(?:/.*)?", "etc_t"),
        (r".*", "usr_t"),
    )
)
TYPES = frozenset(type_ for _, type_ in _PLACES)


@dataclass(frozen=True)
class Labels:
    """What an image's paths are called.

    Attributes:
        own: the recipe's labels by path; that of a folder is for all in it, too.
        policy: the table of the policy of the hosts that the image is for, if one is given.

    """

    own: tuple[tuple[str, str], ...] = ()
    policy: FileContexts | None = None

    def apply(self, entries: Iterable[ManifestEntry]) -> tuple[ManifestEntry, ...]:
        """Return the entries of a tree with their labels.

        Raises:
            ImageError: a line of the policy's table can't be read.

        """
        return tuple(msgspec.structs.replace(entry, label=self.of(entry)) for entry in entries)

    def of(self, entry: ManifestEntry) -> str:
        """Return the label of an entry.

        The recipe's counts where the policy knows its type; then what the policy says.
        """
        own = self._own(entry.path)
        if own and (self.policy is None or self.policy.has_type(own)):
            return own
        said = self.policy.label(entry.path, entry.type) if self.policy else None
        return said or own or label(place(entry.path, executable=is_program(entry)))

    def _own(self, path: str) -> str | None:
        above = [each for each in self.own if path == each[0] or path.startswith(f"{each[0]}/")]
        return max(above, key=lambda each: len(each[0]))[1] if above else None


def is_program(entry: ManifestEntry) -> bool:
    """Return whether an entry is a file that may be executed."""
    return entry.type == "file" and bool(entry.mode & 0o111)


def label(type_: str) -> str:
    """Return the whole label of a type, for a file of the system's."""
    return type_ if ":" in type_ else f"system_u:object_r:{type_}:s0"


def place(path: str, *, executable: bool) -> str:
    """Return the type that belongs to a path of an image; `.` is its root.

    What is in a private root is called as it is in a system's. A program is one wherever it lies.
    """
    inner = _PRIVATE_ROOT.sub("", path)
    type_ = next(type_ for pattern, type_ in _PLACES if pattern.fullmatch(inner))
    if executable and type_ in ("lib_t", "usr_t") and not _LIBRARY.search(inner):
        return _PROGRAM
    return type_
