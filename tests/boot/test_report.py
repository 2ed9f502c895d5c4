from __future__ import annotations

import pytest

from bakery.boot.hints import meaning, refusal
from bakery.boot.merge import parse_status
from bakery.boot.report import BootReport, ProbeResult, Round, concise, passed, render

GOOD = ProbeResult(title="a is merged", passed=True)
BAD = ProbeResult(
    title="a.service is active", passed=False, detail="it is failed", meaning="Because."
)


def report(*results: ProbeResult) -> BootReport:
    return BootReport(
        backend="nspawn",
        system="trixie",
        systemd="257 (257.1)",
        rounds=(Round(images=("a",), merged=("a",), results=results),),
        seconds=2.25,
        journal="/x/journal.txt",
    )


def test_a_boot_reads_well() -> None:
    assert render(report(GOOD, BAD)).splitlines() == [
        "failed on nspawn, trixie, systemd 257 (257.1), 2.2 s",
        "  merged at boot: a",
        "  ✓ a is merged",
        "  ✗ a.service is active",
        "      Because.",
        "      | it is failed",
        "  journal: /x/journal.txt",
    ]


def test_only_a_boot_in_which_all_holds_has_passed() -> None:
    assert report(GOOD).outcome == "passed"
    assert report(GOOD, BAD).outcome == "failed"
    assert BootReport(backend="nspawn", system="trixie").outcome == "failed"
    skipped = BootReport(backend="nspawn", system="trixie", skipped="no arm64 here")
    assert skipped.outcome == "skipped"
    assert render(skipped) == "skipped on nspawn, trixie: no arm64 here"


def test_images_pass_where_they_are_for_and_that_is_somewhere() -> None:
    unfit = BootReport(backend="nspawn", system="bookworm", unfit="a is for debian 13")
    skipped = BootReport(backend="nspawn", system="forky", skipped="no kernel")
    assert passed([report(GOOD), unfit])
    assert not passed([unfit])
    assert not passed([report(GOOD), skipped])
    assert not passed([report(GOOD), report(BAD)])
    assert render(unfit) == "not for this one: nspawn, bookworm: a is for debian 13"


def test_a_log_says_each_line_once() -> None:
    assert concise("a\nb\na\n\nb  \nc\n") == "a\nb\nc"
    assert concise("\n".join(map(str, range(99)))).splitlines()[0] == "87"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[{"hierarchy":"/usr","extensions":"none","since":null}]', ()),
        (
            '[{"hierarchy":"/opt","extensions":["b"]},{"hierarchy":"/usr","extensions":["a","b"]}]',
            ("b", "a"),
        ),
        ("", ()),
    ],
)
def test_merged_extensions_are_read(text: str, names: tuple[str, ...]) -> None:
    assert parse_status(text) == names


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("libc.so.6: version `GLIBC_2.38' not found (required by x)", "GLIBC_2.38 is missing"),
        ("x: error while loading shared libraries: libz.so.1: cannot open shared", "libz.so.1"),
        ("Failed at step EXEC spawning /a/x: Permission denied", "could not run /a/x"),
        ("Extension 'x' is for architecture 'arm64', but deployed on top of 'x86-64'.", "arm64"),
        ("Extension 'x' is for OS 'fedora', but deployed on top of 'debian'.", "system fedora"),
        ("Extension 'x' is for OS '11', but deployed on top of '12'.", "version 11"),
        ("Extension 'x' carries no release data, ignoring.", "ID=_any"),
        (
            (
                "Failed to determine user credentials: No such process\n"
                "/usr/lib/sysusers.d/a.conf:u a - - -"
            ),
            "a.conf declares the account",
        ),
        ("Failed to determine user credentials: No such process", "ship a file"),
        ("modprobe: FATAL: Module nbd not found in directory /lib/modules/6", "machine: vm"),
        ("sh: 1: cannot create /usr/share/a: Read-only file system", "writes below /usr"),
        ("open /etc/a/a.conf: no such file or directory", "an image has no /etc"),
        ("cannot create /var/lib/a/b: Directory nonexistent", "StateDirectory="),
        ("it is activating (start)", "READY=1"),
    ],
)
def test_known_messages_are_explained(log: str, words: str) -> None:
    assert words in (meaning(log) or "")


def test_unknown_messages_are_not() -> None:
    assert meaning("all is well") is None


def test_a_renamed_image_is_told_from_a_damaged_one() -> None:
    renamed = refusal("dockr", "No medium found", ["extension-release.docker"])
    assert "install it as docker.raw" in (renamed or "")
    assert "not made as a system" in (refusal("docker", "No medium found", []) or "")
    assert refusal("docker", "?", ["extension-release.docker"]) is None
