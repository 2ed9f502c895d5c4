"""What the workflows may do, job by job."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness.project import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yaml"))
KEY, TOKEN = "BAKERY_SIGNING_KEY", "GITHUB_TOKEN"
VERITY_KEY = "BAKERY_VERITY_KEY"


def jobs(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / ".github/workflows" / name).read_text())["jobs"])


def steps(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from job.get("steps", ())


def with_variable(job: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [step for step in steps(job) if name in step.get("env", {})]


def test_upstream_s_code_runs_where_nothing_can_be_written() -> None:
    for name, job in jobs("bake.yaml").items():
        expected = {"contents": "read"}
        if name == "attest":
            expected |= {"id-token": "write", "attestations": "write"}
        assert job["permissions"] == expected, name
        for secret in (KEY, VERITY_KEY, TOKEN):
            assert not with_variable(job, secret), name


def test_nothing_is_installed_where_the_key_or_the_token_is() -> None:
    for path in WORKFLOWS:
        for name, job in jobs(path.name).items():
            for step in (*with_variable(job, KEY), *with_variable(job, TOKEN)):
                installs = re.search(r"\b(pip|apt-get|noxfile|npm)\b", step.get("run", ""))
                assert not installs, f"{path.name}: {name}"


def test_releases_are_signed_where_nothing_can_be_uploaded() -> None:
    release = jobs("release.yaml")
    assert release["sign"]["permissions"] == {"contents": "read"}
    assert with_variable(release["sign"], KEY)
    assert not with_variable(release["publish"], KEY)
    assert with_variable(release["publish"], TOKEN)
    for name, job in release.items():
        if with_variable(job, KEY):
            assert job["environment"] == "release", name
            assert set(job["permissions"].values()) == {"read"}, name


def test_one_job_signs_in_the_name_of_the_workflow_and_runs_nothing_else() -> None:
    release = jobs("release.yaml")
    assert release["cosign"]["permissions"] == {"packages": "write", "id-token": "write"}
    (uses,) = (step["uses"] for step in steps(release["cosign"]) if "uses" in step)
    assert re.fullmatch(r"sigstore/cosign-installer@[0-9a-f]{40}", uses)
    assert "id-token" not in release["publish"]["permissions"]


def test_one_job_has_the_key_for_dm_verity() -> None:
    having = [
        (path.name, name)
        for path in WORKFLOWS
        for name, job in jobs(path.name).items()
        if VERITY_KEY in str(job)
    ]
    assert having == [("release.yaml", "sign")]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_all_that_is_installed_is_locked(path: Any) -> None:
    for line in re.findall(r"pip install .*", path.read_text()):
        assert "--require-hashes" in line or "--no-deps --no-build-isolation" in line, line


def test_whoever_asks_upstreams_can_check_every_kind_of_signature() -> None:
    asking = [
        job
        for path in WORKFLOWS
        for job in jobs(path.name).values()
        if any(re.search(r"\bbakery (update|verify|lock)\b", s.get("run", "")) for s in steps(job))
    ]
    assert asking
    for job in asking:
        assert any(".locks/signatures.txt" in step.get("run", "") for step in steps(job))


def test_the_lock_for_signatures_has_all_of_the_extra() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    locked = (REPOSITORY / ".locks/signatures.txt").read_text()
    for needed in project["optional-dependencies"]["signatures"]:
        name = re.match(r"[\w-]+", needed)
        assert name
        assert re.search(rf"(?m)^{name[0]}==", locked), needed


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_failure_is_lost_in_what_another_command_is_given(path: Any) -> None:
    for name, job in jobs(path.name).items():
        for step in steps(job):
            for line in step.get("run", "").splitlines():
                assert "$(" not in line or re.match(r" *\w+=\$\(", line), f"{name}: {line}"


def test_only_boots_use_a_cache_and_it_is_saved_before_they_run() -> None:
    for path in WORKFLOWS:
        for name, job in jobs(path.name).items():
            uses = [step.get("uses", "").partition("@")[0] for step in steps(job)]
            if (path.name, name) != ("bake.yaml", "boot"):
                assert not [each for each in uses if each.startswith("actions/cache")], name
                assert not [step for step in steps(job) if "cache" in step.get("with", {})], name
                continue
            titles = [step.get("name") for step in steps(job)]
            assert uses.index("actions/cache/save") < titles.index("Boot")
