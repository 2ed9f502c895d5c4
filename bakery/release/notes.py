"""Release notes in Markdown: what is new against the version before, and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bakery.image.manifest import Manifest, ManifestEntry
    from bakery.release.boots import Boot
    from bakery.release.document import ReleaseDocument
    from bakery.release.finished import Finished

FILE = "notes.md"

_UNITS = "usr/lib/systemd/system/"
_LISTED = 40


def write(
    document: ReleaseDocument,
    images: Sequence[Finished],
    previous: str | None,
    before: Mapping[str, Manifest],
) -> bytes:
    """Return a release's notes.

    Args:
        document: what is released.
        images: its images.
        previous: the version before; None when this is the first.
        before: that version's manifests by architecture, as far as they are here.

    """
    now = {each.image.contents.arch: each.manifest for each in images}
    changes = [
        _changes(arch, manifest, before[arch], previous or "")
        for arch, manifest in now.items()
        if arch in before
    ]
    listed = changes or [_all(arch, manifest) for arch, manifest in now.items()]
    parts = [_head(document), _images(document), _starts(images), *listed, _assets(document)]
    return ("\n\n".join(filter(None, parts)) + "\n").encode()


def _head(document: ReleaseDocument) -> str:
    lines = [
        f"# {document.name} {document.version}",
        "",
        f"{document.summary}. [Upstream]({document.homepage}), licence {document.license}.",
    ]
    lines += [f"- {part} {version}" for part, version in sorted(document.parts.items())]
    for label, names in (("Requires", document.requires), ("Replaces", document.replaces)):
        if names:
            lines.append(f"\n{label} {', '.join(names)}.")
    return "\n".join(lines)


def _images(document: ReleaseDocument) -> str:
    rows = [
        f"| `{image.file}` | {format_size(image.size)} | `{image.sha256}` "
        f"| {_booted(image.boots)} |"
        for image in document.images
    ]
    head = ["| image | size | SHA-256 | booted on |", "|---|---|---|---|"]
    waiver = [f"\nNot booted: {document.boot_waiver}."] if document.boot_waiver else []
    return "\n".join([*head, *rows, *waiver])


def _booted(boots: tuple[Boot, ...]) -> str:
    return "; ".join(f"{boot.machine}, systemd {boot.systemd.split()[0]}" for boot in boots) or "-"


def _starts(images: Sequence[Finished]) -> str:
    units = sorted({unit.name for each in images for unit in each.image.contents.start})
    return f"Starts {', '.join(f'`{unit}`' for unit in units)} when it is merged." if units else ""


def _files(manifest: Manifest) -> dict[str, ManifestEntry]:
    return {entry.path: entry for entry in manifest.entries if entry.type != "directory"}


def _changes(arch: str, now: Manifest, before: Manifest, previous: str) -> str:
    new, old = _files(now), _files(before)
    title = f"## What changed since {previous}, {arch}"
    lines = list(_difference(new, old))
    total = f"{format_size(before.size)} → {format_size(now.size)}"
    if not lines:
        return f"{title}\n\nNo file; {total}."
    units = [path for path in sorted({*new, *old}) if path.startswith(_UNITS)]
    touched = [f"`{p.removeprefix(_UNITS)}`" for p in units if _meaning(new, p) != _meaning(old, p)]
    about = f"Units: {', '.join(touched)}." if touched else "Units are the same."
    return "\n".join([title, "", f"All files together: {total}. {about}", "", *_short(lines)])


def _difference(
    new: Mapping[str, ManifestEntry], old: Mapping[str, ManifestEntry]
) -> Iterator[str]:
    for path in sorted({*new, *old}):
        if path not in old:
            yield f"- added `/{path}`, {format_size(new[path].size)}"
        elif path not in new:
            yield f"- removed `/{path}`, {format_size(old[path].size)}"
        elif _meaning(new, path) != _meaning(old, path):
            change = f"{format_size(old[path].size)} → {format_size(new[path].size)}"
            yield f"- changed `/{path}`, {change}"


def _meaning(entries: Mapping[str, ManifestEntry], path: str) -> object:
    entry = entries.get(path)
    return entry and (entry.type, entry.mode, entry.sha256, entry.target)


def _all(arch: str, manifest: Manifest) -> str:
    lines = [f"- `/{path}`, {format_size(e.size)}" for path, e in sorted(_files(manifest).items())]
    return "\n".join([f"## Files, {arch}", "", *_short(lines)])


def _short(lines: list[str]) -> list[str]:
    more = len(lines) - _LISTED
    return lines if more <= 0 else [*lines[:_LISTED], f"- … and {more} more"]


def _assets(document: ReleaseDocument) -> str:
    rows = [f"| {a.url} | `{a.sha256}` | {a.trust} |" for a in document.assets]
    head = ["## Made from", "", "| asset | SHA-256 | digest known by |", "|---|---|---|"]
    return "\n".join([*head, *rows])
