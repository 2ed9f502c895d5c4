"""The shapes that other programs read, which install and update extensions on hosts.

All but Kairos's look for images beside their lists, under names of their own. The site has none:
the file `_redirects` leads from there to where images are published, for servers that obey it
(Cloudflare's and GitLab's Pages, Netlify).
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from bakery.arch import ARCHITECTURES
from bakery.decoding import to_json
from bakery.release import signing, sums
from bakery.site.views import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bakery.release.document import ReleasedImage
    from bakery.site.published import Channel, Edition
    from bakery.site.render import Site
    from bakery.site.views import Extension

# No recipe's name has a dot, so that no folder of these is an extension's
UPDEX, SYSEXTMGR = "updex.d", "sysextmgr.d"
REDIRECTS = "_redirects"

_TRANSFER = """\
[Transfer]
Verify={verify}

[Source]
Type=url-file
Path={url}/{name}
MatchPattern={name}-@v-%a.raw

[Target]
Type=regular-file
Path=/var/lib/extensions.d
MatchPattern={name}-@v-%a.raw
Mode=0644
"""


@dataclass(frozen=True)
class Clients:
    """Writes what other programs read.

    Attributes:
        site: where the site will be.
        extensions: what is published.

    """

    site: Site
    extensions: Sequence[Extension]
    _moved: dict[str, str] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path of every file below the site's root, and its bytes.

        Clients that ask the site for images are led on by it, which can't lead to a registry.
        """
        yield from self._sysexts_manager()
        yield from self._sysextmgr()
        if self.site.url:
            yield from self._updex()
        yield "releases.json", self._kairos()
        prefix = urlsplit(self.site.url).path
        lines = (f"{quote(prefix + path)} {url} 302\n" for path, url in self._moved.items())
        yield REDIRECTS, "".join(lines).encode()

    @property
    def _served(self) -> Iterator[Extension]:
        return (each for each in self.extensions if each.newest.url.startswith("http"))

    def _sysexts_manager(self) -> Iterator[tuple[str, bytes]]:
        """Yield a list for each extension: it names hosts' VERSION_ID, and takes the newest alone.

        The source of this format is `lib/src/image.rs` in github.com/travier/sysexts-manager.
        """
        for each in self._served:
            digests = {}
            for host in self._fedoras(each.newest):
                for image in plain(each.newest):
                    name = f"{each.name}-{each.newest.version}-{host}-{image.arch}.raw"
                    digests[name] = image.sha256
                    self._lead(f"{each.name}/{name}", each.newest, image)
            if digests:
                yield f"{each.name}/{sums.FILE}", sums.encode(digests)

    def _fedoras(self, edition: Edition) -> Sequence[str]:
        system = edition.document.os
        if isinstance(system, str):
            return self.site.fedora
        return [system.version] if system.id == "fedora" and system.version else []

    def _sysextmgr(self) -> Iterator[tuple[str, bytes]]:
        """Yield one list of all, and what mkosi calls a manifest for each image.

        The source of this format is `src/mkosi-manifest.c` in github.com/thkukuk/sysextmgr, which
        asks for it packed; its README names it as it is. What stands behind the last `-` and before
        the last `.` of an image's name are its version and architecture.
        """
        digests = {}
        for each in self._served:
            for image in plain(each.newest):
                version = each.newest.version.replace("-", "_")
                stem = f"{each.name}-{version}.{image.arch}"
                manifest = to_json(_manifest(each, image, version))
                yield f"{SYSEXTMGR}/{stem}.manifest", manifest
                yield f"{SYSEXTMGR}/{stem}.manifest.gz", gzip.compress(manifest, mtime=0)
                digests[f"{stem}.raw"] = image.sha256
                self._lead(f"{SYSEXTMGR}/{stem}.raw", each.newest, image)
        yield f"{SYSEXTMGR}/{sums.FILE}", sums.encode(digests)

    def _updex(self) -> Iterator[tuple[str, bytes]]:
        """Yield a catalogue: a transfer file for each extension, and its channel's signed list.

        The source of this format is `catalog/` in github.com/frostyard/updex: sources must lie
        below the catalogue's own address, and the target is the one that it writes itself.
        """
        base = f"{self.site.url}/{UPDEX}"
        listed = []
        for each in self.extensions:
            own = (c for c in each.followed if c.name == each.name and c.url.startswith("http"))
            channel = next(own, None)
            if channel is None or channel.reader is None:
                continue
            listed.append({"name": each.name, "type": "dir"})
            signed = signing.KEYRING in channel.reader.digests
            text = _TRANSFER.format(
                name=each.name, url=base.replace("%", "%%"), verify="yes" if signed else "no"
            )
            yield f"{UPDEX}/{each.name}/{each.name}.conf", text.encode()
            yield f"{UPDEX}/{each.name}/{sums.FILE}", channel.reader.index
            if signed:
                yield f"{UPDEX}/{each.name}/{sums.SIGNATURE}", channel.reader.signature()
            self._lead_to_channel(each.name, channel)
        yield f"{UPDEX}/list.json", to_json(listed)
        catalogue = f"[Catalog]\nSiteURL={base}\nListURL={base}/list.json\n"
        yield f"{UPDEX}/bakery.catalog", catalogue.encode()

    def _lead_to_channel(self, name: str, channel: Channel) -> None:
        for file in channel.reader.digests if channel.reader else ():
            if re.fullmatch(rf"{re.escape(name)}-.*-(x86-64|arm64)\.raw", file):
                self._moved[f"/{UPDEX}/{name}/{file}"] = f"{channel.url}/{quote(file)}"

    def _lead(self, path: str, edition: Edition, image: ReleasedImage) -> None:
        self._moved[f"/{path}"] = f"{edition.url}/{quote(image.file)}"

    def _kairos(self) -> bytes:
        """Return the layers of Kairos's Hadron, as its catalogue lists them.

        The source of this format is `site/build-data.sh` in github.com/kairos-io/hadron-layers. It
        lists images in registries; these are files, and have an address in the place of `oci`.
        """
        days = [each.day for each in self.extensions if each.day]
        layers = [_layer(each, self.site.source) for each in self.extensions]
        repository = self.site.source.removeprefix("https://github.com/")
        generated = f"{max(days)}T00:00:00Z" if days else ""
        return to_json(
            {"generated": generated, "repo": repository, "toolchain": "", "layers": layers}
        )


