"""What ``ground retrain`` says on its way: lines for people, or one JSON document in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.console import Console

from ground.terminal import say_json


@dataclass(frozen=True, slots=True)
class Telling:
    """What was said so far.

    Attributes:
        as_json: Whether a program reads.
        document: What it will get.
    """

    as_json: bool
    document: dict[str, Any] = field(default_factory=dict)

    def say(self, line: str, **fields: Any) -> None:
        """Print a line, or keep for the end the fields that say the same."""
        self.document.update(fields)
        if not self.as_json:
            Console(highlight=False, soft_wrap=True, markup=False).print(line)


@contextmanager
def telling(*, as_json: bool) -> Iterator[Telling]:
    """Say the document in the end, also where the block leaves the command; an error leaves none behind."""
    told = Telling(as_json)
    try:
        yield told
    except typer.Exit:
        _end(told)
        raise
    _end(told)


def _end(told: Telling) -> None:
    if told.as_json:
        say_json(told.document)
