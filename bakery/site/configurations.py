"""Configuration to copy: what `bakery provision` writes, for every choice that a visitor has.

Each lies at an address of its own, so that it can be downloaded without a script.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bakery.arch import ARCHITECTURES
from bakery.provision import butane, cloud_init, extension, ignition, shell
from bakery.provision.errors import ProvisionError
from bakery.provision.extension import Wanted
from bakery.provision.plan import Choices, HostSystem, UpdatePolicy, plan
from bakery.release import sysupdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bakery.arch import Arch
    from bakery.provision.extension import Extension
    from bakery.provision.host_config import HostConfig
    from bakery.site.published import Channel, Edition, Publication

Way = Literal["follow", "reboot", "pin"]
"""Whether a host follows a channel, and what it does with updates; see `bakery provision`."""

WAYS: dict[Way, str] = {
    "follow": "merged at once",
    "reboot": "at the next reboot",
    "pin": "none",
}
_POLICIES: dict[Way, UpdatePolicy] = {"follow": "reload", "reboot": "reboot", "pin": "reload"}


@dataclass(frozen=True)
class Form:
    """A form of configuration.

    Attributes:
        key: what names of files have for it.
        title: for people.
        host: the system that it is for.
        suffix: of files.
        render: writes it.
        syntax: how `bakery provision` is told.

    """

    key: str
    title: str
    host: HostSystem
    suffix: str
    render: Callable[[HostConfig], str]
    syntax: str


FORMS = (
    Form(
        "flatcar-butane",
        "Flatcar: Butane",
        "flatcar",
        "yaml",
        lambda config: butane.render(config, "flatcar"),
        "--format butane --host flatcar",
    ),
    Form(
        "flatcar-ignition",
        "Flatcar: Ignition",
        "flatcar",
        "ign",
        ignition.render,
        "--format ignition --host flatcar",
    ),
    Form(
        "fcos-butane",
        "Fedora CoreOS: Butane",
        "fcos",
        "yaml",
        lambda config: butane.render(config, "fcos"),
        "--format butane --host fcos",
    ),
    Form(
        "fcos-ignition",
        "Fedora CoreOS: Ignition",
        "fcos",
        "ign",
        ignition.render,
        "--format ignition --host fcos",
    ),
    Form("cloud-init", "cloud-init", "any", "yaml", cloud_init.render, "--format cloud-init"),
    Form("shell", "Shell script", "any", "sh", shell.render, "--format shell"),
)
_HOSTS = dict.fromkeys(form.host for form in FORMS)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a visitor chooses beside the form, and the configurations that it gives.

    Attributes:
        arch: the host's architecture.
        way: what updates do on the host; `pin` for none.
        what: the channel that it follows, or the version that it stays at.
        command: the command that writes them, but for the form.
        configs: what the host gets, by its system; those that fit.

    """

    arch: Arch
    way: Way
    what: str
    command: str
    configs: Mapping[HostSystem, HostConfig]

    @property
    def forms(self) -> list[Form]:
        """The forms that fit."""
        return [form for form in FORMS if form.host in self.configs]

    def text(self, form: Form) -> str:
        """Return the configuration in a form. Nothing keeps it: all together are large."""
        return form.render(self.configs[form.host])

    def file(self, form: Form) -> str:
        """Return the name of a configuration, below the extension's folder."""
        return f"get/{self.way}-{self.what}-{self.arch}-{form.key}.{form.suffix}"


def choices(publication: Publication, others: Mapping[str, Publication]) -> Iterator[Choice]:
    """Yield the choices that an extension gives, the likeliest one first.

    `others` is everything that is published, for what it requires.
    """
    for arch in ARCHITECTURES:
        required = [others[each] for each in publication.newest.document.requires if each in others]
        beside = [each for other in required if (each := _newest(other, arch))]
        for channel in publication.channels:
            if followed := _followed(publication, channel, arch):
                yield _choice(followed, beside, "follow")
                yield _choice(followed, beside, "reboot")
        beside = [each for other in required if (each := _pinned(other, other.newest, arch))]
        for edition in publication.editions:
            if pinned := _pinned(publication, edition, arch):
                yield _choice(pinned, beside, "pin")


@dataclass(frozen=True)
class _Chosen:
    """An extension, how `bakery provision` is told of it, and the architecture of its image."""

    extension: Extension
    reference: str
    arch: Arch


def _newest(publication: Publication, arch: Arch) -> _Chosen | None:
    """Return what a host takes that wants the newest: by a channel, where there is one."""
    followed = (_followed(publication, each, arch) for each in publication.channels)
    return next(filter(None, followed), None) or _pinned(publication, publication.newest, arch)


def _followed(publication: Publication, channel: Channel, arch: Arch) -> _Chosen | None:
    if channel.reader is None:
        return None
    wanted = Wanted(arch=arch)
    editions = {each.document.tag: each for each in publication.editions}
    try:
        found = extension.of_channel(
            channel.reader,
            channel.name,
            wanted,
            lambda tag: extension.of_release(editions[tag].reader, publication.url, wanted),
        )
    except ProvisionError:
        return None  # it has no image for this architecture
    return _Chosen(_led(found, channel.url), channel.name, arch)


def _led(found: Extension, url: str) -> Extension:
    """Return an extension that hosts follow at an address, wherever its channel was read."""
    if found.component is None:
        return found
    transfers = {
        name: sysupdate.moved(text, lambda _: url)
        for name, text in found.component.transfers.items()
    }
    return replace(found, component=replace(found.component, transfers=transfers))


def _pinned(publication: Publication, edition: Edition, arch: Arch) -> _Chosen | None:
    try:
        found = extension.of_release(edition.reader, publication.url, Wanted(arch=arch))
    except ProvisionError:
        return None
    return _Chosen(found, edition.document.tag, arch)


def _choice(chosen: _Chosen, beside: Sequence[_Chosen], way: Way) -> Choice:
    found, others = chosen.extension, [each.extension for each in beside]
    there = {each.name for each in others}
    alone = replace(found, requires=tuple(name for name in found.requires if name in there))
    policy = _POLICIES[way]
    planned = {
        host: _planned([alone, *others], Choices(host=host, policy=policy, unsigned=True))
        for host in _HOSTS
    }
    words = ["bakery provision", chosen.reference, *(each.reference for each in beside)]
    words += [f"--policy {policy}"] * (policy != "reload")
    words += [f"--arch {chosen.arch}"] * (chosen.arch != "x86-64")
    return Choice(
        arch=chosen.arch,
        way=way,
        what=str(found.version) if way == "pin" else chosen.reference,
        command=" ".join(words),
        configs={host: config for host, config in planned.items() if config},
    )


def _planned(extensions: Sequence[Extension], choices: Choices) -> HostConfig | None:
    """Return what a host gets; None where they don't fit its system."""
    try:
        return plan(extensions, choices)
    except ProvisionError:
        return None
