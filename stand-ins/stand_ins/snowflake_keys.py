"""Keys of the Snowflake stand-in, generated at each start: a certificate for all accounts, and a user's key pair."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

# From the stand-in's own environment, where it is a dependency of snowflake-connector-python.
from cryptography import x509  # type: ignore[import-not-found,unused-ignore] # not in the project's environment
from cryptography.hazmat.primitives import hashes, serialization  # type: ignore[import-not-found,unused-ignore] # same
from cryptography.hazmat.primitives.asymmetric import rsa  # type: ignore[import-not-found,unused-ignore] # same

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 2


def write_certificate(folder: Path, names: list[str]) -> None:
    """Write a self-signed certificate to `tls.pem` and its key to `tls.key`.

    Args:
        folder: Folder to write to.
        names: Host names, with `*.` as a wildcard; 127.0.0.1 is added.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in for Snowflake")])
    now = dt.datetime.now(tz=dt.timezone.utc)
    hosts = [*map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def write_key_pair(folder: Path, passphrase: str) -> str:
    """Write a private key to `rsa_key.p8`, encrypted as in Snowflake's guide, and return the public key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "rsa_key.p8").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        )
    )
    public: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()
