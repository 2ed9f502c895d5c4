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
from bakery.provision.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bakery.arch import Arch
    from bakery.provision.extension import Extension
    from bakery.provision.host_config import HostConfig
    from bakery.provision.plan import HostSystem
    from bakery.site.published import Channel, Edition, Publication

Way = Literal["follow", "pin"]


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


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One configuration.

    Attributes:
        form: its form.
        arch: the host's architecture.
        way: whether the host follows a channel or stays at a version.
        what: the channel, or the version.
        text: the configuration.
        command: the command that writes it.

    """

    form: Form
    arch: Arch
    way: Way
    what: str
    text: str
    command: str

    @property
    def file(self) -> str:
        """Its name, below the extension's folder."""
        return f"get/{self.way}-{self.what}-{self.arch}-{self.form.key}.{self.form.suffix}"


def choices(publication: Publication, others: Mapping[str, Publication]) -> Iterator[Choice]:
    """Yield the configurations of an extension, the likeliest one first.

    Args:
        publication: the extension.
        others: everything that is published, for what it requires.

    """
    for arch in ARCHITECTURES:
        required = _required(publication, others, arch)
        for channel in publication.channels:
            found = _followed(publication, channel, arch)
            yield from _forms(found, required, arch, "follow", channel.name)
        for edition in publication.editions:
            found = _pinned(publication, edition, arch)
            yield from _forms(found, required, arch, "pin", edition.version)


def _followed(publication: Publication, channel: Channel, arch: Arch) -> Extension | None:
    if channel.reader is None:
        return None
    try:
        wanted = Wanted(arch=arch)
        editions = {each.document.tag: each for each in publication.editions}
        return extension.of_channel(
            channel.reader,
            channel.name,
            wanted,
            lambda tag: extension.of_release(editions[tag].reader, publication.url, wanted),
        )
    except ProvisionError:
        return None  # it has no image for this architecture


def _pinned(publication: Publication, edition: Edition, arch: Arch) -> Extension | None:
    try:
        return extension.of_release(edition.reader, publication.url, Wanted(arch=arch))
    except ProvisionError:
        return None


def _required(
    publication: Publication, others: Mapping[str, Publication], arch: Arch
) -> list[Extension]:
    names = publication.newest.document.requires
    found = (_pinned(others[name], others[name].newest, arch) for name in names if name in others)
    return [each for each in found if each is not None]


def _forms(
    found: Extension | None, required: Sequence[Extension], arch: Arch, way: Way, what: str
) -> Iterator[Choice]:
    if found is None:
        return
    names = [each.name for each in required]
    alone = replace(found, requires=tuple(name for name in found.requires if name in names))
    name = what if way == "follow" else f"{found.name}-{what}"
    command = " ".join(["bakery provision", name, *names])
    configs = {host: _planned([alone, *required], host) for host in {form.host for form in FORMS}}
    for form in FORMS:
        config = configs[form.host]
        if config is not None:
            yield Choice(
                form=form,
                arch=arch,
                way=way,
                what=what,
                text=form.render(config),
                command=f"{command} {form.syntax}"
                + ("" if arch == "x86-64" else f" --arch {arch}"),
            )


def _planned(extensions: Sequence[Extension], host: HostSystem) -> HostConfig | None:
    """Return what a host gets; None where they don't fit its system."""
    try:
        return plan(extensions, host=host, unsigned=True)
    except ProvisionError:
        return None
