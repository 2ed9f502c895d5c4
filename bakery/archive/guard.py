"""The judge of one archive: it chooses what is wanted, judges that, and words the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bakery.archive import paths
from bakery.archive.hashed import HashedFile
from bakery.archive.model import BrokenArchiveError, HostileArchiveError, MemberType
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path

    from bakery.archive.model import Limits

_SHOWN = 200  # characters of a hostile name


class Guard:
    """Knows which members of an archive are wanted, their paths so far, and their size.

    Attributes:
        archive: the archive's path.
        file: the same, or the file that hashes what is read of it.
        member: what is read at the moment, as the archive spells it; errors name it.

    """

    def __init__(
        self,
        file: Path | HashedFile,
        filename: str,
        limits: Limits,
        wanted: Callable[[str], bool],
    ) -> None:
        self.archive = archive = file.path if isinstance(file, HashedFile) else file
        self.file = file
        self._wanted = wanted
        self.member: bytes | None = None
        self._filename = filename
        self._limits = limits
        self._most = max(limits.free, limits.ratio * archive.stat().st_size)
        self._declared = 0
        self._count = 0
        self._tree: dict[str, Any] = {}  # a folder is a dict, anything else a tuple

    def open(self) -> FileIO:
        """Open the archive's file, without a buffer."""
        if isinstance(self.file, HashedFile):
            return self.file.open()
        return self.file.open("rb", buffering=0)

    def choose(self, raw: bytes, *, is_folder: bool = False) -> str | None:
        """Return a member's path, normalised, if it is wanted; the tree's own root never is.

        Raises:
            HostileArchiveError: it is wanted, and its path is unsafe.

        """
        self.member = raw
        try:
            path = paths.normalised(raw, is_folder=is_folder)
        except paths.UnsafePathError as error:
            if self._wanted(paths.spelled(raw)):
                raise self.hostile(str(error)) from None
            return None
        return path if path and self._wanted(path) else None

    def claim(self, path: str, kind: MemberType | Literal["hard link"], *content: object) -> bool:
        """Give a wanted member its path; return False if an equal one has it already.

        Args:
            path: the member's path.
            kind: what it is.
            content: what else equal ones have in common.

        Raises:
            HostileArchiveError: another one has the path, it lies below something that is no
                folder, or is one too many.

        """
        *folders, name = path.split("/")
        self._charge()
        here = self._tree
        for folder in folders:
            if folder not in here:
                self._charge()
            here = here.setdefault(folder, {})
            if not isinstance(here, dict):
                raise self.hostile(f"it lies below a path that is a {here[0]}")
        if name not in here:
            here[name] = {} if kind == "directory" else (kind, *content)
            return True
        known = here[name]
        first = "directory" if isinstance(known, dict) else known[0]
        if first != kind:
            raise self.hostile(f"its path appears twice, first as a {first}")
        if kind != "directory" and known != (kind, *content):
            raise self.hostile("its path appears twice, and what it names differs")
        return False

    def is_file(self, path: str) -> bool:
        """Return whether a wanted file has the path."""
        here: Any = self._tree
        for name in path.split("/"):
            here = here.get(name) if isinstance(here, dict) else None
        return isinstance(here, tuple) and here[0] == "file"

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

    def _charge(self) -> None:
        self._count += 1
        if self._count > self._limits.members:
            raise self.hostile(f"the archive has more than {self._limits.members} members")

    def _where(self) -> str:
        if self.member is None:
            return str(self.archive)
        name = self.member.decode(errors="backslashreplace")
        shown = repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
        return f"{self.archive}, member {shown}"
