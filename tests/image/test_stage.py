from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
import tarfile
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bakery.binary import elf
from bakery.errors import BakeryError
from bakery.image.errors import AlteredAssetError, ImageError
from bakery.image.manifest import decode, encode
from bakery.image.stage import EPOCH, stage
from bakery.progress import Silent
from bakery.recipe import lock as lockfile
from bakery.recipe.capabilities import Capabilities
from bakery.recipe.load import load_all
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.recipe.plan import releases
from bakery.yaml.location import DocumentError

if TYPE_CHECKING:
    from bakery.image.manifest import Manifest

LIBRARIES = Path("/lib", f"{platform.machine()}-linux-gnu")
URL = "https://example.com/tool-1.2.tgz"
HEAD = """summary: a tool
homepage: https://example.com
license: MIT
build: ['1.2']
arch: {x86-64: amd64}
assets:
  - url: https://example.com/tool-{version}.tgz
    install: {tool/bin/*: usr/bin/, tool/share/**: usr/share/tool/}
"""
MEMBERS = {
    "tool/bin/tool": b"\x7fELF program",
    "tool/share/conf": b"path = /opt/tool\n",
    "tool/share/doc/manual": b"read me\n",
    "tool/LICENSE": b"MIT",
}


class Kitchen:
    """A recipes folder with one recipe, an archive for it, and a place to stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = folder / "recipes" / "tool"
        self.recipe.mkdir(parents=True)
        self.members = dict(MEMBERS)
        self.modes: dict[str, int] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.flip: int | None = None

    def file(self, path: str, text: str) -> Path:
        """Write a file of the recipe's folder."""
        place = self.recipe / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def stage(self, more: str = "", head: str = HEAD) -> Manifest:
        """Stage the recipe with further keys; the tree lies in `self.root`."""
        self.file("recipe.yaml", head + more)
        archive = self.folder / "tool.tgz"
        with tarfile.open(archive, "w:gz") as tar:
            for name, data in self.members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                info.mode = self.modes.get(name, 0o600)
                info.pax_headers = self.headers.get(name, {})
                tar.addfile(info, BytesIO(data))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        asset = LockedAsset(url=URL, sha256=digest, trust="first-use")
        lock = Lock(versions={"1.2": LockedVersion(assets=(asset,))})
        (self.recipe / "lock.json").write_bytes(lockfile.encode(lock))
        (release,) = releases(load_all(self.folder / "recipes")["tool"])
        if release.problem:
            raise release.problem
        self.root = self.folder / "tree"
        self.root.mkdir()
        if self.flip is not None:
            flipped = bytearray(archive.read_bytes())
            flipped[self.flip] ^= 1
            archive.write_bytes(flipped)
        return stage(release.images[0], "key", {digest: archive}, self.root, Silent())

    def text(self, path: str) -> str:
        """Return a staged file's text."""
        return (self.root / path).read_text()


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def files(manifest: Manifest) -> dict[str, int]:
    return {entry.path: entry.mode for entry in manifest.entries if entry.type == "file"}


def test_members_land_where_the_recipe_says_with_modes_and_times(kitchen: Kitchen) -> None:
    manifest = kitchen.stage()
    assert files(manifest) == {
        "usr/bin/tool": 0o755,
        "usr/lib/extension-release.d/extension-release.tool": 0o644,
        "usr/share/tool/conf": 0o644,
        "usr/share/tool/doc/manual": 0o644,
    }
    assert (kitchen.root / "usr/bin/tool").stat().st_mtime == EPOCH
    assert {entry.origin for entry in manifest.entries if entry.path == "usr/bin/tool"} == {URL}


def test_only_units_ask_for_a_reload(kitchen: Kitchen) -> None:
    kitchen.stage()
    release = kitchen.text("usr/lib/extension-release.d/extension-release.tool")
    assert release == (
        "ID=_any\nARCHITECTURE=x86-64\nSYSEXT_ID=tool\nSYSEXT_NAME=tool\nSYSEXT_VERSION_ID=1.2\n"
        "BAKERY_RESTART=keep\n"
    )


