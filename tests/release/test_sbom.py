from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from bakery.release import cyclonedx, spdx
from bakery.release.bill import Bill, bill

if TYPE_CHECKING:
    from pathlib import Path

    from harness.shop import Shop

PURL = "pkg:golang/example.com/dep@v1.0.0%2Bincompatible"


@pytest.fixture
def billed(shop: Shop) -> Bill:
    return bill(shop.releases["v1.1.0"], shop.finished("v1.1.0"))


def by(items: list[Any], key: str, value: str) -> Any:
    return next(item for item in items if item[key] == value)


def test_spdx_s_own_library_finds_nothing_wrong(billed: Bill, tmp_path: Path) -> None:
    path = tmp_path / "tool.spdx.json"
    path.write_text(json.dumps(spdx.document(billed)))
    assert validate_full_spdx_document(parse_file(str(path))) == []


def test_cyclonedx_s_own_library_finds_nothing_wrong(billed: Bill) -> None:
    document = cyclonedx.document(billed)
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(document)) is None
    assert Bom.from_json(document).validate()


def test_spdx_tells_of_every_binary_where_it_came_from(billed: Bill) -> None:
    document = spdx.document(billed)
    programs = [file for file in document["files"] if file["fileName"] == "./usr/bin/tool"]
    assert len(programs) == 2
    program = programs[0]
    origin = "https://example.com/tool-v1.1.0-amd64"
    assert program["licenseConcluded"] == "MIT AND LicenseRef-Special"
    assert program["comment"] == f"from {origin}; compiled by go1.22.5"
    assert {checksum["algorithm"] for checksum in program["checksums"]} == {"SHA1", "SHA256"}
    related = {
        each["relationshipType"]: each["relatedSpdxElement"]
        for each in document["relationships"]
        if each["spdxElementId"] == program["SPDXID"]
    }
    asset = by(document["packages"], "SPDXID", related["EXPANDED_FROM_ARCHIVE"])
    assert asset["downloadLocation"] == origin
    module = by(document["packages"], "SPDXID", related["STATIC_LINK"])
    assert module["externalRefs"][0]["referenceLocator"] == PURL
    unit = by(document["files"], "fileName", "./usr/lib/systemd/system/tool.service")
    assert unit["licenseConcluded"] == "NOASSERTION"
    assert [each["licenseId"] for each in document["hasExtractedLicensingInfos"]] == [
        "LicenseRef-Special"
    ]


def test_cyclonedx_tells_of_every_binary_where_it_came_from(billed: Bill) -> None:
    document = cyclonedx.document(billed)
    image = by(document["components"], "name", "tool-v1.1.0-x86-64.raw")
    program = by(image["components"], "name", "/usr/bin/tool")
    (source,) = program["externalReferences"]
    assert source["url"] == "https://example.com/tool-v1.1.0-amd64"
    assert program["licenses"] == [{"expression": "MIT AND LicenseRef-Special"}]
    assert by(document["dependencies"], "ref", program["bom-ref"])["dependsOn"] == [PURL]
    assert by(document["components"], "bom-ref", PURL)["version"] == "v1.0.0+incompatible"


def test_identifiers_follow_from_the_contents(shop: Shop, billed: Bill) -> None:
    other = bill(shop.releases["v1.0.0"], shop.finished("v1.0.0"))
    assert billed.uuid != other.uuid
    assert spdx.document(billed)["documentNamespace"].endswith(billed.uuid)
    assert cyclonedx.document(billed)["serialNumber"] == f"urn:uuid:{billed.uuid}"
