"""Publishing to registries, as they and their tools are: each request may fail, many publish."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import channels
from harness.debian import Debian
from harness.project import Project
from harness.registry import (
    FAULTS,
    Line,
    Running,
    Tools,
    crane_registry,
    docker_config,
    docker_registry,
    guarded,
    referrers,
)
from harness.released import index, release
from msgspec import structs

from bakery.boot.waiver import WaivedBoot
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.publish import cosign
from bakery.publish import release as transaction
from bakery.publish.cosign import CosignKey
from bakery.publish.model import PublishError
from bakery.publish.registry import RegistryPublisher
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.recipe.names import INDEX
from bakery.registry.client import Registry
from bakery.registry.contents import FILES, Reader
from bakery.registry.files import Files
from bakery.registry.manifest import MANIFEST, NOTHING, Index, Manifest, Stored
from bakery.registry.reference import Reference
from bakery.release import document, notes, signing, sums
from bakery.release.index import CHANNEL
from bakery.release.reader import ReleaseReader
from bakery.release.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.openpgp import Person

    from bakery.arch import Arch

NOW = RetryPolicy(tries=1)
PATIENT = RetryPolicy(tries=6, sleep=lambda _seconds: None)
BUSY = RetryPolicy(tries=100, first=0.01, longest=0.05, jitter=0.01)
OURS = "application/vnd.sysext-bakery.sysext.v1+raw"
KAIROS = "application/vnd.kairos.sysext.raw"
NAME, VERSION = "k3s", "v1.32.2+k3s1"
TAG, IN_REGISTRY = f"{NAME}-{VERSION}", "k3s-v1.32.2_k3s1"
THREE = ("v1.31.9+k3s1", "v1.32.1+k3s1", VERSION)
PLATFORMS: dict[str, Arch] = {"linux/amd64": "x86-64", "linux/arm64": "arm64"}
ABOUT = {"org.opencontainers.image.source": "https://example.org/bakery"}
RUN = {"docker": (docker_registry, "bookworm"), "crane": (crane_registry, "forky")}

# Every third request fails in one way; at night each, in every way, and with each registry
EVERY_FAULT = pytest.mark.parametrize(
    ("name", "shift", "step"),
    [
        pytest.param("docker", 0, 3),
        *(
            pytest.param(name, shift, 1, marks=pytest.mark.nightly)
            for name in RUN
            for shift in range(len(FAULTS))
        ),
    ],
)


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """A registry without lists of referrers, and one that keeps them."""
    with (
        docker_registry(Debian("bookworm"), tmp_path_factory.mktemp("docker")) as docker,
        crane_registry(Debian("forky"), tmp_path_factory.mktemp("crane")) as crane,
    ):
        yield {"docker": docker, "crane": crane}


@pytest.fixture(params=RUN)
def registry(registries: dict[str, Running], request: pytest.FixtureRequest) -> Running:
    return registries[request.param]


@pytest.fixture
def place(registry: Running, request: pytest.FixtureRequest) -> Reference:
    """A repository that nobody else uses."""
    return registry.reference(f"me/{_digest(request.node.nodeid.encode())[:12]}")


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools(tmp_path_factory.mktemp("home"))


def built(folder: Path, version: str = VERSION, signer: Person | None = None) -> Path:
    """Return a finished release."""
    images = {arch: f"{version} {arch} ".encode() * 3000 for arch in PLATFORMS.values()}
    there = folder / f"{NAME}-{version}"
    if not there.exists():
        release(folder, NAME, version, images, transfers=("k3s.transfer",))
        (there / "k3s.transfer").write_bytes(b"[Transfer]\n")
        (there / "k3s.spdx.json").write_bytes(b'{"spdxVersion": "SPDX-2.3"}\n')
        (there / "k3s.cdx.json").write_bytes(b'{"bomFormat": "CycloneDX"}\n')
        index(there, signer)
    return there


def desired(folder: Path) -> DesiredRelease:
    paths = sorted(folder.iterdir(), key=lambda path: (path.name == sums.FILE, path.name))
    return DesiredRelease(
        tag=folder.name, notes="what is new", files=tuple(map(LocalFile.of, paths))
    )


def publisher(place: Reference, **options: Any) -> RegistryPublisher:
    given = {"images": OURS, "about": ABOUT, "environment": {}, **options}
    return RegistryPublisher(place, client=Client(retry=NOW), **given)


def repository(place: Reference) -> Registry:
    return Registry(place, client=Client(retry=NOW), environment={})


def read(place: Reference, tag: str) -> dict[str, bytes]:
    """Return what readers get."""
    registry = repository(place)
    contents = Reader(registry).read(tag)
    assert contents is not None
    return {name: registry.read(file, 8 << 20) for name, file in contents.files.items()}


def on_disk(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def address(place: Reference, tag: str = IN_REGISTRY) -> str:
    return f"{place.host}/{place.repository}:{tag}"


# With others' tools


def test_oras_gets_the_image_of_each_platform(
    place: Reference, tool: Tools, tmp_path: Path
) -> None:
    folder = built(tmp_path)
    transaction.publish(desired(folder), publisher(place), NOW)
    for platform, arch in PLATFORMS.items():
        target = tmp_path / arch
        words = ("--plain-http", f"--platform={platform}", f"--output={target}")
        tool("oras", "pull", *words, address(place))
        image = f"{TAG}-{arch}.raw"
        assert on_disk(target) == {image: (folder / image).read_bytes()}
    described = json.loads(tool("oras", "manifest", "fetch", "--plain-http", address(place)))
    about = {key.rpartition(".")[2]: text for key, text in described["annotations"].items()}
    assert (about["title"], about["version"], about["name"]) == (NAME, VERSION, TAG)
    assert (about["licenses"], about["source"]) == ("MIT", "https://example.org/bakery")
    assert not {"created", "base"} & about.keys()


def test_oras_finds_what_is_attached(place: Reference, tool: Tools, tmp_path: Path) -> None:
    folder = built(tmp_path)
    transaction.publish(desired(folder), publisher(place), NOW)
    words = ("--plain-http", "--format=json", address(place))
    found = json.loads(tool("oras", "discover", *words))
    kinds = {each["artifactType"]: each["digest"] for each in found["manifests"]}
    assert {kind.rpartition("/")[2] for kind in kinds} == {
        "spdx+json",
        "vnd.cyclonedx+json",
        "vnd.sysext-bakery.release.v1+json",
        "vnd.sysext-bakery.checksums.v1",
    }
    whole = f"{place.host}/{place.repository}@{kinds['application/spdx+json']}"
    tool("oras", "pull", "--plain-http", f"--output={tmp_path / 'bill'}", whole)
    bill = "k3s.spdx.json"
    assert on_disk(tmp_path / "bill") == {bill: (folder / bill).read_bytes()}


def test_copies_are_releases_too(
    registries: dict[str, Running], place: Reference, tool: Tools, tmp_path: Path
) -> None:
    folder = built(tmp_path)
    transaction.publish(desired(folder), publisher(place), NOW)
    policy = ("--policy", tool.policy)
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo = ("skopeo", *policy, "copy", "--all", "--preserve-digests", *plain)
    layout = f"oci:{tmp_path / 'layout'}:{IN_REGISTRY}"
    tool(*skopeo, f"docker://{address(place)}", layout)
    for name, running in registries.items():
        by_skopeo = running.reference(f"{place.repository}/skopeo-{name}")
        tool(*skopeo, layout, f"docker://{address(by_skopeo)}")
        by_oras = running.reference(f"{place.repository}/oras-{name}")
        words = ("--recursive", "--from-plain-http", "--to-plain-http")
        tool("oras", "copy", *words, address(place), address(by_oras))
        for copy in (by_skopeo, by_oras):
            assert read(copy, IN_REGISTRY) == on_disk(folder)
        subject = repository(by_oras).manifest(IN_REGISTRY)
        assert subject is not None
        assert len(referrers(repository(by_oras), subject.digest)) == 4


def test_cosign_verifies_what_a_key_signed(place: Reference, tool: Tools, tmp_path: Path) -> None:
    generate = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out"
    for name in ("ours", "other"):
        pem = str(tmp_path / name)
        subprocess.run(["openssl", *generate.split(), pem], check=True, capture_output=True)
        command = ["openssl", "pkey", "-in", pem, "-pubout", "-out", f"{pem}.pub"]
        subprocess.run(command, check=True)
    key = CosignKey.configured({cosign.KEY: str(tmp_path / "ours")})
    assert key is not None
    transaction.publish(desired(built(tmp_path / "made")), publisher(place, key=key), NOW)

    def accepted(name: str) -> bool:
        words = ("--insecure-ignore-tlog", "--allow-http-registry", address(place))
        opinions = set()
        for program in ("cosign", "cosign 3"):
            try:
                tool(program, "verify", f"--key={tmp_path / name}.pub", *words)
                opinions.add(True)
            except AssertionError:
                opinions.add(False)
        (opinion,) = opinions
        return opinion

    assert accepted("ours")
    assert not accepted("other")
    before = repository(place).tags()
    digest = repository(place).manifest(IN_REGISTRY)
    assert digest is not None
    signed = repository(place).manifest(f"{digest.digest.replace(':', '-')}.sig")
    key.sign(repository(place), digest.digest)
    assert repository(place).manifest(f"{digest.digest.replace(':', '-')}.sig") == signed
    other = CosignKey.configured({cosign.KEY: (tmp_path / "other").read_text()})
    assert other is not None
    other.sign(repository(place), digest.digest)
    assert accepted("ours")
    assert accepted("other")
    assert repository(place).tags() == before


def test_the_media_type_is_a_setting(place: Reference, tmp_path: Path) -> None:
    folder = built(tmp_path)
    transaction.publish(desired(folder), publisher(place, images=KAIROS), NOW)
    stored = repository(place).manifest(IN_REGISTRY)
    assert stored is not None
    kinds = [each.artifact_type for each in stored.index().manifests]
    assert kinds == [KAIROS, KAIROS, FILES]
    first = repository(place).manifest(stored.index().manifests[0].digest)
    assert first is not None
    assert [layer.media_type for layer in first.manifest().layers] == [KAIROS]
    assert read(place, IN_REGISTRY) == on_disk(folder)


def test_what_others_have_pushed_is_read(place: Reference, tool: Tools, tmp_path: Path) -> None:
    (tmp_path / "app.raw").write_bytes(b"an image")
    words = ("--plain-http", f"--artifact-type={KAIROS}", address(place, "app-1"))
    tool("oras", "push", *words, f"app.raw:{KAIROS}", cwd=tmp_path)
    assert Files().read(f"{place}/app-1/app.raw") == b"an image"
    (found,) = publisher(place).find("app-1")
    assert [asset.name for asset in found.assets] == ["app.raw"]


# As releases


def test_a_release_is_read_as_its_signature_vouches_for_it(
    place: Reference, person: Person, tmp_path: Path
) -> None:
    person.key("the publisher")
    folder = built(tmp_path, signer=person)
    transaction.publish(desired(folder), publisher(place), NOW)
    location = f"{place}/{TAG}"
    found = {each.name for each in verify(location, keyring=folder / signing.KEYRING)}
    assert found == {path.name for path in folder.iterdir()} - {sums.FILE}
    assert ReleaseReader.find(f"{place}/k3s-v1.32.2_k3s1") is None
    assert ReleaseReader.find(f"{place}/k3s-v0") is None
    assert ReleaseReader.find(f"{place}-nowhere/{TAG}") is None


def test_settings_say_which_registry_commands_publish_to(
    registries: dict[str, Running], tmp_path: Path
) -> None:
    place = registries["docker"].reference("me/settings")
    project = Project(tmp_path / "project", {"BAKERY_PUBLISHER": f"oci:{place.host}/me/settings"})
    folder = built(tmp_path)
    waive(folder)
    generate = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out cosign.pem"
    subprocess.run(["openssl", *generate.split()], check=True, cwd=project.root)
    done = project.run(
        *("bakery", "publish", str(folder), "--references=references"),
        BAKERY_COSIGN_KEY="cosign.pem",
        GITHUB_REPOSITORY="me/recipes",
        GITHUB_SHA="0123abc",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"oci://{place.host}/me/settings/{TAG}\n"
    stored = repository(place).manifest(IN_REGISTRY)
    assert stored is not None
    references = (project.root / "references").read_text()
    assert references == f"{place.host}/me/settings@{stored.digest}\n"
    about = {key.rpartition(".")[2]: text for key, text in stored.index().annotations.items()}
    assert about["source"] == "https://github.com/me/recipes"
    assert about["revision"] == "0123abc"
    assert f"{stored.digest.replace(':', '-')}.sig" in repository(place).tags()
    done = project.run("bakery", "verify-release", f"{place}/{TAG}", "--unsigned")
    assert done.returncode == 0, done.stderr
    assert "describes k3s v1.32.2+k3s1" in done.stdout
    done = project.run("bakery", "verify-release", f"{place}/k3s-v1", "--unsigned")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{place}/k3s-v1/SHA256SUMS" in done.stderr
    done = project.run("bakery", "publish", str(folder), "--references=missing/references")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    (project.root / "references").unlink()
    (tmp_path / "empty").mkdir()
    done = project.run(
        *("bakery", "publish", str(folder), str(tmp_path / "empty"), "--references=references")
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert (project.root / "references").read_text() == references, "what was published"
    (project.root / "cosign.pem").write_text("no key")
    done = project.run("bakery", "publish", str(folder), BAKERY_COSIGN_KEY="cosign.pem")
    assert "openssl genpkey" in done.stderr
    assert "Traceback" not in done.stderr


def waive(folder: Path) -> None:
    """Let a release be published whose images nobody has booted."""
    path = folder / document.FILE
    described = document.decode(path.read_bytes())
    waived = tuple(
        WaivedBoot(image=each.file.removesuffix(".raw"), machines=("nspawn:trixie",), reason="why")
        for each in described.images
    )
    path.write_bytes(document.encode(structs.replace(described, waived_boots=waived)))
    (folder / notes.FILE).write_text("new")
    index(folder)


def test_a_second_time_changes_nothing(registry: Running, tmp_path: Path) -> None:
    with Line(registry) as line:
        place = line.running.reference("me/twice")
        folder = built(tmp_path)
        transaction.publish(desired(folder), publisher(place), NOW)
        follow(place, tmp_path / "a")
        line.requests.clear()
        transaction.publish(desired(folder), publisher(place), NOW)
        follow(place, tmp_path / "b")
        assert {request.split()[0] for request in line.requests} == {"GET"}


def test_equal_releases_have_equal_digests(place: Reference, tmp_path: Path) -> None:
    elsewhere = Reference(host=place.host, repository=f"{place.repository}/elsewhere")
    digests = set()
    for number, where in enumerate((place, elsewhere)):
        transaction.publish(desired(built(tmp_path / f"{number}")), publisher(where), NOW)
        stored = repository(where).manifest(IN_REGISTRY)
        assert stored is not None
        digests.add(stored.digest)
    assert len(digests) == 1


def test_a_release_is_signed_later(place: Reference, person: Person, tmp_path: Path) -> None:
    person.key("the publisher")
    folder = built(tmp_path)
    transaction.publish(desired(folder), publisher(place), NOW)
    index(folder, person)
    transaction.publish(desired(folder), publisher(place), NOW)
    assert read(place, IN_REGISTRY) == on_disk(folder)
    subject = repository(place).manifest(IN_REGISTRY)
    assert subject is not None
    assert len(referrers(repository(place), subject.digest)) == 4


def test_a_published_image_is_never_replaced(place: Reference, tmp_path: Path) -> None:
    folder = built(tmp_path)
    transaction.publish(desired(folder), publisher(place), NOW)
    before = on_disk(folder)
    next(folder.glob("*.raw")).write_bytes(b"another image")
    with pytest.raises(PublishError, match="is published with other files"):
        transaction.publish(desired(folder), publisher(place), NOW)
    assert read(place, IN_REGISTRY) == before


def test_two_names_of_one_tag_are_refused(place: Reference, tmp_path: Path) -> None:
    transaction.publish(desired(built(tmp_path)), publisher(place), NOW)
    with pytest.raises(PublishError, match="would have one tag"):
        publisher(place).draft("k3s-v1.32.2_k3s1")
    with pytest.raises(PublishError, match="no tag in a registry"):
        publisher(place).draft("k3s-v1.32.2~rc1")


def test_what_others_leave_there_stops_nobody(place: Reference, tmp_path: Path) -> None:
    registry = repository(place)
    transaction.publish(desired(built(tmp_path)), publisher(place), NOW)
    stored = registry.manifest(IN_REGISTRY)
    assert stored is not None
    registry.put(Index.of([*stored.index().manifests] * 30), "latest")
    assert [each.tag for each in publisher(place).releases()] == [TAG]
    follow(place, tmp_path / "scratch")
    assert [each.tag for each in publisher(place).releases()] == [INDEX, NAME, TAG]


def test_what_others_have_under_our_tags_is_not_lost(place: Reference, tmp_path: Path) -> None:
    registry = repository(place)
    registry.push(b"{}", NOTHING.media_type)
    image = Manifest.of("application/vnd.oci.image.config.v1+json", [])
    theirs = registry.put(image)
    registry.put(image, NAME)
    registry.put(Index.of([theirs]), IN_REGISTRY)
    before = [registry.manifest(tag) for tag in (NAME, IN_REGISTRY)]
    release = built(tmp_path)
    with pytest.raises(PublishError, match="taken by what is no release"):
        transaction.publish(desired(release), publisher(place), NOW)
    assert [registry.manifest(tag) for tag in (NAME, IN_REGISTRY)] == before
    repository(place).put(Index.of([]), "other")
    transaction.publish(desired(built(tmp_path, THREE[1])), publisher(place), NOW)
    with pytest.raises(PublishError, match="taken by what is no release"):
        follow(place, tmp_path / "scratch")
    assert registry.manifest(NAME) == before[0]


def test_half_a_manifest_is_written_anew(registries: dict[str, Running], tmp_path: Path) -> None:
    """crane's registry keeps what came before a connection broke."""
    place = registries["crane"].reference("me/half")
    for half, version in enumerate(THREE):
        registry = repository(place)
        for tag in (NAME, INDEX, f"k3s-{version.replace('+', '_')}"):
            registry.put(Stored(data=b'{"schemaVersion": 2, "me', media_type=MANIFEST), tag)
        transaction.publish(desired(built(tmp_path, version)), publisher(place), NOW)
        follow(place, tmp_path / f"scratch-{half}")
    check_channel(place, *THREE[1:])


