"""Who has published the digests that locks hold, for the newest version of each recipe."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from bakery import markdown as md
from bakery.arch import ARCHITECTURES
from bakery.recipe.plan import releases
from bakery.text import plain_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.recipe.load import Source
    from bakery.recipe.lock import LockedAsset, TrustKind
    from bakery.recipe.plan import Release

_HEAD = ("recipe", "version", *ARCHITECTURES, "confirmed by")
_ON_GITHUB = re.compile(r"(?P<repo>[^/:]+/[^/:]+):(?P<path>[^@]+)(?:@(?P<commit>[0-9a-f]{7,40}))?")
_PUBLISHERS: dict[TrustKind, str] = {
    "first-use": "nobody",
    "checksum-file": "upstream's checksums",
    "github-digest": "GitHub's digests",
    "apt": "Debian's signed index",
    "gpg": "upstream's signature",
    "minisign": "upstream's signature",
    "cosign": "upstream's signature",
    "sigstore": "upstream's signature",
}


def table(sources: Iterable[Source], *, markdown: bool) -> str:
    """Return a table of recipes: newest version, assets by architecture and trust, publishers.

    Nothing is asked for: it is what the locks say, and `verify` compares that with upstream.
    """
    rows = [_row(source) for source in sources]
    if not markdown:
        return plain_table(_HEAD, rows)
    marked = [[*map(md.escape, row[:-1]), _linked(row[-1])] for row in rows]
    return md.table(_HEAD, marked)


def publisher(asset: LockedAsset) -> str:
    """Return who has published an asset's digest: an address that opens it, if it is cited."""
    if asset.trust == "registry":
        return "npm's registry" if asset.url.startswith("npm:") else "PyPI's index"
    if asset.citation is None:
        return _PUBLISHERS[asset.trust]
    found = _ON_GITHUB.fullmatch(asset.citation)
    if asset.citation.startswith(("https://", "http://")) or found is None:
        return asset.citation
    return f"https://github.com/{found['repo']}/blob/{found['commit'] or 'HEAD'}/{found['path']}"


def _row(source: Source) -> list[str]:
    built = [release for release in releases(source) if release.images]
    if not built:
        return [source.name, *"-" * (len(_HEAD) - 2), "no lock yet"]
    release = built[-1]
    counts = {
        image.contents.arch: Counter(
            release.locked.by_url[asset.url].trust for asset in image.contents.assets
        )
        for image in release.images
    }
    cells = [
        ", ".join(f"{number} {kind}" for kind, number in sorted(counts.get(arch, {}).items()))
        for arch in ARCHITECTURES
    ]
    return [source.name, release.version.tag, *(cell or "-" for cell in cells), _said_by(release)]


def _said_by(release: Release) -> str:
    urls = {asset.url for image in release.images for asset in image.contents.assets}
    pins = [release.locked.by_url[url] for url in urls]
    return ", ".join(sorted({publisher(pin) for pin in pins}))


def _linked(publishers: str) -> str:
    return ", ".join(
        md.link(each) if each.startswith(("https://", "http://")) else md.escape(each)
        for each in publishers.split(", ")
    )
