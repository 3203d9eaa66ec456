"""Other libraries on the same features: each checked equal to ours, then timed in turns with ours.

Run ``make bench-peers``: the libraries live in an environment of their own. docs/reference/benchmarks.md explains the
figures. Nothing here is gated, but a library that computes something else ends the run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.cal import make_cal
from benchmarks.command import EXIT_OK, parser, positive, run_command
from benchmarks.feature_cases import always, batch, streaming, windows_of
from benchmarks.measure import Case, summarise, time_paired
from benchmarks.peers import scipy_idiom, tsfel_peer, tsflex_peer, tsfresh_peer
from benchmarks.peers.check import check_peer, check_single_thread
from benchmarks.peers.peer import VIBRATION, Peer
from benchmarks.peers.signals import NAMES, SPEC, recording
from benchmarks.report import Report, Row, at_least, publish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = Mapping[str, NDArray[np.float64]]

QUICK_ROUNDS = 50
FULL_ROUNDS = 200
OUR_RECORDING_S = 60.0
PEER_RECORDING_S = 12.0
"""Three windows: they compute every window by itself, so a longer recording costs them as much for each."""

CAL = "cal"
BATCH = "ours, batch of 60 s"
STREAMING = "ours, streaming in 100 ms chunks"
TARGETS = {"scipy idiom": 20.0, "tsfresh": 150.0, "TSFEL": 500.0}

_CALS_A_ROUND = 10
_HOPS_A_ROUND = 20
# Both follow on libraries that leave nothing of theirs in the caches, and would be charged for it.
_SEED = 1
_PACKAGES = ("numpy", "scipy", "pandas", "tsflex", "tsfresh", "tsfel")


def main() -> int:
    """Check, measure, print, write ``peers.json``."""
    options = parser("peers", "The same features by other libraries, overlapping windows, against ours.")
    options.add_argument("--rounds", type=positive, metavar="N", help="rounds, each of every library once")
    chosen = options.parse_args()
    rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else FULL_ROUNDS)
    peers = [module.peer() for module in (scipy_idiom, tsflex_peer, tsfresh_peer, tsfel_peer)]
    differences = {peer.name: check_peer(peer, PEER_RECORDING_S) for peer in peers}
    cases = list(_cases(peers))
    for case in cases:
        check_single_thread(case.name, case.prepare())
    times = time_paired(cases, rounds=rounds, seed=_SEED)
    publish(_report(peers, times, differences, "quick" if chosen.quick else "full"), chosen.out)
    return EXIT_OK


def _cases(peers: Sequence[Peer]) -> Iterator[Case]:
    cal = make_cal()
    yield Case(CAL, always(lambda: [cal() for _ in range(_CALS_A_ROUND)]), 1)
    yield Case(BATCH, batch(SPEC, OUR_RECORDING_S), 1)
    push_hop = streaming(SPEC)()
    yield Case(STREAMING, always(lambda: [push_hop() for _ in range(_HOPS_A_ROUND)]), 1)
    samples = recording(VIBRATION, PEER_RECORDING_S).astype(np.float64)
    for peer in peers:
        yield Case(peer.name, always(peer.prepare(samples)), 1)


def _report(peers: Sequence[Peer], times: Times, differences: Mapping[str, Mapping[str, float]], mode: str) -> Report:
    per_window = {
        **times,
        BATCH: times[BATCH] / windows_of(SPEC, OUR_RECORDING_S),
        STREAMING: times[STREAMING] / _HOPS_A_ROUND,
        **{peer.name: times[peer.name] / windows_of(SPEC, PEER_RECORDING_S) for peer in peers},
    }
    ours = tuple(
        Row(name=name, summary=summarise(per_window[name]), figures={"features": len(NAMES)})
        for name in (BATCH, STREAMING)
    )
    return Report(
        benchmark="peers",
        mode=mode,
        unit="us",
        cal=summarise(per_window[CAL] / _CALS_A_ROUND),
        rows=(*ours, *(_peer_row(peer, per_window) for peer in peers)),
        packages=_PACKAGES,
        tables={peer.name: _agreements(peer, differences[peer.name]) for peer in peers},
        is_compact=True,
    )


def _peer_row(peer: Peer, per_window: Times) -> Row:
    """Per window; the ratios are those to our batch within each round."""
    low, middle, high = np.quantile(per_window[peer.name] / per_window[BATCH], (0.1, 0.5, 0.9)).tolist()
    limit = TARGETS.get(peer.name)
    return Row(
        name=f"{peer.name}, {len(peer.agreements)} of {len(NAMES)} features",
        summary=summarise(per_window[peer.name]),
        targets=() if limit is None else (at_least("median", middle, limit, "x ours"),),
        figures={"x ours": middle, "p10": low, "p90": high},
    )


def _agreements(peer: Peer, differences: Mapping[str, float]) -> Sequence[Mapping[str, float | str]]:
    """What was compared and how far off it was, and what was not compared."""
    compared: list[Mapping[str, float | str]] = [
        {
            "feature": name,
            "signal": agreement.signal,
            "rtol": agreement.rtol,
            "atol": agreement.atol,
            "largest_difference_over_allowed": differences[name],
            "why": agreement.why,
        }
        for name, agreement in peer.agreements.items()
    ]
    return [*compared, *({"feature": name, "left_out": why} for name, why in peer.left_out.items())]


if __name__ == "__main__":
    sys.exit(run_command(main))
