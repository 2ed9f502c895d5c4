"""Every kind of image, written with the real tools, mounted, merged, written again elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from harness import clock, labels, needs
from msgspec import structs

import bakery
from bakery.check.command import check_path
from bakery.check.loader import load
from bakery.check.subject import Context
from bakery.errors import SystemRefusesError
from bakery.image.errors import ImageError
from bakery.image.formats import btrfs, erofs, squashfs
from bakery.image.labels import Labels
from bakery.image.manifest import LABEL, Manifest, ManifestEntry, encode
from bakery.image.squash import squash, unlabelled, writers
from bakery.recipe.capabilities import ATTRIBUTE, Capabilities
from bakery.recipe.types import Format
from bakery.tools import ToolFailedError, ToolHungError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.debian import Debian

    from bakery.settings import Profile

pytestmark = needs.ROOT

EPOCH = 1_577_836_800
FORMATS = get_args(Format)
IMAGES = [form for form in FORMATS if form != "folder"]
PROGRAMS = {
    "squashfs": "mksquashfs",
    "erofs": "mkfs.erofs",
    "ext4": "resize2fs",
    "btrfs": "mkfs.btrfs",
}

SQUASH = """
import hashlib, os, pathlib, sys  # all of it, while Python's own folder can be read
from bakery.image.manifest import decode
from bakery.image.squash import squash
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.umask(0o077)
tree, output, manifest, form, processors = sys.argv[1:]
output = pathlib.Path(output)
squash(
    pathlib.Path(tree),
    output,
    manifest=decode(pathlib.Path(manifest).read_bytes()),
    format=form,
    profile="default",
    processors=int(processors),
    work=output.parent,
)
"""


@dataclass(frozen=True)
class Node:
    mode: int
    content: bytes | None = None
    target: str | None = None


def sample() -> dict[str, Node]:
    """Return a tree with what tools get wrong: modes, names, holes, twins, long links."""
    words = random.Random(1)
    binary = b"".join(words.choice([b"\0" * 512, words.randbytes(512)]) for _ in range(6000))
    nodes = {
        "usr/bin/tool": Node(0o755, binary),
        "usr/bin/twin": Node(0o755, binary),
        "usr/bin/setuid": Node(0o4755, binary[:70_000]),
        "usr/bin/setgid": Node(0o2711, b"#!/bin/sh\n"),
        "usr/bin/alias": Node(0o777, target="./tool"),
        "usr/bin/far": Node(0o777, target="../share/" + "long/" * 60 + "end"),
        "usr/lib/extension-release.d/extension-release.sample": Node(0o644, b"ID=_any\n"),
        "usr/share/sample/empty": Node(0o644, b""),
        "usr/share/sample/holes": Node(0o600, b"\0" * 2**20 + b"end" + b"\0" * 2**16),
        "usr/share/sample/nothing here": Node(0o755),
        "usr/share/sample/with space": Node(0o644, b"space"),
        "usr/share/sample/#comment": Node(0o644, b"comment"),
        "usr/share/sample/dev-disk\\x2dlabel.mount": Node(0o640, b"escaped"),
        "usr/share/sample/'quoted' $HOME <7>": Node(0o644, b"quoted"),
        "usr/share/sample/-n": Node(0o644, b"option"),
        "usr/share/sample/Ünïcode": Node(0o644, b"name"),
        **{f"usr/share/sample/many/{n:03}": Node(0o644, b"%d\n" % n) for n in range(400)},
    }
    parents = {str(parent) for path in nodes for parent in Path(path).parents} - {"."}
    return {**{path: Node(0o755) for path in parents}, **nodes}


def manifest_of(nodes: dict[str, Node]) -> Manifest:
    entries = tuple(
        ManifestEntry(
            path=path,
            type="link" if node.target else "directory" if node.content is None else "file",
            mode=node.mode,
            size=len(node.content or b""),
            sha256=None if node.content is None else hashlib.sha256(node.content).hexdigest(),
            target=node.target,
        )
        for path, node in sorted(nodes.items())
    )
    # mkfs.btrfs refuses the uuid of an image that is mounted, which another test's may be
    key = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    return Manifest(image="sample-1-x86-64", key=key, epoch=EPOCH, entries=entries)


def plant(root: Path, nodes: dict[str, Node], *, seed: int) -> None:
    """Write the nodes in an order, and with times and modes of files, that the seed decides."""
    chance = random.Random(seed)
    root.mkdir()
    order = sorted(nodes.items())
    chance.shuffle(order)
    for path, node in order:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if node.target:
            place.symlink_to(node.target)
            continue
        if node.content is None:
            place.mkdir(exist_ok=True)
            continue
        place.write_bytes(node.content)
        place.chmod(chance.choice([0o600, 0o644, 0o755]))
        os.utime(place, (chance.randrange(10**9), chance.randrange(10**9)))


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    """Return what a mounted image shows, in the words of `expected`."""
    found: dict[str, tuple[object, ...]] = {}
    for top, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(top, name)
            status = path.lstat()
            regular = stat.S_ISREG(status.st_mode)
            found[str(path.relative_to(root))] = (
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
                status.st_size if regular else 0,
                hashlib.sha256(path.read_bytes()).hexdigest() if regular else None,
                os.readlink(path) if path.is_symlink() else None,  # noqa: PTH115  verbatim
            )
    return found


def expected(manifest: Manifest) -> dict[str, tuple[object, ...]]:
    return {
        entry.path: (
            entry.mode,
            0,
            0,
            manifest.epoch * 10**9,
            entry.size,
            entry.sha256,
            entry.target,
        )
        for entry in manifest.entries
    }


def need(form: str) -> None:
    if form in PROGRAMS and not shutil.which(PROGRAMS[form], path="/usr/sbin:/usr/bin:/sbin:/bin"):
        pytest.skip(f"{PROGRAMS[form]} is not installed")


def make(folder: Path, form: Format, profile: Profile = "fast") -> Path:
    need(form)
    nodes = sample()
    plant(folder / "tree", nodes, seed=1)
    output = folder / "sample.raw"
    squash(
        folder / "tree",
        output,
        manifest=manifest_of(nodes),
        format=form,
        profile=profile,
        processors=2,
        work=folder,
    )
    return output


@contextmanager
def opened(image: Path, form: Format) -> Iterator[Path]:
    """Mount an image, where it is no folder."""
    if form == "folder":
        yield image
        return
    place = image.with_name("mounted")
    place.mkdir()
    subprocess.run(["mount", "-t", form, "-o", "loop,ro", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


@pytest.mark.parametrize("profile", ["fast", "default", "small"])
@pytest.mark.parametrize("form", IMAGES)
def test_an_image_shows_what_the_manifest_says(
    tmp_path: Path, form: Format, profile: Profile
) -> None:
    with opened(make(tmp_path, form, profile), form) as place:
        assert listing(place) == expected(manifest_of(sample()))
        assert stat.S_IMODE(place.stat().st_mode) == 0o755
        assert place.stat().st_uid == place.stat().st_gid == 0
        if form != "btrfs":
            assert {path.lstat().st_ctime_ns for path in place.rglob("*")} == {EPOCH * 10**9}


def test_a_folder_shows_what_the_manifest_says(tmp_path: Path) -> None:
    assert listing(make(tmp_path, "folder")) == expected(manifest_of(sample()))


def test_an_ext4_image_is_sound_and_has_no_room_to_spare(tmp_path: Path) -> None:
    image = make(tmp_path, "ext4")
    subprocess.run(["e2fsck", "-fn", image], check=True, capture_output=True)
    said = subprocess.run(["dumpe2fs", "-h", image], check=True, capture_output=True, text=True)
    facts = dict(line.split(":", 1) for line in said.stdout.splitlines() if ":" in line)
    assert "read-only" in facts["Filesystem features"].split()
    assert int(facts["Free blocks"]) < 0.05 * int(facts["Block count"])


@pytest.mark.parametrize("form", ["squashfs", "erofs", "ext4"])
def test_systemd_takes_it_for_an_extension(tmp_path: Path, form: Format) -> None:
    if not shutil.which("systemd-dissect"):
        pytest.skip("systemd-dissect is not installed")
    image = make(tmp_path, form)
    command: list[str | Path] = ["systemd-dissect", "--json=short", image]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert said["useSystemExtension"]


@pytest.mark.parametrize("form", FORMATS)
def test_systemd_merges_it(tmp_path: Path, form: Format) -> None:
    if not shutil.which("systemd-sysext"):
        pytest.skip("systemd-sysext is not installed")
    root = tmp_path / "host"
    for folder in ("usr/lib", "etc", "var/lib/extensions", "opt", "run"):
        (root / folder).mkdir(parents=True)
    (root / "usr/lib/os-release").write_text("ID=test\nVERSION_ID=1\n")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    image = make(tmp_path, form)
    name = "sample" if form == "folder" else "sample.raw"
    image.rename(root / "var/lib/extensions" / name)
    script = """
        mount -t tmpfs tmpfs /run &&
        mount --make-rshared / &&
        systemd-sysext --root="$1" merge >&2 &&
        sha256sum <"$1/usr/bin/tool"
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tool = next(entry for entry in manifest_of(sample()).entries if entry.path == "usr/bin/tool")
    assert done.stdout.split()[0] == tool.sha256


