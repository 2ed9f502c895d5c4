"""Trust, from upstream's files to the lock, with a mirror and real signatures."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from harness.mirror import Mirror
from harness.project import Project

from bakery import settings
from bakery.errors import BakeryError
from bakery.lock.history import HistoryError
from bakery.lock.pin import lock_version
from bakery.lock.verify import verify
from bakery.recipe import lock as lockfile
from bakery.recipe.load import load_all
from bakery.recipe.requests import requests
from bakery.recipe.version import Version
from bakery.upstream import debian
from bakery.upstream.api import Api
from bakery.upstream.evidence import Evidence
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.lock.verify import Confirmation
    from bakery.recipe.lock import LockedAsset

BASE = "https://github.com/example/app/releases/download"
EMPTY = hashlib.sha256(b"").hexdigest()


class Upstream:
    """A project that publishes `app`, and a recipe for it."""

    def __init__(self, folder: Path, mirror: Mirror) -> None:
        self.project = Project(folder)
        environment = {"BAKERY_MIRROR": mirror.url, "BAKERY_STORE": str(self.project.store)}
        self._settings = settings.load(folder, environment)
        self.mirror = mirror
        self._changes = 1_000_000_000
        self.recipe = self.project.recipes / "app"

    def publish(self, name: str, text: str | bytes, version: str = "v1") -> Path:
        path = self.mirror.place(f"{BASE}/{version}/{name}")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def api(self, *assets: dict[str, object]) -> None:
        url = "https://api.github.com/repos/example/app/releases/tags/v1"
        path = self.mirror.place(url)
        path.write_text(json.dumps({"tag_name": "v1", "assets": assets}))
        self._changes += 10
        os.utime(path, (self._changes, self._changes))  # HTTP tells times in seconds

    def index(self, content: str) -> str:
        """Publish a wheel of some content where the index says that it is `app`."""
        wheel = "app-1.0-py3-none-any.whl"
        self.mirror.place(f"https://index/app/{wheel}").write_text(content)
        page = f'<a href="{wheel}#sha256={sha256("app")}">{wheel}</a>'
        self.mirror.place("https://index/app/index.html").write_text(page)
        return f"{self.mirror.url}/index"

    def asset(self, keys: str, trust: str = "first-use") -> None:
        self.project.add(
            "app",
            **{
                "recipe.yaml": "summary: An app\nhomepage: https://example.org/\nlicense: MIT\n"
                "build: [v1]\narch: {x86-64: amd64}\n"
                f"trust: {trust}\nassets:\n"
                f'  - {{url: "{BASE}/{{version}}/app", install: usr/bin/, {keys}}}\n'
            },
        )

    def pinned(self) -> LockedAsset:
        """Return the asset as it is locked."""
        (asset,) = lockfile.read(self.recipe / "lock.json").versions["v1"].assets
        return asset

    def verify(self, *, download: bool = False) -> Confirmation:
        """Ask upstream again about the asset."""
        (confirmation,) = verify(load_all(self.recipe.parent), self._settings, download=download)
        return confirmation

    def verified_since(self, commit: str) -> list[str]:
        """Return the addresses of what is verified of what has changed since a commit."""
        sources = load_all(self.recipe.parent)
        return [each.url for each in verify(sources, self._settings, since=commit)]

    def git(self, *words: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        command = ["git", *identity, *words]
        subprocess.run(command, cwd=self.project.root, check=True, capture_output=True)

    def look_up(self) -> LockedAsset | None:
        """Return what is published about the asset."""
        source = load_all(self.recipe.parent)["app"]
        (request,) = requests(source, Version.parse("v1"), "x86-64", {})
        with Api(self._settings) as api:
            return Evidence(source, self._settings, api).look_up(request)

    def lock(self) -> str:
        """Return the trust of the asset that was locked, or the message."""
        sources = load_all(self.recipe.parent)
        try:
            locked = lock_version(
                sources["app"],
                Version.parse("v1"),
                sources=sources,
                settings=self._settings,
                parts={},
            )
        except BakeryError as error:
            return error.render()
        (asset,) = locked.assets
        assert lockfile.read(self.recipe / "lock.json").versions["v1"] == locked
        return asset.trust


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha512(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()


SUMS = f"{sha256('app')}  app\n{sha256('other')}  other\n"
SIGNED = 'checksum: {url: "{url}.sums", signature: {gpg: "{url}.asc", key: ./key.asc}}'
GPG = 'signature: {gpg: "{url}.asc", key: ./key.asc}'


@pytest.fixture(scope="module")
def key(person: Person) -> str:
    return person.key("Upstream")


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.delenv("GITHUB_API_URL", raising=False)
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror:
        upstream = Upstream(tmp_path / "project", mirror)
        upstream.publish("app", "app")
        yield upstream


@pytest.fixture
def signed(upstream: Upstream, person: Person, key: str) -> Upstream:
    upstream.asset(SIGNED, trust="signature")
    person.export(upstream.recipe / "key.asc", key)
    person.sign(upstream.publish("app.sums", SUMS), key)
    return upstream


def test_a_signed_checksum_file(signed: Upstream) -> None:
    assert signed.lock() == "gpg"


def test_a_signed_checksum_file_that_was_altered(signed: Upstream) -> None:
    signed.publish("app", "evil")
    signed.publish("app.sums", SUMS.replace(sha256("app"), sha256("evil")))
    said = signed.lock()
    assert "a signature does not hold" in said
    assert f"where: {BASE}/v1/app.sums.asc" in said


def test_a_signed_checksum_file_and_another_asset(signed: Upstream) -> None:
    signed.publish("app", "evil")
    said = signed.lock()
    assert "what is published about app does not agree" in said
    assert f"sha256 {sha256('evil')}: the file itself" in said
    assert f"sha256 {sha256('app')}: {BASE}/v1/app.sums" in said


def test_a_checksum_file_signed_by_somebody_else(signed: Upstream, person: Person) -> None:
    person.sign(signed.publish("app.sums", SUMS), person.key("Somebody else"))
    assert "a signature is by another key than the recipe's" in signed.lock()


def test_a_signature_that_is_missing(signed: Upstream) -> None:
    signed.publish("app.sums.asc", "").unlink()
    said = signed.lock()
    assert "app.sums.asc can't be downloaded" in said
    assert "HTTP 404" in said


def test_a_signed_asset_and_its_checksum_file(upstream: Upstream, person: Person, key: str) -> None:
    upstream.asset(f'{GPG}, checksum: {{url: "{{url}}.sums"}}')
    person.export(upstream.recipe / "key.asc", key)
    person.sign(upstream.publish("app", "app"), key)
    upstream.publish("app.sums", SUMS)
    assert upstream.lock() == "gpg"
    upstream.publish("app.sums", sha256("other"))
    assert "what is published about app does not agree" in upstream.lock()


@pytest.mark.parametrize("in_file", [True, False])
def test_a_minisign_signature_is_what_is_trusted(upstream: Upstream, *, in_file: bool) -> None:
    minisign = pytest.importorskip("minisign")
    pair = minisign.KeyPair.generate()
    public = pair.public_key.to_base64().decode()
    name = "./minisign.pub" if in_file else public
    upstream.asset(f'signature: {{minisign: "{{url}}.minisig", key: {name}}}', "signature")
    (upstream.recipe / "minisign.pub").write_text(f"untrusted comment: key\n{public}\n")
    upstream.publish("app.minisig", bytes(pair.secret_key.sign(b"app")))
    assert upstream.lock() == "minisign"
    upstream.publish("app.minisig", bytes(pair.secret_key.sign(b"evil")))
    assert "a signature does not hold" in upstream.lock()


class TestSigstore:
    """A Sigstore of our own, whose log is reached as a mirror has it."""

    SIGNER = "me@example.org"
    ISSUER = "https://accounts.google.com"

    @pytest.fixture
    def instance(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        pytest.importorskip("sigstore")
        from harness.sigstore import Instance
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier

        instance = Instance()
        root = tmp_path / "root.json"
        root.write_text(json.dumps(instance.trusted_root))
        verifier = Verifier(trusted_root=TrustedRoot.from_file(str(root)))
        monkeypatch.setattr("bakery.upstream.signature.sigstore._verifier", lambda **_: verifier)
        return instance

    def person(self, instance: Any) -> Any:
        from harness.sigstore import Person

        return Person(instance, self.SIGNER, self.ISSUER)

    def signature(self, keys: str) -> str:
        return f"signature: {{{keys}, identity: {self.SIGNER}, issuer: '{self.ISSUER}'}}"

    def test_a_bundle_over_many_files(self, upstream: Upstream, instance: Any) -> None:
        address = f'"{BASE}/{{version}}/all.sigstore.json"'
        upstream.asset(self.signature(f"sigstore: {address}"), "signature")
        files = {"app": b"app", "other": b"other"}
        upstream.publish("all.sigstore.json", json.dumps(self.person(instance).statement(files)))
        assert upstream.lock() == "sigstore"
        upstream.publish("app", "other")
        said = upstream.lock()
        assert "a signature is about another file" in said
        assert f"where: {BASE}/v1/all.sigstore.json" in said

    def test_a_signature_beside_its_certificate(self, upstream: Upstream, instance: Any) -> None:
        from harness.sigstore import pem

        keys = 'sigstore: "{url}.sig", certificate: "{url}.cert"'
        upstream.asset(self.signature(keys), "signature")
        person = self.person(instance)
        upstream.publish("app.sig", person.bare(b"app"))
        upstream.publish("app.cert", pem(person.certificate))
        said = upstream.lock()
        assert "upstream refuses to answer" in said
        assert "/rekor.example.org/api/v1/log/entries/retrieve" in said
        log = "/rekor.example.org/api/v1/log/entries/retrieve"
        upstream.mirror.answers[log] = instance.answer
        assert upstream.lock() == "sigstore"
        upstream.publish("app", "evil")
        assert "the transparency log has no entry of this signature" in upstream.lock()

    def test_a_signed_checksum_file(self, upstream: Upstream, instance: Any) -> None:
        signature = self.signature('sigstore: "{url}.bundle"')
        upstream.asset(f'checksum: {{url: "{{url}}.sums", {signature}}}', "signature")
        upstream.publish("app.sums", SUMS)
        former = self.person(instance).former(SUMS.encode())
        upstream.publish("app.sums.bundle", json.dumps(former))
        assert upstream.lock() == "sigstore"
        assert upstream.verify().confirmed == "sigstore"


def test_a_checksum_file_that_a_key_of_cosigns_signs(upstream: Upstream) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    signature = '{cosign: "{url}.sig", key: ./cosign.pub}'
    upstream.asset(f'checksum: {{url: "{{url}}.sums", signature: {signature}}}', "signature")
    (upstream.recipe / "cosign.pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    upstream.publish("app.sums", SUMS)
    upstream.publish("app.sums.sig", base64.b64encode(key.sign(SUMS.encode())))
    assert upstream.lock() == "cosign"
    upstream.publish("app.sums", SUMS + "\n")
    assert "a signature does not hold" in upstream.lock()


def test_githubs_digest_is_a_checksum(upstream: Upstream) -> None:
    upstream.asset("", trust="checksum")
    upstream.api(
        {"name": "other", "digest": f"sha256:{sha256('other')}"},
        {"name": "app", "digest": f"sha256:{sha256('app')}"},
    )
    assert upstream.lock() == "github-digest"


def test_githubs_digest_is_of_other_bytes(upstream: Upstream) -> None:
    upstream.asset("")
    upstream.api({"name": "app", "digest": f"sha256:{sha256('other')}"})
    said = upstream.lock()
    assert "does not agree" in said
    assert f"sha256 {sha256('other')}: GitHub's API" in said


def test_githubs_digest_beside_a_signature(upstream: Upstream, person: Person, key: str) -> None:
    upstream.asset(GPG)
    person.export(upstream.recipe / "key.asc", key)
    person.sign(upstream.publish("app", "app"), key)
    upstream.api({"name": "app", "digest": f"sha256:{sha256('app')}"})
    assert upstream.lock() == "gpg"
    assert upstream.verify().confirmed == "github-digest"
    upstream.api({"name": "app", "digest": f"sha256:{sha256('other')}"})
    assert "does not agree" in upstream.lock()


def test_without_anything_published_it_is_first_use(upstream: Upstream) -> None:
    upstream.asset("")
    assert upstream.lock() == "first-use"
    upstream.api({"name": "app", "digest": None})
    assert upstream.lock() == "first-use"


def test_a_recipe_refuses_less_than_it_asks_for(upstream: Upstream) -> None:
    upstream.asset("", "checksum")
    said = upstream.lock()
    assert "too little is known about an asset" in said
    assert "name it in the recipe's checksum:" in said
    assert not (upstream.recipe / "lock.json").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{EMPTY}  app\n", "the digest of an empty file"),
        (SUMS + f"{sha256('older')}  v0/app\n", "several digests"),
        ("<html>Sign in</html>", "what came is"),
        ("", "what came is empty"),
    ],
)
def test_checksum_files_seen_in_the_wild(upstream: Upstream, text: str, says: str) -> None:
    upstream.asset('checksum: {url: "{url}.sums"}')
    upstream.publish("app.sums", text)
    assert says in upstream.lock()


def test_sha_512_is_evidence_for_a_sha_256(upstream: Upstream) -> None:
    upstream.asset('checksum: {url: "{url}.sums"}', trust="checksum")
    upstream.publish("app.sums", f"{sha512('app')}  app\n{sha512('other')}  other\n")
    assert upstream.lock() == "checksum-file"
    pinned = upstream.pinned()
    assert (pinned.sha256, pinned.vouched) == (sha256("app"), f"sha512:{sha512('app')}")
    assert upstream.verify().confirmed == "checksum-file"
    upstream.publish("app.sums", f"{sha512('evil')}  app\n")
    assert f"sha512 {sha512('evil')}: {BASE}/v1/app.sums" in upstream.lock()
    finding = upstream.verify()
    assert finding.is_alarm
    assert f"sha512 {sha512('evil')} (checksum-file)" in str(finding.failure)


def test_the_lock_prefers_that_upstream_vouched_for_the_sha_256(upstream: Upstream) -> None:
    upstream.asset('checksum: {url: "{url}.sums"}')
    upstream.publish("app.sums", f"{sha512('app')}  app\n{sha256('app')}  app\n")
    assert upstream.lock() == "checksum-file"
    assert upstream.pinned().vouched is None
    upstream.publish("app.sums", f"{sha512('evil')}  app\n{sha256('app')}  app\n")
    assert "does not agree" in upstream.lock()


def test_a_table_of_many_algorithms(upstream: Upstream) -> None:
    upstream.asset('checksum: {url: "{url}.sums"}')
    names = ("md5", "sha3_256", "sha256", "sha512", "sha3_512")

    def table(content: str) -> str:
        return "  ".join(hashlib.new(name, content.encode()).hexdigest() for name in names)

    upstream.publish("app.sums", f"app  {table('app')}\nother  {table('other')}\n")
    assert upstream.lock() == "checksum-file"
    assert upstream.pinned().vouched is None
    assert upstream.verify().confirmed == "checksum-file"
    upstream.publish("app.sums", f"app  {table('evil')}\n")
    assert upstream.verify().is_alarm
    assert "does not agree" in upstream.lock()


def test_an_algorithm_that_is_no_evidence_is_told(upstream: Upstream) -> None:
    upstream.asset('checksum: {url: "{url}.sums"}')
    upstream.publish("app.sums", f"MD5 (app) = {'0' * 32}\n")
    assert "it gives only MD5, which is no evidence" in upstream.lock()


def test_byte_order_marks_everywhere(upstream: Upstream, person: Person, key: str) -> None:
    upstream.asset(SIGNED, trust="signature")
    marked = upstream.recipe / "key.asc"
    person.export(marked, key)
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())
    signature = person.sign(upstream.publish("app.sums", SUMS.encode("utf-16")), key)
    signature.write_bytes(signature.read_text().encode("utf-16"))
    assert upstream.lock() == "gpg"


def test_a_part_with_a_byte_order_mark(upstream: Upstream) -> None:
    upstream.asset("")
    recipe = upstream.recipe / "recipe.yaml"
    recipe.write_text(f'{recipe.read_text()}parts: {{cli: {{text: "{BASE}/{{version}}/cli"}}}}\n')
    upstream.publish("cli", b"\xef\xbb\xbfv1.2.3\r\n")
    assert upstream.lock() == "first-use"
    assert lockfile.read(upstream.recipe / "lock.json").versions["v1"].parts == {"cli": "v1.2.3"}


def test_what_is_published_is_looked_up_without_the_asset(signed: Upstream) -> None:
    signed.publish("app", "").unlink()
    found = signed.look_up()
    assert found is not None
    assert (found.sha256, found.trust, found.size) == (sha256("app"), "gpg", None)
    signed.publish("app.sums", SUMS.replace(sha256("app"), sha256("evil")))
    with pytest.raises(SignatureError):
        signed.look_up()


def test_nothing_published_is_nothing_found(upstream: Upstream) -> None:
    upstream.asset("")
    assert upstream.look_up() is None


def test_a_wheel_is_what_its_index_says(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", upstream.index("evil"))
    upstream.asset("", trust="checksum")
    recipe = upstream.recipe / "recipe.yaml"
    asset = '  - {pypi: app, platform: any, install: {"*": usr/bin/}, version: "1.0"}\n'
    recipe.write_text(recipe.read_text().partition("  - ")[0] + asset)
    assert "DO NOT MATCH THE HASHES" in upstream.lock()


def test_a_file_released_again_is_an_alarm(upstream: Upstream) -> None:
    upstream.asset('checksum: {url: "{url}.sums"}')
    upstream.publish("app.sums", SUMS)
    assert upstream.lock() == "checksum-file"
    before = (upstream.recipe / "lock.json").read_bytes()
    upstream.publish("app", "rebuilt")
    upstream.publish("app.sums", sha256("rebuilt"))
    said = upstream.lock()
    assert "upstream has changed a file that is locked" in said
    assert f"locked:  sha256 {sha256('app')} (checksum-file)" in said
    assert f"now:     sha256 {sha256('rebuilt')} (checksum-file)" in said
    assert (upstream.recipe / "lock.json").read_bytes() == before


def test_a_pin_copied_from_another_version_is_found_out(upstream: Upstream) -> None:
    upstream.asset("")
    upstream.project.lock("app", "v1", {f"{BASE}/v1/app": sha256("app of v0")})
    assert "upstream has changed a file that is locked" in upstream.lock()


def test_trust_grows_when_more_is_published(signed: Upstream) -> None:
    signed.project.lock("app", "v1", {f"{BASE}/v1/app": sha256("app")})
    assert signed.lock() == "gpg"


def test_trust_does_not_shrink(upstream: Upstream) -> None:
    upstream.asset("")
    upstream.api({"name": "app", "digest": f"sha256:{sha256('app')}"})
    assert upstream.lock() == "github-digest"
    upstream.api({"name": "app"})
    assert upstream.lock() == "github-digest"


def test_what_a_recipe_does_not_name_any_more_is_not_claimed_any_more(signed: Upstream) -> None:
    assert signed.lock() == "gpg"
    signed.asset("")
    assert signed.lock() == "first-use"


def test_a_claim_that_upstream_does_not_bear_out_is_no_confirmation(upstream: Upstream) -> None:
    upstream.asset("")
    upstream.api({"name": "app", "digest": f"sha256:{sha256('app')}"})
    assert upstream.lock() == "github-digest"
    assert upstream.verify(download=True).confirmed == "bytes, github-digest"
    upstream.api({"name": "app"})
    confirmation = upstream.verify(download=True)
    assert not confirmation.is_alarm
    shown = str(confirmation.failure)
    assert "more is known about an asset than can be shown" in shown
    assert "locked:  by github-digest" in shown
    assert "now:     by first-use" in shown


def test_only_what_has_been_locked_since_is_verified(upstream: Upstream) -> None:
    upstream.asset("")
    first, second = (f"{BASE}/{version}/app" for version in ("v1", "v2"))
    upstream.project.lock("app", "v1", {first: sha256("app")})
    for words in (["init", "--quiet"], ["add", "recipes"], ["commit", "--quiet", "-m", "one"]):
        upstream.git(*words)
    assert upstream.verified_since("HEAD") == []
    upstream.project.lock("app", "v2", {second: sha256("app")})
    assert upstream.verified_since("HEAD") == [second]
    upstream.project.lock("app", "v1", {first: sha256("another")})
    assert upstream.verified_since("HEAD") == [first]
    with pytest.raises(HistoryError, match="git can't tell"):
        upstream.verified_since("nowhere")
    upstream.git("commit", "--quiet", "-a", "-m", "two")
    assert upstream.verified_since("HEAD") == []
    assert upstream.verified_since("HEAD~") == [first]
    other = upstream.recipe.with_name("new")
    shutil.copytree(upstream.recipe, other)
    assert upstream.verified_since("HEAD") == [first]


def test_a_wheel_for_another_platform_lists_the_platforms(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", upstream.index("app"))
    asset = '  - {pypi: app, platform: "linux_{arch}", install: {"*": usr/bin/}}\n'
    recipe = upstream.recipe / "recipe.yaml"
    upstream.asset("")
    asset = asset.replace("install", 'version: "1.0", install')
    recipe.write_text(recipe.read_text().partition("  - ")[0] + asset)
    said = upstream.lock()
    assert "the package index has no such wheel" in said
    assert "its platforms: any" in said
    assert "correct platform: or arch:" in said


@pytest.mark.parametrize(
    ("more", "fix"),
    [
        ("", "bakery lock app 2.41-12"),
        ("upstream: {debian: app, suite: trixie}\n", "add `version: latest` below `debian:`"),
        ("upstream: {pypi: app}\n", "add `version: latest` below `debian:`"),
        ("upstream: {debian: libc6, suite: trixie}\n", "bakery lock app 2.41-12"),
    ],
)
def test_advice_names_no_version_of_another_package(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, more: str, fix: str
) -> None:
    def closure(*_: object) -> list[debian.Package]:
        address = "debian:trixie/pool/main/g/glibc/libc6_2.41-12_amd64.deb"
        return [
            debian.Package(url=address, name="libc6", version="2.41-12", sha256="0" * 64, size=1)
        ]

    monkeypatch.setattr(debian, "closure", closure)
    upstream.asset("")
    recipe = upstream.recipe / "recipe.yaml"
    asset = "  - {debian: {packages: [libc6], suite: trixie}, install: {usr/bin/*: usr/bin/}}\n"
    recipe.write_text(more + recipe.read_text().partition("  - ")[0] + asset)
    said = upstream.lock()
    assert "trixie has libc6 2.41-12, not v1" in said
    assert fix in said
