"""SBOMs, read by the formats' own libraries and by a scanner."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from ntia_conformance_checker import SbomChecker
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from bakery.release import cyclonedx, spdx
from bakery.release.bill import Bill, bill
from bakery.release.verity import VeritySigning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from harness.shop import Shop

# In a process of its own, since it leaves files open
SCAN = """
import json, sys
from lib4sbom.parser import SBOMParser
parser = SBOMParser()
parser.parse_file(sys.argv[1])
print(json.dumps(parser.get_packages()))
"""
CRATE = "pkg:cargo/serde@1.0.219"
PURL = "pkg:golang/example.com/dep@v1.0.0%2Bincompatible"


@pytest.fixture(params=["plain", "verity"])
def billed(shop: Shop, request: pytest.FixtureRequest) -> Bill:
    if request.param == "verity":
        shop.verity = VeritySigning()
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
    assert Bom.from_json(document).validate()  # type: ignore[attr-defined]  # a decorator adds it


def test_spdx_has_the_minimum_elements_of_the_ntia(billed: Bill, tmp_path: Path) -> None:
    path = tmp_path / "tool.spdx.json"
    path.write_text(json.dumps(spdx.document(billed)))
    checked = SbomChecker(str(path), compliance="ntia")
    assert checked.compliant, checked.output_json()


def test_cyclonedx_has_the_minimum_elements_of_the_ntia(billed: Bill) -> None:
    """As NTIA's report lists them; its checker on the package index reads SPDX alone."""
    document = cyclonedx.document(billed)
    assert document["metadata"]["timestamp"]
    assert document["metadata"]["authors"]
    components = list(nested(document["components"]))
    related = {each["ref"] for each in document["dependencies"]}
    related |= {ref for each in document["dependencies"] for ref in each["dependsOn"]}
    for component in (document["metadata"]["component"], *components):
        assert component["name"]
        assert component["version"]
        assert component["supplier"]["name"]
        assert component["bom-ref"] in related
    assert len({component["bom-ref"] for component in components}) == len(components)


def test_nothing_floats_outside_of_the_tree(billed: Bill) -> None:
    document = spdx.document(billed)
    reached, pending = {"SPDXRef-DOCUMENT"}, ["SPDXRef-DOCUMENT"]
    while pending:
        here = pending.pop()
        for each in document["relationships"]:
            there = each["relatedSpdxElement"]
            if each["spdxElementId"] == here and there not in reached:
                reached.add(there)
                pending.append(there)
    everything = {each["SPDXID"] for each in (*document["packages"], *document["files"])}
    assert everything == reached - {"SPDXRef-DOCUMENT"}


@pytest.mark.parametrize("kind", [spdx, cyclonedx])
def test_a_scanner_finds_every_component(billed: Bill, tmp_path: Path, kind: ModuleType) -> None:
    """lib4sbom is what cve-bin-tool reads bills with."""
    path = tmp_path / f"tool.{'spdx' if kind is spdx else 'cdx'}.json"
    path.write_text(json.dumps(kind.document(billed)))
    done = subprocess.run([sys.executable, "-c", SCAN, path], capture_output=True, check=True)
    packages = {(each["name"], each["version"]): each for each in json.loads(done.stdout)}
    module = packages["example.com/Dep", "v1.0.0+incompatible"]
    assert PURL in [locator for _, _, locator in module["externalreference"]]
    assert packages["serde", "1.0.219"]["supplier"]
    assert packages["tool-v1.1.0-amd64", "v1.1.0"]
    assert packages["tool", "v1.1.0"]


def nested(components: list[Any]) -> Iterator[Any]:
    for component in components:
        yield component
        yield from nested(component.get("components", []))


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
    linked = {
        by(document["packages"], "SPDXID", each["relatedSpdxElement"])["externalRefs"][0][
            "referenceLocator"
        ]
        for each in document["relationships"]
        if (each["spdxElementId"], each["relationshipType"]) == (program["SPDXID"], "STATIC_LINK")
    }
    assert linked == {CRATE, PURL}
    unit = by(document["files"], "fileName", "./usr/lib/systemd/system/tool.service")
    assert unit["licenseConcluded"] == "NOASSERTION"
    assert [each["licenseId"] for each in document["hasExtractedLicensingInfos"]] == [
        "LicenseRef-Special"
    ]


def test_cyclonedx_tells_of_every_binary_where_it_came_from(billed: Bill) -> None:
    document = cyclonedx.document(billed)
    image = by(document["components"], "name", "tool-v1.1.0-x86-64.raw")
    program = by(image["components"], "name", "/usr/bin/tool")
    origin = "https://example.com/tool-v1.1.0-amd64"
    assert program["licenses"] == [{"expression": "MIT AND LicenseRef-Special"}]
    linked = by(document["dependencies"], "ref", program["bom-ref"])["dependsOn"]
    assert linked == [origin, CRATE, PURL]
    asset = by(document["components"], "bom-ref", origin)
    assert asset["externalReferences"][0]["url"] == origin
    made_from = by(document["dependencies"], "ref", origin)["dependsOn"]
    assert made_from == ["pkg:generic/tool@v1.1.0"]
    assert by(document["components"], "bom-ref", PURL)["version"] == "v1.0.0+incompatible"


def test_identifiers_follow_from_the_contents(shop: Shop, billed: Bill) -> None:
    other = bill(shop.releases["v1.0.0"], shop.finished("v1.0.0"))
    assert billed.uuid != other.uuid
    assert spdx.document(billed)["documentNamespace"].endswith(billed.uuid)
    assert cyclonedx.document(billed)["serialNumber"] == f"urn:uuid:{billed.uuid}"
