"""A POSIX shell script that installs extensions on a running host, and uninstalls them."""

from __future__ import annotations

import base64
import shlex
from typing import TYPE_CHECKING

from bakery.characters import visible
from bakery.http.limits import ASSET
from bakery.provision.host_config import UNITS, RemoteContents, unit_files
from bakery.provision.plan import EXTENSIONS, IMAGES, KEYRING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.provision.host_config import HostConfig, HostFile

_END = b"END\n"  # closes here-documents
_SCRIPT = """\
#!/bin/sh
# Sets up {extensions} as systemd-sysext extensions; give it the word uninstall to take them away.
# Run it as root, as often as you like. It needs systemd, coreutils, and curl or wget.
set -eu
umask 022

is() {{ # PATH SHA256
  printf '%s  %s\n' "$2" "$1" | sha256sum --check --status
}}

get() {{ # PATH URL SIZE: no more, and not too slowly
  ulimit -f "$(($3 / 512 + 1))"
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --speed-limit 2048 --speed-time 60 \\
      --output "$1" "$2"
  else
    wget --quiet --timeout=60 --output-document="$1" "$2"
  fi
}}

fetch() {{ # PATH URL SHA256 SIZE
  if [ -e "$1" ] && is "$1" "$3"; then return; fi
  mkdir -p "${{1%/*}}"
  if ! (get "$1.part" "$2" "$4") || ! is "$1.part" "$3"; then
    rm -f "$1.part"
    echo "$2 is not the file it should be; nothing was changed" >&2
    exit 1
  fi
  mv "$1.part" "$1"
}}

write() {{ # PATH, and the contents on standard input
  mkdir -p "${{1%/*}}"
  cat >"$1.part"
  mv "$1.part" "$1"
}}

hex() {{ # PATH
  od -An -v -tx1 "$1" 2>/dev/null | tr -d ' \\n'
}}

trust() {{ # PATH, and keys on standard input, which come beside those that are there
  mkdir -p "${{1%/*}}"
  cat >"$1.part"
  case "$(hex "$1")" in
    *"$(hex "$1.part")"*) ;;
    *) cat "$1.part" >>"$1" ;;
  esac
  rm "$1.part"
}}

link() {{ # PATH TARGET
  mkdir -p "${{1%/*}}"
  ln -sfn "$2" "$1"
}}

keep() {{ # NAME FILE: the one image of the extension that stays
  find "{images}/$1" -name '*.raw' ! -name "$2" -delete
}}

unfollow() {{ # NAME: no channel any more
  systemctl --quiet disable --now "sysext-update-$1.timer" 2>/dev/null || true
  rm -rf "/etc/sysupdate.$1.d" "{units}/sysext-update-$1".*
}}

started() {{ # NAME: the units that it starts
  cat /usr/lib/systemd/system/*.d/"10-$1.conf" 2>/dev/null | sed -n 's/^Upholds=//p'
}}

install() {{
{install}
}}

uninstall() {{
{uninstall}
}}

case "${{1-install}}" in
  install) install ;;
  uninstall) uninstall ;;
  *)
    echo "usage: $0 [install|uninstall]" >&2
    exit 2
    ;;
esac
"""


def render(config: HostConfig) -> str:
    """Return the script. It leaves files that other extensions share when it uninstalls."""
    return _SCRIPT.format(
        extensions=visible(", ".join(config.extensions)),
        images=IMAGES,
        units=UNITS,
        install=_indented(_install(config)),
        uninstall=_indented(_uninstall(config)),
    )


def _install(config: HostConfig) -> Iterable[str]:
    files = (*config.files, *unit_files(config.units))
    downloads = [file for file in files if isinstance(file.contents, RemoteContents)]
    yield from map(_file, downloads)  # first: where one fails, nothing has changed
    yield from _unfollow(config)
    yield from (_file(file) for file in files if file not in downloads)
    for link in config.links:
        yield _words("link", link.path, link.target)
    yield "systemctl daemon-reload"
    for unit in config.units:
        if unit.wanted_by:
            start = ["--now"] if unit.text is not None else []
            yield _words("systemctl", "--quiet", "enable", *start, unit.name)
    yield "systemctl restart systemd-sysext.service"
    for name in config.extensions:
        image = next(link.target for link in config.links if link.path == _link(name))
        yield _words("keep", name, image.rpartition("/")[2])


def _uninstall(config: HostConfig) -> Iterable[str]:
    yield from _unfollow(config)
    names = shlex.join(config.extensions)
    yield f'units=$(for name in {names}; do started "$name"; done)'
    yield _words("rm", "-f", *(link.path for link in config.links))
    own = [file.path for file in (*config.files, *unit_files(config.units)) if not file.shared]
    yield _words("rm", "-f", *own)
    yield _words("rm", "-rf", *(f"{IMAGES}/{name}" for name in config.extensions))
    yield "systemctl restart systemd-sysext.service"
    yield "systemctl daemon-reload"
    yield "# shellcheck disable=SC2086 # several units"
    yield '[ -z "$units" ] || systemctl stop $units'


def _unfollow(config: HostConfig) -> Iterable[str]:
    return (_words("unfollow", name) for name in config.extensions)


def _link(name: str) -> str:
    return f"{EXTENSIONS}/{name}.raw"


def _file(file: HostFile) -> str:
    if isinstance(file.contents, RemoteContents):
        size = ASSET if file.contents.size is None else file.contents.size
        return _words("fetch", file.path, file.contents.url, file.contents.sha256, str(size))
    data = file.contents.data
    function = "trust" if file.path == KEYRING else "write"
    is_text = data.isascii() and b"\0" not in data and data.endswith(b"\n")
    if is_text and b"\n" + _END not in b"\n" + data:
        return f"{_words(function, file.path)} <<'END'\n{data.decode('ascii')}END"
    encoded = base64.encodebytes(data).decode("ascii")
    return f"base64 --decode <<'END' | {_words(function, file.path)}\n{encoded}END"


def _words(*words: str) -> str:
    return shlex.join(words)


def _indented(lines: Iterable[str]) -> str:
    """Return commands inside a function; here-documents stay at the margin."""
    return "\n".join(f"  {line}" for line in lines)
