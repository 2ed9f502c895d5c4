"""Who may sign with Sigstore: identities, exact or with a pattern for the ref, and whose build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from bakery.recipe.template import Line
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Mapping

GITHUB = "https://token.actions.githubusercontent.com"
"""The issuer that vouches for workflows of GitHub Actions."""

_REPOSITORY = re.compile(r"https://github\.com/[^/@]+/[^/@]+(?=/)")
_BEFORE_REF = r"https://(?:[^/@*]+/){3}[^@*]+@"
_REGEX = re.compile(r"[\\^$|()]|(?<=[/@])\.[*+]")


class Identity(Line):
    """An e-mail address or a workflow's URI; in a ref behind its `@`, `*` stands for one step."""

    PATTERN = rf"^(?!.*\*\*)(?=(?:[^*]*|{_BEFORE_REF}.*)$){Line.PATTERN.removeprefix('^')}"

    @classmethod
    def _check(cls, text: str) -> None:
        regex = _REGEX.search(text)
        if regex:
            raise GrammarError(
                "this is no regular expression",
                fix="write the identity itself; * stands for one step of the ref behind @",
                span=regex.span(),
            )
        known = re.match(_BEFORE_REF, text)
        wild = text.find("*")
        if wild >= 0 and not known:
            raise GrammarError(
                "* can't stand here: others could have such an identity",
                fix="write all up to the @ of a workflow's URI, as in\n"
                "https://github.com/OWNER/REPO/.github/workflows/FILE@refs/tags/*",
                span=(wild, wild + 1),
            )
        several = text.find("**")
        if several >= 0:
            raise GrammarError(
                "* stands for one step of the ref, and never for several",
                fix="write a * for each step, as in refs/heads/*",
                span=(several, several + 2),
            )
        super()._check(text)

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the identity with every placeholder replaced by its value.

        Raises:
            UnknownPlaceholderError: `values` lacks one.
            GrammarError: a value brings a `*` with it.

        """
        identity = super().expand(values)
        if identity.count("*") > self.text.count("*"):
            raise GrammarError(f"{self} becomes {identity}: a value can't bring a *")
        return identity


class Signer(Struct, frozen=True, kw_only=True):
    """Who must have signed with Sigstore, as certificates of Fulcio tell it.

    Attributes:
        identities: of which one must be the certificate's; `*` stands for one step of a ref.
        issuer: who must have vouched for the identity: the address of an OpenID provider.
        repository: the address of the repository that the workflow must have run for; "" for the
            one that a workflow on GitHub lies in.
        ref: the ref that it must have run for, such as refs/tags/v1; "" for any.

    """

    identities: tuple[str, ...]
    issuer: str
    repository: str = ""
    ref: str = ""

    def is_one(self, identity: str) -> bool:
        """Return whether a certificate's identity is one of these, from first to last letter."""
        return any(re.fullmatch(_regex(each), identity) for each in self.identities)

    def source(self, identity: str) -> str:
        """Return the repository that an identity's workflow must have run for; "" for any.

        A reusable workflow runs for whoever calls it, under its own identity: unless its runs are
        told apart by repository, everybody can sign with one that is on GitHub.
        """
        own = _REPOSITORY.match(identity) if self.issuer == GITHUB else None
        return self.repository or (own[0] if own else "")

    def __str__(self) -> str:
        """Return it for people, on several lines."""
        lines = [*self.identities, f"vouched for by {self.issuer}"]
        lines += [f"for {self.repository}"] if self.repository else []
        lines += [f"at {self.ref}"] if self.ref else []
        return "\n".join(lines)


def _regex(pattern: str) -> str:
    return r"[^/@\s]+".join(re.escape(part) for part in pattern.split("*"))
