"""What a machine is given, in every format: read back as its own programs read it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness import needs
from harness.host_configs import contents
from harness.provisioning import asked
from harness.released import channel, index, release

from bakery import settings as settings_module
from bakery.provision import command, extension, program
from bakery.provision.errors import ProvisionError
from bakery.provision.extension import Wanted
from bakery.provision.ignition import render
from bakery.provision.plan import Choices, plan

if TYPE_CHECKING:
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.provision.command import Output
    from bakery.settings import Settings


def given(
    settings: Settings,
    *references: str,
    output: Output = "ignition",
    mirror: str | None = None,
    **options: Any,
) -> str:
    return command.provision(
        references,
        *asked(**{"host": "flatcar"} | options),
        settings=settings,
        output=output,
        mirror=mirror,
    )


def ignition(settings: Settings, *references: str, **options: Any) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(given(settings, *references, **options))
    return config


def files(config: dict[str, Any]) -> dict[str, Any]:
    """Return the bytes, or the address, of every file of an Ignition or Butane config."""
    return {file["path"]: contents(file["contents"]) for file in config["storage"]["files"]}


def meaning(config: dict[str, Any]) -> list[Any]:
    storage = config["storage"]
    modes = {file["path"]: (file["mode"], file["overwrite"]) for file in storage["files"]}
    return [files(config), modes, storage["links"], config["systemd"]]


def test_a_release_is_downloaded_verified_and_linked(settings: Settings, published: Path) -> None:
    config = ignition(settings, "caddy-2.11.7")
    image = "/opt/extensions/caddy/caddy-2.11.7-x86-64.raw"
    made = published / "caddy-2.11.7/caddy-2.11.7-x86-64.raw"
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    record = config["storage"]["files"].pop()
    assert (record["path"], contents(record["contents"])) == (
        "/opt/extensions/caddy/installed",
        f"link /etc/extensions/caddy.raw {image}\nfile {image} {digest}\n".encode(),
    )
    assert config == {
        "ignition": {"version": "3.3.0"},
        "storage": {
            "files": [
                {
                    "path": image,
                    "mode": 0o644,
                    "overwrite": True,
                    "contents": {
                        "source": f"{settings.publish_url}/caddy-2.11.7/caddy-2.11.7-x86-64.raw",
                        "verification": {"hash": f"sha256-{digest}"},
                    },
                }
            ],
            "links": [{"path": "/etc/extensions/caddy.raw", "target": image, "overwrite": True}],
        },
        "systemd": {"units": [{"name": "systemd-sysext.service", "enabled": True}]},
    }


def test_a_channel_gives_its_newest_version_and_is_followed(
    settings: Settings, published: Path
) -> None:
    config = ignition(settings, "docker", arch="arm64")
    laid = files(config)
    assert [path for path in laid if path.endswith(".raw")] == [
        "/opt/extensions/docker/docker-20.10.13-arm64.raw"
    ]
    assert b"Verify=yes" in laid["/etc/sysupdate.docker.d/docker.conf"]
    assert laid["/etc/sysupdate.docker.d/docker.transfer"]
    keys = (published / "docker/import-pubring.gpg").read_bytes()
    assert laid["/opt/extensions/docker/import-pubring.gpg"] == keys
    assert "/etc/systemd/import-pubring.gpg" not in laid  # made on the host, beside what is there
    assert b"import-pubring" in laid["/opt/bin/extensions-keys"]
    units = {unit["name"]: unit for unit in config["systemd"]["units"]}
    assert units["extensions-keys.service"]["enabled"]
    assert b"CurrentSymlink" not in laid["/etc/sysupdate.docker.d/docker.transfer"]
    assert units["extensions-update.timer"]["enabled"]
    assert units["extensions-transactions.service"]["enabled"]
    updating = units["extensions-update.service"]["contents"]
    assert "ExecStart=/opt/bin/extensions update\n" in updating
    assert laid["/opt/bin/extensions"] == program.script().encode()
    assert "/etc/extensions.d/docker.conf" not in laid
    rebooting = files(ignition(settings, "docker", policy="reboot"))
    assert rebooting["/etc/extensions.d/docker.conf"] == b"POLICY=reboot\n"


@pytest.mark.parametrize("output", ["butane", "ignition", "clc"])
def test_programs_may_be_run(settings: Settings, output: Output) -> None:
    config = yaml.safe_load(given(settings, "docker", output=output))
    modes = {file["path"]: file["mode"] for file in config["storage"]["files"]}
    assert modes["/opt/bin/extensions"] == 0o755
    assert modes["/etc/sysupdate.docker.d/docker.transfer"] == 0o644


def test_what_flatcar_has_built_in_is_masked_there(settings: Settings) -> None:
    def masked(host: str) -> list[str]:
        links = ignition(settings, "docker", host=host)["storage"]["links"]
        return [link["path"] for link in links if link["target"] == "/dev/null"]

    assert masked("flatcar") == [
        "/etc/extensions/docker-flatcar.raw",
        "/etc/extensions/containerd-flatcar.raw",
        "/etc/systemd/system-generators/torcx-generator",
    ]
    assert masked("fcos") == []


@pytest.mark.parametrize(("host", "version"), [("flatcar", "1.0.0"), ("fcos", "1.4.0")])
@pytest.mark.parametrize("offline", [False, True])
def test_butane_and_ignition_say_the_same(
    settings: Settings, published: Path, host: str, version: str, *, offline: bool
) -> None:
    references = [str(published / "caddy-2.11.7"), str(published / "docker-20.10.13")]
    both = partial(given, settings, *references, host=host, offline=offline)
    written = yaml.safe_load(both(output="butane"))
    assert (written["variant"], written["version"]) == (host, version)
    assert meaning(written) == meaning(json.loads(both(output="ignition")))
    followed = yaml.safe_load(given(settings, "docker", output="butane", host=host))
    assert meaning(followed) == meaning(ignition(settings, "docker", host=host))


def test_embedded_images_are_whole(settings: Settings, published: Path) -> None:
    image = published / "caddy-2.11.7/caddy-2.11.7-arm64.raw"
    laid = files(ignition(settings, str(image), offline=True))
    assert laid[f"/opt/extensions/caddy/{image.name}"] == image.read_bytes()


def test_other_bytes_than_the_releases_are_not_embedded(
    settings: Settings, published: Path
) -> None:
    folder = published / "caddy-2.11.7"
    (folder / "caddy-2.11.7-x86-64.raw").write_bytes(b"something else")
    with pytest.raises(ProvisionError, match="not the file that its release has"):
        given(settings, str(folder), offline=True)


def test_permissions_are_octal_for_people(settings: Settings) -> None:
    for output in ("butane", "clc"):
        assert "mode: 0644\n" in given(settings, "docker", output=output)


def test_container_linux_config_compares_before_it_merges(settings: Settings) -> None:
    config = yaml.safe_load(given(settings, "docker-20.10.13", output="clc"))
    assert config["storage"]["files"][0]["contents"]["remote"]["url"].endswith("x86-64.raw")
    merging = config["systemd"]["units"][0]
    assert "sha256sum --check" in merging["dropins"][-1]["contents"]


def test_cloud_init_runs_the_shell_script(settings: Settings) -> None:
    text = given(settings, "docker", "caddy-2.11.7", output="cloud-init")
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    script = given(settings, "docker", "caddy-2.11.7", output="shell")
    (written,) = config["write_files"]
    assert written["content"] == script
    assert config["runcmd"] == [[written["path"]]]


@pytest.mark.parametrize(
    ("references", "options", "what"),
    [
        (["nothing"], {}, "no release and no channel nothing"),
        (["caddy-2.11.7", "caddy-2.11.7"], {}, "caddy is asked for twice"),
        (["caddy-2.11.7"], {"offline": True}, "is not on this computer"),
        (["missing.raw"], {}, "there is no such image"),
    ],
)
def test_what_cannot_be_is_explained(
    settings: Settings, references: list[str], options: dict[str, Any], what: str
) -> None:
    with pytest.raises(ProvisionError, match=what):
        given(settings, *references, **options)


def test_unsigned_channels_are_refused_unless_asked_for(
    settings: Settings, published: Path
) -> None:
    (published / "docker/import-pubring.gpg").unlink()
    index(published / "docker")
    with pytest.raises(ProvisionError, match="nobody signs the channel"):
        given(settings, "docker")
    laid = files(ignition(settings, "docker", unsigned=True))
    assert b"Verify=no" in laid["/etc/sysupdate.docker.d/docker.conf"]


def test_machines_are_not_sent_to_their_own_localhost(tmp_path: Path, published: Path) -> None:
    settings = settings_module.load(tmp_path, {"HOME": str(tmp_path)})
    with pytest.raises(ProvisionError, match="where machines find the images"):
        given(settings, str(published / "caddy-2.11.7"))
    assert given(settings, str(published / "caddy-2.11.7"), offline=True)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
def test_shellcheck_has_nothing_to_say(settings: Settings, tmp_path: Path) -> None:
    script = tmp_path / "install"
    script.write_text(given(settings, "docker", "caddy-2.11.7", output="shell", host="any"))
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.skipif(not shutil.which("ignition-validate"), reason="needs ignition-validate")
@pytest.mark.parametrize("host", ["flatcar", "fcos", "any"])
def test_ignition_s_own_program_finds_nothing_wrong(
    settings: Settings, tmp_path: Path, host: str
) -> None:
    config = tmp_path / "config.ign"
    proxy = "https://proxy.example:3128"
    config.write_text(given(settings, "docker", "caddy-2.11.7", host=host, proxy=proxy))
    done = subprocess.run(
        ["ignition-validate", config], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_scripts_look_where_they_run(settings: Settings) -> None:
    script = given(settings, "caddy-2.11.7", output="shell", host=None)
    assert "! unlike flatcar || write /etc/systemd/system/systemd-sysext.service.d/" in script
    flatcar = ignition(settings, "caddy-2.11.7", host=None)
    assert flatcar == ignition(settings, "caddy-2.11.7", host="flatcar")


def test_butane_is_for_two_systems(settings: Settings) -> None:
    with pytest.raises(ProvisionError, match="for Flatcar or for Fedora CoreOS"):
        given(settings, "caddy-2.11.7", output="butane", host="any")


@pytest.mark.parametrize("output", ["butane", "ignition", "cloud-init", "clc"])
def test_machines_are_not_sent_to_folders_of_this_computer(
    tmp_path: Path, published: Path, output: Output
) -> None:
    address = {"BAKERY_PUBLISH_URL": published.as_uri(), "HOME": str(tmp_path)}
    settings = settings_module.load(tmp_path, address)
    with pytest.raises(ProvisionError, match="can't download from a folder"):
        given(settings, "caddy-2.11.7", output=output)
    assert given(settings, "caddy-2.11.7", output=output, offline=True)


def test_a_mirror_has_all_that_is_downloaded(settings: Settings) -> None:
    mirror = "http://mirror.example/bakery/"
    config = ignition(settings, "docker", mirror=mirror)
    there = f"{mirror}{settings.publish_url.removeprefix('http://')}"
    laid = files(config)
    assert laid["/opt/extensions/docker/docker-20.10.13-x86-64.raw"].startswith(f"{there}/docker-")
    followed = f"\nPath={there}/docker\n".encode()
    for suffix in ("conf", "transfer"):
        assert followed in laid[f"/etc/sysupdate.docker.d/docker.{suffix}"]
    assert settings.publish_url not in json.dumps(config)


def test_a_proxy_is_used_by_all_that_downloads(settings: Settings) -> None:
    proxy = "http://proxy.example:3128/%7e"
    config = ignition(settings, "docker", proxy=proxy)
    assert config["ignition"]["proxy"] == {"httpProxy": proxy, "httpsProxy": proxy}
    units = {unit["name"]: unit for unit in config["systemd"]["units"]}
    (drop_in,) = units["extensions-update.service"]["dropins"]
    assert '"https_proxy=http://proxy.example:3128/%%7e"' in drop_in["contents"]
    text = given(settings, "docker", output="butane", proxy=proxy)
    assert "--strict" not in text  # it would refuse a proxy over HTTP for addresses over HTTPS
    butane = yaml.safe_load(text)
    assert butane["ignition"]["proxy"] == {"http_proxy": proxy, "https_proxy": proxy}
    assert f"export http_proxy={proxy}" in given(settings, "docker", output="shell", proxy=proxy)
    with pytest.raises(ProvisionError, match="Ignition 2 can't"):
        given(settings, "docker", output="clc", proxy=proxy)


@pytest.mark.parametrize("option", ["mirror", "proxy"])
@pytest.mark.parametrize("url", ["proxy:3128", "ftp://x", "http://a b", "http://x\n", 'http://"'])
def test_mirrors_and_proxies_are_addresses(settings: Settings, option: str, url: str) -> None:
    options: dict[str, Any] = {option: url}
    with pytest.raises(ProvisionError, match=f"--{option} takes an address"):
        given(settings, "docker", **options)


def test_the_newest_at_first_boot_names_no_version(settings: Settings) -> None:
    config = ignition(settings, "docker", newest=True)
    assert "20.10" not in json.dumps(config)
    paths = [link["path"] for link in config["storage"]["links"]]
    assert "/etc/extensions/docker.raw" not in paths
    units = {unit["name"]: unit for unit in config["systemd"]["units"]}
    first = units["extensions-first-docker.service"]
    assert first["enabled"]
    assert "ConditionPathExists=!/etc/extensions/docker.raw" in first["contents"]
    with pytest.raises(ProvisionError, match="follows no channel"):
        given(settings, "caddy-2.11.7", newest=True)


def test_what_conflicts_is_not_provisioned_together(settings: Settings, published: Path) -> None:
    release(published, "engine", "1.0", {"x86-64": b"engine"}, conflicts=("caddy",))
    with pytest.raises(ProvisionError, match="engine can't run beside caddy"):
        given(settings, "engine-1.0", "caddy-2.11.7")
    script = given(settings, "engine-1.0", output="shell")
    assert "conflicts /etc/extensions/caddy.raw" in script


@needs.programs("mksquashfs")
def test_an_image_is_called_as_its_release_file_says(settings: Settings, tmp_path: Path) -> None:
    tree, image = tmp_path / "tree", tmp_path / "docker-1.0-x86-64.raw"
    written = tree / "usr/lib/extension-release.d/extension-release.docker"
    written.parent.mkdir(parents=True)
    written.write_text("ID=_any\n")
    subprocess.run(["mksquashfs", tree, image, "-quiet", "-all-root"], check=True)
    assert "/etc/extensions/docker.raw" in given(settings, str(image))
    mine = image.rename(tmp_path / "mydocker.raw")
    with pytest.raises(ProvisionError, match="would not merge the image") as caught:
        given(settings, str(mine))
    assert caught.value.why == "its release file is for docker"
    assert caught.value.fix == f"rename it: mv {mine} {tmp_path}/docker.raw"


def test_folders_are_not_provisioned(settings: Settings, published: Path) -> None:
    folder = release(published, "tree", "1.0", {"x86-64": b""})
    described = json.loads((folder / "release.json").read_bytes())
    described["images"][0] |= {"format": "folder", "sha256": ""}
    (folder / "release.json").write_text(json.dumps(described))
    (folder / described["images"][0]["file"]).unlink()
    index(folder)
    with pytest.raises(ProvisionError, match="is a folder, and no image"):
        given(settings, "tree-1.0")


REGISTRY = "oci://registry.example:5000/me/bakery"


@pytest.fixture
def in_registry(tmp_path: Path, published: Path, person: Person) -> Settings:
    """Settings of a project that publishes in a registry, and has built it all."""
    channel(published, "docker", REGISTRY, "20.10.9", "20.10.13", signer=person)
    environment = {
        "BAKERY_PUBLISH_URL": REGISTRY,
        "BAKERY_DIST": str(published),
        "HOME": str(tmp_path),
    }
    return settings_module.load(tmp_path, environment)


def image(published: Path, name: str, version: str) -> tuple[str, str, int]:
    """Return where hosts have an image, where the registry has it, and its size."""
    file = f"{name}-{version}-x86-64.raw"
    data = (published / f"{name}-{version}" / file).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"/opt/extensions/{name}/{file}", f"{REGISTRY}@sha256:{digest}", len(data)


@pytest.mark.parametrize("output", ["ignition", "butane"])
def test_what_is_in_a_registry_is_fetched_by_the_machine(
    in_registry: Settings, published: Path, output: Output
) -> None:
    config = yaml.safe_load(given(in_registry, "caddy-2.11.7", output=output))
    path, url, size = image(published, "caddy", "2.11.7")
    laid = files(config)
    assert laid.keys() == {"/opt/bin/extensions-registry", "/opt/extensions/caddy/installed"}
    record = laid["/opt/extensions/caddy/installed"].decode()
    assert f"file {path} {url.rpartition(':')[2]}\n" in record
    assert f"link /etc/extensions/caddy.raw {path}\n" in record
    assert not config["storage"].get("links")
    units = {unit["name"]: unit for unit in config["systemd"]["units"]}
    assert units.keys() == {"systemd-sysext.service", "extensions-first-caddy.service"}
    first = units["extensions-first-caddy.service"]["contents"]
    assert f"install caddy {path} {url} {size}\n" in first


def test_a_script_fetches_it_itself(in_registry: Settings, published: Path) -> None:
    script = given(in_registry, "caddy-2.11.7", output="shell")
    path, url, size = image(published, "caddy", "2.11.7")
    assert f"  fetch {path} {url} {url.rpartition(':')[2]} {size}\n" in script
    assert "\n  has_curl\n" in script
    assert "extensions-first-caddy" not in script


def test_a_channel_in_a_registry_is_followed_by_loopback(
    in_registry: Settings, published: Path
) -> None:
    wanted = Wanted(arch="x86-64")
    release = extension.resolve("docker-20.10.13", settings=in_registry, wanted=wanted)
    followed = extension.resolve(
        (published / "docker").as_uri(), settings=in_registry, wanted=wanted
    )
    proxy = "http://proxy.example:3128"
    there = replace(release, component=followed.component)
    with pytest.raises(ProvisionError, match="a registry has no mirror"):
        extension.mirrored(followed, "http://mirror.example")
    config = json.loads(render(plan([there], Choices(proxy=proxy, fetches=False))))
    path = b"\nPath=http://127.0.0.1:17716/registry.example:5000/me/bakery/docker\n"
    for suffix in ("conf", "transfer"):
        assert path in files(config)[f"/etc/sysupdate.docker.d/docker.{suffix}"]
    units = {unit["name"]: unit for unit in config["systemd"]["units"]}
    assert units["extensions-registry.socket"]["enabled"]
    for name in ("update.service", "registry@.service", "first-docker.service"):
        (drop_in,) = units[f"extensions-{name}"]["dropins"]
        assert f"https_proxy={proxy}" in drop_in["contents"]


def test_what_a_registry_can_not_be_is_explained(in_registry: Settings) -> None:
    with pytest.raises(ProvisionError, match="a registry has no mirror"):
        given(in_registry, "caddy-2.11.7", mirror="http://mirror.example")
    for address, why in {
        "oci://registry.example/Bakery": "can't find a registry at this address",
        "oci://[::1]:5000/bakery": "ask registries by their names",
        "oci://registry.example/$(id)": "can't find a registry at this address",
    }.items():
        settings = replace(in_registry, publish_url=address)
        with pytest.raises(ProvisionError, match=why):
            given(settings, "caddy-2.11.7")