def squash_elsewhere(folder: Path, form: Format) -> Path:
    """Squash the sample with everything different that must not matter."""
    if form == "btrfs" and not shutil.which("fakeroot"):
        pytest.skip("fakeroot is not installed")
    nodes = sample()
    plant(folder / "tree", nodes, seed=2)
    (folder / "manifest.json").write_bytes(encode(manifest_of(nodes)))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    output = folder / "written at night"
    subprocess.run(
        [
            *(*clock.alone(), *clock.later(), "taskset", "--cpu-list", "0"),
            *(sys.executable, "-c", SQUASH, folder / "tree", output),
            *(folder / "manifest.json", form, "1"),
        ],
        env={
            "PATH": clock.path_of_later_tools(folder / "bin"),
            "PYTHONPATH": str(Path(bakery.__file__).parent.parent),
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "tr_TR.UTF-8",
            "HOME": "/nonexistent",
            "TMPDIR": str(folder),
            "SOURCE_DATE_EPOCH": "86400",
        },
        check=True,
    )
    return output


@pytest.mark.parametrize("form", ["squashfs", "erofs", "ext4"])
def test_bytes_are_the_same_elsewhere(tmp_path: Path, elsewhere: Path, form: Format) -> None:
    here = make(tmp_path, form, "default")
    there = squash_elsewhere(elsewhere, form)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (here, there)}
    assert len(digests) == 1


