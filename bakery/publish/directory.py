"""Releases in a folder: ROOT/TAG/FILE, as in GitHub's addresses, for any static web server.

Drafts lie below `.drafts`, one folder for each publisher. Files and releases appear by rename, and
a channel's index changes with its signature, since the whole folder changes at once.
"""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import exchange, move, sha256, sync
from bakery.publish.model import NEXT, PublishError, RemoteAsset, RemoteRelease, UnsettledError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.publish.model import Visibility

_DRAFTS = ".drafts"
_BESIDE = ".swap-"
_PARTIAL = ".partial"


class Directory:
    """A folder that holds releases, and need not be there yet.

    Args:
        root: the folder.
        owner: whose drafts are ours; a word without slashes.

    """

    def __init__(self, root: Path, owner: str) -> None:
        self.root = root
        self._owner = owner
        self._digests: dict[tuple[int, int, int], str] = {}

    def releases(self) -> list[RemoteRelease]:
        """Return all releases."""
        with _looking(self.root):
            drafts = [tag for owner in _folders(self.root / _DRAFTS) for tag in _folders(owner)]
            return [self._release_of(folder) for folder in (*_folders(self.root), *drafts)]

    def find(self, tag: str) -> list[RemoteRelease]:
        """Return the releases of one name."""
        with _looking(self.root):
            drafts = [owner / tag for owner in _folders(self.root / _DRAFTS)]
            candidates = (self.root / tag, *drafts)
            return [self._release_of(folder) for folder in candidates if folder.is_dir()]

    def draft(self, tag: str) -> None:
        """Begin a release."""
        with _changing(self.root):
            (self.root / _DRAFTS / self._owner / tag).mkdir(parents=True, exist_ok=True)

    def upload(self, release: RemoteRelease, name: str, file: Path) -> None:
        """Add a file, which appears by rename."""
        folder = Path(release.id)
        partial = folder / f".{name}.{self._owner}{_PARTIAL}"
        with _changing(folder):
            shutil.copyfile(file, partial)
            partial.chmod(0o644)
            move(partial, folder / name)

    def publish(self, draft: RemoteRelease, notes: str) -> None:  # noqa: ARG002  has no place for text
        """Move a draft to where readers look; a folder with files in it is never replaced."""
        with _changing(self.root):
            Path(draft.id).rename(self.root / draft.tag)
            sync(self.root)

    def swap(self, release: RemoteRelease, names: Sequence[str]) -> None:
        """Exchange the folder for one with the same files, but for those that are replaced."""
        folder = Path(release.id)
        beside = self.root / f"{_BESIDE}{self._owner}-{release.tag}"
        with _changing(folder):
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            for path in folder.iterdir():
                if not _is_partial(path):
                    _link(path, beside / path.name)
            for name in names:
                (beside / f"{name}{NEXT}").replace(beside / name)
            beside.chmod(folder.stat().st_mode)
            sync(beside)
            exchange(beside, folder)
            sync(self.root)
            shutil.rmtree(beside)

    def delete(self, release: RemoteRelease, asset: RemoteAsset) -> None:
        """Remove a file."""
        folder = Path(release.id)
        with _changing(folder):
            (folder / asset.id).unlink(missing_ok=True)

    def discard(self, draft: RemoteRelease) -> None:
        """Remove a draft."""
        with _changing(self.root):
            shutil.rmtree(draft.id)

    def fetch(self, release: RemoteRelease, asset: RemoteAsset, target: Path) -> None:
        """Copy a file."""
        with _looking(Path(release.id)):
            shutil.copyfile(Path(release.id) / asset.name, target)
            if self._asset_of(target).sha256 != asset.sha256:
                raise UnsettledError("a file changes while it is read", where=asset.name)

    def _release_of(self, folder: Path) -> RemoteRelease:
        visibility: Visibility = "public"
        if folder.parent.parent.name == _DRAFTS:
            visibility = "draft" if folder.parent.name == self._owner else "foreign"
        return RemoteRelease(
            tag=folder.name,
            id=str(folder),
            visibility=visibility,
            assets=tuple(
                self._asset_of(path) for path in sorted(folder.iterdir()) if not _is_partial(path)
            ),
        )

    def _asset_of(self, path: Path) -> RemoteAsset:
        status = path.stat()
        known = (status.st_ino, status.st_size, status.st_mtime_ns)
        if known not in self._digests:
            self._digests[known] = sha256(path)
        return RemoteAsset(
            name=path.name, id=path.name, size=status.st_size, sha256=self._digests[known]
        )


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    hidden = (_DRAFTS, _BESIDE)
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(hidden)
    )


def _link(path: Path, target: Path) -> None:
    """Give a file another name, or copy it where the file system knows one name alone."""
    try:
        target.hardlink_to(path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        shutil.copy2(path, target)


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_PARTIAL)


@contextmanager
def _looking(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UnsettledError(
            "files go while they are looked at", where=str(error.filename)
        ) from error
    except OSError as error:
        raise _failed(folder, error) from error


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, FileExistsError) as error:
        if folder.is_symlink() and not folder.exists():
            raise PublishError(
                "the folder for releases is a link that leads nowhere",
                where=str(folder),
                fix=f"make or mount what it leads to: {folder.readlink()}",
            ) from None
        raise UnsettledError("somebody else publishes there", where=str(folder)) from error
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise UnsettledError("somebody else publishes there", where=str(folder)) from error
        raise _failed(folder, error) from error


def _failed(folder: Path, error: OSError) -> PublishError:
    return PublishError(
        f"the folder for releases fails: {error.strerror}",
        where=str(folder),
        fix="make room or mend its rights; BAKERY_PUBLISHER=directory:PATH names another one",
    )
