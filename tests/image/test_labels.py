"""What every path of an image is called, by the table, a recipe, and a policy's own table."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Literal

import pytest

from bakery.image import file_contexts
from bakery.image.errors import ImageError
from bakery.image.labels import Labels, label, place
from bakery.image.manifest import ManifestEntry

if TYPE_CHECKING:
    from pathlib import Path

POLICY = r"""
# a policy's table
/.*                             system_u:object_r:default_t:s0
/usr/.*                         system_u:object_r:usr_t:s0
/usr/lib(/.*)?                  system_u:object_r:lib_t:s0
/usr/(.*/)?bin(/.*)?            system_u:object_r:bin_t:s0
/usr/lib/systemd/system(/.*)?   system_u:object_r:unit_t:s0
/usr/lib/systemd/system/web.*   -- system_u:object_r:web_unit_t:s0
/usr/bin/web                    -- system_u:object_r:web_exec_t:s0
/usr/bin/we.*                   -- system_u:object_r:other_exec_t:s0
/usr/bin/web\.old               system_u:object_r:old_exec_t:s0
/usr/bin/(a|b)c                 system_u:object_r:abc_exec_t:s0
/usr/bin/xy?z                   system_u:object_r:xyz_exec_t:s0
/usr/share/none(/.*)?           <<none>>
/dev/web                        -c system_u:object_r:device_t:s0
"""


def entry(
    path: str, *, mode: int = 0o644, kind: Literal["file", "directory", "link"] = "file"
) -> ManifestEntry:
    return ManifestEntry(path=path, type=kind, mode=mode)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "file_contexts"
    path.write_text(POLICY)
    path.with_name("file_contexts.subs_dist").write_text("# folders\n/usr/sbin /usr/bin\n")
    path.with_name("file_contexts.local").write_text("/usr/bin/own system_u:object_r:own_t:s0\n")
    file_contexts.digest.cache_clear()
    file_contexts.read.cache_clear()
    return path


@pytest.mark.parametrize(
    ("path", "executable", "type_"),
    [
        (".", False, "root_t"),
        ("usr", False, "usr_t"),
        ("usr/bin", False, "bin_t"),
        ("usr/bin/app", True, "bin_t"),
        ("usr/sbin/app", True, "bin_t"),
        ("usr/libexec/app/helper", True, "bin_t"),
        ("usr/local/bin/app", True, "bin_t"),
        ("usr/lib", False, "lib_t"),
        ("usr/lib/app/data", False, "lib_t"),
        ("usr/lib/app/program", True, "bin_t"),
        ("usr/lib/app/bin/program", True, "bin_t"),
        ("usr/lib/app/libapp.so.1.2", True, "lib_t"),
        ("usr/lib64/libapp.so", False, "lib_t"),
        ("usr/lib/app/lib/ld-linux-x86-64.so.2", True, "ld_so_t"),
        ("usr/lib/app/ld-musl-aarch64.so.1", True, "ld_so_t"),
        ("usr/lib/systemd/system/app.service", False, "systemd_unit_file_t"),
        ("usr/lib/systemd/system/app.service.d/10-app.conf", False, "systemd_unit_file_t"),
        ("usr/lib/systemd/user/app.service", False, "systemd_unit_file_t"),
        ("usr/lib/systemd/network/10-app.network", False, "lib_t"),
        ("usr/lib/sysusers.d/app.conf", False, "lib_t"),
        ("usr/lib/tmpfiles.d/app.conf", False, "lib_t"),
        ("usr/lib/udev/rules.d/90-app.rules", False, "udev_rules_t"),
        ("usr/lib/modules/6.12/app.ko", False, "modules_object_t"),
        ("usr/share/app/config", False, "usr_t"),
        ("usr/share/app/script", True, "bin_t"),
        ("usr/share/man/man1/app.1", False, "man_t"),
        ("opt", False, "usr_t"),
        ("opt/app/README", False, "usr_t"),
        ("opt/app/bin/app", True, "bin_t"),
        ("opt/app/app", True, "bin_t"),
        ("opt/app/lib/libapp.so", False, "lib_t"),
        ("etc/app/app.conf", False, "etc_t"),
        ("etc/systemd/system/app.service", False, "systemd_unit_file_t"),
        ("usr/lib/app/root", False, "lib_t"),
        ("usr/lib/app/root/etc/app.conf", False, "etc_t"),
        ("usr/lib/app/root/usr/bin/app", True, "bin_t"),
        ("usr/lib/app/root/usr/share/app", False, "usr_t"),
    ],
)
def test_a_place_has_its_type(path: str, type_: str, *, executable: bool) -> None:
    assert place(path, executable=executable) == type_


def test_a_recipe_labels_a_path_and_what_is_below_it() -> None:
    labels = Labels((("usr/lib/app", label("app_lib_t")), ("usr/lib/app/bin", label("app_exec_t"))))
    assert labels.of(entry("usr/lib/app/data")) == "system_u:object_r:app_lib_t:s0"
    assert labels.of(entry("usr/lib/app", kind="directory")) == label("app_lib_t")
    assert labels.of(entry("usr/lib/app/bin/app", mode=0o755)) == label("app_exec_t")
    assert labels.of(entry("usr/lib/apple")) == label("lib_t")
    assert label("staff_u:object_r:app_t:s0:c1") == "staff_u:object_r:app_t:s0:c1"


@pytest.mark.parametrize(
    ("path", "kind", "type_"),
    [
        ("usr/bin/web", "file", "web_exec_t"),  # without metacharacters, wherever it stands
        ("usr/bin/web", "link", "bin_t"),
        ("usr/bin/west", "file", "other_exec_t"),
        ("usr/bin/web.old", "file", "old_exec_t"),
        ("usr/bin/web-old", "file", "other_exec_t"),
        ("usr/bin/ac", "file", "abc_exec_t"),
        ("usr/bin/bc", "file", "abc_exec_t"),
        ("usr/bin/xz", "file", "xyz_exec_t"),
        ("usr/bin/xyz", "file", "xyz_exec_t"),
        ("usr/bin/own", "file", "own_t"),
        ("usr/sbin/web", "file", "web_exec_t"),
        ("usr/lib/systemd/system", "directory", "unit_t"),
        ("usr/lib/systemd/system/web.service", "file", "web_unit_t"),
        ("usr/lib/app/bin/app", "file", "bin_t"),
        ("opt/app", "file", "default_t"),
        ("usr/share/none/x", "file", None),
    ],
)
def test_a_policys_table_is_read_as_selinux_does(
    policy: Path, path: str, kind: str, type_: str | None
) -> None:
    found = file_contexts.read(policy).label(path, kind)
    assert found == (type_ and f"system_u:object_r:{type_}:s0")


def test_a_policy_decides_but_for_types_of_the_recipe_that_it_knows(policy: Path) -> None:
    own = (("usr/bin/one", label("web_exec_t")), ("usr/bin/two", label("unknown_t")))
    labels = Labels(own, file_contexts.read(policy))
    assert labels.of(entry("usr/bin/one", mode=0o755)) == label("web_exec_t")
    assert labels.of(entry("usr/bin/two", mode=0o755)) == label("bin_t")
    assert labels.of(entry("usr/lib/systemd/system/web.service")) == label("web_unit_t")
    assert labels.of(entry("usr/share/none/x")) == label("usr_t"), "the policy says nothing"


def test_matchpathcon_says_the_same(policy: Path) -> None:
    if shutil.which("matchpathcon") is None:
        pytest.skip("needs matchpathcon")
    paths = ["usr/bin/web", "usr/bin/west", "usr/bin/ac", "usr/lib/systemd/system/web.x", "opt/a"]
    for path in paths:
        said = subprocess.run(
            ["matchpathcon", "-n", "-m", "file", "-f", policy, f"/{path}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert file_contexts.read(policy).label(path, "file") == said.stdout.strip()


def test_the_digest_is_of_all_that_counts(policy: Path) -> None:
    digests = set()
    for beside in ("", ".local", ".subs", ".subs_dist"):
        digests.add(file_contexts.digest(policy))
        with policy.with_name(policy.name + beside).open("a") as file:
            file.write("# more\n")
        file_contexts.digest.cache_clear()
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/usr/bin", "it is not `REGULAR-EXPRESSION [-KIND] LABEL`"),
        ("/usr/bin bin_t", "it is not `REGULAR-EXPRESSION"),
        ("/usr/bin -x system_u:object_r:bin_t:s0", "it is not `REGULAR-EXPRESSION"),
        ("/usr/(bin system_u:object_r:bin_t:s0", "missing )"),
    ],
)
def test_a_line_that_makes_no_sense_is_an_error_of_its_place(
    policy: Path, line: str, why: str
) -> None:
    policy.write_text(f"\n{line}\n")
    with pytest.raises(ImageError, match="a line of the file_contexts") as caught:
        file_contexts.read(policy).label("usr/bin", "directory")
    assert str(caught.value.where).endswith("file_contexts:2")
    assert why in str(caught.value.why)


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for act in (file_contexts.digest, file_contexts.read):
        with pytest.raises(ImageError, match="there is no such file_contexts"):
            act(tmp_path / "none")
