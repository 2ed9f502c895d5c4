from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from harness import needs
from harness.debian import Debian
from harness.provisioning import asked
from harness.registry import docker_registry
from harness.released import channel, index, release

from bakery.provision import command
from bakery.provision import install as installing
from bakery.provision.errors import ProvisionError
from bakery.provision.extension import Wanted, resolve
from bakery.provision.install import uninstall
from bakery.provision.plan import Choices, plan
from bakery.registry.client import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from harness.mirror import Mirror
    from harness.openpgp import Person

    from bakery.settings import Settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system whose /opt is a link, as Fedora CoreOS has it."""
    folder = tmp_path / "root"
    for name in ("etc", "usr", "var/opt"):
        (folder / name).mkdir(parents=True)
    (folder / "opt").symlink_to("/var/opt")
    (folder / "usr/lib/systemd").mkdir(parents=True)
    (folder / "usr/lib/systemd/systemd-sysupdate").touch()
    return folder


def install(settings: Settings, reference: str, root: Path, **options: Any) -> list[str]:
    return command.install(reference, root, *asked(**options), settings)


def paths(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def test_a_busy_server_is_asked_again(
    settings: Settings, server: Mirror, waits: list[float], root: Path
) -> None:
    server.busy = True
    install(settings, "docker", root)
    assert (root / "var/opt/extensions/docker/docker-20.10.13-x86-64.raw").is_file()
    assert len(waits) > 5


def test_no_more_is_read_than_is_signed(settings: Settings, published: Path, root: Path) -> None:
    image = published / "docker-20.10.13/docker-20.10.13-x86-64.raw"
    image.write_bytes(image.read_bytes() + b"more")
    with pytest.raises(ProvisionError, match="more than 391 bytes"):
        install(settings, "docker", root)
    assert not list(root.rglob("docker-*.raw*"))


def test_a_release_that_says_another_size_is_refused(
    settings: Settings, published: Path, root: Path
) -> None:
    path = published / "docker-20.10.13/release.json"
    told = json.loads(path.read_bytes())
    for image in told["images"]:
        image["size"] += 1
    path.write_text(json.dumps(told))
    index(path.parent)
    with pytest.raises(ProvisionError, match="is not the file it should be") as caught:
        install(settings, "docker-20.10.13", root)
    assert "of 391 bytes" in str(caught.value)
    assert not list(root.rglob("docker-*.raw*"))


SHARED = {
    "etc/systemd/system/extensions-keys.service",
    "etc/systemd/system/extensions-transactions.service",
    "etc/systemd/system/extensions-update.service",
    "etc/systemd/system/extensions-update.timer",
    "etc/systemd/system/multi-user.target.wants/extensions-keys.service",
    "etc/systemd/system/multi-user.target.wants/extensions-transactions.service",
    "etc/systemd/system/sysinit.target.wants/systemd-sysext.service",
    "etc/systemd/system/systemd-sysext.service.d/10-load-units.conf",
    "etc/systemd/system/timers.target.wants/extensions-update.timer",
    "var/opt/bin/extensions",
    "var/opt/bin/extensions-keys",
}


def test_a_channel_is_not_followed_without_systemd_sysupdate(
    settings: Settings, root: Path
) -> None:
    (root / "usr/lib/systemd/systemd-sysupdate").unlink()
    before = paths(root)
    with pytest.raises(ProvisionError, match="has no systemd-sysupdate") as caught:
        install(settings, "docker", root)
    assert "docker-20.10.13" in str(caught.value)
    assert paths(root) == before
    install(settings, "docker-20.10.13", root)


def test_a_channel_is_laid_and_taken_out_again(
    settings: Settings, published: Path, root: Path
) -> None:
    before = paths(root)
    install(settings, "docker", root)
    file = "docker-20.10.13-x86-64.raw"
    laid = root / "var/opt/extensions/docker" / file
    assert laid.read_bytes() == (published / "docker-20.10.13" / file).read_bytes()
    assert laid.stat().st_mode & 0o777 == 0o644
    link = root / "etc/extensions/docker.raw"
    assert str(link.readlink()) == f"/opt/extensions/docker/{file}"
    keys = (published / "docker/import-pubring.gpg").read_bytes()
    assert paths(root) - before == {
        "etc/extensions/containerd-flatcar.raw",
        "etc/extensions/docker-flatcar.raw",
        "etc/extensions/docker.raw",
        "etc/systemd/import-pubring.gpg",
        "etc/systemd/system-generators/torcx-generator",
        *SHARED,
        "etc/sysupdate.docker.component",
        "etc/sysupdate.docker.d/docker.conf",
        "etc/sysupdate.docker.d/docker.transfer",
        f"etc/systemd/extensions-keys/{sha256(keys).hexdigest()}",
        f"var/opt/extensions/docker/{file}",
        "var/opt/extensions/docker/import-pubring.gpg",
        "var/opt/extensions/docker/installed",
    }
    uninstall("docker", root)
    assert paths(root) - before == SHARED
    assert not (root / "etc/sysupdate.docker.d").exists()


def test_a_newer_version_takes_the_place_of_an_older(settings: Settings, root: Path) -> None:
    install(settings, "docker-20.10.9", root)
    install(settings, "docker-20.10.13", root)
    link = root / "etc/extensions/docker.raw"
    assert str(link.readlink()).endswith("/docker-20.10.13-x86-64.raw")
    assert sorted(path.name for path in (root / "var/opt/extensions/docker").iterdir()) == [
        "docker-20.10.13-x86-64.raw",
        "installed",
    ]


def test_what_an_extension_requires_comes_first(
    settings: Settings, published: Path, root: Path
) -> None:
    release(published, "tool", "1.0", {"x86-64": b"tool"}, requires=("caddy",))
    with pytest.raises(ProvisionError, match="tool needs caddy beside it"):
        install(settings, "tool-1.0", root)
    install(settings, "caddy-2.11.7", root)
    assert install(settings, "tool-1.0", root)


def test_a_wrong_digest_is_refused(settings: Settings, published: Path, root: Path) -> None:
    (published / "caddy-2.11.7/caddy-2.11.7-x86-64.raw").write_bytes(b"something else")
    before = paths(root)
    with pytest.raises(ProvisionError, match="not the file it should be"):
        install(settings, "caddy-2.11.7", root)
    assert paths(root) == before


def test_only_roots_and_what_was_installed(settings: Settings, tmp_path: Path, root: Path) -> None:
    with pytest.raises(ProvisionError, match="no root file system"):
        install(settings, "caddy-2.11.7", tmp_path)
    install(settings, "docker-20.10.13", root)
    with pytest.raises(ProvisionError, match="was not installed here") as caught:
        uninstall("caddy", root)
    assert caught.value.fix == "there are: docker"


@pytest.mark.parametrize("folder", ["etc/extensions", "var/opt/extensions", "etc/systemd"])
def test_links_that_lead_out_of_the_root_are_an_error(
    settings: Settings, root: Path, tmp_path: Path, folder: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "1").symlink_to(outside)
    for number in range(2, 42):
        (root / f"{number}").symlink_to(f"{number - 1}")
    (root / folder).symlink_to("/41")
    with pytest.raises(ProvisionError, match="Too many levels of symbolic links") as caught:
        install(settings, "docker", root)
    assert "mend the links" in str(caught.value)
    assert not list(outside.iterdir())

    (root / folder).unlink()
    install(settings, "docker", root)
    (root / folder).rename(outside / "moved")
    (root / folder).symlink_to("/41/moved")
    before = paths(outside)
    with pytest.raises(ProvisionError):
        uninstall("docker", root)
    assert paths(outside) == before


def test_a_record_that_is_a_link_or_damaged(settings: Settings, root: Path, tmp_path: Path) -> None:
    install(settings, "caddy-2.11.7", root)
    record = root / "var/opt/extensions/caddy/installed"
    written = record.read_bytes()
    for damage in (b"\xff", b"etc/passwd", b"/a\0b", b"\n"):
        record.write_bytes(written + damage)
        with pytest.raises(ProvisionError, match="the record of caddy is damaged"):
            uninstall("caddy", root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(written)
    record.unlink()
    record.symlink_to(elsewhere)
    install(settings, "caddy-2.11.7", root)
    assert elsewhere.read_bytes() == written
    assert not record.is_symlink()
    uninstall("caddy", root)


@pytest.mark.parametrize("name", ["../../etc", "..", "", "a\nb", "/etc"])
def test_names_that_are_paths_were_not_installed(root: Path, name: str) -> None:
    (root / "etc/installed").write_text("/usr\n")
    with pytest.raises(ProvisionError, match="was not installed here"):
        uninstall(name, root)
    assert (root / "etc/installed").exists()


def test_a_channel_does_not_go_back(
    settings: Settings, published: Path, person: Person, root: Path
) -> None:
    install(settings, "docker", root)
    before = paths(root)
    index(channel(published, "docker", settings.publish_url, "20.10.9"), person)
    (published / "docker/docker-20.10.13-x86-64.raw").unlink()
    (published / "docker/docker-20.10.13-arm64.raw").unlink()
    index(published / "docker", person)
    with pytest.raises(ProvisionError, match=r"offers docker 20\.10\.9, and 20\.10\.13 is"):
        install(settings, "docker", root)
    assert paths(root) == before
    install(settings, "docker-20.10.9", root)


def test_what_conflicts_is_refused(settings: Settings, published: Path, root: Path) -> None:
    release(published, "engine", "1.0", {"x86-64": b"engine"}, conflicts=("caddy",))
    install(settings, "caddy-2.11.7", root)
    before = paths(root)
    with pytest.raises(ProvisionError, match="engine can't run beside caddy"):
        install(settings, "engine-1.0", root)
    assert paths(root) == before
    uninstall("caddy", root)
    install(settings, "engine-1.0", root)
    with pytest.raises(ProvisionError, match="caddy can't run beside engine"):
        install(settings, "caddy-2.11.7", root)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_image_of_somebody_else_is_left_alone(settings: Settings, root: Path, kind: str) -> None:
    place = root / "etc/extensions/docker.raw"
    place.parent.mkdir()
    place.mkdir() if kind == "folder" else place.write_bytes(b"somebody's")
    before = paths(root)
    with pytest.raises(ProvisionError, match="somebody else's files are in its place"):
        install(settings, "docker", root)
    assert paths(root) == before
    assert place.exists()
    assert not (root / "var/opt/extensions").exists()


@needs.programs("apt-get")
def test_an_image_comes_from_a_registry(
    settings: Settings, published: Path, root: Path, tmp_path: Path
) -> None:
    image = published / "caddy-2.11.7/caddy-2.11.7-x86-64.raw"
    data = image.read_bytes()
    wanted = Wanted(arch="x86-64")
    with docker_registry(Debian("bookworm"), tmp_path / "registry") as running:
        there = Registry(running.reference())
        there.push(data, "application/octet-stream")
        in_registry = replace(settings, publish_url=str(running.reference()), dist=published)
        found = resolve("caddy-2.11.7", settings=in_registry, wanted=wanted)
        config = plan([found], Choices())
        installing.install(replace(found, local=None), config, root)
        assert (root / f"var/opt/extensions/caddy/{image.name}").read_bytes() == data
        uninstall("caddy", root)
        other = replace(found, url=f"{found.url[:-4]}0000", local=None)
        with pytest.raises(ProvisionError, match="the image can't be read"):
            installing.install(other, plan([other], Choices()), root)
    assert list(root.rglob("*.raw*")) == []
