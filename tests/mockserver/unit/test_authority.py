"""The certificates of the proxy, without a socket."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from qwenmock.mockserver.gateway.authority import STORE_PASSWORD, Authority

HOSTS = ["api.evolink.ai", "llm.ai-nebula.com"]


def handshake(server: ssl.SSLContext, trusted: bytes, host: str) -> ssl.SSLObject:
    """Connect a client that trusts a certificate to a server, in memory."""
    client = ssl.create_default_context(cadata=trusted.decode())
    client.set_alpn_protocols(["h2", "http/1.1"])
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (ours, theirs):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    return ours


def test_each_production_host_has_a_certificate() -> None:
    authority = Authority(HOSTS)
    for host in HOSTS:
        for context in (authority.context, authority.context_of(host)):
            seen = handshake(context, authority.pem, host)
            assert seen.selected_alpn_protocol() == "http/1.1"
            certificate = seen.getpeercert()
            assert certificate is not None
            assert certificate["subjectAltName"] == (("DNS", host),)


def test_authority_cannot_vouch_for_other_hosts() -> None:
    """Also not when its key were used for one: the certificate itself forbids it."""
    authority = Authority(HOSTS)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(authority.context_of("example.com"), authority.pem, "example.com")


def test_two_runs_do_not_trust_each_other() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(Authority(HOSTS).context, Authority(HOSTS).pem, HOSTS[0])


def test_files_hold_no_key(tmp_path: Path) -> None:
    authority, public = Authority(HOSTS), Authority(["public.example"]).pem
    files = authority.write(tmp_path, public)
    assert files.certificate.read_bytes() == authority.pem
    assert files.bundle.read_bytes() == public + authority.pem
    key, _, certificates = pkcs12.load_key_and_certificates(files.java_store.read_bytes(), STORE_PASSWORD.encode())
    assert key is None
    assert set(certificates) == {*x509.load_pem_x509_certificates(public + authority.pem)}
    assert {*tmp_path.iterdir()} == {files.certificate, files.bundle, files.java_store, files.php_settings}
    [settings] = files.php_settings.iterdir()
    assert settings.read_text() == f'curl.cainfo = "{files.bundle}"\nopenssl.cafile = "{files.bundle}"\n'
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"PRIVATE KEY" in data for data in written)
