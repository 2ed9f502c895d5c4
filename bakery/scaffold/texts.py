"""The files of a new recipe."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.files import write_whole
from bakery.recipe.debian import LATEST
from bakery.scaffold.libraries import SUITE
from bakery.scaffold.release import UNKNOWN_LICENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.arch import Arch
    from bakery.scaffold.layout import Layout
    from bakery.scaffold.observe import Observed
    from bakery.scaffold.release import About

_WIDTH = 100
REVIEW = "REVIEW:"
"""How the comments of a draft begin that leave something to people; `bakery lint` finds them."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a new recipe says.

    Attributes:
        name: the recipe's.
        about: the project.
        upstream: where versions are listed.
        tag: the version to begin with.
        words: `{arch}` by processor.
        asset: the keys of upstream's asset, less `install`.
        layout: what is installed.
        libraries: the Debian packages with the libraries that its programs need.
        trust: the least that must be known about digests.
        unit: whether it has a service.
        told: whether the programs themselves name that licence.

    """

    name: str
    about: About
    upstream: Mapping[str, str] | None
    tag: str
    words: Mapping[Arch, str]
    asset: Mapping[str, object]
    layout: Layout
    libraries: tuple[str, ...] = ()
    trust: str
    unit: bool
    told: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing that its programs need is left to the host."""
        return bool(self.libraries) or not self.layout.needed

    def licensed(self, licence: str) -> Draft:
        """Return it with the licence that the programs themselves name.

        If upstream's files name another, that is the licence of what wraps the programs, and its
        text is not for the image.
        """
        about, layout = msgspec.structs.replace(self.about, licence=licence), self.layout
        if licence != self.about.licence and isinstance(layout.install, Mapping):
            own = {
                k: v for k, v in layout.install.items() if not v.startswith("usr/share/licenses/")
            }
            layout = msgspec.structs.replace(layout, install=own, licences=False)
        return msgspec.structs.replace(self, about=about, layout=layout, told=True)


def files(draft: Draft, schema: str, seen: Observed | None = None) -> dict[str, str]:
    """Return the texts of a new recipe's files, by path.

    Args:
        draft: what it says.
        schema: the first line of recipe.yaml.
        seen: what the image does in a boot; None where that is not known.

    """
    texts = {
        "recipe.yaml": "\n".join((schema, *_recipe(draft))) + "\n",
        "README.md": _readme(draft),
        "check.yaml": _check(draft, seen),
    }
    if draft.unit:
        texts[f"files/usr/lib/systemd/system/{draft.name}.service"] = _unit(draft)
    return texts


def _recipe(draft: Draft) -> Iterator[str]:
    about = draft.about
    values: dict[str, object] = {
        "summary": about.summary,
        "homepage": about.homepage,
        "license": about.licence,
        "upstream": draft.upstream,
        "build": [draft.tag, "latest"] if draft.upstream else [draft.tag],
        "arch": draft.words,
        "assets": [{**draft.asset, "install": draft.layout.install}, *_libraries(draft)],
        "self-contained": bool(draft.libraries),
        "start": [f"{draft.name}.service"] if draft.unit else None,
        "trust": draft.trust if draft.trust != "first-use" else None,
    }
    comments = {"summary": f"{REVIEW} say in your own words what it is for"}
    if "pypi" in draft.asset and not draft.told:
        comments["license"] = f"{REVIEW} the wheel says so; is it the program's own licence, too?"
    if about.licence == UNKNOWN_LICENCE:
        comments["license"] = f"{REVIEW} write the SPDX expression of its licence"
    if draft.libraries:
        before = f"{comments['license']} and" if "license" in comments else REVIEW
        comments["license"] = f"{before} add those of the libraries, as their copyright files say"
    yield from in_yaml({key: value for key, value in values.items() if value}, comments)


def _libraries(draft: Draft) -> Iterator[dict[str, object]]:
    if draft.libraries:
        yield {
            "debian": {"packages": [*draft.libraries], "suite": SUITE},
            "version": LATEST,
            "install": {"usr/share/doc/**/copyright": f"usr/share/licenses/{draft.name}/"},
        }


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write a recipe's files, by path, into its folder."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text.encode())


