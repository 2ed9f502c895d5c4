"""CycloneDX 1.6 as JSON: https://cyclonedx.org/docs/1.6/json/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakery.release.bill import AUTHOR, CREATED, go_purl, identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.binary.go_build import GoModule
    from bakery.release.bill import Bill, BilledFile, BilledImage

_Json = dict[str, Any]


def document(bill: Bill) -> _Json:
    """Return the CycloneDX document of a release: images, their files, and Go modules."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{bill.uuid}",
        "version": 1,
        "metadata": {
            "timestamp": CREATED,
            "tools": {"components": [{"type": "application", "name": AUTHOR}]},
            "component": {
                "type": "application",
                "bom-ref": bill.release,
                "name": bill.name,
                "version": bill.version,
                "description": bill.summary,
                "licenses": [{"expression": bill.license}],
                "externalReferences": [{"type": "website", "url": bill.homepage}],
            },
        },
        "components": [
            *(_image(bill, image) for image in bill.images),
            *(_module(module) for module in bill.modules),
        ],
        "dependencies": [
            {"ref": one, "dependsOn": sorted(others)} for one, others in _dependencies(bill)
        ],
    }


def _image(bill: Bill, image: BilledImage) -> _Json:
    digests = {asset.url: asset.sha256 for asset in bill.assets}
    return {
        "type": "file",
        "bom-ref": image.filename,
        "name": image.filename,
        "version": bill.version,
        "mime-type": "application/octet-stream",
        **_hashes(image.sha256),
        "licenses": [{"expression": bill.license}],
        "components": [_file(image, file, digests) for file in image.files],
    }


def _file(image: BilledImage, file: BilledFile, assets: dict[str, str]) -> _Json:
    made: _Json = {
        "type": "file",
        "bom-ref": _ref(image, file),
        "name": f"/{file.path}",
        **_hashes(file.sha256),
        "properties": [
            {"name": f"{AUTHOR}:origin", "value": file.origin},
            {"name": f"{AUTHOR}:size", "value": str(file.size)},
        ],
    }
    if file.license:
        made["licenses"] = [{"expression": file.license}]
    if file.origin in assets:
        source = {"type": "distribution", "url": file.origin, **_hashes(assets[file.origin])}
        made["externalReferences"] = [source]
    if file.go:
        made["properties"].append({"name": f"{AUTHOR}:go", "value": file.go.go})
    return made


def _hashes(sha256: str) -> _Json:
    return {"hashes": [{"alg": "SHA-256", "content": sha256}]} if sha256 else {}


def _module(module: GoModule) -> _Json:
    purl = go_purl(module)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": module.path,
        **({"version": module.version} if module.version else {}),
        "purl": purl,
    }


def _ref(image: BilledImage, file: BilledFile) -> str:
    return f"file-{identity(image.filename, file.path)}"


def _dependencies(bill: Bill) -> Iterator[tuple[str, set[str]]]:
    yield bill.release, {image.filename for image in bill.images}
    for image in bill.images:
        yield image.filename, {_ref(image, file) for file in image.files}
        for file in image.files:
            if file.modules:
                yield _ref(image, file), {go_purl(module) for module in file.modules}
