"""Signed dm-verity images on hosts: the certificates that they believe, and that they insist.

systemd believes every certificate in a file NAME.crt below /etc/verity.d (systemd-sysext(8)). Where
it lacks the one of an image, it merges none at all: so the certificate comes before the image.
Hosts that enforce merge only what is signed. From version 259 on, sysext.conf(5) says so; before,
a drop-in of systemd-sysext.service, which newer ones heed as well.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.image.errors import VerityError
from bakery.image.verity import image as verity_image
from bakery.image.verity.signing import Certificates
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import HostFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.image.verity.signature import Signature
    from bakery.provision.extension import Extension
    from bakery.provision.host_config import HostConfig
    from bakery.provision.host_root import HostRoot

FOLDER = "/etc/verity.d"
_BELIEVED = (FOLDER, "/usr/local/lib/verity.d", "/usr/lib/verity.d")  # the nearest first
POLICY = "root=signed+absent:usr=signed+absent"  # systemd.image-policy(7)
CONFIGURED = "/etc/systemd/sysext.conf.d/20-image-policy.conf"
_CONFIGURATION = f"""\
# Written by the bakery: merge signed images alone. To end that, remove this file and
# /etc/systemd/system/systemd-sysext.service.d/20-image-policy.conf.
[SysExt]
ImagePolicy={POLICY}
"""
_MERGE = f"/usr/bin/systemd-sysext refresh --image-policy={POLICY}"
# What systemd-sysext.service of 254 to 262 runs, with the policy
DROP_INS = {
    "20-image-policy.conf": f"""\
[Service]
ExecStart=
ExecStart={_MERGE}
ExecReload=
ExecReload={_MERGE}
"""
}
_ONE_STOPS_ALL = "one image that the policy refuses stops the merge of every other"
_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----\r?\n.*?-----END CERTIFICATE-----(?:\r?\n|\Z)", re.DOTALL
)


def certificates(name: str, handed_out: bytes) -> Iterator[HostFile]:
    """Yield the files that hold an extension's certificates, one in each (systemd reads no more).

    Args:
        name: the extension's.
        handed_out: its publisher's certificates (RFC 7468), of which there are two while one takes
            the place of the other.

    """
    for number, found in enumerate(_each(handed_out), 1):
        end = f".{number}" if number > 1 else ""
        yield HostFile(path=f"{FOLDER}/{name}{end}.crt", contents=found)


def certified(files: Iterable[HostFile]) -> Iterator[tuple[str, bytes]]:
    """Yield the names of the files among others that hold certificates, and what they hold."""
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if folder == FOLDER and isinstance(file.contents, bytes):
            yield name, file.contents


def configuration() -> HostFile:
    """Return the file that enforces for whoever merges, the host's people included."""
    return HostFile(path=CONFIGURED, contents=_CONFIGURATION.encode(), shared=True)


def refuse_unsigned(extensions: Sequence[Extension]) -> None:
    """Refuse images that a host which enforces would not merge, and then none of the others.

    Raises:
        ProvisionError: there is one.

    """
    for each in extensions:
        if not each.certificates:
            raise ProvisionError(
                f"{each.name} is not signed, and a host that enforces would merge nothing at all",
                where=each.file,
                why=_ONE_STOPS_ALL,
                fix="have its publisher set BAKERY_VERITY_KEY and BAKERY_VERITY_CERTIFICATE, or "
                "leave out --enforce",
            )


def refuse_beside(host: HostRoot, config: HostConfig) -> None:
    """Refuse what would stop every merge in a root file system that enforces, or is about to.

    Raises:
        ProvisionError: an image there, or one that is about to be, is not signed by anybody whose
            certificate is there.
        OSError: one can't be read.

    """
    enforces = any(file.path == CONFIGURED for file in config.files)
    if not enforces and not host.exists(CONFIGURED):
        return
    given = b"".join(data for _, data in certified(config.files))
    if not given:
        raise ProvisionError(
            f"{', '.join(config.extensions)} is not signed, and this system enforces",
            where=f"{host.path}{CONFIGURED}",
            why=_ONE_STOPS_ALL,
            fix="take the signed image: --enforce",
        )
    certificates = [*_each(given), *_believed(host)]
    others = [path for path in _images(host) if Path(path).stem not in config.extensions]
    unsigned = [path for path in others if not _is_signed(host, path, certificates)]
    if unsigned:
        raise ProvisionError(
            "this system has images that it would not merge any more, and then none at all",
            where="\n".join(f"{host.path}{path}" for path in unsigned),
            why=f"no certificate in {FOLDER} fits them, and {_ONE_STOPS_ALL}",
            fix="uninstall them, or install their signed images; or leave out --enforce",
        )


def _each(pem: bytes) -> list[bytes]:
    found: list[bytes] = _CERTIFICATE.findall(pem)
    return found


def _believed(host: HostRoot) -> Iterator[bytes]:
    """Yield what systemd reads: the first certificate of each file whose name ends in .crt.

    Of files with one name, the first one's counts.
    """
    paths = [f"{folder}/{name}" for folder in _BELIEVED for name in host.names(folder)]
    for path in {Path(path).name: path for path in reversed(paths)}.values():
        if path.endswith(".crt"):
            yield from _each(host.read(host.resolve(path)) or b"")[:1]


def _images(host: HostRoot) -> Iterator[str]:
    for folder in ("/etc/extensions", "/var/lib/extensions"):
        paths = (f"{folder}/{name}" for name in host.names(folder) if name.endswith(".raw"))
        yield from (path for path in paths if host.is_file(host.resolve(path)))


def _is_signed(host: HostRoot, path: str, certificates: Iterable[bytes]) -> bool:
    try:
        with host.opened(host.resolve(path)) as file:
            image = verity_image.read(Path(f"/proc/self/fd/{file.fileno()}"))
    except VerityError:
        return False
    signature = image.signature
    return (
        signature is not None
        and signature.root_hash == image.root_hash
        and any(_has_signed(each, signature) for each in certificates)
    )


def _has_signed(certificate: bytes, signature: Signature) -> bool:
    try:
        return bool(Certificates(certificate).verify(signature))
    except ValueError:  # another has, or this is no certificate at all
        return False
