from __future__ import annotations

import pytest
from packaging.licenses._spdx import EXCEPTIONS, LICENSES

from bakery.recipe.spdx import replacement

LISTED = [*LICENSES.values(), *EXCEPTIONS.values()]


def test_every_deprecated_identifier_has_a_replacement_and_no_other() -> None:
    deprecated = {entry["id"] for entry in LISTED if entry["deprecated"]}
    assert {entry["id"] for entry in LISTED if replacement(entry["id"])} == deprecated


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only or LGPL-2.1-or-later, as upstream's sources say"),
        ("GPL-3.0-with-GCC-exception", "GPL-3.0-or-later WITH GCC-exception-3.1"),
        ("GPL-2.0-only", None),
        ("LicenseRef-mine", None),
    ],
)
def test_a_licence_that_spdx_renamed_has_its_new_name(
    identifier: str, expected: str | None
) -> None:
    assert replacement(identifier) == expected
