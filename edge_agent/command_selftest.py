"""``edge-agent selftest``: does this machine run its bundle, and fast enough?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_agent.config import load_config
from edge_agent.detector import Detector
from edge_agent.exit_code import ExitCode
from edge_agent.frame import Frame, samples_ns
from edge_agent.output import say, say_json
from edge_agent.startup import load_configured
from edge_agent.wire import decode_frame, encode_frame

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_SEED = 1
_FRAMES_PER_RECORD = 10
_NS_PER_MS = 1e6
_SPEED_HZ = {"n1": 50.0, "n2": 150.0}


def selftest(config_path: Path, *, windows: int, as_json: bool) -> ExitCode:
    """Load and prove the bundle, score synthetic windows, and hold their latency against the deadline.

    Raises:
        ConfigError: The config or a key file is wrong.
        BundleError: The bundle is refused.
    """
    config = load_config(config_path)
    model = load_configured(config)
    latencies_ms = _latencies_ms(Detector(model), model.spec, windows)
    p50_ms, p99_ms = np.percentile(latencies_ms, (50, 99))
    passed = bool(p99_ms <= config.agent.deadline_ms)
    facts: dict[str, Any] = {
        "bundle_id": model.bundle_id,
        "bundle_digest": model.bundle_digest,
        "golden_vectors": "reproduced",
        "windows": len(latencies_ms),
        "p50_ms": round(float(p50_ms), 3),
        "p99_ms": round(float(p99_ms), 3),
        "max_ms": round(max(latencies_ms), 3),
        "deadline_ms": config.agent.deadline_ms,
        "verdict": "PASS" if passed else "FAIL",
    }
    if as_json:
        say_json(facts)
    else:
        for name, value in facts.items():
            say(f"{name:15} {value}")
    return ExitCode.OK if passed else ExitCode.SELFTEST_FAILED


def _latencies_ms(detector: Detector, spec: FeatureSpec, windows: int) -> list[float]:
    """From payload to assessment, for each frame that completes a window."""
    latencies_ms: list[float] = []
    for payload in _payloads(spec):
        started_ns = time.perf_counter_ns()
        assessments = detector.push(decode_frame(payload))
        elapsed_ms = (time.perf_counter_ns() - started_ns) / _NS_PER_MS
        latencies_ms += [elapsed_ms] * len(assessments)
        if len(latencies_ms) >= windows:
            return latencies_ms
    raise AssertionError("the payloads never end")


def _payloads(spec: FeatureSpec) -> Iterator[bytes]:
    """Payloads of noise, without end."""
    rng = np.random.default_rng(_SEED)
    frame_n = max(1, spec.record_n // _FRAMES_PER_RECORD)
    seq = 0
    while True:
        samples = rng.standard_normal((frame_n, len(spec.channels)), dtype=np.float32)
        yield encode_frame(
            Frame(
                aircraft="selftest",
                engine="1",
                flight="selftest",
                phase="steady",
                t_ns=samples_ns(seq * frame_n, spec.sampling_rate_hz),
                seq=seq,
                rate_hz=spec.sampling_rate_hz,
                unit=spec.channels[0].unit,
                channels=tuple(channel.name for channel in spec.channels),
                samples=samples,
                speed_hz=_SPEED_HZ,
            )
        )
        seq += 1
