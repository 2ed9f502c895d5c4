"""Encrypted upstreams, with a certificate of our own."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from bakery.store.download import fetch
from bakery.store.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.http.client import Client
    from bakery.settings import Settings
    from bakery.store.folder import Store

BODY = b"content" * 1000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
    options += "-subj /CN=here -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", *options.split(), "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "certificate.pem"


@pytest.fixture
def encrypted(upstream: Any, certificate: Path) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    upstream.encrypt(context)
    return upstream


@pytest.fixture
def get(store: Store, configure: Callable[..., Settings], client: Client) -> Callable[[Any], Path]:
    return lambda asset: fetch(store, asset, settings=configure(), client=client)


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))


@pytest.mark.usefixtures("trusted")
def test_the_bundle_of_the_environment_is_trusted(encrypted: Any, get: Any) -> None:
    asset = encrypted.asset(BODY, encrypted.status(302, Location="/there"))
    encrypted.offer("/there", encrypted.whole(BODY))
    assert get(asset).read_bytes() == BODY


@pytest.mark.usefixtures("trusted")
def test_a_redirect_to_plain_http_is_refused(encrypted: Any, get: Any) -> None:
    plain = encrypted.status(302, Location="http://127.0.0.1:1/a?token=secret")
    with pytest.raises(DownloadError, match="redirects from https to http:") as caught:
        get(encrypted.asset(BODY, plain))
    assert "secret" not in str(caught.value)


def test_an_unknown_certificate_is_refused_at_once(
    encrypted: Any, get: Any, slept: list[float]
) -> None:
    with pytest.raises(DownloadError, match="certificate is not trusted"):
        get(encrypted.asset(BODY))
    assert slept == []
