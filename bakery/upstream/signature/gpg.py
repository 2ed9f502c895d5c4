"""OpenPGP signatures, checked by gpg in a keyring of its own that holds the recipe's keys alone.

gpgv is no choice: it takes keys that have expired or are revoked (man gpgv). The verdict is read
from gpg's status lines (GnuPG's doc/DETAILS), never from its exit status or its messages.
"""

from __future__ import annotations

from pathlib import Path

from bakery import interrupts
from bakery.errors import BakeryError
from bakery.text import unmarked
from bakery.tools import Tool, execute, run
from bakery.upstream.signature.errors import SignatureError

GPG = Tool(program="gpg", apt="gnupg", dnf="gnupg2", zypper="gpg2", brew="gnupg")

_KEYS = (0x98, 0x99, 0x9A, 0x9B, 0xC6)  # packets of public keys begin so (RFC 9580, 4.2)
_KEYBOX = b"KBXf"
_STATUS = "[GNUPG:] "
_ALTERED = "the file or its signature has been altered"
_PROBLEMS = {
    "BADSIG": (_ALTERED, "try again later; if it stays, tell upstream"),
    "EXPSIG": ("the signature has expired", "look for a newer one at upstream's"),
    "EXPKEYSIG": (
        "the key it is made with has expired",
        "get upstream's prolonged key from where upstream announces it, and review it",
    ),
    "REVKEYSIG": (
        "the key it is made with is revoked",
        "find out why upstream revoked it; get the new key from where upstream announces it",
    ),
}


def verify(signed: Path, signature: Path, key: Path, *, where: str) -> str:
    """Check a detached signature, armoured or not; return the fingerprint of the primary key.

    A signature by several keys holds if one of them is the recipe's and none is wrong.

    Args:
        signed: the file that is signed.
        signature: its signature.
        key: the public keys that may sign, armoured or not.
        where: the signature's address, for messages.

    Raises:
        SignatureError: the signature is wrong, or by another key.
        MissingToolError: gpg is not installed.

    """
    gpg = GPG.require()
    with interrupts.temporary_folder("gpg-") as home:
        command: list[str | Path] = [gpg, "--homedir", home, "--batch", "--no-tty"]
        command += ["--no-autostart", "--no-auto-key-retrieve"]
        command += ["--trust-model=always", "--status-fd=1"]
        imported = _status([*command, "--import", _as_packets(key, home)])
        fingerprints = sorted({words[2] for words in imported if words[0] == "IMPORT_OK"})
        if not fingerprints:
            raise BakeryError(
                "this holds no OpenPGP key",
                where=str(key),
                fix="write it with: gpg --armor --export FINGERPRINT",
            )
        verdicts = _status([*command, "--verify", _unmarked(signature, home), signed])
    return _judge(verdicts, fingerprints, signed, where)


def packets(data: bytes) -> bytes:
    """Return public keys as OpenPGP packets, which can be put one after the other.

    Args:
        data: packets, armored or not, or a keybox as gpg keeps keys.

    Raises:
        ToolFailedError: they are none of these.
        MissingToolError: gpg is not installed; packets need none.

    """
    if not data or data[0] in _KEYS:
        return data
    with interrupts.temporary_folder("gpg-") as home:
        ring, written = home / "ring", home / "packets"
        ring.write_bytes(data)
        command: list[str | Path] = [GPG.require(), "--homedir", home, "--batch", "--no-tty"]
        command += ["--quiet", "--no-autostart", "--output", written]
        if data[8:12] == _KEYBOX:
            command += ["--no-default-keyring", "--keyring", ring, "--export"]
        else:
            command += ["--dearmor", ring]
        run(
            command,
            what="the keyring can't be read",
            fix="write them with: gpg --export FINGERPRINT",
        )
        return written.read_bytes() if written.exists() else b""


def verify_bytes(data: bytes, signature: bytes, keys: bytes | Path, *, where: str) -> str:
    """Check a detached signature of bytes, as `verify` does that of a file; keys may be in one.

    Raises:
        SignatureError: the signature is wrong, or by another key.
        MissingToolError: gpg is not installed.

    """
    with interrupts.temporary_folder("bakery-verify-") as folder:
        signed, detached, ring = (folder / name for name in (Path(where).stem, "signature", "keys"))
        signed.write_bytes(data)
        detached.write_bytes(signature)
        if isinstance(keys, bytes):
            ring.write_bytes(keys)
        return verify(signed, detached, ring if isinstance(keys, bytes) else keys, where=where)


def _judge(verdicts: list[list[str]], fingerprints: list[str], signed: Path, where: str) -> str:
    said = {words[0]: words for words in verdicts}
    if "GOODSIG" in said and "VALIDSIG" in said and "BADSIG" not in said:
        return said["VALIDSIG"][-1]
    what = "a signature does not hold"
    for word, (why, fix) in _PROBLEMS.items():
        if word in said:
            who = " ".join(said[word][1:])
            raise SignatureError(what, where=where, why=f"{why} ({who})", fix=fix)
    if "NO_PUBKEY" in said:
        raise SignatureError(
            "a signature is by another key than the recipe's",
            where=where,
            why=f"it is by the key {said['NO_PUBKEY'][1]}\ntrusted are {', '.join(fingerprints)}",
            fix="find out at upstream's whose key it is before you take it into the recipe",
        )
    raise SignatureError(
        what,
        where=where,
        why=f"gpg finds no signature of {signed.name} in it that it can check",
        fix="look at the file, and correct the recipe's signature:",
    )


def _as_packets(key: Path, folder: Path) -> Path:
    """Return a copy of keys that gpg imports, which it does not from its own keybox."""
    copy = _unmarked(key, folder)
    data = copy.read_bytes()
    if data[8:12] == _KEYBOX:
        copy.write_bytes(packets(data))
    return copy


def _unmarked(file: Path, folder: Path) -> Path:
    """Return a copy without a byte order mark, with which gpg sees no armour."""
    copy = folder / f"unmarked-{file.name}"
    copy.write_bytes(unmarked(file.read_bytes()))
    return copy


def _status(command: list[str | Path]) -> list[list[str]]:
    lines = execute(command, what="a signature can't be checked").stdout.splitlines()
    return [line.removeprefix(_STATUS).split() for line in lines if line.startswith(_STATUS)]