def test_units_are_upheld_and_find_programs_that_were_folded(kitchen: Kitchen) -> None:
    kitchen.file(
        "files/usr/lib/systemd/system/tool.service", "[Service]\nExecStart=/usr/sbin/tool\n"
    )
    manifest = kitchen.stage(
        "start: [tool.service, {unit: other.timer, when: '< 1'}]\n"
        "links: {usr/sbin/old: ../bin/tool}\n"
    )
    assert "EXTENSION_RELOAD_MANAGER=1" in kitchen.text(
        "usr/lib/extension-release.d/extension-release.tool"
    )
    assert kitchen.text("usr/lib/systemd/system/multi-user.target.d/10-tool.conf") == (
        "[Unit]\nUpholds=tool.service\n"
    )
    assert "/usr/bin/tool" in kitchen.text("usr/lib/systemd/system/tool.service")
    assert manifest.notes == (
        "in usr/bin, since usr/sbin is a link to it on some hosts: old",
        "written /usr/bin for /usr/sbin in tool.service",
    )


RAW = Capabilities.parse("cap_net_raw=ep").encode()
AS_TEXT = {
    "SCHILY.xattr.security.capability": RAW.decode(errors="surrogateescape"),
    "LIBARCHIVE.xattr.security.capability": b64encode(RAW).decode().rstrip("="),
}


@pytest.mark.parametrize("header", AS_TEXT)
def test_rights_that_upstream_gives_are_told_and_kept_if_the_recipe_says_so(
    kitchen: Kitchen, header: str
) -> None:
    kitchen.modes["tool/bin/tool"] = 0o4755
    kitchen.headers["tool/bin/tool"] = {header: AS_TEXT[header]}
    manifest = kitchen.stage()
    (note,) = manifest.notes
    assert note.startswith("usr/bin/tool has mode 4755 and cap_net_raw=ep upstream, and not here")
    assert not manifest.attributes
    shutil.rmtree(kitchen.root)
    manifest = kitchen.stage("capabilities: {usr/bin/tool: cap_net_raw+ep}\n")
    assert manifest.notes == ()
    assert manifest.attributes == {"usr/bin/tool": RAW}
    assert decode(encode(manifest)) == manifest


def test_labels_are_the_places_and_the_recipes(kitchen: Kitchen) -> None:
    kitchen.members["tool/bin/helper"] = b"\x7fELF"
    manifest = kitchen.stage(
        "labels: {usr/sbin/tool: tool_exec_t, usr/share/tool: 'staff_u:object_r:a_t:s0',"
        " usr/bin/none: none_exec_t}\n"
    )
    types = {entry.path: entry.label for entry in manifest.entries}
    assert types["usr/bin/tool"] == "system_u:object_r:tool_exec_t:s0"
    assert types["usr/bin/helper"] == "system_u:object_r:bin_t:s0"
    assert types["usr/share/tool/doc/manual"] == "staff_u:object_r:a_t:s0"
    assert types["usr/share"] == "system_u:object_r:usr_t:s0"
    assert None not in types.values()
    assert manifest.labels["."] == b"system_u:object_r:root_t:s0\0"
    assert manifest.labels["usr/bin/tool"] == b"system_u:object_r:tool_exec_t:s0\0"
    assert manifest.notes == (
        "there is no usr/bin/none to label; versions may differ, or `labels:` in its spelling",
    )
    assert decode(encode(manifest)) == manifest
    assert manifest.unlabelled.labels == {}
    assert manifest.unlabelled.unlabelled == manifest.unlabelled


@pytest.mark.parametrize(
    "label", ["bin t", "system_u:bin_t", "system_u:object_r:", "0bin_t", "a:b:c:d", "bin_t\n"]
)
def test_a_label_is_a_type_or_all_of_it(kitchen: Kitchen, label: str) -> None:
    with pytest.raises(DocumentError, match="bin_t"):
        kitchen.stage(f"labels: {{usr/bin/tool: {label!r}}}\n".replace("'", '"'))


@pytest.mark.parametrize("at", [4, 20, 60, -5, -1])
@pytest.mark.parametrize("head", [HEAD, HEAD.replace("tool/bin/*", "tool/sbin/*")])
def test_other_bytes_than_the_lock_s_are_refused_as_such(
    kitchen: Kitchen, at: int, head: str
) -> None:
    kitchen.flip = at
    with pytest.raises(AlteredAssetError, match="tgz is not the file that the lock pins"):
        kitchen.stage(head=head)


