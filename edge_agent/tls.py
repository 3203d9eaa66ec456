"""TLS towards the broker: the context of one connection, and what its errors ask an operator to do."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge_agent.broker_section import NO_FILE
from edge_agent.credentials import how_to_read, read_password
from edge_agent.errors import LinkError

if TYPE_CHECKING:
    from edge_agent.broker_section import BrokerSection

TLS: Final = "tls"
FILES: Final = "files"
"""Counter labels of the two kinds of errors."""

# X509_V_ERR_* of OpenSSL, openssl/x509_vfy.h
_NOT_YET_VALID = 9
_EXPIRED = 10
_OTHER_NAME = (62, 64)

# Ends of OpenSSL's reasons. Alerts are named after the protocol that first had them: TLSV13_ALERT_CERTIFICATE_REQUIRED.
_WANTS_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
_REFUSES_CERTIFICATE = (
    "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN",
    "UNSUPPORTED_CERTIFICATE", "DECRYPT_ERROR", "ACCESS_DENIED",
)  # fmt: skip
_OTHER_VERSION = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")


def client_context(broker: BrokerSection) -> ssl.SSLContext:
    """The context for one connection, from the files as they are now: a renewed certificate counts from then on.

    Raises:
        LinkError: A file is missing or not what its key asks for.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nobody needs it, and with it a write might wait for a read: see ``Connection.turn``.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.check_hostname = broker.check_server_name
    _load_authorities(context, broker.ca_file)
    if broker.cert_file != NO_FILE:
        _load_certificate(context, broker)
    return context


def explain(error: OSError, broker: BrokerSection) -> str:
    """What an error of a TLS connection means for the config."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_verification(error, broker)
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    said = f"got {reason.lower().replace('_', ' ')}"
    if reason.endswith(_WANTS_CERTIFICATE) and broker.cert_file == NO_FILE:
        return f"broker.cert_file: the broker expected a certificate of ours, {said}; set cert_file and key_file"
    if reason.endswith(_WANTS_CERTIFICATE + _REFUSES_CERTIFICATE):
        return (
            f"broker.cert_file ({broker.cert_file}): expected a certificate that the broker accepts, {said}; "
            "renew it, or have it signed by an authority that the broker trusts"
        )
    if reason.endswith(_OTHER_VERSION):
        return f"broker: expected TLS 1.2 or later, {said}; update the broker"
    return f"broker.port ({broker.port}): expected TLS, {said}; check port, or set broker.tls = false"


def _explain_verification(error: ssl.SSLCertVerificationError, broker: BrokerSection) -> str:
    said = f"got: {error.verify_message}"
    if error.verify_code in _OTHER_NAME:
        return (
            f"broker.host ({broker.host}): expected a certificate for this name, {said}; "
            "use a name that is in the broker's certificate, or have one made for this name"
        )
    if error.verify_code in {_EXPIRED, _NOT_YET_VALID}:
        now = f"{datetime.now(UTC):%Y-%m-%d} UTC"
        return f"broker: expected a certificate that is valid now, {now}, {said}; renew it, or set this clock right"
    authority = "the system's" if broker.ca_file == NO_FILE else str(broker.ca_file)
    return (
        f"broker.ca_file ({authority}): expected the authority that signed the broker's certificate, {said}; "
        "set ca_file to that authority's certificate"
    )


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    if path == NO_FILE:
        context.load_default_certs()
        return
    text = _read(path, "broker.ca_file")
    try:
        context.load_verify_locations(cadata=text.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        raise LinkError(
            FILES, f"broker.ca_file: expected certificates in PEM, got {path}: {_said(error)}; check the file"
        ) from error


def _load_certificate(context: ssl.SSLContext, broker: BrokerSection) -> None:
    key_file = broker.cert_file if broker.key_file == NO_FILE else broker.key_file
    password = read_password(broker.key_password_file, "broker.key_password_file")
    _read(broker.cert_file, "broker.cert_file")
    _check_key(_read(key_file, "broker.key_file"), key_file, password)
    try:
        # Without a password OpenSSL would ask for it on the terminal.
        context.load_cert_chain(broker.cert_file, key_file, password=lambda: password)
    except (ssl.SSLError, OSError) as error:
        raise LinkError(
            FILES,
            f"broker.cert_file: expected a certificate in PEM that fits {key_file}, got {broker.cert_file}: "
            f"{_said(error)}; check that the two belong together",
        ) from error


def _check_key(pem: bytes, path: Path, password: str) -> None:
    try:
        load_pem_private_key(pem, password.encode() if password else None)
    except TypeError as error:
        # The library's word for: a password for a key that has none, or none for one that has.
        raise LinkError(FILES, f"broker.key_password_file: expected what fits {path}, got: {error}; set it") from error
    except ValueError as error:
        raise LinkError(
            FILES,
            f"broker.key_file: expected a private key in PEM, got {path}: {error}; check the file and "
            "broker.key_password_file",
        ) from error


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LinkError(
            FILES, f"{key}: expected a readable file, got {path}: {error.strerror}; {how_to_read(error)}"
        ) from error


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if reason else str(error)
