"""How fast conditions may change: learned on the ground, and said there as on board."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edge_agent.detector import Detector, LoadedModel
from edge_agent.domain import INSIDE, OperatingDomain
from edge_agent.frame import Frame
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scored
from edge_agent.thresholds import Thresholds
from edge_agent.transients import TRANSIENT
from ground.domain import LEAST_CHANGE, SLACK, learn_domain, outside_reasons
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

SPEC = FeatureSpec(
    sampling_rate_hz=1000.0, record_s=1.0, window_s=4.0, hop_s=1.0, channels=(ChannelSpec("a", "g"),),
    conditions=("n1_hz",), spectrum=SpectrumGroup(50, 25, ((20.0, 200.0),)),
)  # fmt: skip
START_NS = 1_700_000_000 * 10**9
N_FEATURE = len(columns_of(SPEC))


def table(*flights: list[float]) -> tuple[pd.DataFrame, np.ndarray]:
    """Windows of flights whose mean speeds are given, a second apart."""
    rows = [
        {"recording_id": f"r{number}", "start_ns": hop * 10**9, "phase": "cruise", "reason": ""}
        for number, speeds in enumerate(flights)
        for hop in range(len(speeds))
    ]
    values = np.zeros((len(rows), N_FEATURE), dtype=np.float32)
    values[:, -1] = [speed for speeds in flights for speed in speeds]
    return pd.DataFrame(rows), values


def test_limits_are_those_of_training() -> None:
    """Twice the fastest change within a recording; what lies between two recordings is no change."""
    domain = learn_domain(SPEC, *table([50.0, 53.0, 52.0], [90.0, 91.0]))
    assert domain.steadiness.hop_ns == 10**9
    assert domain.steadiness.limits == pytest.approx({"n1_hz": SLACK * 3.0})


def test_steady_training_leaves_room() -> None:
    """A rig that was only heard at rest may still drift by a twentieth of its speed within a window."""
    domain = learn_domain(SPEC, *table([80.0] * 5, [40.0] * 5))
    assert domain.steadiness.limits == pytest.approx({"n1_hz": LEAST_CHANGE * 80.0 / 4})


def test_a_missing_window_is_no_change() -> None:
    """Windows that lie further apart than a hop tell nothing."""
    rows, values = table([50.0, 50.0, 80.0])
    rows.loc[2, "start_ns"] += 10**9
    assert learn_domain(SPEC, rows, values).steadiness.limits == pytest.approx({"n1_hz": LEAST_CHANGE * 80.0 / 4})


def test_run_ups_are_said_only_where_they_were_not_learned() -> None:
    """The same run-up: not assessed by a detector of steady speeds, assessed by one that has seen such."""
    run_up = [50.0, 50.0, 57.5, 65.0, 72.5, 80.0, 80.0]
    rows, values = table(run_up)
    before = learn_domain(SPEC, *table([50.0] * 5, [80.0] * 5))
    after = learn_domain(SPEC, *table(run_up))
    assert outside_reasons(rows, values, before).tolist() == ["", "", *[TRANSIENT] * 4, ""]
    assert set(outside_reasons(rows, values, after)) == {INSIDE}
    assert set(outside_reasons(rows, values, OperatingDomain())) == {INSIDE}


class CalmScorer:
    """Finds everything normal."""

    def score(self, values: np.ndarray) -> Scored:
        """Half the threshold."""
        return Scored(0.5, values)


def test_agent_says_what_the_ground_says() -> None:
    """The detector over frames and the ground over the table of its windows give the same reasons, over a gap, too."""
    domain = replace(learn_domain(SPEC, *table([50.0] * 5, [80.0] * 5)), phases=())
    thresholds = Thresholds(
        pooled=1.0, phases={}, k=1, n=1, release_ratio=0.9, false_alarm_rate=0.05, confidence=0.95, domain=domain
    )
    names = tuple(column.name for column in columns_of(SPEC))
    scaler = Scaler(names, ("linear",) * N_FEATURE, (0.0,) * N_FEATURE, (1.0,) * N_FEATURE)
    scorer: Any = CalmScorer()
    model = LoadedModel(
        bundle_id="b/1", bundle_digest="d", spec=SPEC, scaler=scaler, thresholds=thresholds, scorer=scorer
    )
    speeds = [50.0] * 8 + [50.0 + 3.0 * step for step in range(10)] + [80.0] * 12
    phases = ["climb"] * 24 + ["cruise"] * 6
    samples = np.random.default_rng(1).standard_normal((len(speeds) * 1000, 1)).astype(np.float32)
    frames = [
        Frame(
            aircraft="a", engine="e", flight="r0", phase=phases[seq], t_ns=START_NS + seq * 10**9, seq=seq,
            rate_hz=1000.0, unit="g", channels=("a",), samples=samples[1000 * seq : 1000 * seq + 1000],
            speed_hz={"n1": speed},
        )
        for seq, speed in enumerate(speeds) if seq != 12
    ]  # fmt: skip
    detector = Detector(model)
    judgements = [each for frame in frames for each in detector.judge(frame)]
    windows = [each.window for each in judgements]
    rows = pd.DataFrame(
        {"recording_id": "r0", "start_ns": each.start_ns, "phase": each.phase, "reason": each.reason}
        for each in windows
    )
    said = outside_reasons(rows, np.stack([each.values for each in windows]), domain)
    found = [each.assessment.reason for each in judgements]
    assert {"", TRANSIENT, "phase_change"} == set(found)
    assert found == said.tolist()
