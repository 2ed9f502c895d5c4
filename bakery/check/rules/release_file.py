"""Rules about the release file, by which a host decides whether an image is for it.

Source: systemd-sysext(8), extension-release in os-release(5), and the order in which systemd
compares: SYSEXT_SCOPE, ARCHITECTURE, ID, then SYSEXT_LEVEL or VERSION_ID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.arch import SYSTEMD, systemd_name
from bakery.check.rule import Violation, rule
from bakery.check.subject import released_name
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject

_UNIT_FOLDERS = {
    "sysext": ("usr/lib/systemd/system", "usr/lib/systemd/user"),
    "confext": ("etc/systemd/system", "etc/systemd/user"),
}
_SCOPES = ("system", "initrd", "portable")
_HOST_FIELDS = ("NAME", "PRETTY_NAME", "HOME_URL", "BUG_REPORT_URL", "SUPPORT_URL", "CPE_NAME")


def _level(subject: Subject) -> str:
    return f"{subject.kind.upper()}_LEVEL"


def _path(subject: Subject) -> str:
    return subject.release_file.path if subject.release_file else subject.release_folder


@rule(
    "release-file-missing",
    "error",
    reason="without a release file no host merges the image",
    fix=(
        "ship usr/lib/extension-release.d/extension-release.NAME with at least ID= and"
        " ARCHITECTURE="
    ),
)
def missing(subject: Subject) -> Iterator[Violation]:
    """Find an image without any release file."""
    if not subject.release_files:
        yield Violation(subject.release_folder, f"holds no extension-release.{subject.names[-1]}")


@rule(
    "release-file-name",
    "error",
    reason=(
        "a host refuses an image whose file has another name than its release file: «No medium"
        " found»"
    ),
    fix="give the image file back the name it was built with",
)
def misnamed(subject: Subject) -> Iterator[Violation]:
    """Find an image whose file was renamed, or whose release file has a mistyped name."""
    inside = [released_name(node) for node in subject.release_files]
    counts = subject.release_file
    lenient = counts is not None and not counts.strict
    if not inside or lenient or not set(inside).isdisjoint(subject.names):
        return
    node = subject.release_files[0]
    yield Violation(
        node.path,
        f"says that the image is called {' or '.join(inside)}, but a host takes the name from"
        " the file,"
        f" and sees {subject.names[0]}",
        fix=(
            f"rename the image to {inside[0]}.raw (NAME-VERSION-ARCH.raw may stand for NAME.raw"
            " until it is"
            f" installed), or build it again under the name {subject.names[0]}"
        ),
    )


@rule(
    "release-file-extra",
    "error",
    reason="an image is one extension: what stands beside its release file claims another's name",
    fix="ship only the release file that has the image's name",
)
def extra(subject: Subject) -> Iterator[Violation]:
    """Find release files beside the one that hosts read."""
    if subject.release_file is not None:
        for node in subject.tree.below(subject.release_folder):
            if node.path != subject.release_file.path:
                yield Violation(node.path, f"stands beside {subject.release_file.name}")


@rule(
    "release-file-syntax",
    "error",
    reason="a line that a host can't parse is ignored, or the whole image is refused",
    fix="write one FIELD=value a line, each field once, with quotes around spaces",
)
def syntax(subject: Subject) -> Iterator[Violation]:
    """Find lines that can't be parsed."""
    for mistake in subject.release.mistakes:
        yield Violation(_path(subject), mistake)


@rule(
    "release-file-id",
    "error",
    reason="a host only merges an image whose ID is its own, or _any",
    fix="write ID=_any, or the ID of the one operating system it is for, such as ID=flatcar",
)
def identity(subject: Subject) -> Iterator[Violation]:
    """Find a release file without ID."""
    if subject.release_file is not None and not subject.release.get("ID"):
        yield Violation(_path(subject), "has no ID")


@rule(
    "release-file-any-version",
    "error",
    reason="beside ID=_any a version is ignored: who relies on it is deceived",
    fix="remove VERSION_ID and SYSEXT_LEVEL, or name the one operating system in ID",
)
def any_with_version(subject: Subject) -> Iterator[Violation]:
    """Find ID=_any together with a version."""
    if subject.release.get("ID") == "_any":
        for name in ("VERSION_ID", _level(subject)):
            if subject.release.get(name):
                yield Violation(_path(subject), f"has {name} beside ID=_any")


