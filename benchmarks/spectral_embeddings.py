"""Log-band spectra with a memory bank, beside the hand features that ship: does the embedding pay?

``python -m benchmarks.spectral_embeddings --data DIR`` reads each rig twice: with the features that ``ground init``
proposes, and with the powers of bands of equal width in octaves from the third spectral line to Nyquist (and the shape
of that spectrum) alone. Both go through the protocols of ``benchmarks.detection`` behind the product's calibration and
decision, with the default family and with the kNN bank. ADR 0022 has what came of it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.command import run_command
from benchmarks.detection.contender import FAMILY
from benchmarks.detection.examination import REFUSALS, SEED, examined_counts
from benchmarks.detection.numbers import Place, Result, result_of
from benchmarks.detection.ours import DEFAULT_FAMILY, Detector
from benchmarks.detection.protocols import LATER_TIME, cases_of
from benchmarks.detection.rig import Rig, read_rig, rig_names
from benchmarks.detection.run import PROMISE, use_one_thread
from benchmarks.detection.tally import Tally, pooled
from shared_features.spec import EnvelopeGroup, FeatureSpec, OrdersGroup, TimeGroup, VelocityGroup

BANK: Final = "knn"
N_BANDS: Final = 32
_LOWEST_LINE: Final = 2
_MOST_LEFT_OUT: Final = 6
_ROUNDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Entrant:
    """Features and a family."""

    features: str
    family: str


HAND: Final = "hand"
LOG_BANDS: Final = "log bands"
ENTRANTS: Final = tuple(
    Entrant(features, family) for features in (HAND, LOG_BANDS) for family in (DEFAULT_FAMILY, BANK)
)


def log_bands(spec: FeatureSpec) -> FeatureSpec:
    """The same windows, heard through bands of equal width in octaves and nothing else.

    Args:
        spec: Its spectrum must be on: segments, taper and overlap stay.

    Raises:
        ValueError: The spectrum is off, or has too few lines for two bands.
    """
    if not spec.spectrum.enabled:
        raise ValueError("spec: expected a spectrum, got none; values this slow have no embedding of this kind")
    nyquist_line = spec.spectrum.segment_n // 2
    lines = np.unique(np.round(np.geomspace(_LOWEST_LINE, nyquist_line, N_BANDS + 1)).astype(int)).tolist()
    bands_hz = tuple((low * spec.line_hz, high * spec.line_hz) for low, high in itertools.pairwise(lines))
    if len(bands_hz) < 2:  # noqa: PLR2004 - one band is a level
        raise ValueError(f"spec: expected spectral lines for two bands, got {nyquist_line}; lengthen the segments")
    return replace(
        spec,
        time=TimeGroup(enabled=False),
        spectrum=replace(spec.spectrum, bands_hz=bands_hz, dominant_n=0),
        velocity=VelocityGroup(),
        envelope=EnvelopeGroup(),
        orders=OrdersGroup(),
    )


def main() -> int:
    """Print a line an entrant, rig and protocol; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.spectral_embeddings", description=__doc__)
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="recordings folder")
    folder = options.parse_args().data
    use_one_thread()
    console = Console(width=140)
    for name in rig_names(folder):
        try:
            rigs = {HAND: read_rig(folder, name, workers=2), LOG_BANDS: read_rig(folder, name, workers=2, of=log_bands)}
        except (*REFUSALS, ValueError) as error:
            console.print(f"{name}: {error}")
            continue
        _print(console, name, list(results(rigs)))
    return 0


def results(rigs: dict[str, Rig]) -> Iterator[Result]:
    """What every entrant makes of every protocol of a rig, all cases of a protocol together.

    Args:
        rigs: The same windows by kind of features.
    """
    for entrant in ENTRANTS:
        rig = rigs[entrant.features]
        promise = replace(PROMISE, k=rig.decision.k, n=rig.decision.n)
        detector = Detector(f"{entrant.features}, {entrant.family}", FAMILY, entrant.family)
        counts: dict[str, list[Tally]] = {}
        for case in cases_of(rig.table.rows, most_left_out=_MOST_LEFT_OUT).cases:
            try:
                counts.setdefault(case.protocol, []).append(examined_counts(rig, case, detector, promise))
            except REFUSALS:
                # Too few windows for so many features: the count of cases tells.
                continue
        for protocol, tallies in counts.items():
            place = Place(rig=rig.name, protocol=protocol, contender=detector.name)
            whole = tallies[0] if protocol == LATER_TIME else pooled(tallies)
            yield result_of(place, whole, PROMISE, rounds=_ROUNDS, seed=SEED, cases=len(tallies))


def _print(console: Console, name: str, rows: list[Result]) -> None:
    heads = ("protocol", "features, family", "cases", "false alarms", "95 % bounds", "coverage", "found", "AUC", "pAUC")
    table = Table(*heads, title=name or "recordings")
    for row in sorted(rows, key=lambda row: row.protocol):
        table.add_row(
            row.protocol,
            row.contender,
            str(row.cases),
            f"{row.false_alarm_rate:.1%} of {row.healthy_assessed}",
            f"{row.false_alarm_rate_low:.1%} to {row.false_alarm_rate_high:.1%}",
            f"{row.coverage_healthy:.0%}",
            f"{row.events_found} of {row.events}",
            f"{row.auc:.4f}",
            f"{row.partial_auc:.4f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