@EVERY_FAULT
def test_any_request_may_fail_in_any_way(
    registries: dict[str, Running], name: str, shift: int, step: int, tmp_path: Path
) -> None:
    folder = built(tmp_path)
    for number in range(1, 1000, step):
        with Line(registries[name]) as line:
            place = line.running.reference(f"me/fails-{shift}-{step}-{number}")
            line.fault = (number, FAULTS[(number + shift) % len(FAULTS)])
            try:
                transaction.publish(desired(folder), publisher(place), PATIENT)
            except PublishError:
                transaction.publish(desired(folder), publisher(place), NOW)
            taken, line.fault = len(line.requests), None
            assert read(place, IN_REGISTRY) == on_disk(folder), (number, line.requests)
            subject = repository(place).manifest(IN_REGISTRY)
            assert subject is not None
            assert len(referrers(repository(place), subject.digest)) == 4
        if taken < number:
            break
    assert number > 20


def test_a_run_that_was_killed_is_continued(registry: Running, tmp_path: Path) -> None:
    folder = built(tmp_path)
    for each in folder.glob("*.raw"):
        each.write_bytes(os.urandom(5 << 20))
    with Line(registry) as line:
        place = line.running.reference("me/killed")
        program = (
            "import sys; sys.path[:0] = ['tests', 'tests/e2e']; from pathlib import Path;"
            "from test_registry import *;"
            "transaction.publish(desired(Path(sys.argv[1])),"
            " publisher(Reference.parse(sys.argv[2])), NOW)"
        )
        command = [sys.executable, "-c", program, str(folder), str(place)]
        child: list[subprocess.Popen[bytes]] = []
        begun = threading.Event()

        def kill(request: str) -> None:
            begun.wait()
            if request.startswith("PATCH") and sum(line.received) > 6 << 20:
                child[0].send_signal(signal.SIGKILL)

        line.watch = kill
        child.append(subprocess.Popen(command, cwd=Path(__file__).parents[2]))
        begun.set()
        assert child[0].wait() == -signal.SIGKILL
        assert repository(place).tags() == []
        line.watch = lambda _: None
        line.received.clear()
        transaction.publish(desired(folder), publisher(place), NOW)
        assert sum(line.received) < 6 << 20
        assert read(place, IN_REGISTRY).keys() == on_disk(folder).keys()


