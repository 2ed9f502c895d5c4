from __future__ import annotations

import re

import pytest

from bakery.recipe.signer import GITHUB, Identity, Signer
from bakery.yaml.grammar import GrammarError

WORKFLOW = "https://github.com/owner/repo/.github/workflows/release.yml"


@pytest.mark.parametrize(
    "text",
    [
        f"{WORKFLOW}@refs/tags/{{version}}",
        f"{WORKFLOW}@*",
        f"{WORKFLOW}@refs/tags/*",
        f"{WORKFLOW}@refs/tags/v1.*",
        f"{WORKFLOW}@refs/*/v*",
        "https://gitlab.com/group/sub/project//.gitlab-ci.yml@refs/tags/*",
        "release@project.iam.gserviceaccount.com",
        "me+you@example.org",
        "https://buildkite.com/owner/pipeline",
    ],
)
def test_an_identity_is_what_its_pattern_takes(text: str) -> None:
    assert str(Identity.parse(text)) == text
    assert re.search(Identity.PATTERN, text)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "*@example.org",
        "me@*",
        "https://*",
        "https://*@refs/tags/v1",
        "https://github.com/*",
        "https://github.com/*@refs/tags/v1",
        "https://github.com/*/repo/.github/workflows/release.yml@refs/tags/v1",
        "https://github.com/own*/repo/.github/workflows/release.yml@refs/tags/v1",
        "https://github.com/owner/*/.github/workflows/release.yml@refs/tags/v1",
        "https://github.com/owner/repo*",
        "https://github.com/owner/repo/*",
        "https://github.com/owner/repo/.github/workflows/*@refs/tags/v1",
        "https://github.com@*/owner/repo/x@y",
        "https://circleci.com/api/v2/projects/*/pipeline-definitions/1",
        "spiffe://example.org/*",
    ],
)
def test_nothing_but_a_ref_is_left_open(text: str) -> None:
    with pytest.raises(GrammarError, match="others could have such an identity") as caught:
        Identity.parse(text)
    start = text.index("*")
    assert caught.value.span == (start, start + 1)
    assert not re.search(Identity.PATTERN, text)


@pytest.mark.parametrize("text", [f"{WORKFLOW}@**", f"{WORKFLOW}@refs/**", f"{WORKFLOW}@***"])
def test_a_star_is_one_step(text: str) -> None:
    with pytest.raises(GrammarError, match="one step") as caught:
        Identity.parse(text)
    assert caught.value.span == (text.index("**"), text.index("**") + 2)
    assert not re.search(Identity.PATTERN, text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (f"^{WORKFLOW}@refs/tags/v1$", "^"),
        (f"{WORKFLOW}@.*", ".*"),
        (f"{WORKFLOW}@refs/tags/.+", ".+"),
        (r"https://github\.com/owner/repo/x@y", "\\"),
        (f"{WORKFLOW}@(v1|v2)", "("),
    ],
)
def test_regular_expressions_are_told(text: str, part: str) -> None:
    with pytest.raises(GrammarError, match="no regular expression") as caught:
        Identity.parse(text)
    start, end = caught.value.span or (0, 0)
    assert text[start:end] == part


def test_a_value_brings_no_star() -> None:
    identity = Identity.parse(f"{WORKFLOW}@{{version}}")
    assert identity.expand({"version": "v1"}) == f"{WORKFLOW}@v1"
    with pytest.raises(GrammarError, match="can't bring"):
        identity.expand({"version": "*"})


@pytest.mark.parametrize(
    ("pattern", "identity", "is_one"),
    [
        ("@*", "@0123abc", True),
        ("@*", "@refs/tags/v1", False),
        ("@*", "@", False),
        ("@*", "@a@b", False),
        ("@*", "@a b", False),
        ("@*", "@a\n", False),
        ("@refs/tags/*", "@refs/tags/v1.2.3", True),
        ("@refs/tags/*", "@refs/tags/v1/x", False),
        ("@refs/tags/*", "@refs/heads/v1", False),
        ("@refs/tags/*", "x@refs/tags/v1", False),
        ("@refs/tags/v1.*", "@refs/tags/v1.2", True),
        ("@refs/tags/v1.*", "@refs/tags/v1x2", False),
        ("@refs/tags/v1", "@refs/tags/v1", True),
        ("@refs/tags/v1", "@refs/tags/v12", False),
        ("@refs/tags/v1", "@refs/tags/v1\n", False),
    ],
)
def test_a_star_stands_for_the_end_of_an_identity(
    pattern: str, identity: str, *, is_one: bool
) -> None:
    signer = Signer(identities=("me@example.org", WORKFLOW + pattern), issuer=GITHUB)
    assert signer.is_one(WORKFLOW + identity) is is_one
    assert not signer.is_one(f"https://evil.example/{WORKFLOW}{identity}")
    assert signer.is_one("me@example.org")


def test_for_which_repository_a_workflow_runs() -> None:
    identity = f"{WORKFLOW}@refs/tags/v1"
    own = Signer(identities=(identity,), issuer=GITHUB)
    assert own.source(identity) == "https://github.com/owner/repo"
    assert own.source("me@example.org") == ""
    other = Signer(identities=(identity,), issuer=GITHUB, repository="https://github.com/a/b")
    assert other.source(identity) == "https://github.com/a/b"
    gitlab = Signer(identities=(identity,), issuer="https://gitlab.com")
    assert gitlab.source(identity) == ""
