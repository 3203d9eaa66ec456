"""``[broker]`` of agent.toml: the MQTT broker, and how to speak to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import ConfigError
from edge_agent.settings import number

NO_FILE = Path("/dev/null")
"""Stands where a key that names a file is not given."""
PORT = 1883
TLS_PORT = 8883
_USUAL_PORT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSection:
    """``[broker]``: the MQTT broker.

    Attributes:
        host: Name or address.
        port: TCP port; 0 for the usual one, which is 1883, or 8883 with TLS.
        keepalive_s: Seconds of silence after which the two sides ping each other.
        client_id: MQTT client id; empty for ``edge-agent-<agent.id>``.
        username: MQTT user; empty for none.
        password_file: Holds the password; read at every connection, a final line break is left out.
        session_expiry_s: How long the broker keeps our session, and the frames for it, while the link is down.
        message_expiry_s: How long the broker keeps a result for a subscriber that is away.
        probe_interval_s: Seconds between two probes, messages of ours to ourselves that show that messages pass.
        tls: Whether to speak TLS, 1.2 or later.
        ca_file: Authorities in PEM, one of which signed the broker's certificate; the system's where it is not given.
        cert_file: Our certificate in PEM, and those between it and its authority, where the broker asks for one.
        key_file: Its key in PEM; may lie in ``cert_file``.
        key_password_file: Holds the key's password, where it has one.
        check_server_name: Whether the broker's certificate must be for ``host``.

    All the files are read at every connection.
    """

    host: str = "localhost"
    port: int = number(_USUAL_PORT, low=0, high=65_535)
    keepalive_s: int = number(15, low=2, high=3_600)
    client_id: str = ""
    username: str = ""
    password_file: Path = NO_FILE
    session_expiry_s: int = number(60, low=0, high=86_400)
    message_expiry_s: int = number(86_400, low=1, high=2**31)
    probe_interval_s: float = number(30.0, low=0.1, high=3_600.0)
    tls: bool = False
    ca_file: Path = NO_FILE
    cert_file: Path = NO_FILE
    key_file: Path = NO_FILE
    key_password_file: Path = NO_FILE
    check_server_name: bool = True

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable():
            raise ConfigError(f"broker.host: expected a name or address, got {self.host!r}; correct it")
        if self.password_file != NO_FILE and not self.username:
            raise ConfigError("broker.username: expected a name beside password_file, got nothing; add the key")
        if self.port == _USUAL_PORT:
            object.__setattr__(self, "port", TLS_PORT if self.tls else PORT)
        self._check_tls()

    def _check_tls(self) -> None:
        for key in ("ca_file", "cert_file", "key_file", "key_password_file"):
            if getattr(self, key) != NO_FILE and not self.tls:
                raise ConfigError(f"broker.tls: expected true beside {key}, got false; set it, or remove {key}")
        if not self.check_server_name and not self.tls:
            raise ConfigError("broker.tls: expected true beside check_server_name, got false; set it")
        if self.key_file != NO_FILE and self.cert_file == NO_FILE:
            raise ConfigError("broker.cert_file: expected a certificate beside key_file, got nothing; add the key")
        if self.key_password_file != NO_FILE and self.cert_file == NO_FILE:
            raise ConfigError(
                "broker.cert_file: expected a certificate beside key_password_file, got nothing; add the key"
            )
