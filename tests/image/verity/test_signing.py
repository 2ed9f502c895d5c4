from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from harness import needs
from harness.verity import Publisher

from bakery.image.errors import VerityError
from bakery.image.verity import pkcs7
from bakery.image.verity.pkcs7 import Pkcs7Error
from bakery.image.verity.signature import PARTITION, Signature
from bakery.image.verity.signing import KEY, Certificates, Signer, made_elsewhere

ROOT_HASH = "0123456789abcdef" * 4
PSS = ("-keyopt", "rsa_padding_mode:pss")
OTHER = ROOT_HASH[::-1]


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(tmp_path_factory.mktemp("publisher"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(tmp_path_factory.mktemp("stranger"), "stranger")


def openssl(
    publisher: Publisher,
    folder: Path,
    *words: str,
    data: str = ROOT_HASH,
    then: tuple[str, ...] = (),
) -> bytes:
    """Sign with the tool, as somebody does whose key is elsewhere."""
    (folder / "hash").write_text(data)
    command: list[str | Path] = ["openssl", *words, "-sign", "-binary", "-in", folder / "hash"]
    command += ["-signer", publisher.certificate, "-inkey", publisher.key, *then]
    return subprocess.run(command, check=True, capture_output=True).stdout


def refusal(publisher: Publisher, **others: str) -> str:
    with pytest.raises(VerityError) as caught:
        Signer.configured(publisher.certificates, {**publisher.environment, **others})
    return caught.value.render()


@needs.programs("openssl")
def test_signatures_are_those_of_openssl(publisher: Publisher, tmp_path: Path) -> None:
    made = publisher.signer.sign(ROOT_HASH)
    theirs = openssl(publisher, tmp_path, "smime", "-noattr", "-outform", "der")
    assert made.pkcs7 == theirs == publisher.signer.sign(ROOT_HASH).pkcs7


@needs.programs("openssl")
@pytest.mark.parametrize(
    "words",
    [
        "smime -noattr -outform der",
        "smime -outform pem",
        "smime -nocerts -outform der -md sha512",
        "cms -outform der",
        "cms -keyid -outform der -md sha384",
    ],
)
@pytest.mark.parametrize("curve", [False, True])
def test_signatures_made_elsewhere(
    words: str,
    curve: bool,  # noqa: FBT001
    stranger: Publisher,
    tmp_path: Path,
) -> None:
    publisher = Publisher(tmp_path, curve=curve)
    data = openssl(publisher, tmp_path, *words.split())
    made = made_elsewhere(ROOT_HASH, data, publisher.certificates)
    assert (made.root_hash, made.fingerprint) == (ROOT_HASH, publisher.signer.fingerprint)
    assert publisher.certificates.verify(made) == publisher.signer.fingerprint
    several = [*stranger.certificates.all, *publisher.certificates.all]
    assert pkcs7.verify(made.pkcs7, ROOT_HASH.encode(), several) == several[1]
    if "-nocerts" not in words:
        assert made_elsewhere(ROOT_HASH, data, None) == made
    with pytest.raises(VerityError, match="has not signed this root hash"):
        made_elsewhere(OTHER, data, publisher.certificates)


@needs.programs("openssl")
def test_signatures_that_hosts_would_not_take(
    publisher: Publisher, stranger: Publisher, tmp_path: Path
) -> None:
    good = openssl(publisher, tmp_path, "smime", "-outform", "der")
    newline = openssl(publisher, tmp_path, "smime", "-outform", "der", data=f"{ROOT_HASH}\n")
    opaque = openssl(publisher, tmp_path, "smime", "-nodetach", "-outform", "der")
    pss = openssl(publisher, tmp_path, "cms", "-outform", "der", then=PSS)
    for data, certificates, why in (
        (good, stranger.certificates, "none of the certificates is the signer's"),
        (newline, publisher.certificates, "has not signed this root hash"),
        (opaque, publisher.certificates, "it is not detached"),
        (pss, publisher.certificates, r"neither by RSA \(PKCS#1 1.5\)"),
        (b"", publisher.certificates, "it is no PKCS#7 signature"),
        (b"-----BEGIN PKCS7-----\n!\n-----END PKCS7-----\n", None, "Only base64 data"),
    ):
        with pytest.raises(VerityError, match=why):
            made_elsewhere(ROOT_HASH, data, certificates)


@needs.programs("openssl")
def test_hosts_want_the_certificates_of_all_who_have_signed(
    publisher: Publisher, stranger: Publisher, tmp_path: Path
) -> None:
    """One that is unknown, and OpenSSL refuses the whole."""
    for first, second in ((publisher, stranger), (stranger, publisher)):
        other = ("-signer", second.certificate, "-inkey", second.key)
        data = openssl(first, tmp_path, "smime", "-outform", "der", then=(*map(str, other),))
        both = Certificates(publisher.certificates.pem + stranger.certificates.pem)
        assert made_elsewhere(ROOT_HASH, data, both).pkcs7 == data
        with pytest.raises(VerityError, match="none of the certificates is one of its 2 signers'"):
            made_elsewhere(ROOT_HASH, data, publisher.certificates)


@needs.programs("openssl")
def test_a_key_for_pss_alone_signs_nothing_that_hosts_take(tmp_path: Path) -> None:
    crt, key = tmp_path / "pss.crt", tmp_path / "pss.key"
    words = "-x509 -newkey rsa-pss -pkeyopt rsa_keygen_bits:2048 -nodes -days 9 -subj /CN=x"
    command: list[str | Path] = ["openssl", "req", *words.split(), "-keyout", key, "-out", crt]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(VerityError, match="RSA-PSS alone"):
        Signer.configured(Certificates.of(str(crt)), {KEY: str(key)})


@needs.programs("openssl")
def test_a_signature_has_to_fit_into_its_partition(publisher: Publisher, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    others = [Publisher(tmp_path, f"other-{n}", curve=True) for n in range(40)]
    chain.write_bytes(b"".join(each.certificate.read_bytes() for each in others))
    then = ("-certfile", str(chain))
    data = openssl(publisher, tmp_path, "smime", "-outform", "der", then=then)
    with pytest.raises(VerityError, match="leave certificates out of it"):
        made_elsewhere(ROOT_HASH, data, publisher.certificates)


def test_no_byte_of_a_signature_makes_the_reader_fail_or_lie(publisher: Publisher) -> None:
    certificates = publisher.certificates.all
    good = publisher.signer.sign(ROOT_HASH).pkcs7
    held = 0
    for at in range(len(good)):
        data = bytearray(good)
        data[at] ^= 0x21
        try:
            pkcs7.verify(bytes(data), ROOT_HASH.encode(), certificates)
            held += 1
        except Pkcs7Error:
            continue
    certificate = len(certificates[0].public_bytes(Encoding.DER))
    assert held <= certificate + 40  # bytes of the certificate that nobody asks, and of labels
    for size in range(len(good)):
        with pytest.raises(Pkcs7Error):
            pkcs7.verify(good[:size], ROOT_HASH.encode(), certificates)


@needs.programs("openssl")
def test_the_hash_of_each_signer_is_listed(publisher: Publisher, tmp_path: Path) -> None:
    """As OpenSSL wants it, which computes what is listed before it looks at signers."""
    good = publisher.signer.sign(ROOT_HASH).pkcs7
    sha256, sha512 = (bytes.fromhex(f"06096086480165030402{n}") for n in ("01", "03"))
    other = good.replace(sha256, sha512, 1)  # the first is that of the list
    with pytest.raises(Pkcs7Error, match="does not list the hash of a signer"):
        pkcs7.verify(other, ROOT_HASH.encode(), publisher.certificates.all)
    (tmp_path / "data").write_text(ROOT_HASH)
    for data, status in ((good, 0), (other, 4)):
        (tmp_path / "signature").write_bytes(data)
        words = ["smime", "-verify", "-binary", "-inform", "der", "-noverify", "-nointern"]
        files = ("-in", tmp_path / "signature", "-content", tmp_path / "data")
        command: list[str | Path] = ["openssl", *words, *files]
        command += ["-certfile", publisher.certificate]
        assert subprocess.run(command, check=False, capture_output=True).returncode == status


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (pkcs7._SIGNED_DATA, "it is no PKCS#7 signature"),
        (pkcs7._DATA, "it is of something else than data"),
    ],
)
def test_what_is_called_something_else_is_no_signature(
    publisher: Publisher, label: bytes, says: str
) -> None:
    enveloped = label[:-1] + b"\x03"  # RFC 2315, 14
    good = publisher.signer.sign(ROOT_HASH).pkcs7
    with pytest.raises(Pkcs7Error, match=says):
        pkcs7.verify(good.replace(label, enveloped), ROOT_HASH.encode(), publisher.certificates.all)


def test_a_key_is_text_or_a_path_and_is_not_shown(publisher: Publisher) -> None:
    text = Signer.configured(publisher.certificates, {KEY: publisher.key.read_text()})
    assert text
    assert text.sign(ROOT_HASH) == publisher.signer.sign(ROOT_HASH)
    assert "RSAPrivateKey" not in repr(text)
    assert Signer.configured(publisher.certificates, {KEY: " "}) is None


def test_what_can_not_sign_is_told(
    publisher: Publisher, stranger: Publisher, tmp_path: Path
) -> None:
    assert "belongs to none of the certificates" in refusal(stranger, **{KEY: str(publisher.key)})
    assert "neither PEM nor the path" in refusal(publisher, **{KEY: "/nowhere"})
    assert "the key can't be read" in refusal(publisher, **{KEY: str(publisher.certificate)})
    assert "it was valid until 2026-01-06" in refusal(Publisher(tmp_path, "old", days=5))
    with pytest.raises(VerityError, match="there is a key for dm-verity, and no certificate"):
        Signer.configured(None, {KEY: str(publisher.key)})
    with pytest.raises(VerityError, match="the certificate can't be read"):
        Certificates.of(str(publisher.key))


def test_the_signer_comes_first_among_certificates(
    publisher: Publisher, stranger: Publisher
) -> None:
    both = Certificates(stranger.certificates.pem + publisher.certificates.pem)
    signer = Signer.configured(both, publisher.environment)
    assert signer
    assert signer.certificates.all == (publisher.certificates.all[0], stranger.certificates.all[0])
    assert signer.certificates.verify(signer.sign(ROOT_HASH)) == publisher.signer.fingerprint


def test_the_partition_of_a_signature(publisher: Publisher) -> None:
    made = publisher.signer.sign(ROOT_HASH)
    assert len(made.encode()) == PARTITION
    assert Signature.decode(made.encode()) == made
    for data in (b"", b"[]", b'{"rootHash": 5, "signature": ""}', b"{" * 9999, b"\xff"):
        with pytest.raises(ValueError, match=r"its? "):
            Signature.decode(data)
    with pytest.raises(ValueError, match="the signature takes"):
        Signature(root_hash=ROOT_HASH, fingerprint="", pkcs7=bytes(PARTITION)).encode()


@needs.programs("openssl")
def test_the_lines_of_the_guide_make_a_key_and_a_signature(tmp_path: Path) -> None:
    guide = Path(__file__).parents[3] / ".github/docs/verity.md"
    make, sign = re.findall(r"^```sh\n(.*?)^```$", guide.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "root-hash").write_text(ROOT_HASH)
    lines = make.replace("rsa:4096", "rsa:2048") + sign
    subprocess.run(["sh", "-euc", lines], cwd=tmp_path, check=True, capture_output=True)
    certificates = Certificates.of(str(tmp_path / "verity.crt"))
    data = (tmp_path / "root-hash.p7s").read_bytes()
    signer = Signer.configured(certificates, {KEY: str(tmp_path / "verity.key")})
    assert signer
    assert made_elsewhere(ROOT_HASH, data, certificates) == signer.sign(ROOT_HASH)
