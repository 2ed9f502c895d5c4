"""Signatures by gpg, with a private key from the environment.

The key reaches gpg by standard input and gets a keyring of its own, in memory where there is such a
place. Nobody else can read that, and it is gone, with the agent that serves it, as soon as the
signature is there. What a killed process left is removed by the next.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.release.errors import ReleaseError
from bakery.tools import Tool, run
from bakery.upstream.signature.gpg import GPG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = "BAKERY_SIGNING_KEY"
KEYRING = "import-pubring.gpg"
"""The file that has the public key, as hosts name it."""

_PREFIX = "bakery-gpg-"
_LOCK = "lock"
_GPGCONF = Tool(program="gpgconf", apt="gnupg", dnf="gnupg2", zypper="gpg2", brew="gnupg")
_UNFIT = {"e": "has expired", "r": "is revoked"}  # validities (GnuPG's doc/DETAILS)
_ARMOR = "-----BEGIN PGP PRIVATE KEY BLOCK-----"


@dataclass(frozen=True)
class Signature:
    """A detached signature as OpenPGP packets, which systemd reads, and armored."""

    binary: bytes
    armored: bytes


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key and its passphrase, made once and handed on; neither is shown by accident.

    Attributes:
        fingerprint: the primary key's, in hexadecimal digits.
        public: what hosts put into /etc/systemd/import-pubring.gpg.
        secret: the armored private key.
        passphrase: opens it; empty where it has none.
        variable: where it was given, for messages.

    """

    fingerprint: str
    public: bytes
    variable: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)

    @classmethod
    def configured(
        cls, environment: Mapping[str, str] = os.environ, *, variable: str = KEY
    ) -> SigningKey | None:
        """Return the key that the environment names; None if it names none.

        Args:
            environment: the variables.
            variable: the one with the armored private key, or the path of one; what opens it is in
                the one that ends in `_PASSPHRASE` in the place of `_KEY`.

        Raises:
            ReleaseError: it names something else.
            MissingToolError: gpg is not installed.

        """
        text = environment.get(variable, "").strip()
        if not text:
            return None
        secret = _armored(text, variable)
        fingerprint, public = _inspected(secret, variable)
        return cls(
            fingerprint=fingerprint,
            public=public,
            variable=variable,
            secret=secret,
            passphrase=environment.get(_passphrase(variable), ""),
        )

    def sign(self, data: bytes) -> Signature:
        """Return the key's signature of some bytes.

        Raises:
            ToolFailedError: gpg refuses to sign, as with a wrong passphrase.

        """
        with _keyring(self.secret, self.variable) as home:
            (home / "data").write_bytes(data)
            for option, output in (("--no-armor", "binary"), ("--armor", "armored")):
                _gpg(
                    home,
                    *("--pinentry-mode=loopback", "--passphrase-fd=0", option),
                    *("--output", home / output, "--detach-sign", home / "data"),
                    variable=self.variable,
                    stdin=self.passphrase + "\n",
                    what="the checksums can't be signed",
                )
            return Signature((home / "binary").read_bytes(), (home / "armored").read_bytes())


def _armored(text: str, variable: str) -> str:
    if text.startswith(_ARMOR):
        return text
    try:
        return Path(text).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ReleaseError(
            "the signing key can't be read",
            where=variable,
            why="it is neither an armored private key nor the path of one",
            fix="write it with: gpg --armor --export-secret-keys FINGERPRINT",
        ) from None


def _passphrase(variable: str) -> str:
    return f"{variable.removesuffix('_KEY')}_PASSPHRASE"


def _inspected(key: str, variable: str) -> tuple[str, bytes]:
    """Return the fingerprint of a private key, and the public key that belongs to it."""
    with _keyring(key, variable) as home:
        gpg = partial(_gpg, home, variable=variable)
        listed = gpg("--with-colons", "--list-secret-keys", what="gpg can't list the key")
        lines = [line.split(":") for line in listed.splitlines()]
        primary = [lines[at + 1][9] for at, line in enumerate(lines[:-1]) if line[0] == "sec"]
        unfit = [_UNFIT[line[1]] for line in lines if line[0] == "sec" and line[1] in _UNFIT]
        if len(primary) != 1:
            raise ReleaseError(
                f"{len(primary)} private keys are given to sign with",
                where=variable,
                fix="give one: gpg --armor --export-secret-keys FINGERPRINT",
            )
        if unfit:
            raise ReleaseError(
                f"the signing key {unfit[0]}",
                where=variable,
                why=f"its fingerprint is {primary[0]}",
                fix=f"prolong it: gpg --quick-set-expire {primary[0]} 1y, and export it again;\n"
                "or give another one, whose public key hosts must then have too",
            )
        public = home / "public"
        minimal = "--export-options=export-minimal"
        gpg(minimal, "--output", public, "--export", what="gpg can't export the key")
        return primary[0], public.read_bytes()


@contextmanager
def _keyring(key: str, variable: str) -> Iterator[Path]:
    sweep()
    with (
        interrupts.temporary_folder(_PREFIX, _in_memory()) as home,
        (home / "new").open("wb") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        (home / "new").rename(home / _LOCK)  # locked before anybody else can lock it
        try:
            what = f"gpg takes no key from {variable}"
            _gpg(home, "--import", variable=variable, stdin=key + "\n", what=what)
            yield home
        finally:
            _wipe(home)


def sweep() -> None:
    """Remove the keyrings of processes that were killed before they could.

    Raises:
        MissingToolError: there is one, and gpgconf is not installed.

    """
    for folder in filter(None, (_in_memory(), tempfile.gettempdir())):
        for home in Path(folder).glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if home.lstat().st_uid == os.geteuid():
                    _sweep(home)


def _sweep(home: Path) -> None:
    with (home / _LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever uses it holds the lock
        _wipe(home)
        shutil.rmtree(home, ignore_errors=True)


def _wipe(home: Path) -> None:
    gpgconf = _GPGCONF.require()
    try:
        run([gpgconf, "--homedir", home, "--kill", "all"], what="gpg's agent does not end")
    finally:
        shutil.rmtree(home / "private-keys-v1.d", ignore_errors=True)


def _in_memory() -> str | None:
    """Return a folder that is in memory, and that this user may write; None if there is none."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    in_memory = {target for _, target, kind, *_ in map(str.split, mounts) if kind == "tmpfs"}
    places = ("/dev/shm", f"/run/user/{os.geteuid()}")  # noqa: S108  with mkdtemp
    return next((p for p in places if p in in_memory and os.access(p, os.W_OK | os.X_OK)), None)


def _gpg(home: Path, *words: str | Path, variable: str, what: str, stdin: str = "") -> str:
    command = [GPG.require(), "--homedir", str(home), "--batch", "--no-tty", "--quiet"]
    fix = f"check {variable} and {_passphrase(variable)}"
    return run([*command, *words], what=what, fix=fix, stdin=stdin.encode())
