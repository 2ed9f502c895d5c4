from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bakery.recipe.signer import Signer
from bakery.store.download import Blob
from bakery.upstream.signature import sigstore
from bakery.upstream.signature.errors import MissingLibraryError, SignatureError

pytest.importorskip("sigstore")

BUNDLES = Path(__file__).parent / "bundles"
WHERE = "https://example.org/app.sigstore.json"
ISSUER = "https://token.actions.githubusercontent.com"
SIGNER = "https://github.com/trailofbits/rfc8785.py/.github/workflows/release.yml@refs/tags/v0.1.2"
SHA256 = "c4e92e9ecc828bef2aa7dba1de8ac983511f7532a0df11c770d39099a25cf201"
BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
    ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
SUBJECT = "a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf"


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the library from writing into the user's folders, and the roots those that it brings."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sigstore._verifier.cache_clear()


@pytest.fixture
def staging(monkeypatch: pytest.MonkeyPatch) -> None:
    from sigstore.verify import Verifier

    monkeypatch.setattr(sigstore, "_verifier", lambda **_: Verifier.staging(offline=True))


def read(name: str) -> Any:
    return json.loads((BUNDLES / name).read_text())


def flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def unasked(url: str, question: Any) -> bytes:
    raise AssertionError(url, question)


def check(
    tmp_path: Path,
    bundle: Any,
    *,
    sha256: str = SHA256,
    identity: str = SIGNER,
    issuer: str = ISSUER,
) -> None:
    path = tmp_path / "bundle"
    path.write_text(bundle if isinstance(bundle, str) else json.dumps(bundle))
    signer = Signer(identities=(identity,), issuer=issuer)
    signed = Blob(sha256=sha256, size=1, path=path)
    sigstore.verify(signed, path, signer, name="a", where=WHERE, ask=unasked, offline=True)


def test_a_bundle_that_a_project_published(tmp_path: Path) -> None:
    check(tmp_path, read("file.sigstore.json"))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"sha256": "a" * 64}, "digest mismatch"),
        ({"identity": SIGNER.replace("v0.1.2", "v0.1.3")}, "v0.1.2"),
        ({"issuer": "https://accounts.google.com"}, ISSUER),
    ],
)
def test_another_file_or_signer(tmp_path: Path, wanted: dict[str, str], says: str) -> None:
    with pytest.raises(SignatureError, match="does not hold") as caught:
        check(tmp_path, read("file.sigstore.json"), **wanted)
    assert caught.value.where == WHERE
    assert says in (caught.value.why or "")


def _signature(bundle: Any) -> None:
    bundle["messageSignature"]["signature"] = flipped(bundle["messageSignature"]["signature"])


def _digest(bundle: Any) -> None:
    bundle["messageSignature"]["messageDigest"]["digest"] = base64.b64encode(b"a" * 32).decode()


def _certificate(bundle: Any) -> None:
    other = read("statement.sigstore.json")["verificationMaterial"]["certificate"]
    bundle["verificationMaterial"]["x509CertificateChain"]["certificates"] = [other]


def _time(bundle: Any) -> None:
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    entry["integratedTime"] = str(int(entry["integratedTime"]) + 1)


def _proof(bundle: Any) -> None:
    proof = bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    proof["hashes"][0] = flipped(proof["hashes"][0])


def _entry(bundle: Any) -> None:
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    body = json.loads(base64.b64decode(entry["canonicalizedBody"]))
    body["spec"]["data"]["hash"]["value"] = "a" * 64
    entry["canonicalizedBody"] = base64.b64encode(json.dumps(body).encode()).decode()


def _log(bundle: Any) -> None:
    bundle["verificationMaterial"]["tlogEntries"] = []


@pytest.mark.parametrize("alter", [_signature, _digest, _certificate, _time, _proof, _entry, _log])
def test_an_altered_bundle(tmp_path: Path, alter: Any) -> None:
    bundle = read("file.sigstore.json")
    alter(bundle)
    with pytest.raises(SignatureError, match="does not hold"):
        check(tmp_path, bundle)


@pytest.mark.parametrize("text", ["", "[]", "{}", "<!DOCTYPE html>", '{"mediaType": "x"}'])
def test_what_is_no_bundle(tmp_path: Path, text: str) -> None:
    with pytest.raises(SignatureError, match="does not hold"):
        check(tmp_path, text)


@pytest.mark.usefixtures("staging")
def test_a_statement_names_the_file(tmp_path: Path) -> None:
    bundle = read("statement.sigstore.json")
    check(tmp_path, bundle, sha256=SUBJECT, identity=BEACON)
    with pytest.raises(SignatureError, match="about another file") as caught:
        check(tmp_path, bundle, sha256=SHA256, identity=BEACON)
    assert SUBJECT in (caught.value.why or "")
    with pytest.raises(SignatureError, match="does not hold"):
        check(tmp_path, bundle, sha256=SUBJECT)


@pytest.mark.usefixtures("staging")
def test_an_altered_statement(tmp_path: Path) -> None:
    bundle = read("statement.sigstore.json")
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"]).replace(SUBJECT.encode(), SHA256.encode())
    envelope["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(SignatureError, match="does not hold"):
        check(tmp_path, bundle, sha256=SHA256, identity=BEACON)


def test_staging_is_not_production(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="does not hold"):
        check(tmp_path, read("statement.sigstore.json"), sha256=SUBJECT, identity=BEACON)


def test_the_library_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sigstore", None)
    with pytest.raises(MissingLibraryError) as caught:
        check(tmp_path, read("file.sigstore.json"))
    assert caught.value.fix == "pip install 'sysext-bakery[signatures]'"
