"""What commands print: results on standard output, all else on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import PurePath
from typing import Any

import typer
from rich.console import Console

from ground.progress import Progress

console = Console(stderr=True)


def say(text: str, *, style: str = "") -> None:
    """Print a line as it is: paths and lists in brackets are no markup, and are not wrapped."""
    console.print(text, style=style, highlight=False, markup=False, emoji=False, soft_wrap=True)


def say_json(document: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Print the result as one JSON document, on standard output; paths as texts, members of an enum by their values."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False, default=_plain))


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal that ``what`` is being done, while the block runs; for work that cannot say how far it is."""
    with console.status(what):
        yield


@contextmanager
def shown() -> Iterator[Progress]:
    """Show progress while the block runs."""
    from ground.progress_bar import shown_progress

    with shown_progress(console) as progress:
        yield progress


def _plain(value: Any) -> Any:
    """What ``json`` leaves to us: dataclasses hold paths and enums."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")
