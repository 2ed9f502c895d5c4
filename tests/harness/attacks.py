"""The attacks of The Update Framework on who consumes releases, and what comes of each.

https://theupdateframework.io/docs/security/ lists them. Attackers serve what hosts ask for, and
have what was ever published; in the last rows, keys as well.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bakery.recipe.names import ImageName
from bakery.release import document, signing, sums
from harness.native import ARCH
from harness.openpgp import LONG_AGO
from harness.released import channel, index, release

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.openpgp import Person

Consumer = Literal["verify-release", "provision", "install", "shell", "252", "257", "262"]


@dataclass(frozen=True)
class Outcome:
    """What a consumer makes of an attack.

    Attributes:
        verdict: it has `refused` the attack, saying so; has the `genuine` version, which it holds a
            digest of; has `stayed` at the version that it had; or was `fooled`.
        says: part of the message.

    """

    verdict: Literal["refused", "genuine", "stayed", "fooled"]
    says: str = ""


@dataclass(frozen=True)
class Keys:
    """Whose keys there are: the publisher's, of which some are no good any more, and others'.

    Attributes:
        person: has them all.
        good, expired, stolen, strange: their fingerprints; hosts trust all but the last.

    """

    person: Person
    good: str
    expired: str
    stolen: str
    strange: str

    @classmethod
    def make(cls, person: Person) -> Keys:
        """Make them."""
        return cls(
            person,
            person.key("the publisher"),
            person.key("the publisher, long ago", expires="1y", then=LONG_AGO),
            person.key("the publisher, robbed"),
            person.key("a stranger"),
        )

    def trusted(self, target: Path) -> Path:
        """Write the keys that a host has, revocations included."""
        good = (self.good, self.expired, self.stolen)
        return self.person.export(target, *good, armour=False)


@dataclass
class Site:
    """What is published: app 1.0, 2.0 and 3.0 and other 7.0, with their channels, all signed.

    Attributes:
        root: the folder; everything in it is below one address.
        keys: sign it.
        url: the address, which transfer files name.
        endless: paths, from the address on, that have no end.

    """

    root: Path
    keys: Keys
    url: str
    endless: set[str] = field(default_factory=set)

    def build(self) -> None:
        """Publish, and have a thief sign what is published before that key is revoked."""
        for name, version in (("app", "1.0"), ("app", "2.0"), ("app", "3.0"), ("other", "7.0")):
            release(self.root, name, version, {ARCH: payload(name, version)})
            self.sign(f"{name}-{version}")
        self.channel("other", "7.0")
        self.channel("app", "1.0", "2.0")
        for folder in ("app", "app-2.0"):
            listed = self.root / folder / sums.FILE
            signed = self.keys.person.sign(listed, self.keys.stolen, armour=False)
            signed.replace(self.stolen(folder))
        self.keys.person.revoke(self.keys.stolen)

    def stolen(self, folder: str) -> Path:
        """Return where the thief's signature of a folder's list is."""
        return self.root / f"{folder}.stolen"

    def channel(self, name: str, *versions: str) -> None:
        """Publish a channel anew."""
        shutil.rmtree(self.root / name, ignore_errors=True)
        channel(self.root, name, self.url, *versions)
        good = self.keys.person.gpg("--export", self.keys.good)
        (self.root / name / signing.KEYRING).write_bytes(good)
        self.sign(name)

    def sign(self, name: str, by: str | None = None, then: str | None = None) -> None:
        """Sign what is in a folder."""
        index(self.root / name)
        self.sign_index(name, by, then)

    def sign_index(self, name: str, by: str | None = None, then: str | None = None) -> None:
        """Sign a list as it is."""
        listed = self.root / name / sums.FILE
        signed = self.keys.person.sign(listed, by or self.keys.good, armour=False, then=then)
        signed.replace(self.root / name / sums.SIGNATURE)

    def image(self, name: str, version: str, folder: str | None = None) -> Path:
        """Return the path of an image, in its release or another folder."""
        file = ImageName(name, version, ARCH)
        return self.root / (folder or file.release) / file.file

    def swap(self, name: str, source: str) -> None:
        """Serve one folder at the address of another."""
        shutil.rmtree(self.root / name)
        shutil.copytree(self.root / source, self.root / name)


def payload(name: str, version: str) -> bytes:
    """Return what stands for an image."""
    return f"{name} {version} for {ARCH}\n".encode() * 64


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Attributes:
        title: what it is.
        asks: what the consumer asks for: a channel or a release.
        act: alters what is served.
        outcomes: what each consumer makes of it; hosts ask for channels only.
        has: the version that hosts have beforehand.

    """

    title: str
    asks: str
    act: Callable[[Site], object]
    outcomes: dict[Consumer, Outcome]
    has: str = "1.0"


