from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from harness import torcx
from harness.elf import program

from bakery.cli import main
from bakery.errors import BakeryError
from bakery.recipe.load import load_all
from bakery.torcx.convert import convert
from bakery.torcx.image import TorcxImage
from bakery.torcx.units import mentions, without_torcx

CONVERTED = """\
[Unit]
Description=Docker Application Container Engine
After=network.target containerd.service

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=DOCKER_OPTS=
ExecStartPre=/usr/bin/containerd $DOCKER_OPTS
ExecStart=/usr/bin/dockerd
"""
FILES = {
    "usr/bin/containerd",
    "usr/bin/docker-containerd",
    "usr/bin/dockerd",
    "usr/lib/systemd/network/50-docker.network",
    "usr/lib/systemd/system/docker.service",
    "usr/lib/systemd/system/docker.service.d/10-limits.conf",
    "usr/lib/sysusers.d/docker.conf",
    "usr/lib/udev/rules.d/90-docker.rules",
}


def paths(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


@pytest.mark.parametrize("kind", ["tgz", "squashfs"])
def test_both_archive_types_give_the_same_recipe(tmp_path: Path, kind: str) -> None:
    if kind == "squashfs" and not shutil.which("mksquashfs"):
        pytest.skip("needs mksquashfs")
    write = torcx.tar if kind == "tgz" else torcx.squash
    image = write(tmp_path / f"docker:20.10.13.torcx.{kind}", torcx.contents())
    done = convert(image, None, None, tmp_path / "recipes")
    folder = tmp_path / "recipes/docker"
    files = folder / "files"
    assert paths(files) == FILES
    assert (files / "usr/lib/systemd/system/docker.service").read_text() == CONVERTED
    assert str((files / "usr/bin/docker-containerd").readlink()) == "containerd"
    assert os.access(files / "usr/bin/dockerd", os.X_OK)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert recipe["build"] == ["20.10.13"]
    assert recipe["start"] == [{"unit": "docker.service", "target": "multi-user.target"}]
    assert recipe["replaces"] == ["docker-flatcar", "containerd-flatcar"]
    assert "os" not in recipe
    assert list(load_all(tmp_path / "recipes")) == ["docker"]
    assert done.lost == ["etc/docker/daemon.json: extensions only have /usr"]
    assert "usr/lib/systemd/system/docker.service: Torcx taken out" in done.changed
    assert image.name in done.summary()


def test_dynamic_programs_need_their_system(tmp_path: Path) -> None:
    image = torcx.tar(tmp_path / "docker:1.torcx.tgz", torcx.contents(dynamic=True))
    with pytest.raises(BakeryError, match="dynamic programs") as caught:
        convert(image, None, None, tmp_path / "recipes")
    assert "bin/dockerd" in str(caught.value)
    assert "--os" in str(caught.value)
    convert(image, None, "flatcar:3033.2.4", tmp_path / "recipes")
    recipe = yaml.safe_load((tmp_path / "recipes/docker/recipe.yaml").read_text())
    assert recipe["os"] == {"id": "flatcar", "version": "3033.2.4"}


def test_an_image_without_a_manifest_is_placed_by_its_folders(tmp_path: Path) -> None:
    files = torcx.contents()
    del files[".torcx/manifest.json"]
    image = torcx.tar(tmp_path / "docker:com.coreos.cl.torcx.tgz", files)
    done = convert(image, "mydocker", None, tmp_path / "recipes")
    found = paths(tmp_path / "recipes/mydocker/files")
    assert found == FILES - {"usr/lib/udev/rules.d/90-docker.rules"}
    assert done.version == "0"
    assert any("no manifest" in line for line in done.changed)


def test_paths_that_are_not_there_are_told(tmp_path: Path) -> None:
    files = torcx.contents(tmpfiles=["/lib/tmpfiles.d/gone.conf"], unheard_of=["/x"])
    done = convert(
        torcx.tar(tmp_path / "docker:1.torcx.tgz", files), None, None, tmp_path / "recipes"
    )
    assert "/lib/tmpfiles.d/gone.conf: the manifest names it, and it is not there" in done.lost


def test_what_has_no_place_and_what_nobody_enabled_are_told(tmp_path: Path) -> None:
    files = torcx.contents(units=["/lib/systemd/system/docker.service"])
    del files["lib/systemd/system/multi-user.target.wants/docker.service"]
    files |= {"sbin/dockerd": b"another", "bin/gone": "../share/gone"}
    image = torcx.tar(tmp_path / "docker:1.torcx.tgz", files)
    done = convert(image, None, None, tmp_path / "recipes")
    assert "sbin/dockerd: another file of the image has its place, usr/bin/dockerd" in done.lost
    assert "bin/gone: a link to ../share/gone, which the extension does not have" in done.lost
    assert "no unit was enabled in the image: add `start:` to a recipe of it" in done.lost
    assert "start:" not in (tmp_path / "recipes/docker/recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("/etc/passwd", tarfile.REGTYPE, ""),
        ("bin/escape", tarfile.SYMTYPE, "../../outside"),
        ("dev/null", tarfile.CHRTYPE, ""),
    ],
)
def test_hostile_members_are_refused(tmp_path: Path, name: str, kind: bytes, target: str) -> None:
    odd = tarfile.TarInfo(name)
    odd.type, odd.linkname = kind, target
    image = torcx.tar(tmp_path / "docker:1.torcx.tgz", torcx.contents(), odd)
    with pytest.raises(BakeryError, match="refused"):
        convert(image, None, None, tmp_path / "recipes")
    assert not (tmp_path / "recipes").exists()


