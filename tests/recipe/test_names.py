from __future__ import annotations

import pytest

from bakery.recipe.names import ImageName, refusal


def test_names_are_put_together() -> None:
    name = ImageName("docker", "20.10.13", "x86-64")
    assert name.release == "docker-20.10.13"
    assert str(name) == "docker-20.10.13-x86-64"
    assert name.file == "docker-20.10.13-x86-64.raw"


@pytest.mark.parametrize("name", ["docker", "docker-buildx", "k3s", "9p", "a-b-c", "x-vault", "v2"])
def test_what_recipes_may_be_called(name: str) -> None:
    assert refusal(name) is None


@pytest.mark.parametrize(
    ("name", "why", "fix"),
    [
        ("docker-99", "99 reads as a version", "docker99"),
        ("docker-v2", "v2 reads as a version", "dockerv2"),
        ("docker-1-x", "1-x reads as a version", "docker1-x"),
        ("a-b-2rc1", "2rc1 reads as a version", "a-b2rc1"),
    ],
)
def test_names_that_end_like_a_release_of_another_recipe(name: str, why: str, fix: str) -> None:
    refused = refusal(name)
    assert refused is not None
    assert why in (refused[0] or "")
    assert f"call it {fix}, for" in refused[1]


@pytest.mark.parametrize("name", ["", "-a", "Docker", "a_b", "a.b", "a\n", "a/b", "é", "bakery"])
def test_what_no_recipe_may_be_called(name: str) -> None:
    assert refusal(name) is not None
