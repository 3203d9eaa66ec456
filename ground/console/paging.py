"""Long lists a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request

_MOST_PAGES: Final = 100_000
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of the pages beside one; empty where there are none."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Place:
    """Which page of a list.

    Attributes:
        number: From 1.
        size: Lines a page.
        address: Of the list, without the page.
    """

    number: int
    size: int
    address: str

    @property
    def skip(self) -> int:
        """Lines before this page."""
        return (self.number - 1) * self.size

    def last(self, total: int) -> Place:
        """The last page of so many lines."""
        return replace(self, number=max(1, -(-total // self.size)))

    def links(self, total: int) -> Links:
        """The pages beside this one, of so many lines."""
        joined = f"{self.address}{'&' if '?' in self.address else '?'}page="
        return Links(
            before=f"{joined}{self.number - 1}" if self.number > 1 else "",
            after=f"{joined}{self.number + 1}" if self.skip + self.size < total else "",
        )


def paged(request: Request, size: int, *, path: str) -> Place:
    """The place that a request asks for; nonsense is the first page.

    Args:
        request: Its query holds ``page``, and what else the list goes by.
        size: Lines a page.
        path: Of the page that shows the list; a part of it is asked for at another one.
    """
    text = request.query_params.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 1
    query = request.url.remove_query_params("page").query
    return Place(min(max(number, 1), _MOST_PAGES), size, f"{path}?{query}" if query else path)
