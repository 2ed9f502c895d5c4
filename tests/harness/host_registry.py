"""A registry in the network of hosts: Docker's, over data that this computer fills."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import structs

from bakery.boot.nspawn import image_path
from bakery.registry.client import Registry
from bakery.registry.manifest import NOTHING, TITLE, Manifest, Stored
from harness.hosts import Publisher
from harness.registry import USER, TokenServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.debian import Debian
    from harness.hosts import Host
    from harness.openpgp import Person
    from harness.registry import Running

HOST = "127.0.0.1:5000"
ADDRESS = f"oci://{HOST}/me/bakery"
PASSWORD = "sesame"  # without blanks, which busybox drops
LOGINS = "/etc/extensions.d/registries.json"
STORAGE = "filesystem: {{rootdirectory: {}/data}}"
_TYPE = "application/vnd.sysext-bakery.channel.v1"
_CONFIG = """\
version: 0.1
storage: {{{storage}, maintenance: {{uploadpurging: {{enabled: false}}}}}}
http: {{addr: "{host}"}}
auth: {{token: {{realm: "http://127.0.0.1:8100/token", service: registry.test,
  issuer: tokens.test, rootcertbundle: {folder}/tokens.pem}}}}
"""
_START = """
HOME=/ setsid {folder}/docker-registry serve {folder}/config.yml >/run/registry.log 2>&1 &
echo $! >/run/registry.pid
busybox httpd -p 127.0.0.1:8100 -h {folder}/www -c {folder}/httpd.conf
until curl --silent http://{host}/v2/; do sleep 0.1; done
"""


@dataclass(frozen=True, kw_only=True)
class RegistryPublisher(Publisher):
    """Somebody who publishes in a registry, which lets in whoever has USER's token.

    Attributes:
        registry: the registry's program and data.
        running: the registry as this computer reaches it.

    """

    registry: Path
    running: Running
    url: str = field(default=ADDRESS)

    @classmethod
    def make(
        cls, folder: Path, person: Person, debian: Debian, running: Running
    ) -> RegistryPublisher:
        """Return one whose data is in the folder `registry`."""
        made = folder / "registry"
        (made / "www").mkdir(parents=True)
        program = debian.program("x86-64", "docker-registry", "docker-registry")
        shutil.copy(program, made / "docker-registry")
        inside = image_path(1, made.name)
        config = _CONFIG.format(storage=STORAGE.format(inside), host=HOST, folder=inside)
        (made / "config.yml").write_text(config)
        (made / "httpd.conf").write_text(f"/token:{USER}:{PASSWORD}\n")
        with TokenServer() as tokens:
            tokens.lifetime = 86400
            (made / "tokens.pem").write_bytes(tokens.certificate)
            token = tokens.token(["repository:me/bakery:pull"], known=True)
        (made / "www/token").write_text(json.dumps({"token": token}))
        (folder / "site").mkdir()
        return cls(
            folder=folder / "site",
            work=folder / "work",
            person=person,
            registry=made,
            running=running,
        )

    @property
    def bound(self) -> list[Path]:
        return [self.folder, self.registry]

    def sign(self, name: str, *args: Any, **options: Any) -> None:
        super().sign(name, *args, **options)
        self.push(name)

    def push(self, name: str) -> None:
        """Publish the folder of a channel, all at once."""
        there = Registry(self.running.reference())
        layers = [
            structs.replace(
                there.push(path, "application/octet-stream"), annotations={TITLE: path.name}
            )
            for path in sorted((self.folder / name).iterdir())
        ]
        there.push(b"{}", NOTHING.media_type)
        named = {"org.opencontainers.image.ref.name": name}
        there.put(Stored.of(Manifest.of(_TYPE, layers, annotations=named)), name)

    def blob(self, sha256: str) -> Path:
        """Return the file that the registry has a blob in."""
        start = f"data/docker/registry/v2/blobs/sha256/{sha256[:2]}"
        return self.registry / start / sha256 / "data"

    def serve(self, host: Host) -> None:
        folder = image_path(1, self.registry.name)
        host.holds(_START.format(folder=folder, host=HOST))


def logins(password: str = PASSWORD) -> Mapping[str, Any]:
    """Return what docker's config.json says of a login for the registry."""
    pair = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return {"auths": {HOST: {"auth": pair}}}
