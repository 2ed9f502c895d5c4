"""nginx of Debian as a shared cache: it takes PUT, and keeps a list of what it is asked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.processes import free_port, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.debian import Debian

WRITER = "writer:secret"
_CONFIG = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  log_format asked "$request_method $uri";
  access_log {folder}/access.log asked;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location / {{
      dav_methods PUT;
      create_full_put_path on;
      limit_except GET {{
        auth_basic cache;
        auth_basic_user_file {folder}/writers;
      }}
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A server that runs.

    Attributes:
        folder: has what it serves, below www/.
        port: where it listens.

    """

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Where anybody reads."""
        return f"http://127.0.0.1:{self.port}/cache"

    @property
    def writers_url(self) -> str:
        """Where whoever has a login writes."""
        return self.url.replace("//", f"//{WRITER}@")

    @property
    def asked(self) -> list[str]:
        """The requests so far, as method and path."""
        return (self.folder / "access.log").read_text().splitlines()


@contextmanager
def nginx(debian: Debian, folder: Path) -> Iterator[Nginx]:
    """Run it for the block; everybody may read."""
    program = debian.program("x86-64", "nginx", "nginx")
    (folder / "www").mkdir(parents=True)
    user, _, password = WRITER.partition(":")
    (folder / "writers").write_text(f"{user}:{{PLAIN}}{password}\n")
    config = folder / "nginx.conf"
    with free_port() as port:
        config.write_text(_CONFIG.format(folder=folder, port=port))
        with served([program, "-p", folder, "-c", config], port, folder):
            yield Nginx(folder, port)
