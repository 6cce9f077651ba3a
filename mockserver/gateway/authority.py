"""A certificate authority for one run. Its key exists in the memory of this process only, and is never written.

The certificate says by name constraints for which hosts it may vouch: who installs it trusts it for the providers'
production hosts and nothing else.
"""

import contextlib
import ssl
import tempfile
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=365)
BEFORE = timedelta(days=1)
"""How far the clock of a client may be behind."""
END = b"-----END CERTIFICATE-----\n"
STORE_PASSWORD = "changeit"
"""Java needs a password to open a trust store, although it holds no secret."""


@dataclass(frozen=True)
class TrustFiles:
    """Files by which programs trust the authority.

    Attributes:
        certificate: Its certificate alone.
        bundle: Its certificate after those of the public authorities.
        java_store: The same as a PKCS #12 trust store.
        php_settings: A folder with a settings file for PHP, which reads no variable for this.

    """

    certificate: Path
    bundle: Path
    java_store: Path
    php_settings: Path


class Authority:
    """Issues a certificate for each production host.

    Args:
        hosts: The hosts that it may vouch for.

    """

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = sorted(hosts)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._server_key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._own_certificate()
        self._contexts: dict[str, ssl.SSLContext] = {}

    @cached_property
    def pem(self) -> bytes:
        """The authority's certificate, as PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """What a server needs to present the certificate of the host that a client names, or one for all hosts."""
        context = self._context(self._hosts)
        context.sni_callback = self._choose
        return context

    def context_of(self, host: str) -> ssl.SSLContext:
        """Return what a server needs to present the certificate of one host."""
        if host not in self._contexts:
            self._contexts[host] = self._context([host])
        return self._contexts[host]

    def write(self, folder: Path, public: bytes) -> TrustFiles:
        """Write the files by which programs trust the authority.

        Args:
            folder: Where.
            public: The certificates of the public authorities, as PEM.

        """
        files = TrustFiles(folder / "ca.pem", folder / "bundle.pem", folder / "truststore.p12", folder / "php")
        files.certificate.write_bytes(self.pem)
        files.bundle.write_bytes(public.rstrip() + b"\n" + self.pem if public else self.pem)
        trusted = [self._certificate, *_readable(public)]
        password = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1)
        encryption = password.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).build(STORE_PASSWORD.encode())
        named = [pkcs12.PKCS12Certificate(each, str(index).encode()) for index, each in enumerate(trusted)]
        files.java_store.write_bytes(pkcs12.serialize_java_truststore(named, encryption))
        files.php_settings.mkdir()
        settings = "".join(f'{name} = "{files.bundle}"\n' for name in ("curl.cainfo", "openssl.cafile"))
        (files.php_settings / "qwenmock.ini").write_text(settings, "utf-8")
        return files

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        host = (name or "").rstrip(".").lower()
        if host in self._hosts:
            connection.context = self.context_of(host)

    def _context(self, hosts: list[str]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        key = self._server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = self._server_certificate(hosts).public_bytes(serialization.Encoding.PEM) + self.pem
        # OpenSSL reads both from a file only. Its folder has mode 0700, and is gone when it was read.
        with tempfile.TemporaryDirectory(prefix="qwenmock-") as folder:
            file = Path(folder) / "server.pem"
            file.touch(0o600)
            file.write_bytes(key + chain)
            context.load_cert_chain(file)
        return context

    def _own_certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "qwenmock, for this run only")])
        return (
            _builder(name, self._key.public_key())
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.NameConstraints([x509.DNSName(host) for host in self._hosts], None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _server_certificate(self, hosts: list[str]) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
        public, issuer = self._server_key.public_key(), self._key.public_key()
        return (
            _builder(name, public)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _readable(public: bytes) -> Iterator[x509.Certificate]:
    """Yield the certificates in a file, except those that break RFC 5280 so that they will be refused one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        for text in public.split(END)[:-1]:
            with contextlib.suppress(CryptographyDeprecationWarning, ValueError):
                yield x509.load_pem_x509_certificate(text + END)


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - BEFORE).not_valid_after(now + LIFETIME)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
