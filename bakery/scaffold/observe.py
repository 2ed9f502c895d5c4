"""What an image does in a boot of which nothing is expected yet: a draft's check.yaml asks for it.

How programs tell their version, where services listen, and what of them answers.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence  # noqa: TC003  types are read at run time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from bakery import interrupts
from bakery.arch import ARCHITECTURES, native_arch
from bakery.boot import merge, poll
from bakery.boot.errors import MachineError
from bakery.boot.guest import image_path
from bakery.boot.machine import BootImage, Load
from bakery.boot.machines import machine
from bakery.errors import BakeryError
from bakery.recipe.expectations import Expectations
from bakery.recipe.plan import releases
from bakery.recipe.upstreams import DebianUpstream
from bakery.scaffold.release import licence_said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.boot.guest import Guest
    from bakery.recipe.load import Recipes
    from bakery.recipe.plan import Image
    from bakery.settings import Settings

_OPTIONS = ("--version", "version", "-version", "-V", "-v")
_ASKED = 10  # seconds for a program to tell its version; what takes longer is a daemon
_EPHEMERAL = 32768  # UDP ports from here on are where answers come in
_FETCH = ("curl", "--silent", "--show-error", "--fail", "--max-time", "3")
_ASK_VERSION = """\
for option in {options}; do
  said=$(timeout -k 1 {seconds} {program} $option 2>&1; echo "$?")
  case $said in *{version}*) echo "$option"; echo "$said"; exit ;; esac
  case $said in *124) break ;; esac
done
exit 1
"""
_SETTLED = """\
for turn in $(seq 100); do
  systemctl is-active -- {units} | grep -q activating || break
  sleep 0.1
done
for turn in $(seq 20); do
  [ -z "$(ss -Hltu)" ] || break
  sleep 0.1
done
sleep 0.3
for unit in {units}; do
  systemctl show --property=ActiveState --value -- "$unit"
  systemctl show --property=Result --value -- "$unit"
done | paste --serial --delimiters=' '
ss --no-header --listening --numeric --tcp --udp
"""


class Question(msgspec.Struct, frozen=True):
    """A command that may work, and what it says then; None if all that counts is its status."""

    run: tuple[str, ...]
    says: str | None = None


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        versions: the command line that compares the version that a program tells, by program.
        licence: the SPDX expression of what programs say with their version; None if they don't.
        failed: the units that did not run.
        idle: those that had nothing to do: their conditions don't hold, or they have done it.
        listens: where somebody listens, as check.yaml has it.
        works: the questions that were answered.

    """

    versions: Mapping[str, str]
    licence: str | None = None
    failed: Sequence[str] = ()
    idle: Sequence[str] = ()
    listens: Sequence[str] = ()
    works: Sequence[Question] = ()


def looked_into() -> Arch:
    """Return the processor that drafts are tried on: this computer's, if it is known."""
    return next((arch for arch in ARCHITECTURES if arch == native_arch()), "x86-64")


def image_of(recipes: Recipes, name: str) -> Image:
    """Return the image of a recipe's newest version for that processor, or for its first.

    Raises:
        BakeryError: the lock does not fit the recipe.

    """
    release = releases(recipes[name])[-1]
    if release.problem:
        raise release.problem
    images = {image.contents.arch: image for image in release.images}
    return images.get(looked_into()) or next(iter(images.values()))


def seen_in_a_boot(
    image: Image,
    tree: Path,
    programs: Sequence[str],
    questions: Sequence[Question],
    *,
    settings: Settings,
    echo: Callable[[str], None],
) -> Observed | None:
    """Boot the newest machine with a staged image, and return what it does.

    None where nothing can be booted here, which is said.

    Args:
        image: what is tried.
        tree: where it is staged.
        programs: those that are asked for their version.
        questions: what is tried once its units run.
        settings: the machines, and the store that keeps them.
        echo: told what is seen.

    """
    contents = image.contents
    start = [unit.name for unit in contents.start]
    try:
        with _booted(tree, contents.name, contents.arch, settings, echo) as guest:
            seen = _observe(guest, _forms(image), programs, start, questions)
    except BakeryError as error:
        echo(f"# not tried in a boot, so check.yaml is a guess: {error.what}")
        return None
    for line in _told(seen, settings.machines[-1]):
        echo(f"# {line}")
    return seen