@pytest.mark.parametrize("count", [2, 8])
def test_many_publish_one_release_at_once(place: Reference, count: int, tmp_path: Path) -> None:
    folder = built(tmp_path)
    start = threading.Barrier(count, timeout=600)

    def run(_: int) -> None:
        start.wait()
        transaction.publish(desired(folder), publisher(place), BUSY)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
    assert read(place, IN_REGISTRY) == on_disk(folder)


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_logins_are_dockers(kind: Any, tmp_path: Path) -> None:
    with guarded(Debian("bookworm"), tmp_path / "registry", kind) as running:
        place = running.reference()
        folder = built(tmp_path)
        with pytest.raises(PublishError, match=f"docker login {place.host}"):
            transaction.publish(desired(folder), publisher(place), NOW)
        environment = docker_config(tmp_path / "docker", place.host)
        known = publisher(place, environment=environment)
        transaction.publish(desired(folder), known, NOW)
        channels.follow(NAME, known, tmp_path / "scratch", NOW)
        assert {each.tag for each in known.releases()} == {TAG, NAME, INDEX}


# Channels


def follow(place: Reference, folder: Path, retry: RetryPolicy = NOW) -> None:
    channels.follow(NAME, publisher(place), folder, retry)


def check_channel(place: Reference, *versions: str) -> None:
    """Require that the channel has just these versions, and that the index knows them."""
    found = read(place, NAME)
    names = set(sums.decode(found["SHA256SUMS"]))
    images = {f"{NAME}-{each}-{arch}.raw" for each in versions for arch in PLATFORMS.values()}
    assert names == {*images, "k3s.transfer", CHANNEL}
    assert found.keys() == {*names, "SHA256SUMS"}
    for each in versions:
        assert f"{NAME}-{each}" in read(place, INDEX)["bakery.json"].decode()


