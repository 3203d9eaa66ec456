"""How many healthy flights a promise takes: the table behind ``ground flights-needed``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ground.commands.options import JsonOption
from ground.terminal import say_json

RATES = (0.1, 0.05, 0.02, 0.01, 0.001)
_LOUD = (0, 1, 4)
"""Calibration flights that may lie above the threshold."""


def flights_needed(
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="decision.confidence")] = 0.95,
    *,
    as_json: JsonOption = False,
) -> None:
    """Say how many healthy flights of independent origin a declared false-alarm rate takes."""
    needed = {rate: [fewest_flights(rate, confidence, loud) for loud in _LOUD] for rate in RATES}
    if as_json:
        rows = [
            {"false_alarm_rate": rate, "above_threshold": loud, "flights": n}
            for rate, flights in needed.items()
            for loud, n in zip(_LOUD, flights, strict=True)
        ]
        say_json({"confidence": confidence, "rows": rows})
        return
    table = Table(title=f"Healthy flights, each of another unit, at confidence {confidence:g}", box=SIMPLE_HEAD)
    table.add_column("false_alarm_rate", justify="right")
    for loud in _LOUD:
        table.add_column(f"{loud} above the threshold" if loud else "none above the threshold", justify="right")
    for rate, flights in needed.items():
        table.add_row(f"{rate:.1%}", *(f"{n:,}" for n in flights))
    Console(width=100).print(table)


def fewest_flights(rate: float, confidence: float, loud: int) -> int:
    """The smallest number of calibration flights whose ``loud + 1``-th largest value bounds the rate.

    Args:
        rate: Share of healthy flights that may raise an alarm.
        confidence: How sure that is to be.
        loud: Calibration flights that may lie above that value; with none, the largest value bounds (Wilks).
    """
    from ground.intervals import fewest_for_bound

    step = fewest_for_bound(rate, confidence)
    n = step
    while not _allows(n, rate, confidence, loud):
        n += step
    below = n - step
    while n - below > 1:
        middle = (below + n) // 2
        below, n = (below, middle) if _allows(middle, rate, confidence, loud) else (middle, n)
    return n


def _allows(n: int, rate: float, confidence: float, loud: int) -> bool:
    from ground.intervals import NO_RANK, upper_rank

    rank = upper_rank(n, rate, confidence)
    return rank != NO_RANK and n - rank >= loud
