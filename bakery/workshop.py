"""The steps of a build: fetch, stage, squash, build. Each knows whether it is done already.

Every step writes into a scratch folder and puts its result in place by renaming, then records it;
so a step can be killed at any time, and what is recorded is there. Two processes may work in one
folder: a step of an image is done by one of them while the other waits for it.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import records
from bakery.errors import BakeryError
from bakery.image import manifest as manifests
from bakery.processors import Processors
from bakery.records import Record
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.image.manifest import Manifest
    from bakery.progress import Meter
    from bakery.recipe.matrix import Asset, Image, Release
    from bakery.settings import Settings

_BYTES_PER_PROCESSOR = 32 << 20  # less than this is not worth another processor


class WorkshopError(BakeryError):
    """A step finds its material gone, or can't write its result."""


@functools.cache
def _code_digest() -> str:
    """Return the digest of the code that decides an image's bytes."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).with_name("image").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Workshop:
    """Where images are made.

    Attributes:
        settings: where things are and how work is done.
        store: the assets.
        processors: shared by the steps that compute.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.store)
        self.processors = Processors(settings.jobs)
        self._state = settings.dist / ".bakery"
        self._current: dict[tuple[str, str], bool] = {}

    def staged(self, image: Image) -> Path:
        """Return the folder of an image's tree and manifest.json."""
        return self.settings.dist / "stage" / image.id

    def tree(self, image: Image) -> Path:
        """Return the root of an image's tree."""
        return self.staged(image) / "tree"

    def folder(self, release: Release | Image) -> Path:
        """Return the folder that holds a release's finished files."""
        name = release.release if hasattr(release, "release") else release.name
        return self.settings.dist / name

    def file(self, image: Image) -> Path:
        """Return where a finished image lies."""
        return self.folder(image) / image.filename

    def record(self, step: str, name: str) -> Record | None:
        """Return what is recorded of a step for an image or release."""
        return records.read(self._record_path(step, name))

    def manifest(self, image: Image) -> Manifest:
        """Return the manifest of a staged image."""
        return manifests.decode((self.staged(image) / "manifest.json").read_bytes())

    # Whether a step is done

    def is_fetched(self, asset: Asset, images: Iterable[Image]) -> bool:
        """Return whether an asset is in the store, or not needed by any of the images."""
        if all(self.is_staged(image) for image in images):
            return True
        return self.store.has(asset.sha256, asset.size)

    def is_staged(self, image: Image) -> bool:
        """Return whether an image's tree is there, or not needed since the image itself is."""
        return self.is_squashed(image) or self._is_current(
            "stage", image.id, self._stage_key(image), self.staged(image)
        )

    def is_squashed(self, image: Image) -> bool:
        """Return whether an image is there, as its recipe and the tools would make it now."""
        try:
            key = self._squash_key(image)
        except BakeryError:
            return False
        return self._is_current("squash", image.id, key, self.folder(image))

    def is_built(self, release: Release) -> bool:
        """Return whether a release's folder is complete."""
        if release.problem or not all(self.is_squashed(image) for image in release.images):
            return False
        return self._is_current(
            "build", release.name, self._build_key(release), self.folder(release)
        )

    def _is_current(self, step: str, name: str, key: str, folder: Path) -> bool:
        known = self._current.get((step, name))
        if known is None:
            known = records.holds(self.record(step, name), key, folder)
            self._current[step, name] = known
        return known

    # Doing a step

    def fetch(self, asset: Asset, meter: Meter) -> None:
        """Bring an asset into the store."""
        from bakery.store.download import fetch  # noqa: PLC0415  requests is heavy
        from bakery.upstream.pypi import resolve  # noqa: PLC0415  with it

        fetch(self.store, asset, settings=self.settings, meter=meter, resolve=resolve)

    def stage(self, image: Image, meter: Meter) -> None:
        """Write an image's tree and manifest."""
        from bakery.image.stage import stage  # noqa: PLC0415  archives are heavy

        with self._step("stage", image.id) as scratch:
            if self.is_staged(image):
                return
            started = time.monotonic()
            key = self._stage_key(image)
            tree = scratch / "tree"
            tree.mkdir()
            with self.processors.take(1):
                manifest = stage(image, key, self._assets(image), tree, meter)
            (scratch / "manifest.json").write_bytes(manifests.encode(manifest))
            _replace_folder(scratch, self.staged(image))
            self._finish("stage", image.id, key, self.staged(image), ["manifest.json"], started)

    def squash(self, image: Image, meter: Meter) -> None:
        """Write an image from its tree."""
        from bakery.image.squash import squash, writers  # noqa: PLC0415  only when needed

        with self._step("squash", image.id) as scratch:
            if self.is_squashed(image):
                return
            started = time.monotonic()
            manifest = self.manifest(image)
            output = scratch / image.filename
            profile = self.settings.profile
            meter.expect(manifest.size)
            with self.processors.take(1 + manifest.size // _BYTES_PER_PROCESSOR) as processors:
                squash(
                    self.tree(image),
                    output,
                    manifest=manifest,
                    format=image.format,
                    profile=profile,
                    processors=processors,
                    work=scratch,
                )
            facts: dict[str, str | int] = {
                "sha256": _digest(output),
                "size": _size(output),
                "contents": manifest.size,
                "tools": writers(image.format, profile),
            }
            final = self.file(image)
            final.parent.mkdir(parents=True, exist_ok=True)
            _replace_folder(output, final) if output.is_dir() else output.replace(final)
            self._finish(
                "squash",
                image.id,
                self._squash_key(image),
                final.parent,
                [final.name],
                started,
                facts,
            )

    def build(self, release: Release, _meter: Meter) -> None:
        """Complete a release's folder: checksums and release.json beside the images."""
        from bakery.release import document, sums  # noqa: PLC0415  only when needed

        if release.problem:
            raise release.problem
        with self._step("build", release.name):
            started = time.monotonic()
            folder = self.folder(release)
            squashed = {image.id: self._required("squash", image.id) for image in release.images}
            data = document.encode(document.describe(release, squashed))
            digests = {
                image.filename: str(squashed[image.id].facts["sha256"])
                for image in release.images
                if image.format != "folder"
            }
            digests["release.json"] = hashlib.sha256(data).hexdigest()
            _remove_others(folder, {image.filename for image in release.images})
            records.write_whole(folder / "release.json", data)
            records.write_whole(folder / sums.FILE, sums.encode(digests))
            self._finish(
                "build",
                release.name,
                self._build_key(release),
                folder,
                sorted([sums.FILE, *digests]),
                started,
            )

    def clean(self, release: Release) -> None:
        """Remove all that was made for a release, assets excepted."""
        for image in release.images:
            with self._step("clean", image.id):
                _remove(self.staged(image))
                for step in ("stage", "squash"):
                    self._record_path(step, image.id).unlink(missing_ok=True)
        with self._step("clean", release.name):
            _remove(self.folder(release))
            self._record_path("build", release.name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed runs left in the scratch folder."""
        scratch = self._state / "scratch"
        for leftover in scratch.iterdir() if scratch.is_dir() else ():
            with self._lock(leftover.name.partition("@")[2], wait=False) as locked:
                if locked:
                    _remove(leftover)

    # Keys

    def _stage_key(self, image: Image) -> str:
        return _key("stage", image.digest(), _code_digest())

    def _squash_key(self, image: Image) -> str:
        from bakery.image.squash import writers  # noqa: PLC0415  not for `doit list`

        return _key(
            "squash",
            self._stage_key(image),
            image.format,
            writers(image.format, self.settings.profile),
        )

    def _build_key(self, release: Release) -> str:
        recipe = release.source.recipe
        locked = release.source.lock.versions[release.version]
        about = [recipe.summary, recipe.homepage, recipe.license, *recipe.requires]
        trust = [f"{asset.url} {asset.trust} {asset.citation}" for asset in locked.assets]
        keys = [self._squash_key(image) for image in release.images]
        return _key("build", *keys, *about, *recipe.replaces, *trust)

    # Scratch, locks and records

    @contextmanager
    def _step(self, step: str, name: str) -> Iterator[Path]:
        """Have an image or release for oneself, with an empty scratch folder."""
        with self._lock(name):
            scratch = self._state / "scratch" / f"{step}@{name}"
            _remove(scratch)
            scratch.mkdir(parents=True)
            self._current.clear()
            try:
                yield scratch
            except OSError as error:
                raise WorkshopError(
                    f"{step}:{name} can't be written: {error.strerror}",
                    where=str(error.filename or self.settings.dist),
                    fix="make room, or set BAKERY_DIST to a folder with more",
                ) from error
            finally:
                _remove(scratch)

    @contextmanager
    def _lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        from filelock import FileLock, Timeout  # noqa: PLC0415  nothing to lock when all is done

        folder = self._state / "lock"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name, timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _record_path(self, step: str, name: str) -> Path:
        return self._state / step / f"{name}.json"

    def _required(self, step: str, name: str) -> Record:
        record = self.record(step, name)
        if record is None:
            raise WorkshopError(
                f"{step}:{name} has left no record", fix=f"build again: doit {step}:{name}"
            )
        return record

    def _finish(  # noqa: PLR0917  a record has these parts
        self,
        step: str,
        name: str,
        key: str,
        folder: Path,
        files: Iterable[str],
        started: float,
        facts: dict[str, str | int] | None = None,
    ) -> None:
        record = Record(
            key=key,
            outputs=tuple(records.output(folder, file) for file in files),
            seconds=round(time.monotonic() - started, 3),
            facts=facts or {},
        )
        records.write(self._record_path(step, name), record)
        self._current[step, name] = True

    def _assets(self, image: Image) -> dict[str, Path]:
        found = {}
        for asset in image.contents.assets:
            path = self.store.find(asset.sha256, asset.size)
            if path is None:
                raise WorkshopError(
                    f"{asset.filename} is no longer in the store",
                    where=str(self.store.root),
                    fix="build again; keep `bakery gc` from running beside a build",
                )
            found[asset.sha256] = path
        return found


def _digest(path: Path) -> str:
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _remove_others(folder: Path, wanted: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in wanted:
            _remove(path)


def _replace_folder(new: Path, old: Path) -> None:
    old.parent.mkdir(parents=True, exist_ok=True)
    aside = new.with_name(f"{new.name}.replaced")
    if old.exists():
        old.rename(aside)
    new.rename(old)
    _remove(aside)
