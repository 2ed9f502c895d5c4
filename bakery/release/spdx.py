"""SPDX 2.3 as JSON: https://spdx.github.io/spdx-spec/v2.3/."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from bakery.release.bill import AUTHOR, CREATED, identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.release.bill import Bill, BilledAsset, BilledFile, BilledImage
    from bakery.release.components import Component

_UNKNOWN = "NOASSERTION"
_DOCUMENT = "SPDXRef-DOCUMENT"
_OWN_LICENSE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")

_Json = dict[str, Any]


def document(bill: Bill) -> _Json:
    """Return the SPDX document of a release: images, files, assets, upstreams, libraries."""
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": bill.release,
        "documentNamespace": f"https://spdx.org/spdxdocs/{bill.release}-{bill.uuid}",
        "creationInfo": {"created": CREATED, "creators": [f"Tool: {AUTHOR}"]},
        "packages": [
            *(_image(bill, image) for image in bill.images),
            *(_verity(bill, *image.verity) for image in bill.images if image.verity),
            *(_asset(bill, asset) for asset in bill.assets),
            *(_component(each, "SOURCE") for each in bill.upstreams),
            *(_component(each, "LIBRARY") for each in bill.libraries),
        ],
        "files": [_file(image, file) for image in bill.images for file in image.files],
        "hasExtractedLicensingInfos": _own_licenses(bill),
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in _relationships(bill)
        ],
    }


def _id(kind: str, *words: str) -> str:
    return f"SPDXRef-{kind}-{identity(*words)}"


def _component_id(component: Component) -> str:
    return _id("Package", component.purl)


def _verity(bill: Bill, name: str, sha256: str) -> _Json:
    """Return what an image and the one for dm-verity, which has the same files, have in common."""
    return {
        "SPDXID": _id("Image", name),
        "name": bill.name,
        "versionInfo": bill.version,
        "packageFileName": name,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "checksums": _checksums(SHA256=sha256),
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": bill.license,
        "copyrightText": _UNKNOWN,
        "supplier": f"Organization: {bill.supplier}",
        "primaryPackagePurpose": "ARCHIVE",
    }


def _image(bill: Bill, image: BilledImage) -> _Json:
    verification = hashlib.sha1(usedforsecurity=False)
    for sha1 in sorted(file.sha1 for file in image.files):
        verification.update(sha1.encode())
    return {
        **_verity(bill, image.filename, image.sha256),
        "summary": bill.summary,
        "homepage": bill.homepage,
        "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": verification.hexdigest()},
        "licenseInfoFromFiles": [_UNKNOWN],
    }


def _asset(bill: Bill, asset: BilledAsset) -> _Json:
    locked = asset.locked
    is_address = locked.url.startswith(("https://", "http://"))
    return {
        **_component(asset.component, "ARCHIVE"),
        "SPDXID": _id("Asset", locked.url),
        "downloadLocation": locked.url if is_address else _UNKNOWN,
        "sourceInfo": f"{locked.url}, whose digest is known by {locked.trust}",
        "checksums": _checksums(SHA256=locked.sha256),
        "licenseDeclared": bill.license if asset.upstream.name == bill.name else _UNKNOWN,
    }


def _component(component: Component, purpose: str) -> _Json:
    return {
        "SPDXID": _component_id(component),
        "name": component.name,
        "versionInfo": component.version or _UNKNOWN,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "supplier": f"Organization: {component.supplier}",
        "primaryPackagePurpose": purpose,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": component.purl,
            }
        ],
    }


def _file(image: BilledImage, file: BilledFile) -> _Json:
    compiler = f"; compiled by {file.compiler}" if file.compiler else ""
    return {
        "SPDXID": _id("File", image.filename, file.path),
        "fileName": f"./{file.path}",
        "fileTypes": ["BINARY" if file.binary else "OTHER"],
        "checksums": _checksums(SHA1=file.sha1, SHA256=file.sha256),
        "licenseConcluded": file.license or _UNKNOWN,
        "licenseInfoInFiles": [_UNKNOWN],
        "copyrightText": _UNKNOWN,
        "comment": f"from {file.origin}{compiler}",
    }


def _checksums(**digests: str) -> list[_Json]:
    return [
        {"algorithm": name, "checksumValue": digests[name]} for name in digests if digests[name]
    ]


def _own_licenses(bill: Bill) -> list[_Json]:
    return [
        {
            "licenseId": name,
            "name": name.removeprefix("LicenseRef-"),
            "extractedText": f"See {bill.homepage}",
        }
        for name in sorted(set(_OWN_LICENSE.findall(bill.license)))
    ]


def _relationships(bill: Bill) -> Iterator[tuple[str, str, str]]:
    assets = {asset.locked.url for asset in bill.assets}
    for image in bill.images:
        whole = _id("Image", image.filename)
        yield _DOCUMENT, "DESCRIBES", whole
        if image.verity:
            yield _DOCUMENT, "DESCRIBES", _id("Image", image.verity[0])
            yield _id("Image", image.verity[0]), "VARIANT_OF", whole
        for url in image.assets:
            yield whole, "GENERATED_FROM", _id("Asset", url)
        for file in image.files:
            one = _id("File", image.filename, file.path)
            yield whole, "CONTAINS", one
            if file.origin in assets:
                yield one, "EXPANDED_FROM_ARCHIVE", _id("Asset", file.origin)
            for library in file.libraries:
                yield one, "STATIC_LINK", _component_id(library)
    for asset in bill.assets:
        yield _id("Asset", asset.locked.url), "GENERATED_FROM", _component_id(asset.upstream)
