"""What an image brings for hosts to see that it works: usr/lib/NAME/health.sh.

It is compiled from those lines of check.yaml that hold on any host, so that it has the version of
the programs that it is about. Status 0 means that all holds; else it says what does not.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bakery.recipe.expectations import (
    CommandExpectation,
    FileExpectation,
    ListenExpectation,
    UnitExpectation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.expectations import HostExpectation, Socket, Text
    from bakery.recipe.plan import Contents

_HEAD = """\
#!/bin/sh
# What must hold on any host with {name} {version}. Written by the bakery.
export BAKERY_VERSION={version}

holds() {{ # WHAT, and a condition
  what=$1
  shift
  "$@" || {{
    echo "$what" >&2
    exit 1
  }}
}}

is_equal() {{ # TEXT TEXT, less white space at the ends of lines
  [ "$(printf '%s\\n' "$1" | sed 's/[[:space:]]*$//')" = "$2" ]
}}

has() {{ # TEXT PART
  case $1 in
    *"$2"*) ;;
    *) return 1 ;;
  esac
}}

listens() {{ # KIND PORT-IN-HEXADECIMAL STATE; see proc_net_tcp(5)
  cat "/proc/net/$1" "/proc/net/${{1}}6" 2>/dev/null |
    grep -qiE "^ *[0-9]+: [0-9A-F]+:$2 [0-9A-F:]+ $3 "
}}

serves() {{ # PATH of a socket that accepts connections
  grep -qE "^[^ ]+ [^ ]+ [^ ]+ 00010000 .* $1\\$" /proc/net/unix
}}

run() {{ # COMMAND...: into `status`, `out` and `err`
  scratch=$(mktemp -d) || exit
  "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
  status=$?
  out=$(cat "$scratch/out") err=$(cat "$scratch/err")
  rm -r "$scratch"
}}

"""
_STATES = {"tcp": "0A", "udp": "07"}


def path(name: str) -> str:
    """Return where the check of an extension is in its image."""
    return f"usr/lib/{name}/health.sh"


def script(contents: Contents) -> str:
    """Return the check; empty where the recipe says nothing that holds on any host."""
    lines = [line for each in contents.health for line in _lines(each)]
    if not lines:
        return ""
    head = _HEAD.format(name=contents.name, version=shlex.quote(contents.version))
    return head + "\n".join(lines) + "\n"


def _lines(expected: HostExpectation) -> Iterator[str]:
    match expected:
        case UnitExpectation(name=name, state=state):
            state_now = f'"$(systemctl is-active {shlex.quote(name)})"'
            yield _holds(f"{name} is not {state}", f"[ {state_now} = {state} ]")
        case ListenExpectation(socket=socket):
            yield _holds(f"nobody listens on {socket}", _listening(socket))
        case FileExpectation():
            yield from _file(expected)
        case CommandExpectation():
            yield from _command(expected)


def _holds(what: str, condition: str) -> str:
    return f"holds {shlex.quote(what)} {condition}"


def _listening(socket: Socket) -> str:
    if socket.kind == "unix":
        return f"serves {shlex.quote(socket.address)}"
    return f"listens {socket.kind} {int(socket.address):04X} {_STATES[socket.kind]}"


def _file(file: FileExpectation) -> Iterator[str]:
    name = shlex.quote(file.path)
    if not file.exists:
        yield _holds(f"{file.path} exists", f"[ ! -e {name} ]")
        return
    yield _holds(f"there is no {file.path}", f"[ -e {name} ]")
    if file.mode is not None:
        mode = f'"$(stat -Lc %04a {name})"'
        yield _holds(f"the mode of {file.path} is not {file.mode}", f"[ {mode} = {file.mode} ]")
    yield from _text(f"{file.path} is not as it must be", f'"$(cat {name})"', file.content)


def _command(command: CommandExpectation) -> Iterator[str]:
    run = ["sh", "-c", command.run] if isinstance(command.run, str) else [*command.run]
    line = command.run if isinstance(command.run, str) else shlex.join(command.run)
    line = line.strip()
    become = ""
    if (user := command.user) is not None:  # whose group may be called otherwise, as nobody's is
        become = f'setpriv --reuid={user} --regid="$(id -g {user})" --init-groups -- '
    yield f"run timeout {command.timeout} {become}{shlex.join(run)}"
    right = f'[ "$status" = {command.status} ]'
    yield f'holds {shlex.quote(line)}": status $status, $err" {right}'
    yield from _text(f"{line}: output is not as it must be", '"$out"', command.stdout)
    yield from _text(f"{line}: error output is not as it must be", '"$err"', command.stderr)


def _text(what: str, value: str, text: Text) -> Iterator[str]:
    if text.equals is not None:
        yield _holds(what, f"is_equal {value} {shlex.quote(text.equals.strip())}")
    if text.contains is not None:
        yield _holds(what, f"has {value} {shlex.quote(text.contains)}")
