"""What the code on board costs: thread CPU time per second of signal, window and frame.

Run ``python -m benchmarks.throughput``; docs/reference/benchmarks.md explains the figures. Nothing here is gated.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.bench_bundle import FLEET, bench_config, make_bundle
from benchmarks.cal import make_cal
from benchmarks.command import EXIT_OK, parser, positive, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Case, Summary, summarise, time_interleaved
from benchmarks.report import Report, Row, at_least, at_most, publish
from benchmarks.vibration import FRAME_S, FrameSource, vibration
from edge_agent.decision import NOT_ASSESSED
from edge_agent.detector import Detector, LoadedModel
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import decode_frame, encode_frame
from shared_features.extract import StreamingExtractor, extract_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared_features.spec import FeatureSpec

QUICK_ROUNDS = 400
FULL_ROUNDS = 10_000
ROUNDS_PER_BATCH = 50
"""A round over a whole recording takes hundreds of times as long as the others."""
RECORDING_S = 300.0

STREAMING_MAX_CAL = 2.5
BATCH_MAX_CAL = 1.5
BATCH_MIN_WINDOWS_PER_S = 2_000.0

CAL = "cal"
STREAMING = "features, streaming in 100 ms chunks, per channel-second"
BATCH = "features, batch of 300 s, 10 s window, 1 s hop, per window"
SCORER = "scorer, per window"
DETECTOR = "detector: 100 ms frames to assessment, per window"
DECODE = "decode, per frame of 100 ms"

_SEED = 1
_NO_CONDITIONS = np.zeros(0)


def main() -> int:
    """Measure, print, write ``throughput.json``."""
    options = parser("throughput", "CPU cost of features, score and decision, as multiples of a calibration loop.")
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
    recording = vibration(model.spec, RECORDING_S)
    window = recording[: model.spec.window_n]
    (features,) = extract_windows(model.spec, window, _NO_CONDITIONS)
    payload = encode_frame(FrameSource(model.spec, window, engine="1").frame(0))
    return (
        Case(CAL, _always(make_cal()), rounds),
        Case(STREAMING, _streaming(model.spec, window), rounds),
        Case(
            BATCH,
            _always(lambda: extract_windows(model.spec, recording, _NO_CONDITIONS)),
            max(1, rounds // ROUNDS_PER_BATCH),
        ),
        Case(SCORER, _always(lambda: model.scorer.score(features.values)), rounds),
        Case(DETECTOR, _detecting(model, window), rounds),
        Case(DECODE, _always(lambda: decode_frame(payload)), rounds),
    )


def _always(call: Callable[[], object]) -> Callable[[], Callable[[], object]]:
    return lambda: call


def _streaming(spec: FeatureSpec, window: NDArray[np.float32]) -> Callable[[], Callable[[], object]]:
    """Calls that push one second each and complete one window each."""
    extractor = StreamingExtractor(spec)
    extractor.push(window, _NO_CONDITIONS)
    chunks = np.split(window[: spec.record_n * spec.hop_records], round(spec.hop_s / FRAME_S))

    def push_second() -> None:
        for chunk in chunks:
            extractor.push(chunk, _NO_CONDITIONS)

    return _always(push_second)


def _detecting(model: LoadedModel, window: NDArray[np.float32]) -> Callable[[], Callable[[], object]]:
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
    cal = summarise(times[CAL])
    streaming = summarise(times[STREAMING])
    rows = (
        Row(
            name=STREAMING,
            summary=streaming,
            targets=(at_most("median", streaming.median / cal.median, STREAMING_MAX_CAL, "cal"),),
        ),
        _batch_row(times[BATCH], cal),
        *(Row(name=name, summary=summarise(times[name])) for name in (SCORER, DETECTOR, DECODE)),
    )
    return Report(benchmark="throughput", mode=mode, unit="us", cal=cal, rows=rows)


def _batch_row(times: NDArray[np.float64], cal: Summary) -> Row:
    """Per window, of recordings whose first window takes ten records and every other one a single one."""
    spec = bench_config(1).feature_spec()
    windows = 1 + round((RECORDING_S - spec.window_s) / spec.hop_s)
    summary = summarise(times / windows)
    windows_per_s = 1.0 / summary.median
    sample_bytes = RECORDING_S * spec.sampling_rate_hz * np.dtype(np.float32).itemsize
    return Row(
        name=BATCH,
        summary=summary,
        targets=(
            at_most("median", summary.median / cal.median, BATCH_MAX_CAL, "cal"),
            at_least("rate", windows_per_s, BATCH_MIN_WINDOWS_PER_S, "windows/s/core"),
        ),
        figures={
            "windows/s/core": windows_per_s,
            "GB/s": sample_bytes / float(np.median(times)) / 1e9,
        },
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
