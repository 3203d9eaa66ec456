"""Who takes part, and with how much effort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.detection.contender import BASELINE, DEFAULT, FAMILY
from benchmarks.detection.dcase import DcaseAutoencoder
from benchmarks.detection.levels import baselines
from benchmarks.detection.ours import ours
from benchmarks.detection.protocols import LATER_TIME
from benchmarks.detection.pyod_peers import pyod_peers

if TYPE_CHECKING:
    from benchmarks.detection.contender import Contender
    from benchmarks.detection.protocols import Case

NETWORKS = frozenset({"autoencoder", "svdd", "flow", "ensemble"})
"""Families of ours that are trained epoch by epoch, or hold one that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is done.

    Attributes:
        mode: ``quick`` or ``full``.
        most_left_out: At most so many values of a condition, and units, are left out in turn.
        most_rows: Most windows that a peer learns from.
        epochs: Of the DCASE autoencoder.
        rounds: Resamplings behind an interval.
        everywhere: Whether closed-form families and peers run in every protocol, or in ``later_time`` alone.
        networks: Whether families that are trained epoch by epoch run at all: in ``later_time``, half a minute each.
        left_away: What that leaves away, told to the reader.
    """

    mode: str
    most_left_out: int
    most_rows: int
    epochs: int
    rounds: int
    everywhere: bool
    networks: bool
    left_away: tuple[str, ...]


FULL = Effort(
    mode="full", most_left_out=6, most_rows=2000, epochs=100, rounds=2000, everywhere=True, networks=True,
    left_away=(
        "at most 6 values of a condition, and 6 units, are left out in turn, evenly spread, both ends among them",
        "at most 12 lives are run to their end",
        "peers learn from at most 2,000 windows, evenly spread",
        "families that are trained epoch by epoch run on later time alone",
    ),
)  # fmt: skip
QUICK = Effort(
    mode="quick", most_left_out=3, most_rows=500, epochs=30, rounds=300, everywhere=False, networks=False,
    left_away=(
        "at most 3 values of a condition, and 3 units, are left out in turn, and at most 12 lives run",
        "peers learn from at most 500 windows, the DCASE autoencoder for 30 epochs instead of 100",
        "families and peers run on later time alone, families that are trained epoch by epoch not at all",
        "intervals come from 300 resamplings instead of 2,000",
    ),
)  # fmt: skip


def contenders(effort: Effort) -> tuple[Contender, ...]:
    """Everybody, the default first."""
    dcase = DcaseAutoencoder(epochs=effort.epochs, most_rows=effort.most_rows)
    return (*ours(), *pyod_peers(most_rows=effort.most_rows), dcase, *baselines())


def takes_part(contender: Contender, case: Case, effort: Effort) -> bool:
    """Whether a contender runs in a case."""
    if contender.kind in {DEFAULT, BASELINE}:
        return True
    if contender.kind == FAMILY and contender.name in NETWORKS:
        return effort.networks and case.protocol == LATER_TIME
    return effort.everywhere or case.protocol == LATER_TIME