@pytest.mark.parametrize("manifest", [b"{", b'{"kind": "profile-manifest-v0", "value": {}}', b"[]"])
def test_a_strange_manifest_is_explained(tmp_path: Path, manifest: bytes) -> None:
    files = torcx.contents() | {".torcx/manifest.json": manifest}
    with pytest.raises(BakeryError, match="manifest can't be read"):
        convert(torcx.tar(tmp_path / "a:1.torcx.tgz", files), None, None, tmp_path / "recipes")


@pytest.mark.parametrize(
    ("file", "name", "what"),
    [
        ("docker.tgz", None, "no Torcx image"),
        ("Docker:1.torcx.tgz", None, "can't be called"),
        ("missing:1.torcx.tgz", None, "no such image"),
    ],
)
def test_wrong_names_are_explained(tmp_path: Path, file: str, name: str | None, what: str) -> None:
    with pytest.raises(BakeryError, match=what):
        convert(tmp_path / file, name, None, tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ExecStart=/run/torcx/bin/dockerd\n", "ExecStart=/usr/bin/dockerd\n"),
        ("ExecStart=/run/torcx/unpack/docker/bin/ctr a\n", "ExecStart=/usr/bin/ctr a\n"),
        ("ExecStart=$TORCX_BINDIR/dockerd\n", "ExecStart=/usr/bin/dockerd\n"),
        ("After=torcx.target\n", ""),
        ("Wants=torcx-profile-populate.service a.service\n", "Wants=a.service\n"),
        ("ConditionPathExists=/run/metadata/torcx\n", ""),
        ("EnvironmentFile=-/run/metadata/torcx\n", ""),
        ("EnvironmentFile=/run/flannel.env\n", "EnvironmentFile=/run/flannel.env\n"),
        ("After=network.target\n", "After=network.target\n"),
    ],
)
def test_units_lose_torcx_and_nothing_else(before: str, after: str) -> None:
    assert without_torcx(before) == after
    assert without_torcx(after) == after


def test_what_stays_of_torcx_is_told() -> None:
    unit = "# torcx was here\nExecStart=/usr/bin/torcx profile list\n"
    assert mentions(without_torcx(unit)) == ["ExecStart=/usr/bin/torcx profile list"]
    assert without_torcx(unit) == unit


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("${TORCX_UNPACKDIR}${TORCX_IMAGEDIR}/usr/share/x", "/usr/share/x"),
        ("${TORCX_UNPACKDIR}${TORCX_IMAGEDIR}/share/x", "/usr/share/x"),
        ("$TORCX_UNPACKDIR/docker/usr/sbin/cupsd", "/usr/bin/cupsd"),
        ("/var/run/torcx/unpack/docker/bin/dockerd", "/usr/bin/dockerd"),
        (
            "A=${TORCX_UNPACKDIR}/docker/lib:${TORCX_UNPACKDIR}/docker/lib64",
            "A=/usr/lib:/usr/lib64",
        ),
        ('"${TORCX_UNPACKDIR}${TORCX_IMAGEDIR}"', '"/usr"'),
        ("${TORCX_UNPACKDIR}${TORCX_IMAGEDIR}${CONFIG}", "${CONFIG}"),
        ("Environment=CONFIG=/share/c.toml", "Environment=CONFIG=/usr/share/c.toml"),
        ("Environment=CONFIG=/usr/share/c.toml", "Environment=CONFIG=/usr/share/c.toml"),
        ("ExecStartPre=restorecon -R /x", "ExecStartPre=-restorecon -R /x"),
        ("ExecStartPre=-/usr/sbin/restorecon -R /x", "ExecStartPre=-/usr/sbin/restorecon -R /x"),
        (". /run/metadata/torcx\nexec x\n", "exec x\n"),
    ],
)
def test_paths_in_the_image_are_where_the_extension_has_them(before: str, after: str) -> None:
    image = TorcxImage(
        files={},
        destinations={},
        folders=frozenset(),
        privileged=frozenset(),
        absent=(),
        has_manifest=True,
    )
    assert without_torcx(before, image.place, frozenset({"CONFIG"})) == after


