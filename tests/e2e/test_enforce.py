"""Hosts that insist on signatures, over dm-verity: in virtual machines, whichever these are."""

from __future__ import annotations

import re
import shutil
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.hosts import HERE, Host, Publisher, image
from harness.native import ARCH
from harness.project import REPOSITORY
from harness.provisioning import asked
from harness.verity import Publisher as Signer
from harness.virtual import booted
from msgspec import structs

from bakery import settings as settings_module
from bakery.boot import guest, vm
from bakery.files import sha256
from bakery.image.verity.image import make, read
from bakery.image.verity.signing import Certificates
from bakery.provision import command, verity
from bakery.release.verity import VeritySigning

if TYPE_CHECKING:
    from pathlib import Path

    from harness.openpgp import Person

image_path = partial(guest.image_path, vm.SHARE)
SUITES = ["trixie", "forky"]
POLICY = f"--image-policy={verity.POLICY}"
pytestmark = [
    pytest.mark.nightly,
    needs.ROOT,
    needs.programs("debootstrap", "mkfs.ext4", "mksquashfs", "gpg", "qemu-system-x86_64"),
]


def script(site: Path, *names: str, enforce: bool = True) -> str:
    """Return what a user would run on a host."""
    text = command.provision(
        [f"{site.as_uri()}/{name}" for name in names],
        *asked(arch=ARCH, enforce=enforce),
        settings=settings_module.load(site, {"HOME": str(site)}),
        output="shell",
    )
    return text.replace(site.as_uri(), HERE)


def guide() -> str:
    """Return the lines that give a running host a channel's certificates."""
    text = (REPOSITORY / ".github/docs/enforce.md").read_text("utf-8")
    found = re.search(r"^   ```sh\n(.*?)^   ```", text, re.MULTILINE | re.DOTALL)
    assert found
    return (
        found[1]
        .replace("https://example.com/releases/docker", f"{HERE}/app")
        .replace("docker", "app")
    )


def serve(host: Host, number: int, site: Path) -> None:
    host.ask("kill $(cat /run/httpd.pid)")
    folder = image_path(number, site.name)
    host.holds(
        f"busybox httpd -f -p 127.0.0.1:8000 -h {folder} & echo $! >/run/httpd.pid; "
        f"until busybox wget -q -O /dev/null {HERE}/app/SHA256SUMS; do sleep 0.1; done"
    )


@pytest.mark.parametrize("suite", SUITES)
def test_what_enforces_runs_signed_images_alone(suite: str, tmp_path: Path, person: Person) -> None:
    """Refused beside an unsigned one; updates, goes back; a new certificate; a broken signature."""
    person.key("Publisher")
    old, new = Signer(tmp_path, "old"), Signer(tmp_path, "new")
    both = Certificates(new.certificate.read_bytes() + old.certificate.read_bytes())
    publisher = Publisher(tmp_path / "site", tmp_path / "work", person)
    publisher.folder.mkdir()
    publisher.publish("other", "1.0")
    sites = []
    for version, signing in {
        "1.0": VeritySigning(old.certificates, old.signer),
        "2.0": VeritySigning(old.certificates, old.signer),
        "3.0": VeritySigning(both, new.signer),
    }.items():
        publisher.publish("app", version, signing=signing)
        sites.append(tmp_path / f"site-{version}")
        shutil.copytree(publisher.folder, sites[-1])
    setup = {
        "app": script(sites[0], "app"),
        "other": script(sites[0], "other", enforce=False),
    }
    for name, text in setup.items():
        (tmp_path / name).write_text(text)
    files = [*sites, tmp_path / "app", tmp_path / "other"]
    app, other = (f"sh {image_path(n, name)}" for n, name in ((3, "app"), (4, "other")))
    with booted(suite, files, tmp_path / "console") as host:
        host.holds("printf 'WATCH=2\\nSETTLE=5\\n' >/etc/extensions.conf")
        serve(host, 0, sites[0])
        host.holds(other, limit=120)
        refused = host.ask(f"{app} 2>&1", limit=120)
        assert refused.status == 1, refused.stdout + host.log()
        assert "it is not signed, and this host merges signed images alone" in refused.stdout
        assert "nothing was changed" in refused.stdout
        host.holds("test ! -e /etc/verity.d/app.crt && test ! -e /etc/extensions/app.raw")
        assert host.runs("other") == "1.0"

        host.holds(f"{other} uninstall", limit=120)
        host.holds(app, limit=120)
        assert host.runs("app") == "1.0"
        assert "verity" in host.holds("cat /sys/block/dm-*/dm/uuid").lower()
        refused = host.ask(f"{other} 2>&1", limit=120)
        assert refused.status == 1, refused.stdout
        assert host.runs("app") == "1.0"

        serve(host, 1, sites[1])
        assert "app is 2.0 now" in host.updates("app")
        assert host.runs("app") == "2.0"
        assert host.extensions("rollback", "app").status == 0
        assert host.runs("app") == "1.0"

        serve(host, 2, sites[2])
        told = host.refuses("app")
        assert "no certificate in /etc/verity.d fits its signature; 1.0 stays" in told
        assert "3.0" not in host.status("app")["shunned"]
        host.holds(guide(), limit=120)
        assert "app is 3.0 now" in host.updates("app")
        assert host.runs("app") == "3.0"


