"""What a console shows, and to whom it answers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from ground.errors import ConfigError

PORT: Final = 8765
LOOPBACK: Final = "127.0.0.1"
FOLDER: Final = "console"
"""In the workspace: users and audit log."""
DAYS: Final = 90
"""Of data that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """One console.

    Attributes:
        workspace: Holds models, evaluations and recordings; the console keeps users and audit log in it.
        dataset: What `ground collect run` writes.
        registry: Where the registry is; empty for the workspace's own.
        host: Address to listen at.
        port: Its port.
        public_name: Name under which a TLS proxy offers the console; empty for none.
        proxy: Address or network of that proxy, which says for whom it asks; empty where it is on this machine.
        days: Days of data that are looked at, counted back from the newest one.
    """

    workspace: Path
    dataset: Path
    registry: str = ""
    host: str = LOOPBACK
    port: int = PORT
    public_name: str = ""
    proxy: str = ""
    days: int = DAYS

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.public_name:
            raise ConfigError(
                f"--host: expected an address of this machine alone, such as {LOOPBACK}, got {self.host!r}; passwords "
                "would cross the network in the clear: put a proxy that speaks TLS in front, and give --public-name, "
                "the name in its certificate"
            )
        self._check_proxy()
        for option, folder, advice in (
            ("--workspace", self.workspace, "`ground pipeline` and `ground demo` make one"),
            ("--dataset", self.dataset, "`ground collect run --out` makes one"),
        ):
            if not folder.is_dir():
                raise ConfigError(f"{option}: expected a folder, got {folder}; {advice}")

    def _check_proxy(self) -> None:
        if not self.proxy:
            if not is_loopback(self.host):
                raise ConfigError(
                    f"--proxy: expected the address of the proxy in front, got none beside --host {self.host}; without "
                    "it everybody would seem to come from one address"
                )
            return
        if not self.public_name:
            raise ConfigError("--proxy: expected --public-name beside it, the name that the proxy offers; give both")
        try:
            ip_network(self.proxy, strict=False)
        except ValueError as error:
            raise ConfigError(
                f"--proxy: expected an IP address or a network, such as 192.0.2.7 or 192.0.2.0/28, got {self.proxy!r}; "
                "look at the address from which the proxy connects"
            ) from error

    @property
    def folder(self) -> Path:
        """Where the console keeps what is its own."""
        return self.workspace / FOLDER

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names that requests may ask for; others are a page of somebody else that points here."""
        named = (self.public_name, self.host if is_loopback(self.host) else "")
        return tuple(dict.fromkeys(("localhost", LOOPBACK, "[::1]", *filter(None, named))))

    @property
    def believed(self) -> str:
        """Who is believed when saying for whom it asks: addresses and networks, with commas between."""
        return str(ip_network(self.proxy, strict=False)) if self.proxy else f"{LOOPBACK},::1"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it through TLS."""
        return bool(self.public_name)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
