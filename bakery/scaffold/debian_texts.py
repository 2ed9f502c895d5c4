"""The files of a new recipe of Debian packages."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from bakery.scaffold.debian_plan import UNITS, configs
from bakery.scaffold.observe import Question
from bakery.scaffold.release import UNKNOWN_LICENCE, expression, one_line
from bakery.scaffold.texts import REVIEW, in_yaml, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.scaffold.debian_plan import Plan
    from bakery.scaffold.observe import Observed
    from bakery.scaffold.package import Package

_SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13", "forky": "Debian 14"}
_TRIED = 4  # programs that are asked for their version
_DROPPED = ("doc", "info", "locale", "man")
_LISTENS = re.compile(
    r"(?m)^\s*(?:[\w.]*\.)?(?:port|listen|bind|listen_port|-p|--port)[\s=:]+(?:[\w.*\[\]:]*:)?(\d{2,5})\s*;?$"
)
_VERSION = '"${BAKERY_VERSION%%[-+]*}"'  # Debian's without its revision


def recipe(plan: Plan) -> str:
    """Return recipe.yaml, less its first line."""
    first = plan.own[0]
    values: dict[str, object] = {
        "summary": one_line(first.summary, plan.name),
        "homepage": first.homepage or "https://packages.debian.org/" + first.name,
        "license": _licence(plan),
        "upstream": {"debian": first.name, "suite": plan.suite},
        "build": ["latest"],
        "arch": {"x86-64": "amd64", "arm64": "arm64"},
        "assets": [
            {
                "debian": {"packages": plan.asked, "suite": plan.suite},
                "install": {plan.spelt(pattern): to for pattern, to in plan.install.items()},
            }
        ],
    }
    values |= _root(plan) | _set_up(plan) | {"trust": "signature"}
    comments = {
        "summary": f"{REVIEW} say in your own words what it is for; this is the package's",
        "private-root": plan.private,
        "self-contained": "its programs are binaries, which bring their libraries along",
    }
    if plan.unclear:
        comments["license"] = f"{REVIEW} read the copyright of {', '.join(plan.unclear)}"
    return "".join(f"{line}\n" for line in (*in_yaml(values, comments), *_allow(plan)))


def _licence(plan: Plan) -> str:
    unknown = [UNKNOWN_LICENCE] if plan.unclear[:1] == [plan.own[0].name] else []
    parts = [f"({each})" if " OR " in each else each for each in (*unknown, *plan.licences)]
    names = dict.fromkeys(name for part in parts for name in _conjuncts(part))
    return expression(" AND ".join(names) or UNKNOWN_LICENCE)


def _conjuncts(part: str) -> list[str]:
    return [part] if " OR " in part else part.split(" AND ")


def _root(plan: Plan) -> dict[str, object]:
    if not plan.private:
        contained = {} if plan.plain else {"self-contained": True}
        return contained | ({"drop": sorted(plan.dropped)} if plan.dropped else {})
    enter = {
        f"usr/bin/{PurePosixPath(path).name}": f"/{path}".replace("/usr/sbin/", "/usr/bin/")
        for _, path in plan.commands
    }
    dropped = [f"{plan.root}/usr/share/{name}/**" for name in _DROPPED if _ships(plan, name)]
    return {"private-root": {"enter": enter}, "drop": dropped + sorted(plan.dropped)}


def _ships(plan: Plan, folder: str) -> bool:
    start = f"usr/share/{folder}/"
    return any(
        path.startswith(start) and not path.endswith("/copyright")
        for package in plan.own
        for path in package.files
    )


def _set_up(plan: Plan) -> dict[str, object]:
    edits = {UNITS + name: _edits(text) for name, text in plan.shipped.items() if _edits(text)}
    for path, texts in plan.renamed.items():
        edits[path] = [
            {"replace": text, "with": f"/usr/bin/{PurePosixPath(text).name}"} for text in texts
        ]
    account = (
        {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in msgspec.structs.asdict(plan.account).items()
            if value
        }
        if plan.account
        else {}
    )
    keys = {
        "links": plan.links,
        "edit": edits,
        "account": account,
        "config": plan.config,
        "start": plan.start,
    }
    if list(account) == ["name"]:
        keys["account"] = account["name"]
    return {key: value for key, value in keys.items() if value}


def _edits(text: str) -> list[dict[str, str]]:
    """Return what of a unit has no meaning in an image, or would keep it from starting."""
    edits = []
    if section := re.search(r"(?ms)^\[Install\]\n.*?(?=^\[|\Z)", text):
        edits.append({"replace": section[0], "with": ""})
    if re.search(r"(?m)^EnvironmentFile=/", text):
        edits.append({"replace": "EnvironmentFile=/", "with": "EnvironmentFile=-/"})
    return edits


def _allow(plan: Plan) -> Iterator[str]:
    """Yield the waivers that the image would need, as comments: people decide on them."""
    if plan.proposals:
        yield f"# {REVIEW} mend it, or accept it: with a reason, and without the #"
        yield "# allow:"
    for each in plan.proposals:
        _, line = in_yaml({"allow": [{"rule": each.rule, "path": each.path, "reason": "?"}]}, {})
        yield f"#{line}"
        yield f"#    # {each.path} {each.message}"
        yield f"#    # to mend it: {each.fix}"


def asked(plan: Plan) -> tuple[list[str], list[Question]]:
    """Return what a boot is to show: which programs tell their version, what services answer."""
    paths = (*plan.links, *(path for _, path in plan.commands))
    return [PurePosixPath(path).name for path in paths][:_TRIED], [*_work(plan)]


def check(plan: Plan, seen: Observed | None) -> str:
    """Return check.yaml: versions, and the service at work, as seen in a boot or else guessed."""
    values: dict[str, object] = {}
    guessed = [
        f"tcp/{port}"
        for package in plan.own
        for text in configs(plan, package)
        for port in _LISTENS.findall(text)
    ]
    listens = seen.listens if seen and not seen.failed else guessed
    if listens and plan.start:
        values["listen"] = [*dict.fromkeys(listens)]
    if seen and seen.idle:
        values["units"] = [{"name": unit, "state": "inactive"} for unit in seen.idle]
    files = [*(f"/{path}" for path in (*plan.config, *plan.trees)), *_data(plan)]
    if files:
        values["files"] = files
    comments = {"units": "what they wait for is not there, or they have done their work"}
    if plan.commands:
        works = seen.works if seen and not seen.failed else _work(plan)
        values["commands"] = [*_versions(plan, seen), *map(_asks, works)]
        comments["commands"] = f"{REVIEW} let the programs do what users want of them"
    else:
        comments["files"] = f"{REVIEW} look for what users want of it"
    lines = in_yaml(values, comments)
    return "".join(f"{line}\n" for line in lines)


def _data(plan: Plan) -> list[str]:
    """Return the folders and files that an image without programs is for."""
    if plan.commands or plan.private:
        return []
    own = (to for pattern, to in plan.install.items() if pattern not in plan.extra)
    kept = (to for to in own if not to.startswith("usr/share/licenses/"))
    return [*dict.fromkeys(f"/{to.rstrip('/')}" for to in kept if not to.startswith(UNITS))]


def _asks(question: Question) -> dict[str, object]:
    says = {"stdout": {"contains": question.says}} if question.says else {}
    return {"run": [*question.run], **says}


def _versions(plan: Plan, seen: Observed | None) -> Iterator[dict[str, object]]:
    """Yield what asks programs for their version: those that told it, or one that may know how."""
    if seen and seen.versions:
        for line in seen.versions.values():
            yield {"run": line}
        return
    if not seen:
        versed = {path for package in plan.own for path in package.versed}
        holding = {path for package in plan.own for path in package.holding}
        for package, path in plan.commands:
            name = PurePosixPath(path).name
            if option := _option(package, path, name, versed):
                told = package.links.get(path, path) in holding
                compared = f" 2>&1 | grep --fixed-strings {_VERSION}" if told else ""
                yield {"run": f"{name} {option}{compared}"}
                return
    for _, path in plan.commands[:1]:
        yield {"run": f"command -v {PurePosixPath(path).name}"}


def _option(package: Package, path: str, name: str, versed: set[str]) -> str | None:
    manual = next(
        (t for p, t in package.texts.items() if re.search(rf"/man[18]/{re.escape(name)}\.[18]", p)),
        "",
    ).replace("\\-", "-")
    short = re.search(r"(?:-|\bFl )([Vv])\b(?:.*\n){0,3}?.*\bversion", manual)
    if "--version" not in manual and short:
        return f"-{short[1]}"
    return "--version" if "--version" in manual or package.links.get(path, path) in versed else None


def _work(plan: Plan) -> Iterator[Question]:
    """Yield what asks a service to work: its own client, where there is one that we know to ask."""
    for _, path in plan.commands if plan.start else ():
        name = PurePosixPath(path).name
        if name.endswith("-cli"):
            yield Question((name, "ping"), "PONG")
        elif name.endswith(("ctl", "-control")):
            yield Question((name, "status"))


def readme(plan: Plan) -> str:
    """Return README.md."""
    first = plan.own[0]
    suite = _SUITES.get(plan.suite, plan.suite)
    paths = (*plan.links, *(path for _, path in plan.commands))
    programs = [f"`/usr/bin/{PurePosixPath(path).name}`" for path in paths]
    brings = ", ".join(programs or (f"`{path}`" for path in _data(plan)))
    starts = ", ".join(f"`{name}`" for name in plan.start) or "nothing"
    account = f", the account `{plan.account.name}`" if plan.account else ""
    below = f"below `/usr/lib/{plan.name}`"
    how = f", with the libraries that it loads {below}"
    if plan.private or plan.plain:
        how = f", in a root file system of its own {below}" if plan.private else ""
    paragraphs = [
        f"# {plan.name}",
        wrapped(
            f"[{plan.name}]({first.homepage}): {one_line(first.summary, plan.name)}, as {suite} "
            f"builds it{how}."
        ),
        wrapped(f"- **Brings** {brings}{account}.", "  ") + f"\n- **Starts** {starts}."
        "\n- **Tier** community.",
    ]
    if plan.config or plan.trees:
        files = ", ".join(f"`/{path}`" for path in (*plan.config, *plan.trees))
        own = f"/usr/share/{plan.name}"
        paragraphs += [
            "## Configure",
            f"<!-- {REVIEW} say what has to be set, and how it is applied -->",
            wrapped(f"{files}: yours; copied from `{own}` when there is none, and never changed."),
        ]
    paragraphs += [
        "## Versions",
        wrapped(
            f"The package of {suite} ({plan.suite}), pinned with all that it depends on by apt's "
            f"signed index. `bakery update {plan.name}` pins a newer one."
        ),
        "## Licence",
        wrapped(f"{_licence(plan)}. Of all in the image: `/usr/share/licenses/{plan.name}`."),
    ]
    return "\n\n".join(paragraphs) + "\n"