def _told(seen: Observed, where: str) -> Iterator[str]:
    told = [line.partition(" 2>&1 ")[0] for line in seen.versions.values()]
    heard = [*seen.listens, *(shlex.join(each.run) for each in seen.works)]
    yield f"in a boot of {where}: " + (
        f"{', '.join(told)} {'tells' if len(told) == 1 else 'tell'} the version"
        if told
        else "no program tells the version"
    )
    if heard:
        yield f"there, it answers: {', '.join(heard)}"
    for unit in seen.idle:
        yield f"there, {unit} stays inactive: its conditions don't hold, or it has done its work"
    for unit in seen.failed:
        yield f"there, {unit} fails: the log is what `bakery try` shows"


def _forms(image: Image) -> dict[str, str]:
    """Return what programs may call their version, with its expression in a shell.

    Debian adds a revision, and whoever wraps programs into packages a number of their own.
    """
    version = image.contents.version
    if isinstance(image.source.recipe.upstream, DebianUpstream):
        return {re.split("[-+]", version)[0]: '"${BAKERY_VERSION%%[-+]*}"'}
    bare = version.removeprefix("v")
    forms = {bare: '"${BAKERY_VERSION#v}"'}
    if bare.count(".") > 2:  # noqa: PLR2004  more than programs mostly have
        forms[bare.rpartition(".")[0]] = '"${BAKERY_VERSION%.*}"'
    return forms


def _observe(
    guest: Guest,
    forms: Mapping[str, str],
    programs: Sequence[str],
    start: Sequence[str],
    questions: Sequence[Question],
) -> Observed:
    versions, said = {}, []
    for program in programs:
        for version, expression in forms.items():
            if told := _told_version(guest, program, version):
                option, text = told
                comparison = f"grep --fixed-strings {expression}"
                versions[program] = f"{program} {option} 2>&1 | {comparison}"
                said.append(text)
                break
    licence = next(filter(None, map(licence_said, said)), None)
    if not start:
        return Observed(versions=versions, licence=licence)
    states, listens = _settled(guest, start)
    ports = [each.removeprefix("tcp/") for each in listens if each.startswith("tcp/")]
    pages = [Question((*_FETCH, f"http://127.0.0.1:{port}/")) for port in ports]
    return Observed(
        versions=versions,
        licence=licence,
        failed=[unit for unit, state in states.items() if state == "failed"],
        idle=[unit for unit, state in states.items() if state == "idle"],
        listens=listens,
        works=[question for question in (*questions, *pages) if _answered(guest, question)],
    )


@contextmanager
def _booted(
    tree: Path, name: str, arch: Arch, settings: Settings, echo: Callable[[str], None]
) -> Iterator[Guest]:
    chosen = machine(settings.machines[-1], arch, settings, expected=Expectations())
    if obstacle := chosen.obstacle():
        raise MachineError(obstacle)

    def tell(step: str, *, lasting: bool = False) -> None:
        if lasting:
            echo(f"# {settings.machines[-1]}: {step}")

    chosen.prepare(tell)
    image = BootImage(path=tree, name=name)
    placed = [(image, image_path(chosen.share, 0, name))]
    with interrupts.temporary_folder("bakery-new-") as scratch:
        load = Load(setup=merge.setup(placed), images=[image], log=scratch / "console")
        with chosen.start(load) as guest:
            poll.booted(guest)
            yield guest
            guest.power_off()


def _told_version(guest: Guest, program: str, version: str) -> tuple[str, str] | None:
    """Return the option by which a program tells a version, and all that it says then."""
    script = _ASK_VERSION.format(
        options=" ".join(_OPTIONS),
        seconds=_ASKED,
        program=shlex.quote(program),
        version=shlex.quote(version),
    )
    answer = guest.ask(script, limit=(_ASKED + 1) * len(_OPTIONS))
    if answer.status:
        return None
    option, _, text = answer.stdout.partition("\n")
    return option, text


def _settled(guest: Guest, start: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return what has become of units, and where somebody listens, once that changes no more."""
    answer = guest.ask(_SETTLED.format(units=shlex.join(start)))
    told, *sockets = answer.stdout.splitlines()
    words = told.split()
    pairs = zip(start, words[::2], words[1::2], strict=True)
    states = {unit: _state(active, result) for unit, active, result in pairs}
    listens = []
    for kind, _, _, _, local, *_ in map(str.split, sockets):
        port = int(local.rpartition(":")[2])
        if kind == "tcp" or port < _EPHEMERAL:
            listens.append(f"{kind}/{port}")
    return states, [*dict.fromkeys(listens)]


def _state(active: str, result: str) -> str:
    if active == "active":
        return active
    return "idle" if (active, result) == ("inactive", "success") else "failed"


def _answered(guest: Guest, question: Question) -> bool:
    answer = guest.ask(shlex.join(question.run), limit=10)
    return answer.status == 0 and (question.says is None or question.says in answer.stdout)
