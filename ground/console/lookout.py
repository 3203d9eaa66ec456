"""A look at the dataset, and what it leads to: what pages will ask for is made before they do."""

from __future__ import annotations

from ground.console.alert_story import AlertStories
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.phases_ahead import alerts_ahead


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

    def look(self) -> bool:
        """Look once; whether there was anything new.

        Raises:
            duckdb.Error: There is no memory.
        """
        is_new = self._index.refresh()
        if is_new or self._is_first:
            self._is_first = False
            with self._index.cursor() as cursor:
                self._stories.prepare(alerts_ahead(cursor))
        return is_new
