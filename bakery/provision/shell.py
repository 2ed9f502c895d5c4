"""A POSIX shell script that installs extensions on a running host, and uninstalls them.

What depends on the host is decided there. What is refused is refused before anything changes.
"""

from __future__ import annotations

import base64
import functools
import shlex
from typing import TYPE_CHECKING

from bakery.characters import visible
from bakery.http.limits import ASSET
from bakery.provision import keys, record, registry, verity
from bakery.provision.host_config import RemoteContents, unit_files
from bakery.provision.plan import EXTENSIONS
from bakery.provision.program import functions
from bakery.registry.reference import SCHEME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.provision.host_config import HostConfig, HostFile

_END = b"END\n"  # closes here-documents
_HEAD = """\
#!/bin/sh
# Sets up {extensions} as systemd-sysext extensions; give it the word uninstall to take them away.
# Run it as root, as often as you like: what has been updated since stays as new as it is.
# It needs systemd, coreutils, and curl or wget.
set -eu
umask 022

"""
_REST = """
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
    """Return the script. It leaves what other extensions use too when it uninstalls."""
    return "".join(
        (
            _HEAD.format(extensions=visible(", ".join(config.extensions))),
            *(f"{functions(name)}\n" for name in ("record", "rehearse", "setup")),
            _proxy(config),
            _REST.format(
                install=_indented(_install(config)), uninstall=_indented(_uninstall(config))
            ),
        )
    )


def _proxy(config: HostConfig) -> str:
    if config.proxy is None:
        return ""
    proxy = shlex.quote(config.proxy)
    return f"export http_proxy={proxy} https_proxy={proxy}\n"


def _install(config: HostConfig) -> Iterator[str]:
    own = (*config.files, *unit_files(config.units))
    downloads = {
        file.path: file.contents for file in own if isinstance(file.contents, RemoteContents)
    }
    signed = any(file.path == keys.PROGRAM for file in config.files)
    yield from _refusals(config)
    if signed:
        yield _given('cat >"$work/keys"', keys.TEXT)
        yield 'sh "$work/keys" check || refuse'
    if _asks_registries(config):
        yield _given('cat >"$work/registry"', registry.TEXT)
    yield from (_fetch(path, contents) for path, contents in downloads.items())
    yield from _rehearsal(config)
    yield from (_words("remember", name) for name in config.extensions)
    yield from (_words("place", path) for path in downloads)
    for file in own:
        if isinstance(file.contents, bytes):
            yield _write(file, file.contents, config)
    yield from (_words("link", link.path, link.target) for link in config.links)
    yield "systemctl daemon-reload"
    yield "systemctl --quiet enable systemd-sysext.service"
    if signed:
        yield f"sh {keys.PROGRAM}"
    yield _words("merge", *config.extensions)
    yield from (_words("settle", name) for name in config.extensions)
    for unit in config.units:
        if unit.wanted_by and unit.text is not None:
            yield _words("systemctl", "--quiet", "enable", "--now", unit.name)


def _asks_registries(config: HostConfig) -> bool:
    return any(
        file.path == registry.PROGRAM
        or (isinstance(file.contents, RemoteContents) and file.contents.url.startswith(SCHEME))
        for file in config.files
    )


def _refusals(config: HostConfig) -> Iterator[str]:
    yield "has_sysext"
    if any(file.path == verity.CONFIGURED for file in config.files):
        yield "can_enforce"
    if _asks_registries(config):
        yield "has_curl"
    for name, system in config.systems.items():
        yield _words("fits", name, system)
    for name, laid in config.records.items():
        followed = [each.path for each in laid if each.kind == "images"]
        if followed:
            yield _words("can_follow", name)
            signed = any(file.path == keys.path(name) for file in config.files)
            yield from [_words("can_verify", name)] * signed
            for target in _images(config, name):
                yield _words("keep_newer", name, target, *followed)
    for name, laid in config.records.items():
        yield _given(_words("claim", name), record.encode(laid))
    yield "nothing_foreign"


def _rehearsal(config: HostConfig) -> Iterator[str]:
    """Yield what tries the merge of signed images, and by the policy that is about to be."""
    for name, data in verity.certified(config.files):
        yield _given(_words("certify", name), data)
    if any(file.path == verity.CONFIGURED for file in config.files):
        yield f"policy=--image-policy={verity.POLICY}"
    pairs = [(name, target) for name in config.extensions for target in _images(config, name)]
    yield _words("can_merge", *(word for pair in pairs for word in pair))


def _images(config: HostConfig, name: str) -> Iterator[str]:
    return (link.target for link in config.links if link.path == _link(name))


def _uninstall(config: HostConfig) -> Iterator[str]:
    names = shlex.join(config.extensions)
    yield f"started=$(units {names})"
    yield f'left=$(for name in {names}; do stays "$name"; done)'
    yield f"for name in {names}; do"
    yield '  [ -e "$records/$name/installed" ] || echo "there is no record of $name" >&2'
    yield '  take_away "$name"'
    yield "done"
    if any(file.path == keys.PROGRAM for file in config.files):
        yield f"[ ! -e {keys.PROGRAM} ] || sh {keys.PROGRAM}"
    yield "remerge"
    yield "# shellcheck disable=SC2086 # several units"
    yield '[ -z "$started" ] || systemctl stop $started'
    yield 'say_stays "$left"'


def _link(name: str) -> str:
    return f"{EXTENSIONS}/{name}.raw"


def _fetch(path: str, contents: RemoteContents) -> str:
    size = ASSET if contents.size is None else contents.size
    return _words("fetch", path, contents.url, contents.sha256, str(size))


def _write(file: HostFile, data: bytes, config: HostConfig) -> str:
    given = _given(_words("write", file.path, f"{file.mode:04o}"), data)
    drop_in = any(unit.text is None and f"/{unit.name}.d/" in file.path for unit in config.units)
    return f"! unlike flatcar || {given}" if drop_in else given  # which loads units by itself


@functools.lru_cache(maxsize=64)
def _given(command: str, data: bytes) -> str:
    """Return a command that has bytes on its standard input."""
    is_text = data.isascii() and b"\0" not in data and data.endswith(b"\n")
    if is_text and b"\n" + _END not in b"\n" + data:
        return f"{command} <<'END'\n{data.decode('ascii')}END"
    encoded = base64.encodebytes(data).decode("ascii")
    return f"base64 --decode <<'END' | {command}\n{encoded}END"


def _words(*words: str) -> str:
    return shlex.join(words)


def _indented(lines: Iterable[str]) -> str:
    """Return commands inside a function; here-documents stay at the margin."""
    return "\n".join(f"  {line}" for line in lines)