def test_an_image_sets_itself_up_before_its_units_start(kitchen: Kitchen) -> None:
    kitchen.file("files/usr/lib/systemd/system/tool.service", "[Service]\nExecStart=tool\n")
    kitchen.stage(
        "account: tool\nconfig: {etc/tool.conf: conf, etc/old.conf: {default: none, when: '< 1'}}\n"
        "start: [tool.service]\n"
    )
    upheld = kitchen.text("usr/lib/systemd/system/multi-user.target.d/10-tool.conf")
    match = re.fullmatch(r"\[Unit\]\nUpholds=(tool-setup@\w+\.service) tool\.service\n", upheld)
    assert match
    drop_in = kitchen.text("usr/lib/systemd/system/tool.service.d/10-tool-setup.conf")
    assert f"After={match[1]}\n" in drop_in
    assert "C /etc/tool.conf" in kitchen.text("usr/share/tool/tmpfiles.conf")
    assert "old.conf" not in kitchen.text("usr/share/tool/tmpfiles.conf")


def test_a_variant_finds_the_defaults_of_the_recipe_that_it_extends(kitchen: Kitchen) -> None:
    base = kitchen.folder / "recipes/base"
    for path, text in {
        "recipe.yaml": HEAD + "config: {etc/tool.conf: base.conf, etc/own.conf: own.conf}\n",
        "files/usr/share/base/base.conf": "base's\n",
        "files/usr/share/base/own.conf": "base's\n",
    }.items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(text)
    kitchen.file("files/usr/share/tool/own.conf", "the variant's\n")
    kitchen.stage(head="extends: base\n")
    lines = kitchen.text("usr/share/tool/tmpfiles.conf").splitlines()
    assert lines == [
        "C /etc/tool.conf - - - - /usr/share/base/base.conf",
        "C /etc/own.conf - - - - /usr/share/tool/own.conf",
    ]


def test_what_macos_adds_to_archives_is_left_out(kitchen: Kitchen) -> None:
    kitchen.members |= {
        "tool/bin/._tool": b"\0\5\26\7",
        "tool/share/.DS_Store": b"",
        "__MACOSX/tool/share/conf": b"",
    }
    manifest = kitchen.stage()
    assert not [path for path in files(manifest) if "._" in path or "DS_Store" in path]
    assert manifest.notes == ()


def test_local_files_are_verbatim_unless_they_opt_in(kitchen: Kitchen) -> None:
    kitchen.file("files/usr/share/tool/verbatim", "{version}")
    kitchen.file("files/usr/share/tool/filled", "{name} {version} {arch} {{}}")
    kitchen.file("files/usr/share/tool/old", "for old versions")
    kitchen.file("files/usr/bin/run", "#!/bin/sh\n").chmod(0o755)
    kitchen.stage(
        "files:\n  usr/share/tool/filled: {template: true}\n  usr/share/tool/old: {when: '< 1.2'}\n"
    )
    assert kitchen.text("usr/share/tool/verbatim") == "{version}"
    assert kitchen.text("usr/share/tool/filled") == "tool 1.2 amd64 {}"
    assert not (kitchen.root / "usr/share/tool/old").exists()
    assert (kitchen.root / "usr/bin/run").stat().st_mode & 0o777 == 0o755


def test_write_links_edit_drop_and_modes(kitchen: Kitchen) -> None:
    manifest = kitchen.stage(
        'write: {usr/share/tool/version: "{version}\\n"}\n'
        "links: {usr/bin/t: tool, usr/share/tool/state: /var/lib/tool}\n"
        "edit: {usr/share/tool/conf: [{replace: /opt/tool, with: /usr/lib/tool}]}\n"
        "drop: [usr/share/tool/doc]\n"
        'modes: {usr/bin/tool: "4755"}\n'
    )
    assert kitchen.text("usr/share/tool/version") == "1.2\n"
    assert (kitchen.root / "usr/bin/t").readlink().name == "tool"
    assert kitchen.text("usr/share/tool/conf") == "path = /usr/lib/tool\n"
    assert not (kitchen.root / "usr/share/tool/doc").exists()
    assert files(manifest)["usr/bin/tool"] == 0o4755


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("edit: {usr/share/tool/nothing: [{replace: a, with: b}]}\n", "no file"),
        ("edit: {usr/share/tool/conf: [{replace: absent, with: b}]}\n", "does not contain"),
        ("drop: [usr/share/none/**]\n", "matches nothing"),
        ('modes: {usr/bin/none: "0755"}\n', "no file usr/bin/none"),
        ("capabilities: {usr/bin/none: cap_bpf=p}\n", "no file usr/bin/none"),
        ("config: {etc/tool.conf: cnf}\n", "no file usr/share/tool/cnf"),
        ("config: {etc/tool.conf: {default: cnf}}\n", "no file usr/share/tool/cnf"),
    ],
)
def test_what_finds_nothing_to_do_is_shown_in_the_recipe(
    kitchen: Kitchen, more: str, says: str
) -> None:
    with pytest.raises(DocumentError, match=says) as caught:
        kitchen.stage(more)
    assert caught.value.where is not None
    assert "recipe.yaml:9:" in caught.value.where


