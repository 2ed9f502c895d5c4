from __future__ import annotations

import pytest

from bakery.scaffold.release import UNKNOWN_LICENCE, About, expression, from_metadata, licence_of

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


@pytest.mark.parametrize(("text", "licence"), [("mit", "MIT"), ("NOASSERTION", UNKNOWN_LICENCE)])
def test_licences_are_spelt_as_spdx_does(text: str, licence: str) -> None:
    assert expression(text) == licence
    assert expression(None) == UNKNOWN_LICENCE
