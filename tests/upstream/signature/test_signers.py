"""Signatures by identities of a Sigstore of our own, in every form that upstreams publish."""

from __future__ import annotations

import base64
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sigstore")

from harness.sigstore import GITHUB, LOG, Instance, Person, pem, sha256
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier

from bakery.recipe.signer import Signer
from bakery.store.download import Blob
from bakery.upstream.signature import sigstore
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUILDER = "https://github.com/docker/github-builder/.github/workflows/bake.yml"
COMMIT = "a492c6d04fd3315f67230809b44d60cc0acd50b3"
SOURCE = ("moby/buildkit", "refs/tags/v0.31.0")
APP, OTHER = b"app", b"other"
SIGNER = Signer(
    identities=(f"{BUILDER}@*", f"{BUILDER}@refs/tags/*"),
    issuer=GITHUB,
    repository="https://github.com/moby/buildkit",
    ref="refs/tags/v0.31.0",
)


class Checked:
    """Signatures of `app`, checked as a recipe's are."""

    def __init__(self, folder: Path, instance: Instance) -> None:
        self.instance = instance
        self.asked: list[str] = []
        self._folder = folder

    def person(self, identity: str = f"{BUILDER}@{COMMIT}", **told: Any) -> Person:
        return Person(self.instance, identity, **{"source": SOURCE, **told})

    def __call__(
        self, signature: Any, signer: Signer = SIGNER, certificate: bytes = b"", name: str = "app"
    ) -> str:
        """Return what is wrong with it, if anything is."""
        for file, content in (("signature", signature), ("certificate", certificate)):
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            (self._folder / file).write_bytes(data)
        own = self._folder / "certificate" if certificate else None
        signed = Blob(sha256=sha256(APP), size=3, path=self._folder / "app")
        path = self._folder / "signature"
        try:
            sigstore.verify(
                signed, path, signer, name=name, where="here", ask=self._ask, certificate=own
            )
        except SignatureError as error:
            return error.render()
        return ""

    def _ask(self, url: str, question: Any) -> bytes:
        self.asked.append(url)
        return json.dumps(self.instance.answer(question)).encode()


@pytest.fixture(scope="module")
def instance() -> Instance:
    return Instance()


@pytest.fixture
def check(tmp_path: Path, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Checked:
    root = tmp_path / "root.json"
    root.write_text(json.dumps(instance.trusted_root))
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(root)))
    monkeypatch.setattr(sigstore, "_verifier", lambda **_: verifier)
    return Checked(tmp_path, instance)