def test_flatcars_own_image_converts_whole(tmp_path: Path) -> None:
    """Also where its folders are links into /usr, as after a merge of the two."""
    for linked in (False, True):
        work = tmp_path / f"{linked}"
        tree = work / "tree"
        programs = [work / name for name in ("dockerd", "containerd", "runc", "tini")]
        tree.mkdir(parents=True)
        for each in programs:
            each.write_bytes(program("x86-64"))
        torcx.flatcar(tree, programs)
        for name in ("ctr", "docker", "docker-proxy", "containerd-shim-runc-v2"):
            shutil.copy(programs[0], tree / "bin" / name)
        if linked:
            for name in ("bin", "lib"):
                (tree / name).rename(tree / "usr" / name)
                (tree / name).symlink_to(f"usr/{name}")
        image = work / "docker:20.10.torcx.tgz"
        subprocess.run(["tar", "--force-local", "-C", tree, "-czf", image, "."], check=True)
        done = convert(image, None, None, work / "recipes")
        assert done.lost == []
        files = work / "recipes/docker/files/usr"
        unit = (files / "lib/systemd/system/containerd.service").read_text()
        assert "ExecStart=/usr/bin/containerd --config ${CONTAINERD_CONFIG}\n" in unit
        assert "CONTAINERD_CONFIG=/usr/share/containerd/config.toml\n" in unit
        assert (files / "share/containerd/config.toml").is_file()
        assert (files / "bin/docker-init").readlink() == Path("tini")
        made = (files / "lib/sysusers.d/docker-accounts.conf").read_text()
        assert made == "g docker -\n"
        recipe = yaml.safe_load((work / "recipes/docker/recipe.yaml").read_text())
        assert recipe["start"] == [{"unit": "docker.socket", "target": "sockets.target"}]


def test_programs_of_sbin_move_with_what_names_them(tmp_path: Path) -> None:
    unit = "[Service]\nExecStart=/usr/sbin/cupsd -f\nUser=lp\nSupplementaryGroups=x\n"
    files: dict[str, bytes | str] = {
        ".torcx/manifest.json": (
            b'{"kind": "image-manifest-v0", "value": {"bin": ["/usr/sbin/cupsd"],'
            b' "units": ["/usr/lib/systemd/system/cups.service"]}}'
        ),
        "usr/sbin/cupsd": program("x86-64"),
        "usr/lib/systemd/system/cups.service": unit.encode(),
    }
    image = torcx.tar(tmp_path / "cups:2.torcx.tgz", files)
    done = convert(image, None, None, tmp_path / "recipes")
    folder = tmp_path / "recipes/cups/files/usr"
    assert (folder / "bin/cupsd").is_file()
    text = (folder / "lib/systemd/system/cups.service").read_text()
    assert "ExecStart=/usr/bin/cupsd -f" in text
    assert "usr/lib/systemd/system/cups.service: /usr/bin for sbin" in done.changed


@pytest.mark.parametrize("kind", ["tgz", "squashfs"])
def test_bits_that_give_rights_are_told(tmp_path: Path, kind: str) -> None:
    if kind == "squashfs" and not shutil.which("mksquashfs"):
        pytest.skip("needs mksquashfs")
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/newuidmap").write_bytes(program("x86-64"))
    (tree / "bin/newuidmap").chmod(0o4755)
    image = tmp_path / f"ids:1.torcx.{kind}"
    command: list[str | Path] = ["tar", "--force-local", "-C", tree, "-czf", image, "."]
    if kind == "squashfs":
        command = ["mksquashfs", tree, image, "-quiet", "-no-progress"]
    subprocess.run(command, check=True)
    done = convert(image, None, None, tmp_path / "recipes")
    made = tmp_path / "recipes/ids/files/usr/bin/newuidmap"
    assert made.stat().st_mode & 0o7777 == 0o755
    assert any("bin/newuidmap: its setuid or setgid bit" in line for line in done.lost)


@pytest.mark.skipif(not shutil.which("mksquashfs"), reason="needs mksquashfs")
def test_the_command_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).parents[2] / ".github/docs/torcx.md").read_text()
    words = re.findall(r"^\$ bakery (torcx .*)$", guide, re.MULTILINE)
    assert len(words) == 1
    torcx.tar(tmp_path / "docker:20.10.13.torcx.tgz", torcx.contents())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, words[0].split(), env={"HOME": str(tmp_path)})
    assert done.exit_code == 0, done.output
    assert "wrote docker-20.10.13-x86-64.raw" in done.output
    for told in ("changed:", "not carried over:", "remove on the hosts:"):
        assert told in done.output