def _manifest(each: Extension, image: ReleasedImage, version: str) -> Mapping[str, Any]:
    document = each.newest.document
    system = document.os
    hosts = {"ID": "_any"}
    if not isinstance(system, str):
        fields = {"ID": system.id, "SYSEXT_LEVEL": system.level, "VERSION_ID": system.version}
        hosts = {key: value for key, value in fields.items() if value}
    return {
        "manifest_version": 1,
        "config": {
            "name": each.name,
            "distribution": hosts["ID"],
            "architecture": image.arch,
            "version": version,
        },
        "packages": [],
        "extension": {
            **hosts,
            "SYSEXT_ID": each.name,
            "SYSEXT_VERSION_ID": document.version,
            "SYSEXT_SCOPE": "system",
            "ARCHITECTURE": image.arch,
        },
    }


def _layer(each: Extension, source: str) -> Mapping[str, Any]:
    return {
        "name": each.name,
        "title": each.name,
        "description": each.newest.document.summary,
        "image": "",
        "source": source or str(each.newest.document.homepage),
        "latest": each.newest.version,
        "tags": [
            {
                "tag": edition.version,
                "digest": "",
                "created": f"{edition.day}T00:00:00Z" if edition.day else "",
                "sysext": {
                    ARCHITECTURES[image.arch].debian: {
                        "uri": f"{edition.url}/{quote(image.file)}",
                        "sha256": image.sha256,
                    }
                    for image in plain(edition)
                },
            }
            for edition in each.editions
        ],
    }
