"""What the agent costs beside the features: thread CPU time per window and frame.

Run ``python -m benchmarks.throughput``; docs/reference/benchmarks.md explains the figures. Nothing here is gated.
The features themselves are measured by ``benchmarks.features``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.bench_bundle import FLEET, make_bundle
from benchmarks.cal import make_cal
from benchmarks.command import EXIT_OK, parser, positive, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.feature_cases import always
from benchmarks.measure import Case, summarise, time_interleaved
from benchmarks.report import Report, Row, publish
from benchmarks.vibration import FRAME_S, FrameSource, vibration
from edge_agent.decision import NOT_ASSESSED
from edge_agent.detector import Detector, LoadedModel
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import decode_frame, encode_frame
from shared_features.extract import extract_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUICK_ROUNDS = 400
FULL_ROUNDS = 10_000

CAL = "cal"
SCORER = "scorer, per window"
DETECTOR = "detector: 100 ms frames to assessment, per window"
DECODE = "decode, per frame of 100 ms"

_SEED = 1
_NO_CONDITIONS = np.zeros(0)


def main() -> int:
    """Measure, print, write ``throughput.json``."""
    options = parser("throughput", "CPU cost of decoding, score and decision, as multiples of a calibration loop.")
    options.add_argument("--rounds", type=positive, metavar="N", help="rounds of each measurement")
    chosen = options.parse_args()
    rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else FULL_ROUNDS)
    times = time_interleaved(_cases(_load(), rounds), seed=_SEED)
    publish(_report(times, "quick" if chosen.quick else "full"), chosen.out)
    return EXIT_OK


def _load() -> LoadedModel:
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder), n_channel=1)
        keys = TrustedKeys.from_files([bundle.public_key])
        return load_model(bundle.path, keys=keys, policy=Policy(fleet=FLEET, agent_version=AGENT_VERSION))


def _cases(model: LoadedModel, rounds: int) -> tuple[Case, ...]:
    window = vibration(model.spec, model.spec.window_s)
    (features,) = extract_windows(model.spec, window, _NO_CONDITIONS)
    payload = encode_frame(FrameSource(model.spec, window, engine="1").frame(0))
    return (
        Case(CAL, always(make_cal()), rounds),
        Case(SCORER, always(lambda: model.scorer.score(features.values)), rounds),
        Case(DETECTOR, detecting(model, window), rounds),
        Case(DECODE, always(lambda: decode_frame(payload)), rounds),
    )


def detecting(model: LoadedModel, window: NDArray[np.float32]) -> Callable[[], Callable[[], object]]:
    """Calls that push the frames of one hop each and assess one window each."""
    detector = Detector(model)
    source = FrameSource(model.spec, window, engine="1")
    frames_per_hop = round(model.spec.hop_s / FRAME_S)
    next_frame = round(model.spec.window_s / FRAME_S)
    first = [assessment for index in range(next_frame) for assessment in detector.push(source.frame(index))]
    if [assessment.state for assessment in first] in ([], [NOT_ASSESSED]):
        raise BenchmarkError(f"detector: expected one assessed window, got {first}; look into benchmarks.vibration")

    def prepare() -> Callable[[], object]:
        nonlocal next_frame
        frames = [source.frame(next_frame + index) for index in range(frames_per_hop)]
        next_frame += frames_per_hop
        return lambda: [detector.push(frame) for frame in frames]

    return prepare


def _report(times: Mapping[str, NDArray[np.float64]], mode: str) -> Report:
    rows = tuple(Row(name=name, summary=summarise(times[name])) for name in (SCORER, DETECTOR, DECODE))
    return Report(benchmark="throughput", mode=mode, unit="us", cal=summarise(times[CAL]), rows=rows)


if __name__ == "__main__":
    sys.exit(run_command(main))
