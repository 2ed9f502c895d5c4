"""What a signer's certificate has to say, as Fulcio writes it.

https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.x509 import (
    ExtensionNotFound,
    RFC822Name,
    SubjectAlternativeName,
    UniformResourceIdentifier,
)
from sigstore.errors import VerificationError
from sigstore.verify import policy

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from bakery.recipe.signer import Signer


class Signed:
    """A policy of the library: the certificate is one of a signer's."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def verify(self, cert: Certificate) -> None:
        """Check a certificate.

        Raises:
            VerificationError: it is somebody else's.

        """
        signer = self._signer
        policy.OIDCIssuer(signer.issuer).verify(cert)
        identities = _identities(cert)
        if len(identities) != 1 or not signer.is_one(identities[0]):
            raise VerificationError(f"it is by {' and '.join(identities) or 'nobody'}")
        repository = signer.source(identities[0])
        if repository:
            _either(
                cert,
                policy.OIDCSourceRepositoryURI(repository),
                policy.GitHubWorkflowRepository(repository.removeprefix("https://github.com/")),
            )
        if signer.ref:
            _either(
                cert,
                policy.OIDCSourceRepositoryRef(signer.ref),
                policy.GitHubWorkflowRef(signer.ref),
            )


def _identities(cert: Certificate) -> list[str]:
    try:
        names = cert.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return [
        *names.get_values_for_type(RFC822Name),
        *names.get_values_for_type(UniformResourceIdentifier),
    ]


def _either(
    cert: Certificate, today: policy.VerificationPolicy, formerly: policy.VerificationPolicy
) -> None:
    """Check what today's certificates say in one extension, and those until 2023 in another."""
    try:
        today.verify(cert)
    except VerificationError as error:
        try:
            formerly.verify(cert)
        except VerificationError:
            raise error from None
