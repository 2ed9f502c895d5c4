"""release.json comes from the net: whatever a field says, it must be what a recipe could say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bakery.release import document

if TYPE_CHECKING:
    from harness.shop import Shop


@pytest.fixture
def described(shop: Shop) -> Any:
    return json.loads(shop.assembled("v1.1.0")[document.FILE])


def refuse(described: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        document.decode(json.dumps(described).encode())
    assert str(caught.value).isprintable()


ESCAPE = "\x1b]0;x\x07"
LISTS = ("requires", "conflicts", "replaces", "sbom", "transfers")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "tool\nreboot"),
        ("name", "tool\n"),
        ("name", "../../etc/cron.d"),
        ("name", "$(reboot)"),
        ("name", ""),
        ("version", "1.0\nreboot"),
        ("version", "1.0\n"),
        ("version", "../1.0"),
        ("version", "1.0/../2"),
        ("version", "latest"),
        ("summary", f"A tool {ESCAPE}"),
        ("summary", "A tool\u2028"),
        ("summary", "A \u202eloot"),
        ("summary", "A\ntool"),
        ("homepage", "javascript:alert(1)"),
        ("homepage", "https://example.com/ x"),
        ("license", "MIT`reboot`"),
        ("os", "flatcar"),
        ("os", {"id": "flatcar\nreboot", "level": "1.0"}),
        ("os", {"id": "flatcar", "version": "1\x9b"}),
        ("parts", {"a b": "1.0"}),
        ("parts", {"cni": "1.0\n"}),
        ("waived_boots", "no machine"),
        ("waived_boots", [{"image": "a", "machines": ["m"], "reason": "no\nmachine"}]),
        ("signed_by", "nobody"),
        *((key, ["../up"]) for key in LISTS),
        *((key, ["a\n"]) for key in LISTS),
        *((key, ["a b"]) for key in LISTS),
    ],
)
def test_fields_of_a_release(described: Any, key: str, value: object) -> None:
    described[key] = value
    refuse(described, key if isinstance(value, str) and value.isprintable() else ".")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", "../../etc/cron.d/x"),
        ("file", "a\n.raw"),
        ("file", "-x"),
        ("arch", "riscv64"),
        ("format", "tar"),
        ("size", -1),
        ("sha256", "0" * 63),
        ("key", "$(x)"),
        ("contents", -1),
        ("tools", ESCAPE),
        ("boots", [{"machine": "a\nb", "systemd": "257", "checks": 1, "journal_sha256": ""}]),
    ],
)
def test_fields_of_an_image(described: Any, key: str, value: object) -> None:
    described["images"][0][key] = value
    refuse(described, ".")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "https://example.com/a b"),
        ("url", "https://example.com/\x1b"),
        ("url", "javascript:x"),
        ("sha256", "nothing"),
        ("size", -1),
        ("citation", "a\nb"),
    ],
)
def test_fields_of_an_asset(described: Any, key: str, value: object) -> None:
    described["assets"][0][key] = value
    refuse(described, ".")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"name":"' + b"[" * 9999])
def test_other_bytes(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        document.decode(data)


def test_a_file_is_called_by_name_version_and_architecture(described: Any) -> None:
    decoded = document.decode(json.dumps(described).encode())
    files = {image.file: (image.size, image.sha256) for image in decoded.images}
    files |= dict.fromkeys((*decoded.sbom, *decoded.transfers), (1, "0" * 64))
    assert list(document.contradictions(decoded, files)) == []
    described["name"] = "other"
    (one, two) = document.contradictions(document.decode(json.dumps(described).encode()), files)
    assert one == "tool-v1.1.0-x86-64.raw is not what other v1.1.0 is called"
    assert two == "tool-v1.1.0-arm64.raw is not what other v1.1.0 is called"