FORMS: dict[str, Callable[[Person], Any]] = {
    "a bundle": lambda person: person.bundle(APP),
    "cosign's former bundle": lambda person: person.former(APP),
    "a statement": lambda person: person.statement({"app": APP}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_bundle(check: Checked, form: str) -> None:
    assert check(FORMS[form](check.person())) == ""
    assert check.asked == []


def test_a_bare_signature_and_its_certificate(check: Checked) -> None:
    person = check.person()
    signature, certificate = person.bare(APP), pem(person.certificate)
    for form in (certificate, base64.b64encode(certificate), base64.encodebytes(certificate)):
        assert check(signature, certificate=form) == ""
    assert set(check.asked) == {f"{LOG}/api/v1/log/entries/retrieve"}


def test_a_former_bundle_without_log_or_certificate(check: Checked) -> None:
    person = check.person()
    bundle = person.former(APP)
    del bundle["rekorBundle"]
    assert check(bundle) == ""
    del bundle["cert"]
    assert check(bundle, certificate=pem(person.certificate)) == ""
    assert len(check.asked) == 2


def test_a_bare_signature_needs_its_certificate_and_the_log(check: Checked) -> None:
    person = check.person()
    signature = person.bare(APP)
    assert "name its file as certificate:" in check(signature)
    check.instance.entries.clear()
    assert "the transparency log has no entry" in check(
        signature, certificate=pem(person.certificate)
    )


def test_a_certificate_that_has_not_signed_is_refused(check: Checked) -> None:
    signature = check.person().bare(APP)
    assert "no entry" in check(signature, certificate=pem(check.person().certificate))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("identity", "told", "says"),
    [
        (f"{BUILDER}@refs/heads/main", {}, f"{BUILDER}@refs/heads/main"),
        (f"{BUILDER}x@{COMMIT}", {}, "bake.ymlx"),
        (f"{BUILDER}@refs/tags/v1@evil", {}, "evil"),
        (f"https://github.com/evil/x/{BUILDER}@{COMMIT}", {}, "evil"),
        ("me@example.org", {}, "me@example.org"),
        (f"{BUILDER}@{COMMIT}", {"source": ("evil/buildkit", SOURCE[1])}, "evil/buildkit"),
        (f"{BUILDER}@{COMMIT}", {"source": (SOURCE[0], "refs/heads/x")}, "refs/heads/x"),
        (f"{BUILDER}@{COMMIT}", {"source": None}, "1.3.6.1.4.1.57264.1.12"),
        (f"{BUILDER}@{COMMIT}", {"issuer": "https://gitlab.com"}, "gitlab"),
        (f"{BUILDER}@{COMMIT}", {"logged": False}, "SCT"),
    ],
)
def test_who_is_not_named_is_refused(
    check: Checked, form: str, identity: str, told: dict[str, Any], says: str
) -> None:
    said = check(FORMS[form](check.person(identity, **told)))
    assert "a signature does not hold" in said
    assert says in said
    assert f"the recipe wants it by\n         {BUILDER}@*" in said


def test_a_reusable_workflow_is_not_believed_for_other_repositories(check: Checked) -> None:
    exact = f"{BUILDER}@{COMMIT}"
    signer = Signer(identities=(exact,), issuer=GITHUB)
    assert check(check.person(source=("docker/github-builder", "refs/x")).bundle(APP), signer) == ""
    said = check(check.person().bundle(APP), signer)
    assert "moby/buildkit" in said
    assert "expected https://github.com/docker/github-builder" in said


def test_the_mail_address_of_an_account(check: Checked) -> None:
    issuer = "https://accounts.google.com"
    person = check.person("release@example.iam.gserviceaccount.com", issuer=issuer, source=None)
    signature, certificate = person.bare(APP), pem(person.certificate)
    signer = Signer(identities=("release@example.iam.gserviceaccount.com",), issuer=issuer)
    assert check(signature, signer, certificate) == ""
    other = Signer(identities=("elease@example.iam.gserviceaccount.com",), issuer=issuer)
    assert "does not hold" in check(signature, other, certificate)


def test_another_sigstore_is_not_believed(check: Checked) -> None:
    stranger = Person(Instance(), f"{BUILDER}@{COMMIT}", source=SOURCE)
    for form in FORMS.values():
        assert "a signature does not hold" in check(form(stranger))


def _flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def _signature(bundle: Any) -> None:
    bundle["base64Signature"] = _flipped(bundle["base64Signature"])


def _promise(bundle: Any) -> None:
    log = bundle["rekorBundle"]
    log["SignedEntryTimestamp"] = _flipped(log["SignedEntryTimestamp"])


def _time(bundle: Any) -> None:
    bundle["rekorBundle"]["Payload"]["integratedTime"] += 1


def _body(bundle: Any) -> None:
    payload = bundle["rekorBundle"]["Payload"]
    body = json.loads(base64.b64decode(payload["body"]))
    body["spec"]["data"]["hash"]["value"] = "a" * 64
    payload["body"] = base64.b64encode(json.dumps(body).encode()).decode()


def _no_text(bundle: Any) -> None:
    bundle["cert"] = 5


def _no_certificate(bundle: Any) -> None:
    bundle["cert"] = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()


def _no_body(bundle: Any) -> None:
    bundle["rekorBundle"]["Payload"]["body"] = base64.b64encode(b"[]").decode()


ALTERED = [_signature, _promise, _time, _body, _no_text, _no_certificate, _no_body]


@pytest.mark.parametrize("alter", ALTERED)
def test_an_altered_former_bundle(check: Checked, alter: Any) -> None:
    bundle = check.person().former(APP)
    alter(bundle)
    assert "a signature does not hold" in check(bundle)


def test_a_log_entry_of_another_signature(check: Checked) -> None:
    person = check.person()
    bundle = person.former(APP)
    bundle["rekorBundle"] = copy.deepcopy(person.former(OTHER)["rekorBundle"])
    assert "inconsistent" in check(bundle)


@pytest.mark.parametrize("form", [lambda p: p.bundle(OTHER), lambda p: p.former(OTHER)])
def test_a_signature_of_another_file_is_refused(check: Checked, form: Any) -> None:
    assert "a signature does not hold" in check(form(check.person()))


@pytest.mark.parametrize("text", [b"", b"\xff", b"no base64!", b"{}", b"[]", b"{", b"{" * 9999])
def test_what_is_no_signature(check: Checked, text: bytes) -> None:
    assert "a signature does not hold" in check(text, certificate=pem(check.person().certificate))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from _places(item, (*path, key))


@pytest.mark.parametrize("form", FORMS)
def test_no_part_of_a_bundle_can_be_something_else(check: Checked, form: str) -> None:
    whole = FORMS[form](check.person())
    check.instance.entries.clear()
    others: list[object] = [None, 5, "AAAA", [], {"a": {}}]
    for *path, last in _places(whole):
        for instead in others:
            bundle = copy.deepcopy(whole)
            place = bundle
            for step in path:
                place = place[step]
            place[last] = instead
            assert check(bundle) or (last, instead) == ("messageDigest", None)


class TestStatementsAboutSeveralFiles:
    """Like wash.sigstore.json."""

    def test_the_file_is_one_of_them(self, check: Checked) -> None:
        assert check(check.person().statement({"dist/app": APP, "other": OTHER})) == ""

    def test_one_is_not_passed_for_another(self, check: Checked) -> None:
        said = check(check.person().statement({"old-app": APP, "app": OTHER}))
        assert "a signature is about another file" in said
        assert f"it is about:\n         {sha256(APP)} old-app" in said

    def test_the_same_bytes_by_two_names(self, check: Checked) -> None:
        assert check(check.person().statement({"alias": APP, "app": APP})) == ""

    def test_it_is_about_others(self, check: Checked) -> None:
        files = {f"other-{number}": OTHER for number in range(20)}
        said = check(check.person().statement(files))
        assert "a signature is about another file" in said
        assert "and 12 more" in said

    def test_it_names_one_file_whatever_its_name(self, check: Checked) -> None:
        assert check(check.person().statement({"pkg:npm/app@1": APP})) == ""