@rule(
    "release-file-version",
    "error",
    reason=(
        "a host that has a version merges no image of its own ID without SYSEXT_LEVEL or VERSION_ID"
    ),
    fix=(
        "add SYSEXT_LEVEL=1.0 on Flatcar, or the VERSION_ID of the operating system it is built for"
    ),
)
def versionless(subject: Subject) -> Iterator[Violation]:
    """Find an operating system named without a version."""
    system = subject.release.get("ID")
    fields = (subject.release.get("VERSION_ID"), subject.release.get(_level(subject)))
    if system not in ("", "_any") and not any(fields):
        yield Violation(
            _path(subject), f"has ID={system}, and neither {_level(subject)} nor VERSION_ID"
        )


@rule(
    "release-file-arch",
    "error",
    reason="a host of another architecture would merge the image, or the right one refuses it",
    fix="write ARCHITECTURE in systemd's words: x86-64, arm64, …",
)
def architecture(subject: Subject) -> Iterator[Violation]:
    """Find an architecture that systemd does not know, or that is not the file's own."""
    declared = subject.release.get("ARCHITECTURE")
    if not declared or declared == "_any":
        return
    if declared not in SYSTEMD:
        meant = systemd_name(declared) or nearest(declared, SYSTEMD)
        advice = f"write ARCHITECTURE={meant}" if meant else None
        yield Violation(
            _path(subject), f"has ARCHITECTURE={declared}, which systemd does not know", fix=advice
        )
    elif subject.arch not in (None, declared):
        yield Violation(
            _path(subject), f"has ARCHITECTURE={declared}, but the image is for {subject.arch}"
        )


@rule(
    "release-file-arch-missing",
    "warning",
    reason="without ARCHITECTURE a host of any architecture merges programs that it can't run",
    fix="add ARCHITECTURE= in systemd's words: x86-64, arm64, …",
)
def architecture_missing(subject: Subject) -> Iterator[Violation]:
    """Find binaries in an image that says nothing about its architecture."""
    if subject.release_file is not None and not subject.release.get("ARCHITECTURE"):
        binary = next((node for node in subject.tree if node.elf), None)
        if binary is not None:
            yield Violation(
                _path(subject), f"has no ARCHITECTURE, and the image holds binaries: {binary.path}"
            )


@rule(
    "release-file-scope",
    "error",
    reason="a host merges only images whose scope is its own",
    fix="remove SYSEXT_SCOPE, or use words out of system, initrd, portable",
)
def scope(subject: Subject) -> Iterator[Violation]:
    """Find words that systemd does not know as a scope."""
    field = f"{subject.kind.upper()}_SCOPE"
    for word in subject.release.get(field).split():
        if word not in _SCOPES:
            yield Violation(_path(subject), f"has {word!r} in {field}")


@rule(
    "release-file-host-fields",
    "warning",
    reason="a copy of a host's os-release says wrong things about the image, and ages",
    fix=(
        "keep ID, VERSION_ID or SYSEXT_LEVEL, ARCHITECTURE, and what begins with SYSEXT_ or"
        " EXTENSION_"
    ),
)
def host_fields(subject: Subject) -> Iterator[Violation]:
    """Find fields that describe an operating system."""
    names = [name for name in _HOST_FIELDS if subject.release.get(name)]
    if names:
        yield Violation(_path(subject), f"describes an operating system: {', '.join(names)}")


@rule(
    "reload-manager-missing",
    "warning",
    reason=(
        "without a reload systemd does not see the image's units until something else reloads it"
    ),
    fix="add EXTENSION_RELOAD_MANAGER=1, which systemd 255 and later act on",
)
def reload_missing(subject: Subject) -> Iterator[Violation]:
    """Find units in an image that does not ask for a reload."""
    unit = next(subject.tree.below(_UNIT_FOLDERS[subject.kind][0]), None)
    if unit and subject.release_file and subject.release.get("EXTENSION_RELOAD_MANAGER") != "1":
        yield Violation(
            _path(subject), f"has no EXTENSION_RELOAD_MANAGER=1, and the image ships {unit.path}"
        )


@rule(
    "reload-manager-needless",
    "error",
    reason="a reload while a host boots can deadlock, so only images with units may ask for it",
    fix="remove EXTENSION_RELOAD_MANAGER",
)
def reload_needless(subject: Subject) -> Iterator[Violation]:
    """Find a reload asked for by an image without units."""
    if subject.release.get("EXTENSION_RELOAD_MANAGER") == "1":
        for folder in _UNIT_FOLDERS[subject.kind]:
            if next(subject.tree.below(folder), None):
                return
        yield Violation(
            _path(subject), "has EXTENSION_RELOAD_MANAGER=1, but the image ships no units"
        )
