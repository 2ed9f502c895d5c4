"""A person with gpg: keys of all sorts, and signatures by them."""

from __future__ import annotations

import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

LONG_AGO = "20200101T000000"


class Person:
    """Makes keys and signatures in a home of its own, whose path is short enough for sockets."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="gpg-")
        self.home = Path(self._home.name)

    def gpg(self, *words: str | Path, then: str | None = None) -> bytes:
        """Run gpg, as if at an earlier time where `then` is given; return what it wrote."""
        options = ["--faked-system-time", f"{then}!"] if then else []
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet", *options]
        return subprocess.run([*command, *words], check=True, capture_output=True).stdout

    def key(self, name: str, *, expires: str = "never", then: str | None = None) -> str:
        """Make a key; return its fingerprint."""
        quick = ["--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", expires]
        told = self.gpg("--status-fd", "1", *quick, then=then).decode()
        return next(line.split()[3] for line in told.splitlines() if "KEY_CREATED" in line)

    def fingerprints(self) -> list[str]:
        """Return those of the primary keys."""
        listed = self.gpg("--with-colons", "--list-keys").decode().splitlines()
        return [after.split(":")[9] for line, after in pairwise(listed) if line.startswith("pub")]

    def revoke(self, fingerprint: str) -> None:
        """Revoke a key with the certificate that gpg has made along with it."""
        prepared = self.home / "openpgp-revocs.d" / f"{fingerprint}.rev"
        certificate = self.home / "revoke.asc"
        certificate.write_text(prepared.read_text().replace(":-----BEGIN", "-----BEGIN"))
        self.gpg("--import", certificate)

    def export(self, target: Path, *fingerprints: str, armour: bool = True) -> Path:
        """Write public keys; return where."""
        target.write_bytes(self.gpg(*["--armor"] * armour, "--export", *fingerprints))
        return target

    def sign(
        self,
        path: Path,
        *fingerprints: str,
        how: str = "--detach-sign",
        then: str | None = None,
        armour: bool = True,
        expires: str = "0",
    ) -> Path:
        """Sign a file with some keys; return where the signature is."""
        target = path.with_name(f"{path.name}.asc")
        by = [word for fingerprint in fingerprints for word in ("--local-user", fingerprint)]
        options = [*by, "--default-sig-expire", expires, *["--armor"] * armour]
        self.gpg(*options, "--output", target, how, path, then=then)
        return target

    def close(self) -> None:
        """Stop the agent that holds the keys and remove everything."""
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=True)
        self._home.cleanup()
