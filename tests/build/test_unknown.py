from __future__ import annotations

import pytest

from bakery.build.unknown import no_task

VERSIONS = ["20.10.13", "20.10.24", "29.7.2"]
TASKS = [
    *(f"build:docker-{version}" for version in VERSIONS),
    *(
        f"{k}:docker-{v}-{a}"
        for k in ("stage", "boot")
        for v in VERSIONS
        for a in ("x86-64", "arm64")
    ),
    *("build:caddy-v2.11.7", "stage:caddy-v2.11.7-x86-64", "build:docker", "build:caddy"),
]


@pytest.mark.parametrize(
    ("word", "recipe", "says"),
    [
        ("build:docker-20.10.31", "docker", "did you mean build:docker-20.10.13? To lock another"),
        ("build:docker-20.10.31", "docker", "bakery lock docker 20.10.31"),
        ("build:docker-v29.7.2", "docker", "fix:   did you mean build:docker-29.7.2?"),
        ("build:caddy-2.11.7", "caddy", "fix:   did you mean build:caddy-v2.11.7?"),
        ("build:dokcer", "", "fix:   did you mean build:docker?"),
        ("build:dokcer-29.7.2", "", "fix:   did you mean build:docker-29.7.2?"),
        ("biuld:docker", "", "fix:   did you mean build:docker?"),
        (
            "stage:docker-29.7.2",
            "docker",
            "take stage:docker-29.7.2-x86-64 or stage:docker-29.7.2-a",
        ),
        ("stage:docker-29.7.2-amd64", "docker", "did you mean stage:docker-29.7.2-x86-64?"),
        ("boot:dcoker-29.7.2-aarch64", "", "did you mean boot:docker-29.7.2-arm64?"),
        ("build:docker-9*", "docker", "take build:docker-20.10.13 or build:docker-20.10.24 or"),
        ("build:docker-1", "docker", "fix:   bakery lock docker 1"),
        ("build:zzz", "", "`doit list --all` shows every task"),
    ],
)
def test_the_nearest_task_is_named(word: str, recipe: str, says: str) -> None:
    said = no_task(word, TASKS, recipe, VERSIONS).render()
    assert says in said
    assert said.count("did you mean") <= 1


def test_a_version_by_another_spelling_is_not_to_be_locked() -> None:
    assert "bakery lock" not in no_task("build:docker-v29.7.2", TASKS, "docker", VERSIONS).render()