def refused(says: str) -> Outcome:
    return Outcome("refused", says)


GENUINE, STAYED, FOOLED = Outcome("genuine"), Outcome("stayed"), Outcome("fooled")
ALTERED, UNSIGNED = "is not the file", "signature of SHA256SUMS does not hold"
OTHER_RELEASE, OTHER_CHANNEL = "but another release", "but another channel"


def consumers(
    commands: Outcome, shell: Outcome = GENUINE, hosts: Outcome | None = None, **single: Outcome
) -> dict[Consumer, Outcome]:
    """Return outcomes: of all commands, of the shell installer, of all hosts; and exceptions."""
    outcomes: dict[Consumer, Outcome] = {
        "verify-release": commands,
        "provision": commands,
        "install": commands,
        "shell": shell,
    }
    if hosts is not None:
        outcomes |= {"252": hosts, "257": hosts, "262": hosts}
    return outcomes | {name.strip("_").replace("_", "-"): out for name, out in single.items()}  # type: ignore[return-value]


def arbitrary_image(site: Site) -> None:
    for folder in ("app", "app-2.0"):
        path = site.image("app", "2.0", folder)
        path.write_bytes(path.read_bytes().replace(b"a", b"A", 1))


def arbitrary_index(site: Site) -> None:
    arbitrary_image(site)
    for folder in ("app", "app-2.0"):
        index(site.root / folder)


def no_signature(site: Site) -> None:
    for folder in ("app", "app-2.0"):
        (site.root / folder / sums.SIGNATURE).unlink()


def old_list(site: Site) -> None:
    site.channel("app", "1.0")


def stale(site: Site) -> None:
    """Serve a list that was good until a day in the past, with the version of that day."""
    site.channel("app", "1.0", "2.0")
    listed = site.root / "app" / sums.FILE
    best_before = f"{hashlib.sha256(b'').hexdigest()}  BEST-BEFORE-2020-01-01\n"
    listed.write_text(best_before + listed.read_text())
    site.sign_index("app")


def other_document(site: Site) -> None:
    """Serve a release.json of another release beside the images."""
    shutil.copy(site.root / "app-1.0" / document.FILE, site.root / "app-2.0" / document.FILE)
    index(site.root / "app-2.0")


def endless_index(site: Site) -> None:
    site.endless |= {"/app/SHA256SUMS", "/app-2.0/SHA256SUMS"}


def endless_signature(site: Site) -> None:
    site.endless |= {"/app/SHA256SUMS.gpg", "/app-2.0/SHA256SUMS.gpg"}


def endless_image(site: Site) -> None:
    file = site.image("app", "2.0").name
    site.endless |= {f"/app/{file}", f"/app-2.0/{file}"}


def extra_entry(site: Site) -> None:
    for folder in ("app", "app-2.0"):
        path = site.image("app", "9.0", folder)
        path.write_bytes(payload("app", "9.0"))
        listed = site.root / folder / sums.FILE
        digest = hashlib.sha256(payload("app", "9.0")).hexdigest()
        listed.write_text(f"{listed.read_text()}{digest}  {path.name}\n")


def signed_extra_entry(site: Site) -> None:
    extra_entry(site)
    for folder in ("app", "app-2.0"):
        site.sign_index(folder)


def by_stranger(site: Site) -> None:
    for folder in ("app", "app-2.0"):
        site.sign_index(folder, site.keys.strange)


def by_expired(site: Site) -> None:
    for folder in ("app", "app-2.0"):
        site.sign_index(folder, site.keys.expired, LONG_AGO)


def by_stolen(site: Site) -> None:
    for folder in ("app", "app-2.0"):
        shutil.copy(site.stolen(folder), site.root / folder / sums.SIGNATURE)


