"""A look at the dataset, and what it leads to: what pages will ask for is made before they do."""

from __future__ import annotations

from ground.console.alert_story import AlertStories
from ground.console.data.alert import find_alert
from ground.console.data.alerts_ahead import alerts_ahead
from ground.console.data.fleet_index import FleetIndex


class Lookout:
    """Looks again and again, from one thread.

    Args:
        index: The dataset.
        stories: What pages will ask for.
    """

    def __init__(self, index: FleetIndex, stories: AlertStories) -> None:
        self._index = index
        self._stories = stories
        self._is_first = True
        self._ahead: tuple[str, ...] = ()

    def look(self) -> bool:
        """Look once; whether there was anything new.

        Raises:
            duckdb.Error: There is no memory.
        """
        is_new = self._index.refresh()
        if is_new or self._is_first:
            self._is_first = False
            self._prepare()
        return is_new

    def _prepare(self) -> None:
        with self._index.cursor() as cursor:
            ahead = alerts_ahead(cursor)
            # Each takes a while to find, and a look that takes long makes the next one late.
            found = [find_alert(cursor, name) for name in ahead if name not in self._ahead]
        self._ahead = ahead
        self._stories.prepare(alert for alert in found if alert is not None)
