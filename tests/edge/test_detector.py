"""The detector over a real session: what it says of windows, and the golden replay before it may speak."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest
from onnx import TensorProto, helper

from edge_agent.assessment import encode_assessment
from edge_agent.detector import Detector, LoadedModel
from edge_agent.domain import OUTSIDE_DOMAIN, OperatingDomain
from edge_agent.errors import GoldenMismatch
from edge_agent.frame import Frame
from edge_agent.golden import replay_golden
from edge_agent.golden_vectors import GoldenVectors
from edge_agent.reasons import contributions
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.thresholds import Thresholds
from shared_features.extract import extract_windows
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

SPEC = FeatureSpec(
    sampling_rate_hz=1000.0,
    record_s=0.1,
    window_s=0.2,
    hop_s=0.1,
    channels=(ChannelSpec("acc", "g"),),
    spectrum=SpectrumGroup(50, 25, ((20.0, 200.0),)),
)
COLUMNS = columns_of(SPEC)
N_FEATURE = len(COLUMNS)
ANYWHERE = np.zeros(N_FEATURE, dtype=bool)
STD = [column.name for column in COLUMNS].index("acc.std")


def std_model():
    """Reconstructs zeros and scores by the standard deviation: simple to reckon with."""
    nodes = [
        helper.make_node("Mul", ["input_features", "zero"], ["reconstruction"]),
        helper.make_node("Gather", ["input_features", "index"], ["anomaly_score"], axis=1),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("index", TensorProto.INT64, [], [STD]),
    ]
    model = helper.make_graph(
        nodes,
        "std",
        [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["batch", N_FEATURE])],
        [
            helper.make_tensor_value_info("reconstruction", TensorProto.FLOAT, ["batch", N_FEATURE]),
            helper.make_tensor_value_info("anomaly_score", TensorProto.FLOAT, ["batch"]),
        ],
        constants,
    )
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


@pytest.fixture(scope="module")
def model():
    """A loaded model whose threshold is a standard deviation of 2 g."""
    return LoadedModel(
        bundle_id="test/1.0.0",
        bundle_digest="d" * 64,
        spec=SPEC,
        scaler=Scaler(
            names=tuple(column.name for column in COLUMNS),
            scales=("linear",) * N_FEATURE,
            mean=(0.0,) * N_FEATURE,
            std=(1.0,) * N_FEATURE,
        ),
        thresholds=Thresholds(
            pooled=2.0, phases={}, k=2, n=3, release_ratio=0.9, false_alarm_rate=0.05, confidence=0.95
        ),
        scorer=Scorer(std_model(), N_FEATURE),
    )


def frames(levels, *, flight="f1", first_seq=0):
    """Frames of 100 samples of noise, each with its standard deviation."""
    rng = np.random.default_rng(9)
    for index, level in enumerate(levels):
        noise = rng.standard_normal((100, 1))
        yield Frame(
            aircraft="a1", engine="e1", flight=flight, phase="cruise", t_ns=10**18 + index * 10**8,
            seq=first_seq + index, rate_hz=1000.0, unit="g", channels=("acc",),
            samples=(level * noise / noise.std()).astype(np.float32),
        )  # fmt: skip


def assess(model, items):
    """Everything a new detector says of some frames."""
    detector = Detector(model)
    return [assessment for item in items for assessment in detector.push(item)]


def test_an_alarm_is_raised_and_cleared(model):
    """Loud frames raise an alarm after 2 of 3 windows; quiet ones clear it when 3 in a row lie under the release."""
    said = assess(model, frames([1, 1, 5, 5, 1, 1, 1, 1, 1]))
    assert [(item.state, item.event) for item in said] == [
        ("normal", ""), ("warning", ""), ("alarm", "raised"), ("alarm", ""), ("alarm", ""), ("alarm", ""),
        ("normal", "cleared"), ("normal", ""),
    ]  # fmt: skip
    assert [item.seq for item in said] == list(range(8))
    assert said[2].score == pytest.approx(5.0, rel=1e-2)
    assert said[2].threshold == 2.0


def test_contributions_are_shares_of_the_squared_residual(model):
    """Largest first, at most five, in shares of the whole."""
    values = np.zeros(N_FEATURE, dtype=np.float32)
    values[[2, 4]] = [3.0, 4.0]
    parts = contributions(model.scaler, values, np.zeros(N_FEATURE, dtype=np.float32), ANYWHERE)
    assert [(part.feature, round(part.share, 6)) for part in parts[:2]] == [
        (COLUMNS[4].name, 16 / 25), (COLUMNS[2].name, 9 / 25),
    ]  # fmt: skip
    assert len(parts) == 2
    assert contributions(model.scaler, values, values, ANYWHERE) == ()


def test_flights_stand_alone(model):
    """A flight is assessed the same after another one as alone: that is what lets a batch equal a stream."""
    alone = assess(model, frames([1, 5, 5, 5], flight="f2"))
    after = assess(model, [*frames([5, 5, 5]), *frames([1, 5, 5, 5], flight="f2")])[-len(alone) :]
    assert [encode_assessment(item) for item in after] == [encode_assessment(item) for item in alone]


def test_what_cannot_be_assessed_is_said_and_does_not_count(model):
    """A dead sensor between loud windows neither alarms nor calms."""
    said = assess(model, frames([5, 5, 0, 5, 5]))
    assert [(item.state, item.reason) for item in said] == [
        ("warning", ""), ("not_assessed", "flatline"), ("not_assessed", "flatline"), ("alarm", ""),
    ]  # fmt: skip
    assert said[1].score == 0.0


def test_outside_its_domain_nothing_is_said_of_health(model):
    """Loud windows of a phase never learned are not assessed, raise nothing, and leave the memory as it was."""
    known = replace(model.thresholds, domain=OperatingDomain(phases=("cruise",)))
    detector = Detector(replace(model, thresholds=known))
    items = list(frames([5, 5, 5, 5, 5, 5]))
    taxi = [replace(item, phase="taxi") for item in items[3:]]
    said = [assessment for item in (*items[:3], *taxi) for assessment in detector.push(item)]
    assert [(item.state, item.reason) for item in said] == [
        ("warning", ""), ("alarm", ""), ("not_assessed", "phase_change"),
        ("not_assessed", OUTSIDE_DOMAIN), ("not_assessed", OUTSIDE_DOMAIN),
    ]  # fmt: skip
    assert said[-1].score == 0.0
    stranger = Detector(replace(model, thresholds=known))
    assert {item.reason for frame in taxi for item in stranger.push(frame)} == {OUTSIDE_DOMAIN}


def test_an_assessment_is_plain_msgpack(model):
    """The bytes hold every field, in one order, readable by any msgpack."""
    (first, *_) = assess(model, frames([1, 1]))
    document = msgpack.unpackb(encode_assessment(first))
    assert document["state"] == "normal"
    assert document["spec_digest"] == SPEC.digest
    assert len(document["contributions"]) == 5


def golden(model, **changes):
    """Golden vectors of two windows, as the ground would write them."""
    samples = np.stack([item.samples for item in frames([1, 2, 3, 4])]).reshape(2, 200, 1)
    features = np.stack([extract_windows(SPEC, part, np.zeros(0))[0].values for part in samples])
    fields = {
        "samples": samples,
        "speeds": np.zeros((2, 0)),
        "pulses": np.zeros((2, 0, 0)),
        "features": features,
        "scores": model.scorer.score_many(features),
    }
    return GoldenVectors(**{**fields, **changes})


def test_golden_vectors_are_reproduced(model):
    """The machine that wrote them passes."""
    replay_golden(golden(model), SPEC, model.scorer)


def test_one_bit_of_a_feature_is_too_much(model):
    """Features must be equal to the bit."""
    features = golden(model).features.copy()
    features[1, 3] = np.nextafter(features[1, 3], np.float32(np.inf))
    with pytest.raises(GoldenMismatch, match="golden window 1, feature 3") as caught:
        replay_golden(golden(model, features=features), SPEC, model.scorer)
    assert caught.value.reason == "golden_features"


def test_scores_may_differ_in_the_last_bits_only(model):
    """Kernels of onnxruntime differ between processors: 1e-6 passes, 1e-4 does not."""
    scores = golden(model).scores
    replay_golden(golden(model, scores=scores * np.float32(1 + 1e-6)), SPEC, model.scorer)
    with pytest.raises(GoldenMismatch, match="golden window 0: expected score") as caught:
        replay_golden(golden(model, scores=scores * np.float32(1 + 1e-4)), SPEC, model.scorer)
    assert caught.value.reason == "golden_scores"
