"""Release notes in Markdown: what is new against the version before, and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.markdown import code, escape, link, table
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bakery.image.manifest import Manifest, ManifestEntry
    from bakery.release.boots import Boot
    from bakery.release.document import Finished, ReleaseDocument, ReleasedVerity

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
    upstream, licence = link(document.homepage, "Upstream"), escape(document.license)
    lines = [
        f"# {document.name} {document.version}",
        "",
        f"{escape(document.summary)}. {upstream}, licence {licence}, tier {document.tier}.",
    ]
    lines += [
        f"- {escape(part)} {escape(version)}" for part, version in sorted(document.parts.items())
    ]
    for label, names in (
        ("Requires", document.requires),
        ("Conflicts with", document.conflicts),
        ("Replaces", document.replaces),
    ):
        if names:
            lines.append(f"\n{label} {', '.join(names)}.")
    return "\n".join(lines)


def _images(document: ReleaseDocument) -> str:
    rows = [
        [code(image.file), format_size(image.size), code(image.sha256), _booted(image.boots)]
        for image in document.images
    ]
    rows += [_verity(each.verity) for each in document.images if each.verity]
    listed = table(["image", "size", "SHA-256", "booted on"], rows)
    waived = "\n".join(f"- {escape(str(each))}" for each in document.waived_boots)
    return f"{listed}\n\nNot booted:\n\n{waived}" if waived else listed


def _verity(image: ReleasedVerity) -> list[str]:
    """Return the row of an image for dm-verity, whose file system is that of another row."""
    signed = "signed" if image.signed_by else "not signed"
    about = f"dm-verity, {signed}; root hash {image.root_hash}"
    return [code(image.file), format_size(image.size), code(image.sha256), about]


def _booted(boots: tuple[Boot, ...]) -> str:
    told = "; ".join(f"{boot.machine}, systemd {boot.systemd.split()[0]}" for boot in boots)
    return escape(told) or "-"


def _starts(images: Sequence[Finished]) -> str:
    units = sorted({unit.name for each in images for unit in each.image.contents.start})
    return f"Starts {', '.join(map(code, units))} when it is merged." if units else ""


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
    touched = [code(p.removeprefix(_UNITS)) for p in units if _meaning(new, p) != _meaning(old, p)]
    about = f"Units: {', '.join(touched)}." if touched else "Units are the same."
    return "\n".join([title, "", f"All files together: {total}. {about}", "", *_short(lines)])


def _difference(
    new: Mapping[str, ManifestEntry], old: Mapping[str, ManifestEntry]
) -> Iterator[str]:
    for path in sorted({*new, *old}):
        if path not in old:
            yield f"- added {code(f'/{path}')}, {format_size(new[path].size)}"
        elif path not in new:
            yield f"- removed {code(f'/{path}')}, {format_size(old[path].size)}"
        elif _meaning(new, path) != _meaning(old, path):
            change = f"{format_size(old[path].size)} → {format_size(new[path].size)}"
            yield f"- changed {code(f'/{path}')}, {change}"


def _meaning(entries: Mapping[str, ManifestEntry], path: str) -> object:
    entry = entries.get(path)
    return entry and (entry.type, entry.mode, entry.sha256, entry.target)


def _all(arch: str, manifest: Manifest) -> str:
    lines = [
        f"- {code(f'/{path}')}, {format_size(entry.size)}"
        for path, entry in sorted(_files(manifest).items())
    ]
    return "\n".join([f"## Files, {arch}", "", *_short(lines)])


def _short(lines: list[str]) -> list[str]:
    more = len(lines) - _LISTED
    return lines if more <= 0 else [*lines[:_LISTED], f"- … and {more} more"]


def _assets(document: ReleaseDocument) -> str:
    rows = [[link(a.url), code(a.sha256), a.trust] for a in document.assets]
    return f"## Made from\n\n{table(['asset', 'SHA-256', 'digest known by'], rows)}"
