"""What the workflows may do, job by job."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness.project import REPOSITORY

from bakery.ci.matrix import MINUTES
from bakery.recipe.names import VERITY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def test_the_guide_tells_of_each_job_and_whether_it_may_write() -> None:
    guide = (REPOSITORY / ".github/docs/your-own-bakery.md").read_text("utf-8")
    table = guide.partition("| job | runs | may |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([a-z, -]+) \| .+ \| (.+) \|$", table, re.MULTILINE)
    told = {job: may for cell, may in rows for job in cell.split(", ")}
    called = {**jobs("release.yaml"), **jobs("bake.yaml")}
    del called["bake"]
    assert set(told) == set(called)
    for name, job in called.items():
        assert (told[name] == "read") == (set(job["permissions"].values()) == {"read"}), name


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


def test_who_may_write_packages() -> None:
    writing = {
        name
        for path in WORKFLOWS
        for name, job in jobs(path.name).items()
        if job.get("permissions", {}).get("packages") == "write"
    }
    assert writing == {"share", "publish", "cosign", "channels"}


def test_one_job_signs_in_the_name_of_the_workflow_and_runs_nothing_else() -> None:
    release = jobs("release.yaml")
    assert release["cosign"]["permissions"] == {"packages": "write", "id-token": "write"}
    (uses,) = (step["uses"] for step in steps(release["cosign"]) if "uses" in step)
    assert re.fullmatch(r"sigstore/cosign-installer@[0-9a-f]{40}", uses)
    assert "id-token" not in release["publish"]["permissions"]


def run(job: str, id_: str, folder: Path, programs: dict[str, str], **variables: str) -> int:
    """Run a step of a release in a folder, with stand-ins for programs; return its status.

    What it hands on is in the file `output`.
    """
    (step,) = (step for step in steps(jobs("release.yaml")[job]) if step.get("id") == id_)
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    own = {"PATH": f"{folder}:/usr/bin:/bin", "GITHUB_OUTPUT": str(folder / "output")}
    command = ["bash", "-e", "-c", step["run"]]
    return subprocess.run(command, cwd=folder, env={**own, **variables}, check=False).returncode


def test_what_is_published_is_signed_though_another_release_is_not(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    bakery = """echo ghcr.io/me/it@sha256:0 >../references
    echo ::warning::beware; echo oci://ghcr.io/me/one-1; echo https://example.com/two-2; exit 1"""
    assert run("publish", "publish", tmp_path, {"bakery": bakery}, SIGNED="one-1 two-2 three-3")
    assert (tmp_path / "output").read_text().splitlines() == [
        "published=one-1 two-2",
        "references=ghcr.io/me/it@sha256:0",
    ]
    assert "publish.outputs.references" in jobs("release.yaml")["cosign"]["if"]


def test_a_release_that_is_not_signed_holds_no_other_back(tmp_path: Path) -> None:
    for name in ("one-1", "two-2", "three-3"):
        (tmp_path / "dist" / name).mkdir(parents=True)
        (tmp_path / "dist" / name / "SHA256SUMS").write_text(name)
    (tmp_path / "ready").write_text("release:one-1\nrelease:two-2\nrelease:three-3\n")
    doit = 'echo "$@"; case "$*" in *two*) exit 1; esac'
    assert run("sign", "sign", tmp_path, {"doit": doit})
    assert not run("sign", "gather", tmp_path, {})
    assert {path.name for path in (tmp_path / "signed").iterdir()} == {"one-1", "three-3"}
    told = (tmp_path / "output").read_text()
    assert told.startswith("signed=one-1 three-3\nsums<<END\n")
    assert len(re.findall(r"(?m)^[0-9a-f]{64}  (one-1|three-3)/SHA256SUMS$", told)) == 2
    sign = jobs("release.yaml")["sign"]
    assert [step["continue-on-error"] for step in steps(sign) if step.get("id") == "sign"] == [True]
    assert "steps.sign.outcome == 'failure'" in [*steps(sign)][-1]["if"]
    assert "sign.result" not in jobs("release.yaml")["publish"]["if"]


def test_where_nothing_is_signed_nothing_is_handed_on(tmp_path: Path) -> None:
    (tmp_path / "ready").write_text("")
    assert not run("sign", "sign", tmp_path, {"doit": "exit 1"})
    assert not run("sign", "gather", tmp_path, {})
    assert (tmp_path / "output").read_text() == "signed=\n"


def test_images_for_dm_verity_are_attested_as_they_were_signed_by_a_job_without_a_key() -> None:
    job = jobs("release.yaml")["attest-verity"]
    assert job["permissions"] == {"id-token": "write", "attestations": "write"}
    assert job["needs"] == "sign"
    assert "environment" not in job
    fetched, compared, attested = steps(job)
    assert fetched["with"] == {"name": "signed", "path": "dist"}
    assert "sha256sum --check --strict" in compared["run"]
    assert compared["env"] == {"SUMS": "${{ needs.sign.outputs.sums }}"}
    assert attested["with"]["subject-path"] == f"dist/*/*{VERITY}"
    assert VERITY in attested["if"]


