"""CycloneDX 1.6 as JSON: https://cyclonedx.org/docs/1.6/json/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakery.release.bill import AUTHOR, CREATED, identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.release.bill import Bill, BilledAsset, BilledFile, BilledImage
    from bakery.release.components import Component

_Json = dict[str, Any]


def document(bill: Bill) -> _Json:
    """Return the CycloneDX document of a release: images, files, assets, upstreams, libraries."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{bill.uuid}",
        "version": 1,
        "metadata": {
            "timestamp": CREATED,
            "tools": {"components": [{"type": "application", "name": AUTHOR}]},
            "authors": [{"name": bill.supplier}],
            "supplier": {"name": bill.supplier},
            "component": {
                "type": "application",
                "bom-ref": bill.release,
                "name": bill.name,
                "version": bill.version,
                "supplier": {"name": bill.supplier},
                "description": bill.summary,
                "licenses": [{"expression": bill.license}],
                "externalReferences": [{"type": "website", "url": bill.homepage}],
            },
        },
        "components": [
            *(_image(bill, image) for image in bill.images),
            *(_verity(bill, *image.verity) for image in bill.images if image.verity),
            *(_asset(asset) for asset in bill.assets),
            *(_component(each, "application") for each in bill.upstreams),
            *(_component(each, "library") for each in bill.libraries),
        ],
        "dependencies": [
            {"ref": one, "dependsOn": sorted(others)} for one, others in _dependencies(bill)
        ],
    }


def _image(bill: Bill, image: BilledImage) -> _Json:
    files = [_file(bill, image, file) for file in image.files]
    return {**_verity(bill, image.filename, image.sha256), "components": files}


def _verity(bill: Bill, name: str, sha256: str) -> _Json:
    """Return what an image and the one for dm-verity, which has the same files, have in common."""
    return {
        "type": "file",
        "bom-ref": name,
        "name": name,
        "version": bill.version,
        "supplier": {"name": bill.supplier},
        "mime-type": "application/octet-stream",
        **_hashes(sha256),
        "licenses": [{"expression": bill.license}],
    }


def _file(bill: Bill, image: BilledImage, file: BilledFile) -> _Json:
    described: _Json = {
        "type": "file",
        "bom-ref": _file_ref(image, file),
        "name": f"/{file.path}",
        "version": bill.version,
        "supplier": {"name": bill.supplier},
        **_hashes(file.sha256),
        "properties": [
            {"name": f"{AUTHOR}:origin", "value": file.origin},
            {"name": f"{AUTHOR}:size", "value": str(file.size)},
        ],
    }
    if file.license:
        described["licenses"] = [{"expression": file.license}]
    if file.compiler:
        described["properties"].append({"name": f"{AUTHOR}:go", "value": file.compiler})
    return described


def _asset(asset: BilledAsset) -> _Json:
    locked = asset.locked
    source = {"type": "distribution", "url": locked.url, **_hashes(locked.sha256)}
    return {
        **_component(asset.component, "file"),
        "bom-ref": locked.url,
        **_hashes(locked.sha256),
        "externalReferences": [source],
    }


def _component(component: Component, kind: str) -> _Json:
    return {
        "type": kind,
        "bom-ref": component.purl,
        "name": component.name,
        **({"version": component.version} if component.version else {}),
        "supplier": {"name": component.supplier},
        "purl": component.purl,
    }


def _hashes(sha256: str) -> _Json:
    return {"hashes": [{"alg": "SHA-256", "content": sha256}]} if sha256 else {}


def _file_ref(image: BilledImage, file: BilledFile) -> str:
    return f"file-{identity(image.filename, file.path)}"


def _dependencies(bill: Bill) -> Iterator[tuple[str, set[str]]]:
    assets = {asset.locked.url for asset in bill.assets}
    verity = {image.verity[0]: image.filename for image in bill.images if image.verity}
    yield bill.release, {image.filename for image in bill.images} | verity.keys()
    for name, plain in verity.items():
        yield name, {plain}
    for image in bill.images:
        files = {_file_ref(image, file) for file in image.files}
        yield image.filename, files | set(image.assets)
        for file in image.files:
            origin = {file.origin} & assets
            if linked := origin | {library.purl for library in file.libraries}:
                yield _file_ref(image, file), linked
    for asset in bill.assets:
        yield asset.locked.url, {asset.upstream.purl}
