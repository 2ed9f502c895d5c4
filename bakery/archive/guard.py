"""The judge of one archive: it sees every member, wanted or not, and words the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bakery.archive import paths
from bakery.archive.model import BrokenArchiveError, HostileArchiveError, MemberType
from bakery.text import format_size

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.archive.model import Limits

_SHOWN = 200  # characters of a hostile name


class Guard:
    """Knows which paths an archive has named so far, and how much it declared.

    Attributes:
        archive: the archive's file.
        member: what is read at the moment, as the archive spells it; errors name it.

    """

    def __init__(self, archive: Path, filename: str, limits: Limits) -> None:
        self.archive = archive
        self.member: bytes | None = None
        self._filename = filename
        self._limits = limits
        self._most = max(limits.free, limits.ratio * archive.stat().st_size)
        self._declared = 0
        self._count = 0
        self._tree: dict[str, Any] = {}  # a folder is a dict, anything else its type

    def admit(self, raw: bytes, kind: MemberType | Literal["hard link"]) -> str:
        """Judge a member's path and return it normalised; empty for the tree's own root.

        Raises:
            HostileArchiveError: the path is unsafe, is taken, lies below something that is no
                folder, or is one too many.

        """
        self.member = raw
        try:
            path = paths.normalised(raw)
        except paths.UnsafePathError as error:
            raise self.hostile(str(error)) from None
        *folders, name = path.split("/")
        self._charge(1)
        here = self._tree
        for folder in folders:
            if folder not in here:
                self._charge(1)
            here = here.setdefault(folder, {})
            if not isinstance(here, dict):
                raise self.hostile(f"it lies below a path that is a {here}")
        if not path:
            if kind != "directory":
                raise self.hostile(f"it is a {kind}, and takes the place of the archive's root")
        elif kind != "directory":
            if name in here:
                raise self.hostile("its path appears twice")
            here[name] = kind
        elif not isinstance(here.setdefault(name, {}), dict):
            raise self.hostile(f"its path appears twice, first as a {here[name]}")
        return path

    def is_file(self, path: str) -> bool:
        """Return whether a regular file of that path was admitted."""
        here: Any = self._tree
        for name in path.split("/"):
            here = here.get(name) if isinstance(here, dict) else None
        return bool(here == "file")

    def target(self, raw: bytes, path: str, *, rooted: bool = False) -> str:
        """Judge the target of the symbolic link at `path` and return it as text.

        Raises:
            HostileArchiveError: it leaves the tree, or could; see `paths.target`.

        """
        try:
            return paths.target(raw, path, rooted=rooted)
        except paths.UnsafePathError as error:
            raise self.hostile(str(error)) from None

    def declare(self, size: int) -> None:
        """Take note that the current member claims `size` bytes.

        Raises:
            HostileArchiveError: the members claim more than the limits allow.

        """
        self._declared += size
        self.weigh(self._declared)

    def weigh(self, total: int) -> None:
        """Compare the bytes that the whole archive unpacks to, so far, with the limits.

        Raises:
            HostileArchiveError: they are too many.

        """
        if total > self._limits.total:
            raise self.hostile(
                f"the archive unpacks to more than {format_size(self._limits.total)}"
            )
        if total > self._most:
            raise self.hostile(
                f"the archive unpacks to more than {self._limits.ratio} times its size"
            )

    def hostile(self, why: str) -> HostileArchiveError:
        """Return the error for an archive that means harm; `why` speaks of the current member."""
        return HostileArchiveError(
            f"the archive {self._filename} is refused",
            where=self._where(),
            why=why,
            fix="don't install it; ask its publisher whether it is theirs",
        )

    def broken(self, why: str) -> BrokenArchiveError:
        """Return the error for an archive that can't be read."""
        return BrokenArchiveError(
            f"the archive {self._filename} is damaged",
            where=self._where(),
            why=why,
            fix="compare its size and digest with what its publisher states, and lock it again;\n"
            "if it is not of the kind that its name says, name the kind in the recipe",
        )

    def _charge(self, count: int) -> None:
        self._count += count
        if self._count > self._limits.members:
            raise self.hostile(f"the archive has more than {self._limits.members} members")

    def _where(self) -> str:
        if self.member is None:
            return str(self.archive)
        name = self.member.decode(errors="backslashreplace")
        shown = repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
        return f"{self.archive}, member {shown}"
