"""``edge-agent selftest``: does this machine run its bundle, and fast enough?"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_agent.config import load_config
from edge_agent.decision import NOT_ASSESSED
from edge_agent.detector import Detector
from edge_agent.exit_code import ExitCode
from edge_agent.frame import Frame, samples_ns
from edge_agent.output import say, say_json
from edge_agent.startup import load_configured
from edge_agent.wire import decode_frame, encode_frame
from shared_features.groups import TACH, joined_units
from shared_features.speed_limits import speed_limits_hz

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.detector import LoadedModel
    from edge_agent.domain import OperatingDomain
    from shared_features.spec import FeatureSpec

_SEED = 1
_PHASE = "steady"
_FRAMES_PER_RECORD = 10
_NS_PER_MS = 1e6
_SPEED_HZ = {"n1": 50.0, "n2": 150.0}
_INSIDE = 1.01
"""Keeps speeds off the very limits of what can be measured."""


@dataclass(slots=True)
class Tally:
    """What came of the windows.

    Attributes:
        latencies_ms: From payload to assessment, one a window.
        states: Windows by state.
        reasons: Those not assessed, by reason.
    """

    latencies_ms: list[float] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def selftest(config_path: Path, *, windows: int, as_json: bool) -> ExitCode:
    """Load and prove the bundle, score synthetic windows, and hold their latency against the deadline.

    A window that is not assessed fails the selftest: its latency says nothing about the model.

    Raises:
        ConfigError: The config or a key file is wrong.
        BundleError: The bundle is refused.
    """
    config = load_config(config_path)
    model = load_configured(config)
    tally = score_noise(Detector(model), model, windows)
    p50_ms, p99_ms = np.percentile(tally.latencies_ms, (50, 99))
    failures = [f"{n} not assessed: {reason}" for reason, n in sorted(tally.reasons.items())]
    if p99_ms > config.agent.deadline_ms:
        failures.append("p99 is over the deadline")
    facts: dict[str, Any] = {
        "bundle_id": model.bundle_id,
        "bundle_digest": model.bundle_digest,
        "golden_vectors": "reproduced",
        "windows": len(tally.latencies_ms),
        "states": dict(sorted(tally.states.items())),
        "p50_ms": round(float(p50_ms), 3),
        "p99_ms": round(float(p99_ms), 3),
        "max_ms": round(max(tally.latencies_ms), 3),
        "deadline_ms": config.agent.deadline_ms,
        "verdict": "FAIL" if failures else "PASS",
        "failures": failures,
    }
    if as_json:
        say_json(facts)
    else:
        facts["states"] = ", ".join(f"{n} {state}" for state, n in facts["states"].items())
        facts["failures"] = "; ".join(failures) or "none"
        for name, value in facts.items():
            say(f"{name:15} {value}")
    return ExitCode.SELFTEST_FAILED if failures else ExitCode.OK


def score_noise(detector: Detector, model: LoadedModel, windows: int) -> Tally:
    """States, and latencies from payload to assessment, for each frame that completes a window.

    Args:
        detector: A fresh one.
        model: Its model; the noise is of a kind that it can assess.
        windows: How many windows, at least.
    """
    tally = Tally()
    for payload in _payloads(model.spec, model.thresholds.domain):
        started_ns = time.perf_counter_ns()
        assessments = detector.push(decode_frame(payload))
        elapsed_ms = (time.perf_counter_ns() - started_ns) / _NS_PER_MS
        tally.latencies_ms += [elapsed_ms] * len(assessments)
        tally.states.update(each.state for each in assessments)
        tally.reasons.update(each.reason for each in assessments if each.state == NOT_ASSESSED)
        if len(tally.latencies_ms) >= windows:
            return tally
    raise AssertionError("the payloads never end")


def _payloads(spec: FeatureSpec, domain: OperatingDomain) -> Iterator[bytes]:
    """Payloads of noise inside the operating domain, without end."""
    rng = np.random.default_rng(_SEED)
    frame_n = max(1, spec.record_n // _FRAMES_PER_RECORD)
    speeds_hz = {shaft: _possible_hz(spec, domain, shaft) for shaft in _SPEED_HZ}
    phase = domain.phases[0] if domain.phases else _PHASE
    rate_hz = spec.sampling_rate_hz
    seq = 0
    while True:
        samples = rng.standard_normal((frame_n, len(spec.channels)), dtype=np.float32)
        yield encode_frame(
            Frame(
                aircraft="selftest",
                engine="1",
                flight="selftest",
                phase=phase,
                t_ns=samples_ns(seq * frame_n, rate_hz),
                seq=seq,
                rate_hz=rate_hz,
                unit=joined_units(tuple(channel.unit for channel in spec.channels)),
                channels=tuple(channel.name for channel in spec.channels),
                samples=samples,
                speed_hz=speeds_hz,
                tach={
                    shaft.name: _pulses(speeds_hz[shaft.name] * shaft.pulses_per_rev / rate_hz, seq * frame_n, frame_n)
                    for shaft in spec.shafts
                    if shaft.source == TACH
                },
            )
        )
        seq += 1


def _possible_hz(spec: FeatureSpec, domain: OperatingDomain, shaft: str) -> float:
    """The usual speed, or the nearest one in the domain at which the spec's orders can be measured."""
    low_hz, high_hz = speed_limits_hz(spec, shaft)
    possible_hz = min(max(_SPEED_HZ[shaft], _INSIDE * low_hz), high_hz / _INSIDE)
    lowest_hz, highest_hz = domain.conditions.get(f"{shaft}_hz", (possible_hz, possible_hz))
    return min(max(possible_hz, lowest_hz), highest_hz)


def _pulses(per_sample: float, first_n: int, n: int) -> NDArray[np.float64]:
    """Positions within a frame of ``n`` samples of the pulses of a tachometer that began with sample 0."""
    numbers = np.arange(math.floor(first_n * per_sample), math.ceil((first_n + n) * per_sample) + 1)
    positions = numbers / per_sample
    return positions[(positions >= first_n) & (positions < first_n + n)] - first_n
