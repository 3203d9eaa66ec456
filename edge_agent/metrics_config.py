"""``[metrics]``: where the agent's figures can be had in the format of Prometheus."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import ConfigError

NOWHERE = ""
NO_TEXTFILE = Path("/dev/null")

_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSection:
    """``[metrics]``: figures for Prometheus; off unless asked for.

    Attributes:
        listen: Address and port that answer ``GET /metrics`` and ``/healthz``, as ``127.0.0.1:9464``; empty for none.
        textfile: A file for node_exporter's textfile collector, replaced at every status; ``/dev/null`` for none.
    """

    listen: str = NOWHERE
    textfile: Path = NO_TEXTFILE

    def __post_init__(self) -> None:
        if self.listen:
            _ = self.address

    @property
    def address(self) -> tuple[str, int]:
        """Address and port to listen on.

        Raises:
            ConfigError: There is none, or not in numbers: a name could turn into another address overnight.
        """
        host, _, port = self.listen.rpartition(":")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError as error:
            raise self._wrong() from error
        if not port.isdecimal() or not 0 < int(port) <= _HIGHEST_PORT:
            raise self._wrong()
        return str(address), int(port)

    def _wrong(self) -> ConfigError:
        return ConfigError(
            f"metrics.listen: expected an address and a port, got {self.listen!r}; write for example '127.0.0.1:9464'"
        )
