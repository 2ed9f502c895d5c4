"""What upstream publishes: `assets:` of a recipe, and how they are known to be upstream's."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bakery.recipe.npm import NpmName
from bakery.recipe.signer import Identity
from bakery.recipe.template import ImagePath, Line, Url
from bakery.recipe.types import (
    Address,
    Archive,
    KeyFile,
    Members,
    MinisignKey,
    Model,
    OneLine,
    Package,
    Project,
    Suite,
    When,
    Words,
    about,
)


class GpgSignature(Model, frozen=True):
    """A detached OpenPGP signature; `{url}` is the address of what is signed.

    ```yaml
    assets:
      - url: https://dl.example.org/{version}/a-{arch}
        signature: {gpg: "{url}.asc", key: ./release.asc}
        install: usr/bin/a
    ```
    """

    gpg: Annotated[Url, about("the signature")]
    key: Annotated[KeyFile, about("the only keys that may sign: ./FILE, as exported")]


class MinisignSignature(Model, frozen=True):
    """A signature by minisign; `{url}` is the address of what is signed.

    This and the following kinds need `pip install -e '.[signatures]'` where versions are locked or
    verified; a build needs none of them.

    ```yaml
    assets:
      - url: https://dl.example.org/{version}/b-{arch}
        signature: {minisign: "{url}.minisig", key: ./minisign.pub}
        install: usr/bin/b
    ```
    """

    minisign: Annotated[Url, about("the signature")]
    key: Annotated[MinisignKey, about("who must have signed: ./FILE or the key, RW…")]


class CosignSignature(Model, frozen=True):
    """A signature or bundle by cosign with a key; `{url}` is the address of what is signed.

    It may have any of the forms that cosign has written. What has to hold is the signature, by the
    key; no log is asked, and so no time.

    ```yaml
    assets:
      - url: https://dl.example.org/{version}/d-{arch}
        signature: {cosign: "{url}.sig", key: ./cosign.pub}
        install: usr/bin/d
    ```
    """

    cosign: Annotated[Url, about("the signature or bundle")]
    key: Annotated[KeyFile, about("who must have signed: ./FILE, as cosign.pub is")]


class SigstoreSignature(Model, frozen=True):
    """A signature by an identity; `{url}` is the address of what is signed.

    `sigstore` names a bundle, which may be a statement about several files (then the file's name
    counts, too), a bundle as cosign wrote them before version 3, or a bare signature, whose
    `certificate` is a file beside it. What has to hold:

    - of a bundle: the signature; the certificate, up to Sigstore's root at the time that the log
      tells, and that the log of certificates has it; who and whose it names; the log's promise and
      its proof that it has the signature;
    - of a former bundle: the same, with the log's promise alone, since such bundles have no proof;
    - of a signature and its `certificate`: as of a bundle, with the entry that the log itself is
      asked for.

    An `identity` has to fit from its first to its last letter. Only the ref behind a URI's `@` may
    be left open: `*` stands for one of its steps, as in `@refs/tags/*`; `@*` is a commit. A
    reusable workflow signs under its own identity for whoever calls it. So a workflow on GitHub
    must have run for the repository that it lies in, unless `repository` names another.

    ```yaml
    assets:
      - url: https://dl.k8s.io/release/{version}/bin/linux/{arch}/kubectl
        signature:
          sigstore: "{url}.sig"
          certificate: "{url}.cert"
          identity: krel-staging@k8s-releng-prod.iam.gserviceaccount.com
          issuer: https://accounts.google.com
        install: usr/bin/kubectl
      - url: https://github.com/docker/buildx/releases/download/{version}/buildx-{version}.linux-{arch}
        archive: plain
        signature:
          sigstore: "{url}.sigstore.json"
          identity: https://github.com/docker/github-builder/.github/workflows/bake.yml@*
          issuer: https://token.actions.githubusercontent.com
          repository: https://github.com/docker/buildx
          ref: refs/tags/{version}
        install: usr/libexec/docker/cli-plugins/docker-buildx
    ```
    """

    sigstore: Annotated[Url, about("the bundle, or the signature")]
    identity: Annotated[
        Identity | Annotated[tuple[Identity, ...], Meta(min_length=1)],
        about("who must have signed: an e-mail address or a workflow's URI, or a list of them"),
    ]
    issuer: Annotated[Address, about("who must have vouched for the identity")]
    certificate: Annotated[
        Url | None, about("the signer's certificate, if it is a file of its own")
    ] = None
    repository: Annotated[
        Address | None, about("whose build it must be, if not the workflow's own repository's")
    ] = None
    ref: Annotated[
        Line | None, about("the ref it must be built of, such as refs/tags/{version}")
    ] = None


Signature = GpgSignature | MinisignSignature | CosignSignature | SigstoreSignature


class Checksum(Model, frozen=True):
    """Upstream's own checksum file for an asset; `{url}` is the asset's address.

    Any dialect will do, and any algorithm from SHA-256 up; where that is not SHA-256, the lock's
    `vouched` has the digest that upstream gives.

    ```yaml
    assets:
      - url: https://dl.example.org/{version}/a-{arch}
        checksum:
          url: https://dl.example.org/{version}/SHA256SUMS-{arch}
          arch: {x86-64: x64, arm64: arm}
          signature: {gpg: "{url}.asc", key: ./release.asc}
        install: usr/bin/a
    ```
    """

    url: Annotated[Url, about("its address")]
    signature: Annotated[Signature | None, about("upstream's signature of the checksum file")] = (
        None
    )
    arch: Annotated[
        Words | None, about("words for {arch} here, where they are not the asset's")
    ] = None


class AssetFile(Model, frozen=True):
    """One of several files that an asset's address stands for.

    ```yaml
    assets:
      - url: https://dl.example.org/{version}/{arch}/{file}
        files: [app, {name: appctl, when: ">= 2"}]
        install: usr/bin/
    ```
    """

    name: Annotated[OneLine, about("what {file} stands for")]
    when: When = None


class UrlAsset(Model, frozen=True):
    """A file that upstream publishes at an address (http, https or file).

    ```yaml
    assets:
      - url: https://dl.example.org/{version}/bin/linux/{arch}/{file}
        files: [app, appctl]
        checksum: {url: "{url}.sha256"}
        install: usr/bin/
      - url: https://dl.example.org/{version}/plugins{arch}
        arch: {x86-64: "", arm64: -arm64}
        archive: tar
        install: {"*/bin/*": usr/bin/, "share/**": usr/share/app/}
        signature: {minisign: "{url}.minisig", key: ./minisign.pub}
        when: ">= v1.4, < v2"
    ```
    """

    url: Annotated[Url, about("the address of one file, or with {file} of several")]
    install: Annotated[
        ImagePath | Members, about("a path for a single file, or {glob of archive members: path}")
    ]
    files: Annotated[
        tuple[OneLine | AssetFile, ...], about("values for {file}: one asset each")
    ] = ()
    arch: Annotated[
        Words | None, about("upstream's words for {arch} here, if not the recipe's")
    ] = None
    archive: Annotated[
        Archive | None, about("what kind of file it is, if its name doesn't tell")
    ] = None
    checksum: Annotated[Checksum | None, about("upstream's own file of digests")] = None
    signature: Annotated[Signature | None, about("upstream's signature of the asset itself")] = None
    when: When = None


class PypiAsset(Model, frozen=True):
    """A wheel, by project name, from the package index that pip is configured for.

    ```yaml
    upstream: {github: astral-sh/uv}
    parts: {tool: {pypi: uv-tool}}
    assets:
      - pypi: uv
        platform: musllinux_1_1_{arch}
        arch: {x86-64: x86_64, arm64: aarch64}
        install: {"uv-{bare}.data/scripts/*": usr/bin/}
      - pypi: uv-tool
        platform: any
        version: "{tool}"
        install: {"uv_tool/bin/*": usr/bin/}
        when: ">= 0.5"
    ```
    """

    pypi: Annotated[Project, about("the project")]
    platform: Annotated[Line, about("the wheel's platform tag, such as musllinux_1_1_{arch}")]
    install: Annotated[Members, about("{glob of its members: path}")]
    version: Annotated[Line, about("its version, if not the recipe's")] = Line.parse("{bare}")
    arch: Annotated[
        Words | None, about("upstream's words for {arch} here, if not the recipe's")
    ] = None
    when: When = None


class NpmAsset(Model, frozen=True):
    """A package's file, by the package's name, from the registry that npm is configured for.

    npm itself is asked, so it must be installed, and its registries and logins hold; a file that
    needs a login is downloaded with that of ~/.netrc.

    ```yaml
    upstream: {npm: esbuild}
    parts: {wasm: {npm: esbuild-wasm}}
    assets:
      - npm: "@esbuild/linux-{arch}"
        arch: {x86-64: x64, arm64: arm64}
        install: {package/bin/esbuild: usr/bin/}
      - npm: esbuild-wasm
        version: "{wasm}"
        install: {package/esbuild.wasm: usr/share/esbuild/}
        when: ">= 0.20"
    ```
    """

    npm: Annotated[NpmName, about("a package, such as esbuild or @esbuild/linux-{arch}")]
    install: Annotated[Members, about("{glob of its members: path}")]
    version: Annotated[Line, about("its version, if not the recipe's")] = Line.parse("{bare}")
    arch: Annotated[
        Words | None, about("upstream's words for {arch} here, if not the recipe's")
    ] = None
    when: When = None


class DebianPackages(Model, frozen=True):
    """Packages of a Debian release; apt chooses them and all that they depend on.

    ```yaml
    assets:
      - debian: {packages: [btop], suite: trixie}
        install: {usr/bin/btop: usr/bin/}
    self-contained: true
    ```
    """

    packages: Annotated[
        tuple[Package, ...],
        Meta(min_length=1, description="packages; the first is the one that has `version`"),
    ]
    suite: Annotated[Suite, about("the release of Debian")]


class DebianAsset(Model, frozen=True):
    """Packages from the Debian mirror that apt is configured for, with their dependencies.

    There is one such asset for each suite. So that a program from elsewhere gets its libraries from
    Debian, `version: latest` asks for those that the suite has when a version is locked; the lock
    pins them. Newer ones come with the program's next version. Any other `version` is what the
    first package must have.

    ```yaml
    upstream: {pypi: clang-format}
    assets:
      - pypi: clang-format
        platform: manylinux_2_28_{arch}
        install: {clang_format/data/bin/clang-format: usr/bin/}
      - debian: {packages: [libstdc++6, file], suite: trixie}
        version: latest
        exclude: [perl]
        install: {usr/bin/file: usr/bin/}
        when: ">= 20"
    self-contained: true
    ```
    """

    debian: Annotated[DebianPackages, about("the packages")]
    version: Annotated[
        Line, about("the first package's version, or `latest`: what the suite has")
    ] = Line.parse("{version}")
    install: Annotated[Members | None, about("{glob of the packages' files: path}")] = None
    exclude: Annotated[
        tuple[Package, ...], about("packages to do without, and without what only they depend on")
    ] = ()
    when: When = None
