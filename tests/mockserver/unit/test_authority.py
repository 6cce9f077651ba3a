"""The certificates of the proxy, without a socket."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

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


def presented(authority: Authority, host: str) -> x509.Certificate:
    """Return the certificate that a server presents for a host."""
    data = handshake(authority.context_of(host), authority.pem, host).getpeercert(binary_form=True)
    assert data is not None
    return x509.load_der_x509_certificate(data)


def extensions(certificate: x509.Certificate) -> list[tuple[bool, Any]]:
    """Return the extensions but for the hashes of keys, each with whether it is critical."""
    found = [(each.critical, each.value) for each in certificate.extensions]
    hashes = [each for each in found if isinstance(each[1], x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier)]
    assert not any(is_critical for is_critical, _ in hashes)
    return [each for each in found if each not in hashes]


def names(hosts: Sequence[str]) -> list[x509.DNSName]:
    return [x509.DNSName(host) for host in hosts]


def usage(*, signs: bool) -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    unused = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, **unused)


def test_certificates_permit_what_they_must_and_nothing_else() -> None:
    authority = Authority(HOSTS)
    own = x509.load_pem_x509_certificate(authority.pem)
    assert extensions(own) == [
        (True, x509.BasicConstraints(ca=True, path_length=0)),
        (True, usage(signs=True)),
        (True, x509.NameConstraints(names(HOSTS), None)),
    ]
    server = presented(authority, HOSTS[0])
    assert extensions(server) == [
        (True, x509.BasicConstraints(ca=False, path_length=None)),
        (True, usage(signs=False)),
        (False, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        (False, x509.SubjectAlternativeName(names(HOSTS[:1]))),
    ]
    for each in (own, server):
        assert len(list(each.extensions)) - len(extensions(each)) == (1 if each is own else 2)


def test_certificates_are_valid_for_a_year_and_were_a_day_ago() -> None:
    earliest = datetime.now(UTC).replace(microsecond=0)
    authority = Authority(HOSTS)
    for each in (x509.load_pem_x509_certificate(authority.pem), presented(authority, HOSTS[0])):
        assert earliest <= each.not_valid_before_utc + timedelta(days=1) <= datetime.now(UTC)
        assert each.not_valid_after_utc - each.not_valid_before_utc == timedelta(days=366)


@pytest.mark.parametrize("length", [63, 64, 65])
def test_common_name_has_at_most_64_characters(length: int) -> None:
    host = f"{'a' * 60}.example.com"[-length:]
    [name] = presented(Authority([host]), host).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == host[:64]


def test_key_is_in_a_file_that_others_cannot_read_and_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, certfile: Any, *_: Any) -> None:
            file = Path(certfile)
            seen.append(file)
            assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
            super().load_cert_chain(file)

    monkeypatch.setattr(ssl, "SSLContext", Context)
    Authority(HOSTS).context_of(HOSTS[0])
    [file] = seen
    assert not file.parent.exists()


def test_certificates_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    authority, one, two = Authority(HOSTS), Authority(["one.example"]).pem, Authority(["two.example"]).pem
    certificate = x509.load_pem_x509_certificate(Authority(["bad.example"]).pem)
    number = certificate.serial_number
    serial = number.to_bytes(number.bit_length() // 8 + 1)
    data = certificate.public_bytes(Encoding.DER)
    assert data.count(serial) == 1
    negative = data.replace(serial, bytes([serial[0] | 0x80]) + serial[1:])
    bad = ssl.DER_cert_to_PEM_cert(negative).encode()
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    files = authority.write(tmp_path, one + bad + broken + two + b"rest\n")
    _, _, kept = pkcs12.load_key_and_certificates(files.java_store.read_bytes(), STORE_PASSWORD.encode())
    assert set(kept) == {*x509.load_pem_x509_certificates(one + two + authority.pem)}


def test_without_public_authorities_the_own_one_is_trusted(tmp_path: Path) -> None:
    authority = Authority(HOSTS)
    assert authority.write(tmp_path, b"").bundle.read_bytes() == authority.pem
