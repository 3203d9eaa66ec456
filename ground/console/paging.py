"""Long lists a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

_MOST_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Place:
    """Which page of a list.

    Attributes:
        number: From 1.
        size: Lines a page.
        address: What was asked for, without the page.
    """

    number: int
    size: int
    address: str

    @property
    def skip(self) -> int:
        """Lines before this page."""
        return (self.number - 1) * self.size

    def links(self, total: int) -> dict[str, str]:
        """Addresses of the pages ``before`` and ``after``; empty where there are none."""
        joined = f"{self.address}{'&' if '?' in self.address else '?'}page="
        return {
            "before": f"{joined}{self.number - 1}" if self.number > 1 else "",
            "after": f"{joined}{self.number + 1}" if self.skip + self.size < total else "",
        }


def paged(request: Request, size: int) -> Place:
    """The place that a request asks for; nonsense is the first page."""
    text = request.query_params.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and 0 < int(text[:9]) <= _MOST_PAGES else 1
    url = request.url.remove_query_params("page")
    return Place(min(number, _MOST_PAGES), size, f"{url.path}?{url.query}" if url.query else url.path)
