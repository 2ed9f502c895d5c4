"""What went wrong, in words a user can act on."""

from __future__ import annotations

import errno

from bakery.characters import visible

_FULL = "make room there and run the same again"
_CLOSED = "run it as somebody who may do that, or choose another folder: `bakery settings`"
_WAYS_OUT = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: _CLOSED,
    errno.ENOTDIR: "a file is where a folder must be: remove it, or choose another folder",
    errno.EIO: "look at the disk: `dmesg` says more",
}


class BakeryError(Exception):
    """A failure that has a cause and a way out.

    The class says which kind of failure it is; the text says what happened, where, why, and what
    to do now. Front ends print it with `render` and never with a traceback.

    Attributes:
        what: one sentence, lower case, without a full stop.
        where: the file, address or task concerned.
        why: the cause, as far as it is known; may have several lines (an excerpt, a tool's output).
        fix: what the user can do now, ideally a command.

    """

    def __init__(
        self, what: str, *, where: str | None = None, why: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """Return the error as lines of plain text: the sentence first, then its details.

        What could act on a terminal is escaped: texts of others may be in it.
        """
        details = (("where", self.where), ("why", self.why), ("fix", self.fix))
        lines = [self.what]
        for label, text in details:
            if text:
                first, *more = text.removesuffix("\n").split("\n")
                lines.append(f"  {label + ':':<6} {first}")
                lines.extend(f"  {'':<6} {line}" for line in more)
        return visible("\n".join(lines), allowed="\n\t")


class MissingToolError(BakeryError):
    """A program that the work needs is not installed."""


class SettingsError(BakeryError):
    """A setting has a value that makes no sense."""


class SystemRefusesError(BakeryError):
    """The operating system denies what the work needs: room, a right."""


def explained(error: BakeryError | OSError) -> BakeryError:
    """Return a failure in words, where it is the user's or the computer's.

    Raises:
        OSError: it is a mistake of the program.

    """
    if isinstance(error, BakeryError):
        return error
    if error.errno not in _WAYS_OUT:
        raise error
    where = None if error.filename is None else str(error.filename)
    return SystemRefusesError(
        "the system refuses to read or write a file",
        where=where,
        why=error.strerror,
        fix=_WAYS_OUT[error.errno],
    )
