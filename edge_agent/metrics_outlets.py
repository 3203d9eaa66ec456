"""Where metrics go: a port, a textfile, both or neither, as the config has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from edge_agent.metrics import render
from edge_agent.metrics_config import NO_TEXTFILE, NOWHERE
from edge_agent.replace_file import PUBLIC, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from edge_agent.health import Counters
    from edge_agent.metrics_config import MetricsSection
    from edge_agent.metrics_port import MetricsPort, Page

_log = structlog.get_logger(__name__)


class MetricsOutlets:
    """Gives metrics to whoever is to have them; used by one thread.

    Args:
        config: The section ``[metrics]``.
        counters: Told of each time that it did not work: figures must not cost a result.
    """

    def __init__(self, config: MetricsSection, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._ports: list[MetricsPort] = []
        self._troubles: dict[str, str] = {}

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs, where the port is open."""
        return all(port.is_alive for port in self._ports)

    def give(self, document: Mapping[str, Any], gauges: Collection[str]) -> None:
        """Hand over the metrics of a status document; does nothing where nobody wants them."""
        if self._config.listen == NOWHERE and self._config.textfile == NO_TEXTFILE:
            return
        text = render(document, gauges)
        if self._config.listen != NOWHERE:
            self._try("port", lambda: self._show(document, text))
        if self._config.textfile != NO_TEXTFILE:
            self._try("textfile", lambda: replace_file(self._config.textfile, text.encode(), mode=PUBLIC))

    def reconfigure(self, config: MetricsSection) -> None:
        """Go on by another config; the port is opened anew where it has changed."""
        if config.listen != self._config.listen:
            self.close()
        self._config = config

    def close(self) -> None:
        """Close the port."""
        while self._ports:
            self._ports.pop().close()

    def _show(self, document: Mapping[str, Any], text: str) -> None:
        # Imported here: an agent without a port carries no server.
        from edge_agent.metrics_port import MetricsPort, Page

        page: Page = Page.of(document, text)
        if self._ports:
            self._ports[0].page = page
        else:
            # At every report until it works: the port may be taken by an agent that is on its way out.
            self._ports.append(MetricsPort(self._config.address, page))

    def _try(self, where: str, give: Callable[[], None]) -> None:
        try:
            give()
        except OSError as error:
            self._counters.add(f"metrics_not_given.{where}")
            if self._troubles.get(where) != str(error):
                self._troubles[where] = str(error)
                _log.error("metrics not given", where=where, error=str(error))
        else:
            self._troubles.pop(where, None)
