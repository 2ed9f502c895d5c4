"""Signed images for hosts: certificates first, and none that would stop the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness.provisioning import asked
from harness.released import channel, index, release
from harness.verity import Publisher

from bakery.image.verity import image as verity_image
from bakery.image.verity.signing import Certificates
from bakery.provision import command, verity
from bakery.provision.errors import ProvisionError
from bakery.provision.extension import Wanted, resolve
from bakery.provision.install import uninstall
from bakery.release.verity import VeritySigning
from bakery.settings import CERTIFICATE as CERTIFICATE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.settings import Settings

IMAGE = bytes(4096)
URL = "https://example.com/releases"
CERTIFICATE = "etc/verity.d/app.crt"
POLICY = "etc/systemd/system/systemd-sysext.service.d/20-image-policy.conf"


@pytest.fixture
def signer(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture
def signed(published: Path, person: Person, signer: Publisher) -> Path:
    """A release with images for dm-verity, one without, and channels of both."""
    signing = VeritySigning(signer.certificates, signer.signer)
    release(published, "app", "1.0", {"x86-64": IMAGE}, signing=signing)
    release(published, "bare", "1.0", {"x86-64": IMAGE}, signing=VeritySigning())
    channel(published, "app", URL, "1.0", signer=person)
    return published


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for name in ("etc", "usr/lib/systemd"):
        (folder / name).mkdir(parents=True)
    (folder / "usr/lib/systemd/systemd-sysupdate").touch()
    return folder


def install(settings: Settings, reference: str, root: Path, **options: Any) -> list[str]:
    return command.install(reference, root, *asked(**options), settings)


@pytest.mark.usefixtures("signed")
def test_a_signed_image_has_the_plain_name_and_its_certificate(
    settings: Settings, signer: Publisher, root: Path
) -> None:
    install(settings, "app", root, verity=True)
    assert (root / CERTIFICATE).read_bytes() == signer.certificate.read_bytes()
    image = root / "opt/extensions/app/app-1.0-x86-64.raw"
    assert image.read_bytes()[512:520] == b"EFI PART"
    transfer = (root / "etc/sysupdate.app.d/app.transfer").read_text()
    assert "MatchPattern=app-@v-%a.verity.raw\n\n[Target]" in transfer
    assert transfer.count("\nMatchPattern=app-@v-%a.raw\n") == 1
    assert not (root / POLICY).exists()


@pytest.mark.usefixtures("signed")
def test_a_host_goes_over_to_signed_images_and_back(settings: Settings, root: Path) -> None:
    image = root / "opt/extensions/app/app-1.0-x86-64.raw"
    install(settings, "app", root)
    assert image.read_bytes() == IMAGE
    install(settings, "app", root, verity=True)
    assert image.read_bytes() != IMAGE
    install(settings, "app", root)
    assert image.read_bytes() == IMAGE
    assert not (root / CERTIFICATE).exists()


@pytest.mark.usefixtures("signed")
def test_its_certificate_goes_with_an_extension(settings: Settings, root: Path) -> None:
    install(settings, "app", root, enforce=True)
    removed = uninstall("app", root)
    assert f"/{CERTIFICATE}" in removed
    assert (root / POLICY).exists()  # the host's own, from then on


def test_each_certificate_has_a_file(tmp_path: Path) -> None:
    old, new = Publisher(tmp_path, "old"), Publisher(tmp_path, "new")
    both = new.certificate.read_bytes() + b"a comment\n" + old.certificate.read_bytes()
    files = list(verity.certificates("app", both))
    assert [each.path for each in files] == ["/etc/verity.d/app.crt", "/etc/verity.d/app.2.crt"]
    for name, data in verity.certified(files):
        assert len(Certificates(data).all) == 1, name


@pytest.mark.parametrize("options", [{"verity": True}, {"enforce": True}])
@pytest.mark.usefixtures("signed")
def test_a_release_without_such_images_is_refused(
    options: dict[str, bool], settings: Settings, root: Path
) -> None:
    with pytest.raises(ProvisionError, match=r"docker 20\.10\.13 has no image for dm-verity"):
        install(settings, "docker", root, **options)


@pytest.mark.usefixtures("signed")
def test_unsigned_images_are_merged_and_never_enforced(settings: Settings, root: Path) -> None:
    with pytest.raises(ProvisionError, match="bare is not signed"):
        install(settings, "bare-1.0", root, enforce=True)
    install(settings, "bare-1.0", root, verity=True)
    assert not (root / "etc/verity.d").exists()


@pytest.mark.parametrize("handed_out", ["another's", "garbage", "nothing"])
def test_an_image_whose_certificate_is_not_handed_out_is_refused(
    settings: Settings, signed: Path, root: Path, tmp_path: Path, handed_out: str
) -> None:
    """A host would merge nothing at all with it, the plain one is as good as ever."""
    certificate = signed / "app-1.0" / CERTIFICATE_FILE
    if handed_out == "another's":
        certificate.write_bytes(Publisher(tmp_path, "stranger").certificate.read_bytes())
    elif handed_out == "garbage":
        certificate.write_text("garbage")
    else:
        certificate.unlink()
    index(certificate.parent)
    with pytest.raises(ProvisionError, match="can't get the certificate for it"):
        install(settings, "app-1.0", root, verity=True)
    install(settings, "app-1.0", root)


@pytest.mark.parametrize("enforced_before", [False, True])
@pytest.mark.usefixtures("signed")
def test_nothing_that_would_stop_every_merge_is_installed(
    settings: Settings, root: Path, *, enforced_before: bool
) -> None:
    if enforced_before:
        install(settings, "app", root, enforce=True)
        with pytest.raises(ProvisionError, match="caddy is not signed, and this system enforces"):
            install(settings, "caddy-2.11.7", root)
        assert not (root / "etc/extensions/caddy.raw").exists()
        return
    install(settings, "caddy-2.11.7", root)
    with pytest.raises(ProvisionError, match="would not merge any more") as caught:
        install(settings, "app", root, enforce=True)
    assert str(root / "etc/extensions/caddy.raw") in str(caught.value.where)
    assert not (root / POLICY).exists()
    assert not (root / CERTIFICATE).exists()


def test_an_image_of_an_unknown_signer_stops_enforcing(
    settings: Settings, signed: Path, root: Path, tmp_path: Path
) -> None:
    stranger = Publisher(tmp_path, "stranger")
    signing = VeritySigning(stranger.certificates, stranger.signer)
    release(signed, "other", "1.0", {"x86-64": IMAGE}, signing=signing)
    install(settings, "other-1.0", root, verity=True)
    install(settings, "app", root, enforce=True)
    (root / "etc/verity.d/other.crt").unlink()
    with pytest.raises(ProvisionError, match=r"would not merge any more"):
        install(settings, "app", root, enforce=True)


def test_what_systemd_does_not_read_vouches_for_nothing(
    settings: Settings, signed: Path, root: Path, tmp_path: Path
) -> None:
    """Files with another ending, and certificates behind the first; garbage harms nobody."""
    stranger, other = Publisher(tmp_path, "stranger"), Publisher(tmp_path, "other")
    signing = VeritySigning(stranger.certificates, stranger.signer)
    release(signed, "other", "1.0", {"x86-64": IMAGE}, signing=signing)
    install(settings, "other-1.0", root, verity=True)
    certificate = root / "etc/verity.d/other.crt"
    certificate.with_name("garbage.crt").write_text(
        "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    )
    install(settings, "app", root, enforce=True)
    certificate.rename(certificate.with_suffix(".pem"))
    with pytest.raises(ProvisionError, match="would not merge any more"):
        install(settings, "app", root, enforce=True)
    both = other.certificate.read_bytes() + stranger.certificate.read_bytes()
    certificate.write_bytes(both)
    with pytest.raises(ProvisionError, match="would not merge any more"):
        install(settings, "app", root, enforce=True)


@pytest.mark.parametrize("how", ["vendor's", "administrator's", "linked", "without newline"])
def test_what_systemd_reads_vouches_for_images(
    settings: Settings, signed: Path, root: Path, tmp_path: Path, how: str
) -> None:
    """Flatcar has the certificate of its own extensions below /usr."""
    vendor = Publisher(tmp_path, "vendor")
    signing = VeritySigning(vendor.certificates, vendor.signer)
    release(signed, "other", "1.0", {"x86-64": IMAGE}, signing=signing)
    install(settings, "other-1.0", root, verity=True)
    own = root / "etc/verity.d/other.crt"
    elsewhere = root / ("usr/local" if how == "administrator's" else "usr") / "lib/verity.d/os.crt"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(own.read_bytes())
    own.unlink()
    if how == "linked":
        own.symlink_to(f"/{elsewhere.rename(elsewhere.with_suffix('.pem')).relative_to(root)}")
    elif how == "without newline":
        elsewhere.write_text(elsewhere.read_text().rstrip())
    install(settings, "app", root, enforce=True)
    (root / "etc/verity.d/os.crt").symlink_to("/dev/null")
    own.unlink(missing_ok=True)
    with pytest.raises(ProvisionError, match="would not merge any more"):
        install(settings, "app", root, enforce=True)


def test_a_signature_of_another_root_hash_vouches_for_nothing(
    settings: Settings, signed: Path, root: Path, signer: Publisher
) -> None:
    signing = VeritySigning(signer.certificates, signer.signer)
    release(signed, "other", "1.0", {"x86-64": IMAGE}, signing=signing)
    install(settings, "other-1.0", root, verity=True)
    image = root / "opt/extensions/other/other-1.0-x86-64.raw"
    made = verity_image.read(image)
    other = signer.signer.sign(made.root_hash[::-1])
    verity_image.join(made, image.with_suffix(".new"), other)
    image.with_suffix(".new").rename(image)
    with pytest.raises(ProvisionError, match="would not merge any more"):
        install(settings, "app", root, enforce=True)


@pytest.mark.usefixtures("signed")
def test_masked_extensions_and_folders_are_none_of_it(settings: Settings, root: Path) -> None:
    links = root / "etc/extensions"
    (links / "folder/usr").mkdir(parents=True)
    (links / "docker-flatcar.raw").symlink_to("/dev/null")
    install(settings, "app", root, enforce=True)


@pytest.mark.parametrize("output", ["butane", "ignition", "cloud-init", "shell", "clc"])
@pytest.mark.usefixtures("signed")
def test_every_format_has_certificate_and_policy(settings: Settings, output: Any) -> None:
    text = command.provision(["app-1.0"], *asked(enforce=True), settings=settings, output=output)
    for part in ("/etc/verity.d/app.crt", verity.CONFIGURED, "20-image-policy.conf"):
        assert part in text
    assert "app-1.0-x86-64.verity.raw" in text
    assert "/opt/extensions/app/app-1.0-x86-64.raw" in text


def test_an_image_file_is_taken_as_it_is(settings: Settings, signed: Path) -> None:
    file = signed / "app-1.0/app-1.0-x86-64.verity.raw"
    found = resolve(str(file), settings=settings, wanted=Wanted(arch="x86-64"))
    assert (found.file, found.host_file) == (file.name, "app-1.0-x86-64.raw")
    assert found.certificates