def in_yaml(values: Mapping[str, object], comments: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a YAML mapping: what fits on one line stands on one.

    Args:
        values: texts, booleans, and mappings and lists of these.
        comments: what is said beside a key.

    """
    for key, value in values.items():
        first, *rest = _entry(key, value)
        comment = f"# {comments[key]}" if comments.get(key) else ""
        beside = f"{first}   {comment}".rstrip()
        yield from [beside] if len(beside) <= _WIDTH else [comment, first]
        yield from rest


def _entry(key: str, value: object) -> list[str]:
    line = f"{_flow(key)}: {_flow(value) if _nested(value) else _plain(value, '{}')}"
    if not _nested(value) or (len(line) <= _WIDTH and not _in_block(value)):
        return [line]
    if isinstance(value, Mapping):
        return [f"{_flow(key)}:", *(f"  {line}" for k, v in value.items() for line in _entry(k, v))]
    lines = []
    for item in value if isinstance(value, list) else ():
        pairs = item if isinstance(item, Mapping) else {}
        whole = len(pairs) != 1 and not any(map(_nested, pairs.values()))
        each = [_flow(item)] if whole else [line for k, v in pairs.items() for line in _entry(k, v)]
        lines += [f"  - {each[0]}", *(f"    {line}" for line in each[1:])]
    return [f"{_flow(key)}:", *lines]


def _nested(value: object) -> bool:
    return isinstance(value, (Mapping, list))


def _in_block(value: object) -> bool:
    """Return whether a value has a list of mappings in it: they stand on lines of their own."""
    if isinstance(value, Mapping):
        return any(map(_in_block, value.values()))
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _plain(value, "[{}]")


def _plain(value: object, around: str) -> str:
    return str(value).lower() if isinstance(value, bool) else _scalar(str(value), around)


def _scalar(text: str, around: str) -> str:
    """Return a text as YAML, in quotes if it needs them there."""
    import yaml

    expected = [text] if around == "[{}]" else text
    try:
        plain = yaml.safe_load(around.format(text)) == expected and ": " not in text
    except yaml.YAMLError:
        plain = False
    return text if plain and text == text.strip() else json.dumps(text, ensure_ascii=False)


def _readme(draft: Draft) -> str:
    programs = ", ".join(f"`/usr/bin/{program}`" for program in draft.layout.programs)
    linkage = "static" if not draft.layout.dynamic else "with the host's C library"
    if draft.libraries:
        linkage = f"self-contained, with libraries of Debian {SUITE}"
    starts = (
        f"`{draft.name}.service`."
        if draft.unit
        else "nothing. The image has no units, so merging it reloads nothing."
    )
    licence = draft.about.licence
    if draft.layout.licences:
        licence += f", in `/usr/share/licenses/{draft.name}/`"
    if draft.libraries:
        licence += f"; its libraries: as said in `/usr/share/licenses/{draft.name}/*/copyright`"
    name = draft.name
    paragraphs = [
        f"# {name}",
        wrapped(f"[{name}]({draft.about.homepage}): {draft.about.summary}."),
        wrapped(f"- **Brings** {programs} ({linkage}).", "  ")
        + f"\n- **Starts** {starts}\n- **Tier** community.",
        "## Versions",
        wrapped(
            f"{_origin(draft)}, for {' and '.join(draft.words)}. `bakery lock {name} VERSION` "
            "adds one."
        ),
        "## Licence",
        wrapped(f"{name}: {licence}."),
    ]
    return "\n\n".join(paragraphs) + "\n"


def wrapped(text: str, indent: str = "") -> str:
    """Return a paragraph in lines."""
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _origin(draft: Draft) -> str:
    by = {
        "checksum": "pinned by digests that are published beside them",
        "first-use": "pinned as they were when they were locked",
    }[draft.trust]
    if "pypi" in draft.asset:
        return f"The wheels of `{draft.asset['pypi']}` on the package index, {by}"
    if draft.upstream and "npm" in draft.upstream:
        return f"The packages of `{draft.upstream['npm']}` on the npm registry, {by}"
    if draft.upstream and "github" in draft.upstream:
        return f"The files of `{draft.upstream['github']}`'s releases on GitHub, {by}"
    return f"The files that [{draft.name}'s publisher]({draft.about.homepage}) offers, {by}"


def _check(draft: Draft, seen: Observed | None) -> str:
    """Return check.yaml: versions, and the service at work, as seen in a boot or else guessed."""
    programs = draft.layout.programs
    lines = [f'{p} --version 2>&1 | grep --fixed-strings "${{BAKERY_VERSION#v}}"' for p in programs]
    if seen is not None:
        lines = [*seen.versions.values()] or [f"command -v {program}" for program in programs]
    runs: list[dict[str, object]] = [{"run": line} for line in lines]
    values: dict[str, object] = {}
    if seen and not seen.failed:
        values = {"listen": [*seen.listens]} if seen.listens else {}
        runs += [{"run": [*each.run]} for each in seen.works]
    comments = {"commands": f"{REVIEW} let the programs do what users want of them"}
    return "\n".join(in_yaml({**values, "commands": runs}, comments)) + "\n"


def _unit(draft: Draft) -> str:
    template = Path(__file__).with_name("service.txt").read_text("utf-8")
    return template.format(
        review=REVIEW,
        name=draft.name,
        summary=draft.about.summary.replace("%", "%%"),
        homepage=draft.about.homepage,
        program=draft.layout.programs[0],
    )
