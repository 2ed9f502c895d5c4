"""What configurations are given is data in them: their own readers find it unchanged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Literal

import pytest
import yaml
from harness import needs
from harness.host_configs import contents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakery.provision import butane, cloud_init, container_linux, ignition, shell
from bakery.provision.errors import ProvisionError
from bakery.provision.extension import Component, Extension
from bakery.provision.host_config import (
    HostConfig,
    HostFile,
    HostLink,
    HostUnit,
    RemoteContents,
)
from bakery.provision.plan import Choices, plan

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "a\ntouch pwned",
    "a\nEND\ntouch pwned",
    "\\",
    "%n %% %H",
    "${HOME} $HOME",
    "../../etc/cron.d/x",
    "- a: b # c",
    "{{ x }} {% y %}",
    "\x1b[2J",
    "\u2028\u2029\x85\ufeff",
    "yes",
    "0644",
    "~",
)
unwritable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.one_of(st.sampled_from(HOSTILE), st.text(unwritable, min_size=1))
data = st.one_of(texts.map(str.encode), st.binary(), texts.map(lambda t: f"{t}\n".encode()))
remote = st.builds(
    RemoteContents, url=texts, sha256=texts, size=st.integers(min_value=0, max_value=1 << 40)
)
paths = texts.map(lambda text: f"/{text}")
configs = st.builds(
    HostConfig,
    extensions=st.just(()),
    files=st.lists(
        st.builds(HostFile, path=paths, contents=data | remote),
        max_size=3,
        unique_by=lambda file: file.path,
    ).map(tuple),
    links=st.lists(st.builds(HostLink, path=paths, target=texts), max_size=3).map(tuple),
    units=st.lists(
        st.builds(
            HostUnit,
            name=texts,
            text=st.none() | texts,
            drop_ins=st.dictionaries(texts, texts, max_size=2),
            wanted_by=st.none() | texts,
        ),
        max_size=2,
        unique_by=lambda unit: unit.name,
    ).map(tuple),
)
Writer = Literal["ignition", "butane", "clc"]


def read(config: HostConfig, writer: Writer) -> Any:
    match writer:
        case "ignition":
            return json.loads(ignition.render(config))
        case "butane":
            return yaml.safe_load(butane.render(config, "flatcar"))
        case "clc":
            return yaml.safe_load(container_linux.render(config))


@pytest.mark.parametrize("writer", ["ignition", "butane", "clc"])
@given(config=configs)
def test_documents_say_what_they_are_given(config: HostConfig, writer: Writer) -> None:
    document = read(config, writer)
    written = document["storage"]["files"]
    assert [file["path"] for file in written] == [file.path for file in config.files]
    links = [(link["path"], link["target"]) for link in document["storage"]["links"]]
    assert links == [(link.path, link.target) for link in config.links]
    for file, given_file in zip(written, config.files, strict=True):
        found = file["contents"].get("remote", file["contents"])
        if isinstance(given_file.contents, RemoteContents):
            assert found.get("url", found.get("source")) == given_file.contents.url
        else:
            source = {"source": found["url"]} if "url" in found else found
            assert contents(source) == given_file.contents
    units = document["systemd"]["units"]
    assert [unit["name"] for unit in units] == [unit.name for unit in config.units]
    assert [unit.get("contents") for unit in units] == [unit.text for unit in config.units]


RECORDING = """
for name in fetch write trust link systemctl rm; do
  eval "$name() { printf '%s\\0' \\"$name\\" \\"\\$@\\" end >&3; [ -t 0 ] || cat >/dev/null; }"
done
exec </dev/null 3>words
"""


@needs.programs("dash", "systemd-sysext")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configs)
def test_the_shell_sees_each_word_as_it_was_given(tmp_path: Path, config: HostConfig) -> None:
    script = shell.render(config)
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "script").write_bytes(script.encode())
    subprocess.run(["dash", "-n", "script"], cwd=folder, check=True)
    head, _, rest = script.partition("\ninstall() {")
    program = f"{head}\n{RECORDING}\ninstall() {{{rest}"
    (folder / "program").write_bytes(program.encode())
    environment = {**os.environ, "TMPDIR": str(folder)}  # its own rm only records
    subprocess.run(
        ["dash", "program"], cwd=folder, env=environment, check=True, capture_output=True
    )
    calls = (folder / "words").read_bytes().decode().removesuffix("end\0").split("end\0")
    words = [call.removesuffix("\0").split("\0") for call in calls]
    for file in config.files:
        if isinstance(file.contents, RemoteContents):
            assert ["fetch", file.path, file.contents.url, file.contents.sha256] in [
                each[:4] for each in words
            ]
        else:
            assert ["write", file.path, "0644"] in words
    for link in config.links:
        assert ["link", link.path, link.target] in words
    assert not (folder / "pwned").exists()


@pytest.mark.parametrize(
    "data", [b"a\nEND\ntouch pwned\n", b"$(touch pwned)\n", b"a\0b\n", b"\xff"]
)
@needs.programs("dash", "base64", "systemd-sysext")
def test_the_shell_writes_the_bytes_that_it_was_given(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    file = HostFile(path=str(path), contents=data)
    config = HostConfig(extensions=(), files=(file,), links=(), units=())
    script = "systemctl() { :; }\n" + shell.render(config)
    subprocess.run(["dash", "-c", script], cwd=tmp_path, check=True)
    assert path.read_bytes() == data
    assert not (tmp_path / "it").exists()


@settings(max_examples=20)
@given(config=configs)
def test_cloud_init_holds_the_script(config: HostConfig) -> None:
    document = yaml.load(cloud_init.render(config), yaml.CSafeLoader)
    assert document["write_files"][0]["content"] == shell.render(config)


def extension(**changes: Any) -> Extension:
    usual: dict[str, Any] = {
        "name": "app",
        "file": "app-1.0-x86-64.raw",
        "host_file": "app-1.0-x86-64.raw",
        "sha256": "0" * 64,
        "url": "https://example.com/app-1.0-x86-64.raw",
        "local": None,
    }
    return Extension(**usual | changes)


@pytest.mark.parametrize("text", [*HOSTILE[:13], "", ".", "..", "a/b", "a\n", "-x"])
@pytest.mark.parametrize("field", ["name", "file", "sha256", "requires", "replaces"])
def test_names_that_are_none_are_no_extensions(field: str, text: str) -> None:
    value = (text,) if field in ("requires", "replaces") else text
    with pytest.raises(ProvisionError, match="can't have an extension of this name"):
        extension(**{field: value})


@pytest.mark.parametrize("tail", [" x", "\n", "%0a", "%1B", "\t"])
def test_addresses_are_one_word(tail: str) -> None:
    with pytest.raises(ProvisionError, match="can't have an extension"):
        extension(url=f"https://example.com/{tail}")


@needs.programs("systemd-analyze")
@pytest.mark.parametrize("name", ["app", "App.x_1-y"])
def test_systemd_reads_the_units(tmp_path: Path, name: str) -> None:
    component = Component(
        transfers={f"{name}.conf": b"[Transfer]\n"}, images=f"{name}-*-x86-64.raw", keyring=b"keys"
    )
    config = plan([extension(name=name, component=component)], Choices())
    for unit in config.units:
        if unit.text is not None:
            (tmp_path / unit.name).write_text(unit.text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(tmp_path) not in done.stderr
