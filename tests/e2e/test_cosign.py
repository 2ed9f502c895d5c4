"""cosign itself: what it signs is accepted here, and what is accepted here it accepts."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sigstore")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from harness.sigstore import GITHUB, Instance, Person, pem
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier

from bakery.recipe.signer import Signer
from bakery.store.download import Blob
from bakery.upstream.signature import cosign, sigstore
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.debian import Debian

pytestmark = pytest.mark.parametrize("debian", ["trixie"], indirect=True)

IDENTITY = "https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1"


class Cosign:
    """The program, in a folder with a file `app`."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self.folder = folder
        self.write("app", b"app")

    def write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def __call__(self, *words: str, **environment: str) -> bool:
        """Run a command, and return whether it succeeded."""
        ran = subprocess.run(
            [self._program, *words],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment},
            capture_output=True,
            check=False,
        )
        return ran.returncode == 0

    def sign(self, command: str, *words: str) -> None:
        words = (command, "--yes", "--key", "own.key", "--tlog-upload=false", *words, "app")
        assert self(*words, COSIGN_PASSWORD="")

    @property
    def app(self) -> Blob:
        path = self.folder / "app"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Blob(sha256=digest, size=path.stat().st_size, path=path)


@pytest.fixture
def tool(tmp_path: Path, debian: Debian) -> Cosign:
    return Cosign(debian.program("x86-64", "cosign", "cosign"), tmp_path)


@pytest.mark.parametrize("kind", ["ecdsa", "ed25519"])
def test_what_cosign_signs_with_a_key(tool: Cosign, kind: str) -> None:
    if kind == "ecdsa":
        assert tool("generate-key-pair", "--output-key-prefix=own", COSIGN_PASSWORD="")
    else:
        key = ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        tool.write("key.pem", key)
        words = ("--yes", "--key=key.pem", "--output-key-prefix=own")
        assert tool("import-key-pair", *words, COSIGN_PASSWORD="")
    tool.sign("sign-blob", "--output-signature=sig", "--bundle=former")
    tool.sign("sign-blob", "--new-bundle-format", "--bundle=bundle")
    predicate = ("--type=custom", "--predicate=bundle")
    tool.sign("attest-blob", "--new-bundle-format", "--bundle=statement", *predicate)
    folder, made = tool.folder, ("sig", "former", "bundle", "statement")
    for name in made:
        cosign.verify(tool.app, folder / name, folder / "own.pub", name="app", where=name)
    tool.write("app", b"evil")
    for name in made:
        with pytest.raises(SignatureError):
            cosign.verify(tool.app, folder / name, folder / "own.pub", name="app", where=name)


def test_cosign_thinks_the_same_of_our_own_sigstore(
    tool: Cosign, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance()
    person = Person(instance, IDENTITY, source=("o/r", "refs/tags/v1"))
    root = tool.write("root.json", instance.trusted_root)
    tool.write("bundle", person.bundle(b"app"))
    tool.write("former", person.former(b"app"))
    environment = {
        "SIGSTORE_ROOT_FILE": str(tool.write("ca", pem(instance.authority))),
        "SIGSTORE_REKOR_PUBLIC_KEY": str(tool.write("rekor", instance.log_key)),
        "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": str(tool.write("ct", instance.ct_key)),
    }
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(root)))
    monkeypatch.setattr(sigstore, "_verifier", lambda **_: verifier)

    def opinions(name: str, identity: str = IDENTITY) -> tuple[bool, bool]:
        form = ("--new-bundle-format", f"--trusted-root={root}") if name == "bundle" else ()
        who = (f"--certificate-identity={identity}", f"--certificate-oidc-issuer={GITHUB}")
        words = ("verify-blob", "--offline", f"--bundle={name}", *form, *who, "app")
        theirs = tool(*words, **({} if form else environment))
        signer = Signer(identities=(identity,), issuer=GITHUB)
        path = tool.folder / name
        try:
            sigstore.verify(tool.app, path, signer, name="app", where="", ask=_unasked)
        except SignatureError:
            return theirs, False
        return theirs, True

    for name in ("bundle", "former"):
        assert opinions(name) == (True, True)
        assert opinions(name, IDENTITY.replace("v1", "v2")) == (False, False)
    tool.write("app", b"evil")
    for name in ("bundle", "former"):
        assert opinions(name) == (False, False)


def _unasked(url: str, question: Any) -> bytes:
    raise AssertionError(url, question)
