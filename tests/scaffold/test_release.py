from __future__ import annotations

import pytest

from bakery.scaffold.release import (
    UNKNOWN_LICENCE,
    About,
    expression,
    from_metadata,
    licence_of,
    licence_said,
)

BEFORE = About(summary="app", homepage="https://index/app", licence=UNKNOWN_LICENCE)


def test_a_wheels_metadata_describes_its_project() -> None:
    text = (
        "Metadata-Version: 2.4\nName: app\nSummary: An app.\n"
        "License-Expression: mit or apache-2.0\n"
        "Project-URL: Documentation, https://docs/\nProject-URL: Repository, https://code/\n\nText"
    )
    assert from_metadata(text, BEFORE) == About(
        summary="An app", homepage="https://code/", licence="MIT OR Apache-2.0"
    )


def test_what_it_does_not_say_stays() -> None:
    assert from_metadata("Name: app\nLicense: see LICENSE\n\n", BEFORE) == BEFORE


def test_classifiers_tell_a_licence_too() -> None:
    text = "Name: app\nClassifier: License :: OSI Approved :: MIT License\n\n"
    assert from_metadata(text, BEFORE).licence == "MIT"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("  Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("Permission is hereby granted, free of charge, to any\nperson obtaining a copy", "MIT"),
        ("GNU GENERAL PUBLIC LICENSE", UNKNOWN_LICENCE),
        ("", UNKNOWN_LICENCE),
    ],
)
def test_licences_are_known_by_their_words(text: str, licence: str) -> None:
    assert licence_of(text) == licence


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("mit", "MIT"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("lgpl-2.1+", "LGPL-2.1-or-later"),
        ("NOASSERTION", UNKNOWN_LICENCE),
    ],
)
def test_licences_are_spelt_as_spdx_does(text: str, licence: str) -> None:
    assert expression(text) == licence
    assert expression(None) == UNKNOWN_LICENCE


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("App 1\nlicense: GNU General Public License, version 3\n", "GPL-3.0-only"),
        ("License GPLv3+: GNU GPL version 3 or later <https://gnu.org>", "GPL-3.0-or-later"),
        ("GNU Lesser General Public License v2.1", "LGPL-2.1-only"),
        ("the GNU Affero General Public License version 3, or any later one", "AGPL-3.0-or-later"),
        (
            "under the GNU General Public License, version 2 or (at your option) later",
            "GPL-2.0-or-later",
        ),
        ("app 1.0\nLicense: Apache-2.0", "Apache-2.0"),
        ("Licensed under the MIT license.", "MIT"),
        ("app 1.0, with ABSOLUTELY NO WARRANTY", None),
        ("license: see the web site", None),
    ],
)
def test_licences_that_programs_name(text: str, licence: str | None) -> None:
    assert licence_said(text) == licence