def test_channels_follow_the_newest_versions(place: Reference, tmp_path: Path) -> None:
    for version in THREE[:2]:
        transaction.publish(desired(built(tmp_path, version)), publisher(place), NOW)
    follow(place, tmp_path / "a")
    check_channel(place, *THREE[:2])
    stored = repository(place).manifest(NAME)
    assert stored is not None
    manifest = stored.manifest()
    assert manifest.artifact_type == "application/vnd.sysext-bakery.channel.v1"
    assert set(ABOUT) < manifest.annotations.keys()
    transaction.publish(desired(built(tmp_path, THREE[2])), publisher(place), NOW)
    follow(place, tmp_path / "b")
    check_channel(place, *THREE[1:])
    assert ReleaseReader.open(f"{place}/{NAME}").digests


@EVERY_FAULT
def test_a_channel_survives_any_failure(
    registries: dict[str, Running], name: str, shift: int, step: int, tmp_path: Path
) -> None:
    place = registries[name].reference(f"me/moves-{shift}-{step}")
    registry, scratch = repository(place), tmp_path / "scratch"
    for version in THREE[:2]:
        transaction.publish(desired(built(tmp_path, version)), publisher(place), NOW)
    follow(place, scratch)
    before = {tag: stored for tag in (NAME, INDEX) if (stored := registry.manifest(tag))}
    transaction.publish(desired(built(tmp_path, THREE[2])), publisher(place), NOW)
    for number in range(1, 1000, step):
        for tag, stored in before.items():
            registry.put(stored, tag)
        with Line(registries[name]) as line:
            far = line.running.reference(place.repository)
            line.fault = (number, FAULTS[(number + shift) % len(FAULTS)])
            try:
                follow(far, scratch, PATIENT)
            except PublishError:
                follow(far, scratch)
            taken = len(line.requests)
        check_channel(place, *THREE[1:])
        if taken < number:
            break
    assert number > 10


@pytest.mark.parametrize("count", [2, 8])
def test_no_writer_loses_what_another_has_published(
    place: Reference, count: int, tmp_path: Path
) -> None:
    versions = [f"v1.33.{number}+k3s1" for number in range(count)]
    start = threading.Barrier(count, timeout=600)

    def run(number: int) -> None:
        start.wait()
        folder = built(tmp_path, versions[number])
        transaction.publish(desired(folder), publisher(place), BUSY)
        follow(place, tmp_path / f"scratch-{number}", BUSY)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
    check_channel(place, *versions[-2:])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