def test_a_btrfs_image_holds_the_same_elsewhere(tmp_path: Path, elsewhere: Path) -> None:
    here = make(tmp_path, "btrfs")
    there = squash_elsewhere(elsewhere, "btrfs")
    identities = {
        subprocess.run(
            ["blkid", "-p", "-s", "UUID", "-o", "value", image], check=True, capture_output=True
        ).stdout
        for image in (here, there)
    }
    assert len(identities) == 1
    with opened(there, "btrfs") as place:
        assert listing(place) == expected(manifest_of(sample()))


def test_a_folder_differs_elsewhere_by_its_owner_alone(tmp_path: Path, elsewhere: Path) -> None:
    def disown(entry: tuple[object, ...]) -> tuple[object, ...]:
        mode, _user, _group, *rest = entry
        return (mode, *rest)

    here = listing(make(tmp_path, "folder"))
    there = listing(squash_elsewhere(elsewhere, "folder"))
    assert {path: disown(entry) for path, entry in here.items()} == {
        path: disown(entry) for path, entry in there.items()
    }


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    place = tmp_path / "small disk"
    place.mkdir()
    size = f"size={getattr(request, 'param', '256k')}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def squash_into(folder: Path, work: Path, form: Format) -> None:
    squash(
        work / "tree",
        folder / "sample.raw",
        manifest=manifest_of(sample()),
        format=form,
        profile="fast",
        processors=2,
        work=work,
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_explained_and_leaves_nothing(
    tmp_path: Path, small_disk: Path, form: Format
) -> None:
    need(form)
    nodes = sample()
    plant(tmp_path / "tree", nodes, seed=3)
    with pytest.raises((ToolFailedError, ImageError, SystemRefusesError)) as caught:
        squash_into(small_disk, tmp_path, form)
    assert str(small_disk) in (caught.value.where or "")
    assert "make room" in (caught.value.fix or "")
    assert list(small_disk.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small disk", "tree"]


@pytest.mark.parametrize("small_disk", ["256k", "1m"], indirect=True)
def test_a_disk_that_others_fill_meanwhile_never_gives_half_an_erofs_image(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later releases of the tool crash, or say that all is well, or hang."""
    need("erofs")
    plant(tmp_path / "tree", sample(), seed=3)
    monkeypatch.setattr(erofs, "_PATIENCE", 3.0)
    monkeypatch.setattr(erofs, "_refuse_a_full_disk", lambda _job: None)
    with pytest.raises((ToolFailedError, ToolHungError)) as caught:
        squash_into(small_disk, tmp_path, "erofs")
    assert "make room" in (caught.value.fix or "")
    assert list(small_disk.iterdir()) == []


def seen(path: Path) -> tuple[list[tuple[object, ...]], set[tuple[str, str]]]:
    """Return what the bakery itself reads back, and the rules about it that are broken."""
    context = Context(name="sample", arch="x86-64", manifest=manifest_of(sample()))
    report, _ = check_path(path, context)
    judged = {"image-content", "owner", "directory-mode", "image-mount"}
    nodes: list[tuple[object, ...]] = [
        (n.path, n.type, n.mode, n.uid, n.gid, n.mtime, n.size, n.sha256, n.target)
        for n in load(path, context).tree
    ]
    return nodes, {(f.rule, f.path) for f in report.findings if f.rule in judged}


@pytest.mark.parametrize("form", FORMATS)
def test_what_root_and_another_user_build_reads_back_alike(
    tmp_path: Path, elsewhere: Path, form: Format
) -> None:
    here, found = seen(make(tmp_path, form, "default"))
    assert found == set()
    there, found = seen(squash_elsewhere(elsewhere, form))
    if form == "folder":  # nobody but root can give files to root
        assert {rule for rule, _ in found} == {"owner"}
        there = [(*node[:3], 0, 0, *node[5:]) for node in there]
        found = set()
    assert found == set()
    if form == "btrfs":  # its root folder carries the clock
        here, there = here[1:], there[1:]
    assert there == here


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_of_somebody_elses_files_is_caught(tmp_path: Path, form: Format) -> None:
    """Written by the tools alone, as they do when what should tell them of root does not."""
    need(form)
    nodes = sample()
    tree, image = tmp_path / "tree", tmp_path / "sample.raw"
    plant(tree, nodes, seed=1)
    subprocess.run(["chown", "--no-dereference", "-R", "65534:65534", tree], check=True)
    commands: dict[str, list[str | Path]] = {
        "squashfs": ["mksquashfs", tree, image, "-quiet", "-no-progress"],
        "erofs": ["mkfs.erofs", "--quiet", image, tree],
        "ext4": ["mke2fs", "-q", "-t", "ext4", "-d", tree, image, "32M"],
        "btrfs": ["mkfs.btrfs", "-q", "--rootdir", tree, image],
        "folder": ["cp", "-a", tree, image],
    }
    image.touch()
    if form in {"squashfs", "folder"}:
        image.unlink()
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    subprocess.run(commands[form], check=True, stdout=subprocess.DEVNULL, env={"PATH": path})
    _, found = seen(image)
    assert {path for rule, path in found if rule == "owner"} >= set(nodes)


def test_a_btrfs_image_of_somebody_elses_files_is_refused_by_who_writes_it(tmp_path: Path) -> None:
    need("btrfs")
    tree, image = tmp_path / "tree", tmp_path / "sample.raw"
    plant(tree, sample(), seed=1)
    image.touch()
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    command: list[str | Path] = ["mkfs.btrfs", "-q", "--rootdir", tree, image]
    subprocess.run(command, check=True, env={"PATH": path})
    btrfs._refuse_others_files(image)
    os.chown(tree / "usr/bin/tool", 65534, 0)
    subprocess.run([*command, "--force"], check=True, env={"PATH": path})
    with pytest.raises(SystemRefusesError, match="belong to 0:0, 65534:0 instead of root"):
        btrfs._refuse_others_files(image)


@pytest.mark.parametrize("form", FORMATS)
def test_writers_tell_the_tool_its_version_and_the_options(form: Format) -> None:
    need(form)
    profiles: tuple[Profile, ...] = ("fast", "default", "small")
    texts = [writers(form, profile) for profile in profiles]
    assert all(text.startswith(f"{form}: ") and "\n" not in text for text in texts)
    assert len(set(texts)) == (3 if form in {"squashfs", "erofs"} else 1)
    if form in PROGRAMS:
        assert any(character.isdigit() for character in texts[0])


CAPABLE = "usr/bin/tool"
RIGHTS = "cap_net_admin,cap_net_raw=ep"


def capable(folder: Path, form: Format, seed: int = 1) -> Path:
    """Write the sample with a program that has capabilities."""
    need(form)
    nodes = sample()
    plant(folder / "tree", nodes, seed=seed)
    squash(
        folder / "tree",
        folder / "sample.raw",
        manifest=capable_manifest(nodes),
        format=form,
        profile="fast",
        processors=2,
        work=folder,
    )
    return folder / "sample.raw"


def capable_manifest(nodes: dict[str, Node]) -> Manifest:
    manifest = manifest_of(nodes)
    entries = tuple(
        structs.replace(entry, capabilities=RIGHTS) if entry.path == CAPABLE else entry
        for entry in manifest.entries
    )
    return structs.replace(manifest, entries=entries)


@pytest.mark.parametrize("form", FORMATS)
def test_capabilities_are_in_the_image_and_nothing_else_is(
    tmp_path: Path, elsewhere: Path, form: Format
) -> None:
    image, again = capable(tmp_path, form), capable(elsewhere, form, seed=2)
    with opened(image, form) as place:
        attributes = {
            (str(path.relative_to(place)), name): os.getxattr(path, name, follow_symlinks=False)
            for path in place.rglob("*")
            for name in os.listxattr(path, follow_symlinks=False)
        }
        assert listing(place) == expected(manifest_of(sample()))
    assert attributes == {(CAPABLE, ATTRIBUTE): Capabilities.parse(RIGHTS).encode()}
    if form not in ("folder", "btrfs"):
        assert image.read_bytes() == again.read_bytes()
    if form == "ext4":
        subprocess.run(["e2fsck", "-fn", image], check=True, capture_output=True)
    report, _ = check_path(image, Context(manifest=capable_manifest(sample())))
    found = {item.rule: item.message for item in report.findings if item.path == CAPABLE}
    assert RIGHTS in found["capabilities"]
    assert "image-content" not in found
    report, _ = check_path(image, Context(manifest=manifest_of(sample())))
    found = {item.rule: item.message for item in report.findings if item.path == CAPABLE}
    assert f"has the capabilities {RIGHTS}; staged was none" in found["image-content"]


@pytest.mark.parametrize("form", FORMATS)
def test_who_may_not_write_capabilities_is_told_so(elsewhere: Path, form: Format) -> None:
    need(form)
    nodes = sample()
    plant(elsewhere / "tree", nodes, seed=1)
    (elsewhere / "manifest.json").write_bytes(encode(capable_manifest(nodes)))
    for path in (elsewhere, *elsewhere.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    done = subprocess.run(
        [
            *(sys.executable, "-c", SQUASH, elsewhere / "tree", elsewhere / "image"),
            *(elsewhere / "manifest.json", form, "1"),
        ],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(bakery.__file__).parent.parent)},
        check=False,
        capture_output=True,
        text=True,
    )
    from_files = form != "ext4" and not (form == "squashfs" and squashfs._takes_attributes())
    assert (done.returncode != 0) == from_files
    assert (f"/{CAPABLE} can't be given {RIGHTS}" in done.stderr) == from_files


def forget_versions() -> None:
    for each in (squashfs._takes_attributes, unlabelled, writers):
        each.cache_clear()


@pytest.fixture
def newer_squashfs(
    tmp_path: Path, debian: Debian, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Find a mksquashfs that takes attributes, whatever is installed here."""
    if not squashfs._takes_attributes():
        tools = labels.squashfs_tools(tmp_path / "tools", debian)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    forget_versions()
    yield
    monkeypatch.undo()
    forget_versions()


def labelled(folder: Path, form: Format, seed: int = 1) -> tuple[Path, Manifest]:
    """Write the sample with the labels that belong to its places, and one of its own."""
    need(form)
    nodes = sample()
    plant(folder / "tree", nodes, seed=seed)
    plain = capable_manifest(nodes)
    own = (("usr/share/sample/many", "system_u:object_r:sample_t:s0"),)
    manifest = structs.replace(plain, entries=Labels(own).apply(plain.entries))
    squash(
        folder / "tree",
        folder / "sample.raw",
        manifest=manifest,
        format=form,
        profile="fast",
        processors=seed,
        work=folder,
    )
    return folder / "sample.raw", manifest


@pytest.mark.usefixtures("newer_squashfs")
@pytest.mark.parametrize("debian", ["trixie"], indirect=True)
@pytest.mark.parametrize("form", FORMATS)
def test_every_path_has_its_label(tmp_path: Path, elsewhere: Path, form: Format) -> None:
    image, manifest = labelled(tmp_path, form)
    again, _ = labelled(elsewhere, form, seed=2)
    with opened(image, form) as place:
        found = {
            str(path.relative_to(place)): os.getxattr(path, LABEL, follow_symlinks=False)
            # mkfs.btrfs takes nothing of the root itself
            for path in (*(() if form == "btrfs" else (place,)), *place.rglob("*"))
        }
        assert listing(place) == expected(manifest_of(sample()))
    words = {path: label.rstrip(b"\0").decode() for path, label in found.items()}
    root = {} if form == "btrfs" else {".": "system_u:object_r:root_t:s0"}
    assert words == {**root, **{entry.path: entry.label for entry in manifest.entries}}
    assert words["usr/bin/tool"] == words["usr/bin/alias"] == "system_u:object_r:bin_t:s0"
    assert words["usr/share/sample/many/007"] == "system_u:object_r:sample_t:s0"
    if form not in ("folder", "btrfs"):
        assert image.read_bytes() == again.read_bytes()
    if form == "ext4":
        subprocess.run(["e2fsck", "-fn", image], check=True, capture_output=True)
    report, _ = check_path(image, Context(manifest=manifest))
    assert "image-content" not in {item.rule for item in report.findings}
    report, _ = check_path(image, Context(manifest=manifest.unlabelled))
    assert any(item.message.endswith("staged was none") for item in report.findings)
    report, _ = check_path(image)
    assert "selinux-label" not in {item.rule for item in report.findings}


@pytest.mark.usefixtures("newer_squashfs")
@pytest.mark.parametrize("debian", ["trixie"], indirect=True)
def test_an_image_with_labels_is_no_image_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_labels = writers("squashfs", "fast")
    assert with_labels.endswith("with labels")
    forget_versions()
    old = tmp_path / "old"
    old.mkdir()
    script = old / "mksquashfs"
    script.write_text('#!/bin/sh\necho "mksquashfs version 4.5.1 (2022/03/17)"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old}:{os.environ['PATH']}")
    assert "mksquashfs version 4.5.1 can't write them" in (unlabelled("squashfs") or "")
    assert writers("squashfs", "fast").endswith("without labels")
