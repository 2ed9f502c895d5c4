"""Who signs root hashes, and systemd-repart, which makes the same images by its own means."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bakery.arch import ARCHITECTURES
from bakery.boot.nspawn import Nspawn
from bakery.image.verity.signing import CERTIFICATE, KEY, Certificates, Signer
from bakery.progress import Silent
from harness.debian import ROOTS, Debian, store
from harness.native import ARCH

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7PrivateKeyTypes

_DAY = dt.timedelta(days=1)
_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
# What the system that boots lacks; of systemd's own, the very build that systemd-repart is of
_LIBRARIES = ("libsystemd-shared", "libcryptsetup12", "libdevmapper1.02.1", "libjson-c5")
_DEFINITIONS = """\
[Partition]
Type=root
CopyBlocks={plain}
Verity=data
VerityMatchKey=x
---
[Partition]
Type=root-verity
Verity=hash
VerityMatchKey=x
Minimize=best
{sizes}
---
[Partition]
Type=root-verity-sig
Verity=signature
VerityMatchKey=x
"""


@dataclass(frozen=True)
class Publisher:
    """Somebody with a certificate and its key, as files `NAME.crt` and `NAME.key`."""

    folder: Path
    name: str = "publisher"
    curve: bool = False
    days: int = 36500

    @property
    def certificate(self) -> Path:
        return self._made[0]

    @property
    def key(self) -> Path:
        return self._made[1]

    @cached_property
    def _made(self) -> tuple[Path, Path]:
        key: PKCS7PrivateKeyTypes = (
            ec.generate_private_key(ec.SECP256R1())
            if self.curve
            else rsa.generate_private_key(65537, 2048)
        )
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(_NOW - _DAY)
            .not_valid_after(_NOW + self.days * _DAY)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        paths = (self.folder / f"{self.name}.crt", self.folder / f"{self.name}.key")
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(*form))
        return paths

    @property
    def certificates(self) -> Certificates:
        return Certificates.of(str(self.certificate))

    @property
    def signer(self) -> Signer:
        signer = Signer.configured(self.certificates, self.environment)
        assert signer
        return signer

    @property
    def environment(self) -> dict[str, str]:
        return {KEY: str(self.key), CERTIFICATE: str(self.certificate)}


class Repart:
    """The systemd-repart of Debian 13, on whichever system."""

    def __init__(self) -> None:
        debian = Debian("trixie")
        store()
        machine = Nspawn(suite="trixie", arch=ARCH, cache=ROOTS)
        machine.prepare(Silent().tell)
        libraries = f"usr/lib/{ARCHITECTURES[ARCH].kernel}-linux-gnu"
        root = machine.folder / libraries
        brought = [str(debian.unpacked(ARCH, package) / libraries) for package in _LIBRARIES]
        folders = [f"{brought[0]}/systemd", *brought, str(root)]
        self._command = [
            str(next(root.glob("ld-linux-*.so.*"))),
            *("--library-path", ":".join(folders)),
            str(debian.unpacked(ARCH, "systemd-repart") / "usr/bin/systemd-repart"),
        ]

    def make(
        self,
        plain: Path,
        output: Path,
        *,
        arch: str,
        seed: bytes,
        publisher: Publisher | None = None,
        sizes: str = "",
    ) -> Path:
        """Write an image with partitions for a file system; signed if somebody is to sign it."""
        folder = output.with_name(f"{output.name}.d")
        folder.mkdir()
        texts = _DEFINITIONS.format(plain=plain, sizes=sizes).split("---\n")
        for number, text in enumerate(texts if publisher else texts[:2]):
            (folder / f"{number}.conf").write_text(text)
        keys = (
            [f"--private-key={publisher.key}", f"--certificate={publisher.certificate}"]
            if publisher
            else []
        )
        command = [
            *(*self._command, f"--definitions={folder}", "--empty=create", "--size=auto"),
            *("--dry-run=no", "--offline=yes", "--no-pager", f"--architecture={arch}"),
            *(f"--seed={seed.hex()}", *keys, str(output)),
        ]
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(output.parent)}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return output
