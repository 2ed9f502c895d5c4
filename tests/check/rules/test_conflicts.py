from __future__ import annotations

from typing import Any

import msgspec

from bakery.check.loader import load
from bakery.check.rules.conflicts import ShippedImage, conflicts, of_manifest, of_subject
from bakery.image.manifest import Manifest, ManifestEntry


def test_images_that_replace_each_other_may_ship_the_same() -> None:
    folder = ManifestEntry(path="usr", type="directory", mode=0o755)
    link = ManifestEntry(path="usr/bin/a", type="link", mode=0o777, target="b")
    other_link = ManifestEntry(path="usr/bin/a", type="link", mode=0o777, target="c")
    first = ShippedImage("first", {"usr": folder, "usr/bin/a": link})
    entries = {"usr": folder, "usr/bin/a": other_link}
    second = ShippedImage("second", entries)
    assert [f.path for f in conflicts([first, second])] == ["usr/bin/a"]
    assert conflicts([first, ShippedImage("second", entries, frozenset({"first"}))]) == ()
    assert conflicts([first, ShippedImage("first", entries)]) == ()


def test_a_manifest_says_the_same_as_the_tree_it_describes(good: Any) -> None:
    entries = tuple(
        msgspec.convert(node, ManifestEntry, from_attributes=True)
        for node in load(good.root).tree
        if node.path != "."
    )
    manifest = Manifest(image="demo", key="k", epoch=0, entries=entries)
    shipped = of_manifest("copy", manifest, apart=["other"])
    assert shipped.apart == {"other"}
    assert conflicts([of_subject(load(good.root)), shipped]) == ()
