"""A certificate made on the spot, for clients that insist on https.

Needs the package `cryptography`, which is imported only here and only when TLS is asked for.
"""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

VALID_DAYS = 2


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate on disk.

    Args:
        certificate: File that clients are told to trust (`REQUESTS_CA_BUNDLE`).
        key: File with its private key.
    """

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """What a server needs to serve with it.

        Returns:
            A context with the certificate loaded.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path, names: tuple[str, ...] = ()) -> Certificate:
    """Make a certificate for the loopback interface.

    Args:
        folder: Where its two files go.
        names: Further host names it is valid for.

    Returns:
        The certificate.

    Raises:
        RuntimeError: `cryptography` is not installed.
    """
    try:
        from cryptography import x509  # noqa: PLC0415  only TLS needs it
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  the same
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  the same
    except ImportError as error:
        raise RuntimeError(
            "Serving https needs the package cryptography: pip install cryptography."
        ) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TDX simulator")])
    now = datetime.now(UTC)
    hosts: list[x509.GeneralName] = [x509.DNSName(host) for host in ("localhost", *names)]
    hosts.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "simulator.crt", folder / "simulator.key")
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.touch(mode=0o600)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made
