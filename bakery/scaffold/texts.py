"""The files of a new recipe."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.arch import Arch
    from bakery.scaffold.layout import Layout
    from bakery.scaffold.release import About

_SCHEMA = "# yaml-language-server: $schema=../../bakery/recipe/recipe.schema.json"
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
        asset: the keys of its one asset, less `install`.
        layout: what is installed.
        trust: the least that must be known about digests.
        unit: whether it has a service.

    """

    name: str
    about: About
    upstream: Mapping[str, str] | None
    tag: str
    words: Mapping[Arch, str]
    asset: Mapping[str, object]
    layout: Layout
    trust: str
    unit: bool


def files(draft: Draft) -> dict[str, str]:
    """Return the texts of a new recipe's files, by path."""
    texts = {
        "recipe.yaml": "\n".join(_recipe(draft)) + "\n",
        "README.md": _readme(draft),
        "check.yaml": _check(draft),
    }
    if draft.unit:
        texts[f"files/usr/lib/systemd/system/{draft.name}.service"] = _unit(draft)
    return texts


def _recipe(draft: Draft) -> Iterator[str]:
    yield _SCHEMA
    yield f"summary: {_block(draft.about.summary)}"
    yield f"homepage: {_block(draft.about.homepage)}"
    yield f"license: {_block(draft.about.licence)}"
    if draft.upstream:
        yield f"upstream: {_flow(draft.upstream)}"
    policies = [draft.tag, "latest"] if draft.upstream else [draft.tag]
    yield f"build: [{', '.join(map(_flow, policies))}]"
    yield f"arch: {_flow(draft.words)}"
    yield "assets:"
    lead = "  - "
    for key, value in {**draft.asset, "install": draft.layout.install}.items():
        yield from _entry(f"{lead}{key}", value)
        lead = "    "
    if draft.unit:
        yield f"start: [{draft.name}.service]"
    if draft.trust != "first-use":
        yield f"trust: {draft.trust}"


def _entry(key: str, value: object) -> Iterator[str]:
    """Yield a key and its value: on one line if it fits."""
    line = f"{key}: {_block(value)}"
    if not isinstance(value, Mapping) or len(line) <= _WIDTH:
        yield line
        return
    yield f"{key}:"
    indent = " " * (len(key) - len(key.lstrip(" -")) + 2)
    for name, item in value.items():
        yield f"{indent}{_flow(name)}: {_block(item)}"


def _block(value: object) -> str:
    return _flow(value) if isinstance(value, Mapping) else _scalar(str(value), "{}")


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    return _scalar(str(value), "[{}]")


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
    starts = (
        f"`{draft.name}.service`."
        if draft.unit
        else "nothing. The image has no units, so merging it reloads nothing."
    )
    licence = draft.about.licence
    if draft.layout.licences:
        licence += f", in `/usr/share/licenses/{draft.name}/`"
    name = draft.name
    paragraphs = [
        f"# {name}",
        _wrapped(f"[{name}]({draft.about.homepage}): {draft.about.summary}."),
        _wrapped(f"- **Brings** {programs} ({linkage}).", "  ") + f"\n- **Starts** {starts}",
        "## Versions",
        _wrapped(
            f"{_origin(draft)}, for {' and '.join(draft.words)}. `bakery lock {name} VERSION` "
            "adds one."
        ),
        "## Licence",
        f"{name}: {licence}.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _wrapped(text: str, indent: str = "") -> str:
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


def _check(draft: Draft) -> str:
    lines = ["commands:"]
    lines += [f"  - run: [{_flow(program)}, --version]" for program in draft.layout.programs]
    return "\n".join(lines) + "\n"


def _unit(draft: Draft) -> str:
    return f"""[Unit]
Description={draft.about.summary.replace("%", "%%")}
Documentation={draft.about.homepage}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/{draft.layout.programs[0]}
Restart=on-failure
RestartSec=2

DynamicUser=yes
UMask=0077
StateDirectory={draft.name}
RuntimeDirectory={draft.name}
WorkingDirectory=%S/{draft.name}

CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
"""
