"""lock.json: the digest of every asset of every version that a recipe builds."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import msgspec

from bakery.characters import hidden_text
from bakery.decoding import from_json
from bakery.errors import BakeryError
from bakery.recipe.template import ADDRESS
from bakery.recipe.types import Trust
from bakery.recipe.version import Version
from bakery.text import show
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TrustKind = Literal[
    "first-use",
    "cited",
    "checksum-file",
    "registry",
    "github-digest",
    "apt",
    "gpg",
    "minisign",
    "cosign",
    "sigstore",
]

_LEVEL: dict[str, Trust] = {
    "first-use": "first-use",
    "cited": "cited",
    "checksum-file": "checksum",
    "registry": "checksum",
    "github-digest": "checksum",
    "apt": "signature",
    "gpg": "signature",
    "minisign": "signature",
    "cosign": "signature",
    "sigstore": "signature",
}
_CITATION = r"^(?:[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+:|https?://)\S+$"
_PLACE = re.compile(r" - at `\$[^`]*?(?:\.assets\[(?P<asset>\d+)\])?(?:\.(?P<key>\w+))?`$")
_EMPTY = hashlib.sha256(b"").hexdigest()


class LockError(BakeryError):
    """The lock can't be read, or lacks what the recipe needs."""


class LockedAsset(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One pinned asset.

    Each level of `trust:` in a recipe is satisfied by those below it, too:

    | `trust:` in a recipe | the lock's `trust` |
    |---|---|
    | `first-use` | `first-use`: as it came when it was locked |
    | `cited` | `cited`: published elsewhere, at the `citation` |
    | `checksum` | `checksum-file`, `registry` (the package index, npm's), `github-digest` |
    | `signature` | `apt`, `gpg`, `minisign`, `cosign` (a key), `sigstore` (an identity) |

    What a lock can claim follows from the recipe: `gpg`, `minisign`, `cosign` and `sigstore` need a
    `signature:` of that kind, `checksum-file` a `checksum:`, `github-digest` an asset of a release
    on GitHub, `registry` a `pypi:` or `npm:` asset, `apt` a `debian:` one. A lock that claims more
    is refused.

    Attributes:
        url: its address; `pypi:PROJECT/FILENAME` for a wheel and `npm:PACKAGE/FILENAME` for an npm
            package, wherever an index keeps it.
        sha256: its digest, 64 hexadecimal digits.
        size: its bytes; absent where nobody has seen the asset yet, only its digest.
        trust: how the digest was established.
        citation: where a cited digest was published, for readers to open: `OWNER/REPO:PATH@COMMIT`
            on GitHub, or an address.
        vouched: the digest that upstream published instead of a SHA-256, such as `sha512:…`; both
            were computed of the same bytes.

    """

    url: str
    sha256: str
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    trust: TrustKind
    citation: Annotated[str, msgspec.Meta(pattern=_CITATION)] | None = None
    vouched: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+:[0-9a-f]{64,128}$")] | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be an asset, and a citation without its source."""
        if not re.fullmatch(ADDRESS, self.url):
            raise ValueError(f"{self.url!r} is no address")
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):  # noqa: PLR2004
            raise ValueError(f"{self.url}: {self.sha256!r} is no SHA-256, 64 digits of 0-9a-f")
        if self.sha256 == _EMPTY:
            raise ValueError(f"{self.url}: this is the SHA-256 of an empty file")
        if (self.trust == "cited") != (self.citation is not None):
            raise ValueError(f"{self.url}: trust `cited` and a citation go together")

    @property
    def level(self) -> Trust:
        """How much is known about the digest, in the words of a recipe's `trust:`."""
        return _LEVEL[self.trust]

    def is_trusted(self, least: Trust) -> bool:
        """Return whether as much is known about the digest as `least` asks for."""
        levels = get_args(Trust)
        return bool(levels.index(self.level) >= levels.index(least))


class LockedVersion(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    dict=True,
):
    """One version: its parts and its assets, all architectures together.

    Attributes:
        parts: the versions of its parts.
        packages: by suite, which Debian packages were asked for.
        assets: what is pinned.

    """

    parts: dict[str, str] = {}
    packages: dict[str, str] = {}
    assets: tuple[LockedAsset, ...]

    def __post_init__(self) -> None:
        """Refuse two digests for one address."""
        if len(self.by_url) < len(self.assets):
            urls = [asset.url for asset in self.assets]
            twice = next(url for url in urls if urls.count(url) > 1)
            raise ValueError(f"{twice} stands here twice")

    @functools.cached_property
    def by_url(self) -> Mapping[str, LockedAsset]:
        """The assets by their address."""
        return {asset.url: asset for asset in self.assets}


class Lock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The digest of every asset of every version of a recipe. A build trusts nothing else.

    Written by `bakery lock` and `bakery update`, reviewed like code, never edited to make a failure
    go away. A build hashes every asset when it arrives, and again when an image is made of it.
    Sizes that a lock lacks are added by `bakery lock NAME` and `bakery update`.

    `bakery verify` asks upstream about everything again; a locked file that has changed is an
    alarm, never an update. Pull requests run it with `--download` for what they lock (`--since`):
    everything is downloaded and hashed again, and checksums, signatures and digests must be as the
    lock says.
    `bakery sources` asks nobody: for the newest version of each recipe it lists who published its
    digests, with the address of each file that is cited.

    ```json
    {
      "versions": {
        "v1.2.3": {
          "parts": {"cni": "v1.6.2"},
          "packages": {"trixie": "redis-server"},
          "assets": [
            {"url":"https://dl.example.org/v1.2.3/app-amd64","sha256":"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03","size":6,"trust":"cited","citation":"example/app:SUMS@0123456789abcdef0123456789abcdef01234567"},
            {"url":"https://dl.example.org/v1.2.3/app-arm64","sha256":"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03","size":6,"trust":"checksum-file","vouched":"sha512:e7c22b994c59d9cf2b48e549b1e24666636045930d3da7c1acb299d1c3b7f931f94aae41edda2c2b207a36e10f8bcb8d45223e54878f5b316e7ce3b6bc019629"}
          ]
        }
      }
    }
    ```

    Attributes:
        versions: each version by upstream's tag.

    """

    versions: dict[str, LockedVersion] = {}

    def __post_init__(self) -> None:
        """Refuse keys that are not versions."""
        try:
            _ = self.ordered
        except GrammarError as error:
            raise ValueError(error.what) from None

    @functools.cached_property
    def ordered(self) -> tuple[Version, ...]:
        """The versions, oldest first."""
        return tuple(sorted(map(Version.parse, self.versions), key=lambda each: (each, each.tag)))

    @property
    def tags(self) -> list[str]:
        """The tags of the versions, oldest first."""
        return [version.tag for version in self.ordered]

    def with_version(self, tag: str, version: LockedVersion) -> Lock:
        """Return the lock with one version added or replaced."""
        return Lock(versions={**self.versions, tag: version})


def read(path: Path) -> Lock:
    """Return the lock in a file, or an empty one where there is no file.

    Raises:
        LockError: the file is damaged.

    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise LockError(f"the lock can't be read: {error.strerror}", where=show(path)) from None
    return decode(data, path)


def decode(data: bytes, path: Path) -> Lock:
    """Return the lock that JSON text spells; `path` is named in messages.

    Raises:
        LockError: the text is damaged.

    """
    try:
        lock = from_json(data, Lock)
    except ValueError as error:
        raise _damaged(path, data, str(error)) from None
    if b"\\" in data or not data.isascii():
        hidden = hidden_text(msgspec.to_builtins(lock))
        if hidden is not None:
            raise _damaged(path, data, f'"{hidden}" holds a character that is not shown')
    return lock


def _in_words(place: re.Match[str]) -> str:
    """Return where in a lock something is, as people count."""
    asset = f"asset {int(place['asset']) + 1}" if place["asset"] else ""
    words = ", ".join(filter(None, (asset, place["key"])))
    return f" ({words})" if words else ""


def _damaged(path: Path, data: bytes, problem: str) -> LockError:
    where = show(path)
    problem = _PLACE.sub(_in_words, problem)
    if conflict := re.search(rb"^(?:<{7}|>{7}) ", data, re.MULTILINE):
        problem = f"git has left a merge conflict in it (byte {conflict.start()})"
    at = re.search(r"\(byte (\d+)\)", problem)
    if at:
        before = data[: int(at[1])]
        line = before.count(b"\n") + 1
        column = len(before) - before.rfind(b"\n")
        where += f":{line}:{column}"
    return LockError(
        "the lock is damaged",
        where=where,
        why=problem,
        fix="restore it from version control; or remove it and run: "
        f"bakery update {path.parent.name}",
    )


def encode(lock: Lock) -> bytes:
    """Return the lock as JSON: versions and addresses sorted, one asset a line."""
    versions = []
    for tag in lock.tags:
        locked = lock.versions[tag]
        assets = sorted(locked.assets, key=lambda asset: asset.url)
        head = "".join(
            f'      "{key}": {_json(dict(sorted(chosen.items())))},\n'
            for key, chosen in (("parts", locked.parts), ("packages", locked.packages))
            if chosen
        )
        lines = ",\n".join(f"        {_json(asset)}" for asset in assets)
        versions.append(f'    "{tag}": {{\n{head}      "assets": [\n{lines}\n      ]\n    }}')
    return ('{\n  "versions": {\n' + ",\n".join(versions) + "\n  }\n}\n").encode()


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
