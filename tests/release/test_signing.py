from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.openpgp import LONG_AGO, Person
from harness.processes import running, until

from bakery.release import signing, sums
from bakery.release.errors import ReleaseError
from bakery.release.reader import ReleaseReader
from bakery.release.signing import SigningKey
from bakery.release.verify import verify
from bakery.tools import ToolFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.shop import Shop

SHM = Path("/dev/shm")
PASSPHRASE = "BAKERY_SIGNING_PASSPHRASE"
KILLED = """
import sys
from bakery.release import signing
signing._PREFIX = sys.argv[1]
key = signing.SigningKey.configured()
class Data(bytes): pass
write = signing.Path.write_bytes
def stop(path, data):
    write(path, data)
    print(path.parent, flush=True)
    sys.stdin.read()
signing.Path.write_bytes = stop
key.sign(b"data")
"""
pytestmark = needs.programs("gpg")


@pytest.fixture(scope="module")
def secret(person: Person) -> str:
    fingerprint = person.key("the publisher")
    return person.gpg("--armor", "--export-secret-keys", fingerprint).decode()


@pytest.fixture(autouse=True)
def scratch(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder for temporary files, short enough for sockets, in which nothing must stay."""
    tmp_path_factory.getbasetemp()  # the tests' own is made where it belongs
    monkeypatch.delenv(signing.KEY, raising=False)
    monkeypatch.delenv(PASSPHRASE, raising=False)
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setattr(signing, "_PREFIX", f"bakery-gpg-{Path(folder).name}-")
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []
        assert not left(SHM)


def left(folder: Path) -> list[Path]:
    """Return the keyrings of this test that lie in a folder."""
    return list(folder.glob(f"{signing._PREFIX}*"))


def key(secret: str, passphrase: str = "") -> SigningKey:
    """Return the key of an environment."""
    environment = {signing.KEY: secret, PASSPHRASE: passphrase}
    configured = SigningKey.configured(environment)
    assert configured is not None
    return configured


def test_a_key_is_not_shown(secret: str) -> None:
    shown = repr(key(secret, "open sesame"))
    assert "PRIVATE" not in shown
    assert "sesame" not in shown


def test_without_a_key_nothing_is_signed(shop: Shop) -> None:
    assert SigningKey.configured({signing.KEY: ""}) is None
    assert not {sums.SIGNATURE, sums.ARMORED, signing.KEYRING} & set(shop.assembled("v1.0.0"))


def test_gpg_accepts_both_signatures(secret: str, tmp_path: Path) -> None:
    signer = key(secret)
    signature = signer.sign(b"data")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "data").write_bytes(b"data")
    (home / "keyring").write_bytes(signer.public)
    for name, data in (("binary", signature.binary), ("armored", signature.armored)):
        (home / name).write_bytes(data)
        done = subprocess.run(
            ["gpgv", "--keyring", home / "keyring", home / name, home / "data"],
            check=False,
            capture_output=True,
            env={**os.environ, "GNUPGHOME": str(home)},
        )
        if name == "binary":
            assert b"BEGIN" not in data
        assert done.returncode == 0, done.stderr
    assert b"PRIVATE" not in signer.public


def test_a_key_may_be_a_file_and_have_a_passphrase(tmp_path: Path) -> None:
    someone = Person()
    words = ["--pinentry-mode", "loopback", "--passphrase", "open sesame"]
    someone.gpg(*words, "--quick-gen-key", "locked", "ed25519", "sign", "never")
    path = tmp_path / "key.asc"
    path.write_bytes(someone.gpg(*words, "--armor", "--export-secret-keys"))
    someone.close()
    with pytest.raises(ToolFailedError, match="can't be signed") as caught:
        key(str(path)).sign(b"data")
    assert PASSPHRASE in (caught.value.fix or "")
    signature = key(str(path), "open sesame").sign(b"data")
    assert signature.armored.startswith(b"-----BEGIN PGP SIGNATURE-----")


@pytest.mark.usefixtures("secret")  # so that there is a key
def test_a_problem_names_the_variable_that_holds_the_key(person: Person, tmp_path: Path) -> None:
    public = person.export(tmp_path / "public.asc", person.key("somebody"))
    with pytest.raises(ReleaseError) as caught:
        SigningKey.configured({"BAKERY_REMOTE_KEY": str(public)}, variable="BAKERY_REMOTE_KEY")
    assert caught.value.where == "BAKERY_REMOTE_KEY"
    (tmp_path / "nothing").write_text("no key")
    environment = {"BAKERY_REMOTE_KEY": str(tmp_path / "nothing")}
    with pytest.raises(ToolFailedError, match="no key from BAKERY_REMOTE_KEY") as failed:
        SigningKey.configured(environment, variable="BAKERY_REMOTE_KEY")
    assert failed.value.fix == "check BAKERY_REMOTE_KEY and BAKERY_REMOTE_PASSPHRASE"


@pytest.mark.usefixtures("secret")
def test_what_is_no_private_key_is_refused(person: Person, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="can't be read"):
        key("/nowhere/key.asc")
    public = person.export(tmp_path / "public.asc", person.key("somebody"))
    with pytest.raises(ReleaseError, match="0 private keys"):
        key(str(public))
    for name in ("one", "another"):
        person.key(name)
    with pytest.raises(ReleaseError, match=r"[2-9] private keys"):
        key(person.gpg("--armor", "--export-secret-keys").decode())


@pytest.fixture
def release(shop: Shop, secret: str) -> Path:
    shop.key = key(secret)
    return shop.publish(shop.assembled("v1.1.0"), "v1.1.0")


def test_a_release_is_verified(release: Path) -> None:
    found = [each.name for each in verify(str(release), keyring=release / signing.KEYRING)]
    assert found[0] == sums.SIGNATURE
    assert {*found} == {path.name for path in release.iterdir()} - {
        sums.FILE,
        sums.ARMORED,
        "notes.md",
    }


def test_somebody_else_s_signature_is_refused(
    release: Path, person: Person, tmp_path: Path
) -> None:
    other = person.export(tmp_path / "other.asc", person.key("a third one"))
    with pytest.raises(ReleaseError, match="signature of SHA256SUMS does not hold"):
        list(verify(str(release), keyring=other))


def test_what_holds_by_one_key_in_one_file_says_nothing_of_others(
    release: Path, person: Person, tmp_path: Path
) -> None:
    own = release / signing.KEYRING
    other = person.export(tmp_path / "other.asc", person.key("a fourth one"))
    (release / sums.ARMORED).write_bytes(person.sign(tmp_path / "other.asc").read_bytes())
    reader = ReleaseReader.open(release.as_uri())
    assert reader.signed_by(own) == (release / sums.SIGNATURE).stat().st_size
    for keys, name in ((other, sums.SIGNATURE), (own, sums.ARMORED)):
        with pytest.raises(ReleaseError, match="signature of SHA256SUMS does not hold"):
            reader.signed_by(keys, name)


def test_an_altered_index_is_refused(release: Path) -> None:
    index = release / sums.FILE
    index.write_bytes(index.read_bytes().replace(b"a", b"b"))
    with pytest.raises(ReleaseError, match="signature of SHA256SUMS does not hold"):
        list(verify(str(release), keyring=release / signing.KEYRING))


def test_a_missing_signature_is_told(release: Path) -> None:
    (release / sums.SIGNATURE).unlink()
    with pytest.raises(ReleaseError, match=r"SHA256SUMS\.gpg can't be read"):
        list(verify(str(release), keyring=release / signing.KEYRING))


def is_in_memory(folder: Path) -> bool:
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return any(mount.split()[1:3] == [str(folder), "tmpfs"] for mount in mounts)


@contextmanager
def signs(secret: str, passphrase: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield a process that stops in the middle of signing, and its keyring."""
    started = subprocess.Popen(
        [sys.executable, "-c", KILLED, signing._PREFIX],
        env={**os.environ, signing.KEY: secret, PASSPHRASE: passphrase},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running(started) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def agents(home: Path) -> list[bytes]:
    """Return the command lines of the programs that serve a keyring."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(place.read_bytes())
    return [line for line in lines if str(home).encode() in line]


@pytest.mark.skipif(not is_in_memory(SHM), reason="needs /dev/shm in memory")
def test_the_key_lies_in_memory_while_it_is_used(secret: str, scratch: Path) -> None:
    with signs(secret, "") as (_, home):
        assert home.parent == SHM
        assert home.stat().st_mode & 0o777 == 0o700
        assert list(scratch.iterdir()) == []
    assert left(SHM) == [home]
    signing.sweep()


def test_without_a_place_in_memory_it_lies_among_temporary_files(
    secret: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "_in_memory", lambda: None)
    with signing._keyring(secret, signing.KEY) as home:
        assert home.parent == scratch


def test_what_a_killed_process_leaves_is_gone_after_the_next(secret: str) -> None:
    signer = key(secret)
    with signs(secret, "open sesame") as (process, home), signs(secret, "") as (_, used):
        process.kill()
        process.wait()
        kept = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
        assert kept
        assert not [data for data in kept if b"PRIVATE KEY BLOCK" in data or b"sesame" in data]
        assert agents(home)
        signer.sign(b"data")
        assert not home.exists()
        assert (used / "private-keys-v1.d").is_dir()
        until(lambda: not agents(home))
    signer.sign(b"data")
    assert not used.exists()


def test_an_expired_key_is_called_so() -> None:
    with closing(Person()) as someone:
        fingerprint = someone.key("of old", expires="1y", then=LONG_AGO)
        secret = someone.gpg("--armor", "--export-secret-keys", fingerprint).decode()
    with pytest.raises(ReleaseError, match="the signing key has expired") as caught:
        key(secret)
    assert f"gpg --quick-set-expire {fingerprint} 1y" in str(caught.value.fix)