ATTACKS = (
    Attack(
        "nothing",
        "app",
        lambda _: None,
        consumers(GENUINE, hosts=GENUINE),
    ),
    Attack(
        "arbitrary bytes: an image",
        "app",
        arbitrary_image,
        consumers(
            refused(ALTERED), refused(ALTERED), refused("SHA256"), provision=GENUINE
        ),  # provision names the image's digest, and asks for no image
    ),
    Attack(
        "arbitrary bytes: an image and its digest",
        "app",
        arbitrary_index,
        consumers(refused(UNSIGNED), refused(ALTERED), refused("signature")),
    ),
    Attack(
        "arbitrary bytes: no signature",
        "app",
        no_signature,
        consumers(refused(r"SHA256SUMS\.gpg can't be read"), hosts=refused(r"404|SHA256SUMS\.gpg")),
    ),
    Attack(
        "rollback: yesterday's list",
        "app",
        old_list,
        # verify-release and provision remember nothing: BEST-BEFORE bounds how old a list may be
        consumers(FOOLED, hosts=STAYED, install=refused("channel offers app 1.0")),
        has="2.0",
    ),
    Attack(
        "freeze: a list past its day",
        "app",
        stale,
        consumers(
            refused("SHA256SUMS is out of date"),
            # before 260, systemd-sysupdate knows no such day
            _252=FOOLED,
            _257=FOOLED,
            _262=refused("(?i)best.before|outdated|out of date"),
        ),
    ),
    Attack(
        "mix-and-match: another version",
        "app-2.0",
        lambda site: site.swap("app-2.0", "app-1.0"),
        consumers(refused(OTHER_RELEASE), refused(ALTERED)),
    ),
    Attack(
        "mix-and-match: another recipe",
        "app-2.0",
        lambda site: site.swap("app-2.0", "other-7.0"),
        consumers(refused(OTHER_RELEASE), refused(ALTERED)),
    ),
    Attack(
        "mix-and-match: a release.json of another version",
        "app-2.0",
        other_document,
        consumers(refused(UNSIGNED)),
    ),
    Attack(
        "mix-and-match: a release at a channel's address",
        "app",
        lambda site: site.swap("app", "app-1.0"),
        consumers(refused(OTHER_RELEASE), hosts=STAYED),
        has="2.0",
    ),
    Attack(
        "mix-and-match: a channel at a release's address",
        "app-2.0",
        lambda site: site.swap("app-2.0", "app"),
        consumers(refused(OTHER_CHANNEL)),
    ),
    Attack(
        "mix-and-match: another recipe's channel",
        "app",
        lambda site: site.swap("app", "other"),
        consumers(refused(OTHER_CHANNEL), hosts=STAYED),
    ),
    Attack(
        "endless data: the list",
        "app",
        endless_index,
        # systemd reads a list to its end before it looks at the signature
        consumers(refused("too large to be true"), hosts=refused("(?i)large|signature")),
    ),
    Attack(
        "endless data: the signature",
        "app",
        endless_signature,
        consumers(refused("too large to be true"), hosts=refused("large|bigger|exceed")),
    ),
    Attack(
        "endless data: an image",
        "app",
        endless_image,
        # systemd's importer reads up to 64 GiB of an image before it compares the digest
        consumers(refused("more than"), refused(ALTERED), provision=GENUINE),
    ),
    Attack(
        "extraneous entries: in the list",
        "app",
        extra_entry,
        consumers(refused(UNSIGNED), hosts=refused("signature")),
    ),
    Attack(
        "extraneous entries: signed by the publisher",
        "app",
        signed_extra_entry,
        # hosts take the newest file that the publisher's list names, whatever channel.json says
        consumers(refused(r"does not list app-9\.0"), hosts=FOOLED),
    ),
    Attack(
        "wrong key",
        "app",
        by_stranger,
        consumers(refused("it is by the key"), hosts=refused("signature")),
    ),
    Attack(
        "expired key",
        "app",
        by_expired,
        consumers(refused("has expired"), hosts=FOOLED),
    ),
    Attack(
        "stolen and revoked key",
        "app",
        by_stolen,
        consumers(refused("is revoked"), hosts=FOOLED),
    ),
)