def test_a_pattern_without_matches_lists_what_there_is(kitchen: Kitchen) -> None:
    head = HEAD.replace("tool/bin/*", "tool-1.2/bin/*")
    with pytest.raises(ImageError, match=r"matches 'tool-1\.2/bin/\*'") as caught:
        kitchen.stage(head=head)
    assert "tool/bin/tool" in str(caught.value.why)


def test_patterns_without_matches_are_told_together(kitchen: Kitchen) -> None:
    kitchen.members |= {f"tool/modules/m{i}\r": b"" for i in range(3000)}
    head = HEAD.replace("tool/bin/*", "bin/tool").replace("tool/share/**", "tool/share/config")
    with pytest.raises(ImageError, match=r"matches 'bin/tool' or 'tool/share/config'") as caught:
        kitchen.stage(head=head)
    why = str(caught.value.why).splitlines()
    assert why[0] == "tool-1.2.tgz holds 3004 members"
    assert why[1:3] == ["nearest to 'bin/tool':", "  tool/bin/tool"]
    assert why[-4:-2] == ["nearest to 'tool/share/config':", "  tool/share/conf"]
    assert len(why) < 10


def test_a_pattern_installs_all_but_some(kitchen: Kitchen) -> None:
    kitchen.members |= {"tool/bin/tool.debug": b"", "tool/share/doc/x": b""}
    head = HEAD.replace("tool/bin/*", '"tool/bin/!(*.debug)"').replace("share/**", "share/!(doc)")
    manifest = kitchen.stage(head=head)
    assert files(manifest).keys() >= {"usr/bin/tool", "usr/share/tool/conf"}
    assert not (kitchen.root / "usr/bin/tool.debug").exists()
    assert not (kitchen.root / "usr/share/tool/doc").exists()


@pytest.mark.skipif(not LIBRARIES.is_dir(), reason="needs the C library of a Debian system")
def test_what_is_dropped_needs_no_libraries(kitchen: Kitchen) -> None:
    loader = elf.read(BytesIO(Path("/bin/true").read_bytes())).interpreter
    assert loader is not None
    kitchen.members |= {
        "tool/bin/tool": Path("/bin/true").read_bytes(),
        "tool/bin/needy": Path(sys.executable).resolve().read_bytes(),
        f"tool/lib/{Path(loader).name}": Path(loader).read_bytes(),
        "tool/lib/libc.so.6": (LIBRARIES / "libc.so.6").read_bytes(),
    }
    with pytest.raises(ImageError, match="usr/bin/needy needs lib"):
        kitchen.stage("self-contained: true\n")
    shutil.rmtree(kitchen.root)
    manifest = kitchen.stage("self-contained: true\ndrop: [usr/bin/needy]\n")
    assert "usr/bin/needy" not in files(manifest)
    assert "usr/lib/tool/lib/libc.so.6" in files(manifest)


def test_two_members_for_one_place_are_refused(kitchen: Kitchen) -> None:
    kitchen.members["tool/share/bin/tool"] = b"another"
    head = HEAD.replace("tool/share/**: usr/share/tool/", "tool/share/bin/*: usr/bin/")
    with pytest.raises(ImageError, match="two things want to be usr/bin/tool"):
        kitchen.stage(head=head)


def test_a_template_with_an_unknown_placeholder_names_its_file(kitchen: Kitchen) -> None:
    kitchen.file("files/usr/share/tool/filled", "{verison}")
    with pytest.raises(BakeryError, match=r"unknown placeholder \{verison\}") as caught:
        kitchen.stage("files: {usr/share/tool/filled: {template: true}}\n")
    assert "filled" in str(caught.value.where)