def test_a_channel_that_is_not_signed_holds_no_other_back() -> None:
    release = jobs("release.yaml")
    step, found, upload, fail = [*steps(release["sign-channels"])][-4:]
    assert step["continue-on-error"]
    assert "channels.json" in found["if"]
    assert upload["if"] == "steps.found.outputs.signed == 'true'"
    assert "steps.sign.outcome == 'failure'" in fail["if"]
    assert "sign-channels.outputs.signed == 'true'" in release["channels"]["if"]


def test_main_alone_writes_to_the_shared_cache_and_releases_are_not_made_of_it() -> None:
    having = [
        (path.name, name, job)
        for path in WORKFLOWS
        for name, job in jobs(path.name).items()
        if "BAKERY_REMOTE" in str(job)
    ]
    assert [(path, name) for path, name, _ in having] == [
        ("pull-request.yaml", "bake"),
        ("release.yaml", "share"),
    ]
    reader, writer = (job for *_, job in having)
    assert reader["permissions"] == {"contents": "read"}
    assert "secrets" not in str(reader)
    assert "REMOTE_WRITE" not in str(reader)
    assert writer["permissions"] == {"contents": "read", "packages": "write"}
    assert writer["needs"] == "bake"  # so what two machines agree on, and nothing runs there
    for name in ("BAKERY_REMOTE_WRITE", "BAKERY_REMOTE_KEY"):
        (step,) = with_variable(writer, name)
        assert step["run"].startswith("bakery restore ")
    assert not with_variable(writer, KEY)


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


def caching(job: dict[str, Any]) -> dict[str, str]:
    """Return what a job takes from caches, and saves there."""
    uses = {
        step["uses"].partition("@")[0]: step["with"]["path"]
        for step in steps(job)
        if step.get("uses", "").startswith("actions/cache")
    }
    return {name.rpartition("/")[2]: path for name, path in uses.items()}


def test_caches_are_of_systems_and_times_and_only_jobs_without_rights_save_them() -> None:
    found = {
        (path.name, name): caching(job)
        for path in WORKFLOWS
        for name, job in jobs(path.name).items()
        if caching(job)
    }
    assert found == {
        ("bake.yaml", "boot"): {"restore": "systems.tar.zst", "save": "systems.tar.zst"},
        ("bake.yaml", "times"): {"restore": "times.json", "save": "times.json"},
        ("release.yaml", "plan"): {"restore": "times.json"},
        ("pull-request.yaml", "plan"): {"restore": "times.json"},
    }
    for path in WORKFLOWS:
        for job in jobs(path.name).values():
            assert not [step for step in steps(job) if "cache" in step.get("with", {})]


def test_systems_are_saved_before_upstream_s_code_runs() -> None:
    titles = [
        step.get("name") or step.get("uses", "").partition("@")[0]
        for step in steps(jobs("bake.yaml")["boot"])
    ]
    assert titles.index("actions/cache/save") < titles.index("Boot")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_lost_runner_stops_nothing_that_others_have_done(path: Path) -> None:
    """success(), which `if` has unless it says otherwise, is false once any job before has failed.

    That is so for jobs before those that are needed, too.
    """
    every = jobs(path.name)

    def before(name: str) -> set[str]:
        needs = every[name].get("needs", ())
        direct = {needs} if isinstance(needs, str) else {*needs}
        return direct.union(*map(before, direct))

    divided = {name for name, job in every.items() if "matrix" in job.get("strategy", {})}
    divided |= {name for name, job in every.items() if "bake.yaml" in job.get("uses", "")}
    for name, job in every.items():
        assert not job.get("strategy", {}).get("fail-fast", "strategy" in job), name
        if before(name) & divided:
            assert "!cancelled()" in job.get("if", ""), name


def test_what_is_handed_over_can_be_handed_over_again() -> None:
    for step in (step for job in jobs("bake.yaml").values() for step in steps(job)):
        if step.get("uses", "").startswith("actions/upload-artifact"):
            assert step["with"]["overwrite"], step["with"]["name"]


def test_two_runs_never_do_the_same_at_once() -> None:
    for name in ("release.yaml", "update.yaml"):
        text = yaml.safe_load((REPOSITORY / ".github/workflows" / name).read_text())
        assert text["concurrency"] == {"group": name.partition(".")[0], "cancel-in-progress": False}


def test_jobs_end_before_github_ends_them_and_after_what_is_planned() -> None:
    for path in WORKFLOWS:
        for name, job in jobs(path.name).items():
            if "uses" not in job:
                assert job["timeout-minutes"] < 6 * 60, name
            if "shard" in job.get("name", ""):
                assert job["timeout-minutes"] > MINUTES, name


def test_the_next_run_is_started_only_after_one_that_published_something() -> None:
    job = jobs("release.yaml")["next"]
    assert job["permissions"] == {"actions": "write"}
    assert "needs.publish.result == 'success'" in job["if"]
    assert "needs.plan.outputs.left != '0'" in job["if"]
