"""From a release's files to the draft of a recipe, by what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bakery.arch import ARCHITECTURES
from bakery.errors import BakeryError
from bakery.http.address import file_name
from bakery.recipe.debian import Packages
from bakery.scaffold import libraries, texts
from bakery.scaffold.layout import lay_out
from bakery.scaffold.patterns import versioned, with_words, worded
from bakery.scaffold.peek import peek
from bakery.scaffold.release import UNKNOWN_LICENCE, from_metadata, licence_of
from bakery.store.download import download_unpinned
from bakery.store.folder import Store
from bakery.text import counted, decoded
from bakery.upstream import apt, checksums, digests
from bakery.upstream.debian import closure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bakery.arch import Arch
    from bakery.scaffold.layout import Layout
    from bakery.scaffold.peek import Content
    from bakery.scaffold.release import About, UpstreamFile, UpstreamRelease
    from bakery.settings import Settings
    from bakery.store.download import Blob


class Drafting:
    """Looks into a release's files, and says what it chooses.

    Attributes:
        had: what it has downloaded, by address.

    """

    def __init__(
        self, name: str, release: UpstreamRelease, settings: Settings, echo: Callable[[str], None]
    ) -> None:
        self._name = name
        self._release = release
        self._settings = settings
        self._store = Store(settings.store)
        self._echo = echo
        self.had: dict[str, Blob] = {}

    def draft(self, *, unit: bool) -> texts.Draft:
        """Return the draft, with a service to start from if `unit` is set.

        Raises:
            BakeryError: a file can't be had, or holds nothing to install.

        """
        release = self._release
        opened = {arch: self._open(arch, file) for arch, file in release.files.items()}
        contents = {arch: content for arch, (_, content) in opened.items()}
        files, words, label, layout = self._fitting(
            {arch: file for arch, (file, _) in opened.items()}, contents
        )
        self._explain(next(iter(contents.values())), layout)
        asset, trust = self._asset(files, words, label)
        return texts.Draft(
            name=self._name,
            about=self._about(next(iter(contents.values()))),
            upstream=release.upstream,
            tag=release.version.tag,
            words=words,
            asset=asset,
            layout=layout,
            libraries=self._libraries(files, layout) if layout.needed else (),
            trust=trust,
            unit=unit,
        )

    def _about(self, content: Content) -> About:
        about = self._release.about
        if content.metadata:
            about = from_metadata(content.metadata, about)
        if about.licence != UNKNOWN_LICENCE:
            return about
        licence = licence_of(content.wording)
        self._echo(f"# license: {licence}, as far as the text of the one inside tells")
        return msgspec.structs.replace(about, licence=licence)

    def _open(self, arch: Arch, file: UpstreamFile) -> tuple[UpstreamFile, Content]:
        """Return a file, or what there is for glibc where it needs musl's loader, and its content.

        Hosts have no loader of musl's.
        """
        self._echo(f"# downloading {file.name}")
        content = peek(self._download(file.url).path, file.name, arch)
        if not content.for_musl or file.otherwise is None:
            return file, content
        other = file.otherwise()
        self._echo(f"# {arch}: {other.label}: the other needs musl's loader, which hosts lack")
        return self._open(arch, other)

    def _download(self, url: str) -> Blob:
        if url not in self.had:
            self.had[url] = download_unpinned(self._store, url, settings=self._settings)
        return self.had[url]

    def _fitting(
        self, files: dict[Arch, UpstreamFile], contents: dict[Arch, Content]
    ) -> tuple[Mapping[Arch, UpstreamFile], dict[Arch, str], str, Layout]:
        """Return what fits one recipe: all processors, or the first alone."""
        while True:
            labels = {a: versioned(file.label, self._release.version) for a, file in files.items()}
            label, words = worded(labels)
            inside = {arch: contents[arch] for arch in files}
            layout = lay_out(inside, words, self._release.version, self._name)
            if layout is not None:
                return files, words, label, layout
            arch, file = files.popitem()
            self._echo(
                f"# {arch}: left out, {file.name} is laid out or linked otherwise; add it by hand"
            )

    def _explain(self, content: Content, layout: Layout) -> None:
        self._echo(f"# programs: {', '.join(layout.programs)}")
        for what, paths in (("programs", content.others), ("scripts", content.scripts)):
            if paths:
                more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""  # noqa: PLR2004  a few
                self._echo(f"# other {what}, left out: {', '.join(paths[:3])}{more}")
        if data := content.data:
            such = f", such as {data[0]}" if len(data) > 1 else f": {data[0]}"
            self._echo(
                f"# beware: {counted(len(data), 'more file')}{such}: left out; "
                f"`bakery ls {self._name}` lists what install: can add, if programs need it"
            )

    def _libraries(self, arches: Iterable[Arch], layout: Layout) -> tuple[str, ...]:
        """Return the Debian packages with what programs need; none where that can't be had."""
        programs = ", ".join(layout.dynamic)
        if layout.for_musl:
            self._echo(
                f"# beware: {programs}: linked for musl, whose loader hosts lack; it starts on "
                "none, and the check refuses it: look for a static build, or one for glibc"
            )
            return ()
        names = libraries.packages(layout.needed)
        try:
            mirrors = apt.mirrors(*self._settings.debian_archives)
            for arch in arches:
                word = ARCHITECTURES[arch].debian
                closure(Packages(suite=libraries.SUITE, names=names, arch=word), mirrors)
        except BakeryError as error:
            self._echo(
                f"# beware: {programs}: linked dynamically, and the check refuses that until "
                f"self-contained: brings {', '.join(layout.needed)}, or os: names the host that "
                f"has them; Debian's {', '.join(names)} can't be had: {error.what}"
            )
            return ()
        self._echo(
            f"# {programs}: linked dynamically, so self-contained, with Debian's {', '.join(names)}"
        )
        return names

    def _asset(
        self, files: Mapping[Arch, UpstreamFile], words: Mapping[Arch, str], label: str
    ) -> tuple[dict[str, object], str]:
        release = self._release
        if release.index and release.upstream:
            self._echo("# digests: the package index gives them")
            if release.index == "npm":
                return {"npm": label}, "checksum"
            return {**release.upstream, "platform": label}, "checksum"
        sums = self._checksum(files, words)
        if sums:
            self._echo(f"# checksums: {sums}")
            return {"url": label, "checksum": {"url": sums}}, "checksum"
        if release.digests:
            self._echo("# checksums: no file with them; GitHub's own digests will do")
            return {"url": label}, "checksum"
        self._echo("# checksums: none published; the lock pins what came now (first-use)")
        return {"url": label}, "first-use"

    def _checksum(
        self, files: Mapping[Arch, UpstreamFile], words: Mapping[Arch, str]
    ) -> str | None:
        """Return the address of checksum files, as the recipe writes it, if they tell all."""
        telling = {arch: self._telling(file) for arch, file in files.items()}
        told = {arch: url for arch, url in telling.items() if url is not None}
        if len(told) < len(files):
            return None
        suffixes = {url.removeprefix(files[arch].url) for arch, url in told.items()}
        if len(suffixes) == 1 and (suffix := suffixes.pop()).startswith("."):
            return "{url}" + suffix
        version = self._release.version
        return with_words({arch: versioned(url, version) for arch, url in told.items()}, words)

    def _telling(self, file: UpstreamFile) -> str | None:
        """Return the first checksum file that tells the digest that a file has."""
        for url in file.sums:
            try:
                text = decoded(self._download(url).path.read_bytes())
                claims = checksums.claims_of(file.name, text, url)
            except checksums.ChecksumError:
                self._echo(f"# {file_name(url)} does not tell the digest of {file.name}")
                continue
            algorithms = digests.algorithms_of(digest for claim in claims for digest in claim)
            known = digests.of_file(self.had[file.url].path, algorithms)
            if all(claim & known for claim in claims):
                return url
            self._echo(f"# beware: {file_name(url)} gives another digest for {file.name}")
        return None
