"""Our own public keys: several of them while one takes the place of another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from bakery import interrupts
from bakery.release import signing
from bakery.release.errors import ReleaseError
from bakery.release.signing import SigningKey
from bakery.text import unmarked
from bakery.tools import run
from bakery.upstream.signature import gpg

# As systemd looks for them; the first is new in 258.
_HOSTS = ("/etc/systemd/import-pubring.pgp", "/etc/systemd/import-pubring.gpg")


@dataclass(frozen=True)
class Keyring:
    """Public keys, one of which must have signed what is published.

    Attributes:
        data: OpenPGP packets, which hosts have as /etc/systemd/import-pubring.gpg.
        fingerprints: those of the primary keys, in hexadecimal digits.

    """

    data: bytes
    fingerprints: tuple[str, ...]

    @classmethod
    def of(cls, key: SigningKey | None, path: Path | None) -> Keyring | None:
        """Return the keys of a file, else that of the key in hand; None where there is neither.

        Args:
            key: signs; its public key must be in the file.
            path: public keys, armored or not, also as gpg keeps them.

        Raises:
            ReleaseError: the file holds no keys, or not this one's.
            MissingToolError: gpg is not installed.

        """
        if path is None:
            return cls(key.public, (key.fingerprint,)) if key else None
        ring = cls.read(path)
        if key and key.fingerprint not in ring.fingerprints:
            raise ReleaseError(
                "the signing key is not in the keyring",
                where=str(path),
                why=f"it is {key.fingerprint}; there are {', '.join(ring.fingerprints)}",
                fix="add its public key, sign with it once hosts have it: see the guide to keys",
            )
        return ring

    @classmethod
    def read(cls, path: Path) -> Keyring:
        """Return the keys in a file.

        Raises:
            ReleaseError: it can't be read.
            ToolFailedError: there are none in it.
            MissingToolError: gpg is not installed.

        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ReleaseError(
                "the keyring can't be read",
                where=str(path),
                why=error.strerror,
                fix=f"name a file of public keys, such as {signing.KEYRING}",
            ) from error
        with interrupts.temporary_folder("gpg-") as home:
            command: list[str | Path] = [gpg.GPG.require(), "--homedir", home, "--batch"]
            command += ["--no-tty", "--quiet", "--no-autostart"]
            what = "the keyring can't be read"
            fix = f"write {path} with: gpg --export FINGERPRINT..."
            ring = home / "ring"
            ring.write_bytes(gpg.packets(unmarked(data)))
            run([*command, "--import", ring], what=what, fix=fix)
            listed = run([*command, "--with-colons", "--list-keys"], what=what, fix=fix)
            packets = home / "packets"
            minimal = "--export-options=export-minimal"
            run([*command, minimal, "--output", packets, "--export"], what=what, fix=fix)
            return cls(packets.read_bytes(), tuple(_primaries(listed)))

    def check(self, data: bytes, signature: bytes, where: str) -> str:
        """Refuse bytes that none of the keys has signed; return that key's fingerprint.

        Args:
            data: what is signed.
            signature: detached, armored or not.
            where: what it is of, for messages.

        Raises:
            SignatureError: the signature does not hold, or its key has expired or is revoked.
            MissingToolError: gpg is not installed.

        """
        return gpg.verify_bytes(data, signature, self.data, where=where)


def usual(own: Path | None) -> Path:
    """Return the keyring by which releases are judged where nobody names one.

    Args:
        own: this bakery's own; None if it has none.

    Raises:
        ReleaseError: there is none here.

    """
    for path in (*([own] if own else []), *map(Path, _HOSTS)):
        if path.is_file():
            return path
    raise ReleaseError(
        "nobody has said which keys may have signed it",
        why=f"this bakery has no {signing.KEYRING} of its own, and this host none in /etc/systemd",
        fix=f"name the publisher's keys with --keyring FILE: they are beside what is signed, as "
        f"{signing.KEYRING}; compare their fingerprints with what the publisher says elsewhere",
    )


def signing_key(path: Path | None) -> SigningKey | None:
    """Return the key that the environment names; hosts get those of a file with it.

    Args:
        path: public keys, this one's among them; None for this one alone.

    Raises:
        ReleaseError: the environment names something else, or the file lacks this key.
        MissingToolError: gpg is not installed.

    """
    key = SigningKey.configured()
    keyring = Keyring.of(key, path) if key else None
    return replace(key, public=keyring.data) if key and keyring else None


def _primaries(listed: str) -> list[str]:
    """Return the fingerprints that follow primary keys in gpg's list (GnuPG's doc/DETAILS)."""
    lines = [line.split(":") for line in listed.splitlines()]
    return [after[9] for line, after in pairwise(lines) if line[0] == "pub"]