# Each image under each certificate: how a merge ends without a policy, and with the one that
# enforces. A changed block is noticed when it is read; 262 takes an unsigned tree where nobody
# enforces (see FAULTS).
NONE, OWN, OTHERS = "none", "own", "others"
FAULTS = {
    "plain": {NONE: "merged refused", OWN: "merged refused", OTHERS: "merged refused"},
    "signed": {NONE: "refused refused", OWN: "merged merged", OTHERS: "refused refused"},
    "data": {OWN: "merged merged"},
    "hash": {OWN: "refused refused"},
    "signature": {OWN: "refused refused"},
}


def damaged(signed: Path) -> dict[str, bytes]:
    """Return an image with a changed bit: of its data, its tree, or what vouches for the tree."""
    parts, before = read(signed), signed.read_bytes()
    assert parts.signature
    superblock, value = parts.superblock, bytearray(parts.signature.pkcs7)
    value[-1] ^= 1  # ends with what the key made; the certificate that it brings is not looked at
    other = structs.replace(parts.signature, pkcs7=bytes(value)).encode()
    changed = {"signature": before.replace(parts.signature.encode(), other)}
    for name, offset in {
        "data": parts.data.offset + superblock.data_size // 2,
        "hash": parts.hash.offset + superblock.hash_block,
    }.items():
        content = bytearray(before)
        content[offset] ^= 1
        changed[name] = bytes(content)
    assert all(each != before for each in changed.values())
    return changed


@pytest.mark.parametrize("suite", SUITES)
def test_what_a_host_merges(suite: str, tmp_path: Path) -> None:
    """Every image and fault under every certificate, with and without enforcement."""
    signer, stranger = Signer(tmp_path, "own"), Signer(tmp_path, "others")
    # so much that nothing reads the middle: of a device, blkid reads both ends, 1 MiB and 2 MiB
    data = {"usr/share/app/data": Random(0).randbytes(6 << 20).hex()}
    plain = image(tmp_path / "work", "app", "1.0", files=data)
    signed = tmp_path / "signed"
    make(plain, signed, arch=ARCH, sha256=sha256(plain), sign=signer.signer.sign)
    files = [plain, signed, signer.certificate, stranger.certificate]
    for name, content in damaged(signed).items():
        files.append(tmp_path / name)
        files[-1].write_bytes(content)
    where = {path.name: image_path(number, path.name) for number, path in enumerate(files)}
    where["plain"] = where[plain.name]
    measured: dict[str, dict[str, str]] = {}
    with booted(suite, files, tmp_path / "console") as host:
        host.holds("mkdir -p /etc/extensions /etc/verity.d")
        for name, rows in FAULTS.items():
            for certificate in rows:
                host.holds(f"ln -sf {where[name]} /etc/extensions/app.raw; rm -f /etc/verity.d/*")
                if certificate != NONE:
                    host.holds(f"cp {where[f'{certificate}.crt']} /etc/verity.d/")
                ends = [
                    host.ask(
                        f"systemd-sysext refresh {policy}; s=$?; test -e {RELEASE} || s=1; "
                        f"systemd-sysext unmerge; {GONE}; exit $s",
                        limit=60,
                    ).status
                    for policy in ("", POLICY)
                ]
                words = " ".join("merged" if status == 0 else "refused" for status in ends)
                measured.setdefault(name, {})[certificate] = words
    expected = {name: dict(rows) for name, rows in FAULTS.items()}
    if suite == "forky":  # changed in systemd 259: without a policy, a signature is not needed
        expected["signed"][OTHERS] = expected["signature"][OWN] = "merged refused"
        expected["signed"][NONE] = measured["signed"][NONE]
    assert measured == expected


# The kernel keeps a device for a moment, and systemd takes one that has the same root hash
GONE = "until test ! -e /sys/block/dm-0; do sleep 0.1; done"
RELEASE = "/usr/lib/extension-release.d/extension-release.app"
