"""The scorer with real onnxruntime sessions over small real graphs."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from edge_agent.errors import ScorerError
from edge_agent.scorer import Scorer

N_FEATURE = 3


def graph(nodes, *, n_feature=N_FEATURE, outputs=("reconstruction", "anomaly_score"), constants=()):
    """A model from ``input_features`` to the two outputs."""
    shapes = {"reconstruction": ["batch", n_feature], "anomaly_score": ["batch"]}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["batch", n_feature])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
            [helper.make_tensor("axes", TensorProto.INT64, [1], [1]), *constants],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    return model.SerializeToString()


IDENTITY = helper.make_node("Identity", ["input_features"], ["reconstruction"])
SUM = helper.make_node("ReduceSum", ["input_features", "axes"], ["anomaly_score"], keepdims=0)


def test_scores_are_those_of_the_graph():
    """Each call reads the new features and gives its own copy of the reconstruction."""
    scorer = Scorer(graph([IDENTITY, SUM]), N_FEATURE)
    first = scorer.score(np.array([1.0, 2.0, 3.0], dtype=np.float32))
    second = scorer.score(np.array([4.0, 5.0, 6.0], dtype=np.float32))
    assert (first.score, second.score) == (6.0, 15.0)
    assert first.reconstruction.tolist() == [1.0, 2.0, 3.0]


def test_a_batch_scores_as_its_windows_do():
    """``score_many`` gives the bits of ``score``, and nothing for nothing."""
    scorer = Scorer(graph([IDENTITY, SUM]), N_FEATURE)
    features = np.random.default_rng(2).standard_normal((64, N_FEATURE)).astype(np.float32)
    alone = np.array([scorer.score(row).score for row in features], dtype=np.float32)
    assert scorer.score_many(features).tobytes() == alone.tobytes()
    assert scorer.score_many(features[:0]).shape == (0,)


BAD_MODELS = [
    ("no model", b"not onnx", "expected a model onnxruntime loads"),
    ("empty", b"", "expected a model onnxruntime loads"),
    ("other width", graph([IDENTITY, SUM], n_feature=4), "expected .* export it again"),
    ("outputs swapped", graph([IDENTITY, SUM], outputs=("anomaly_score", "reconstruction")), "expected .* got"),
    ("one output", graph([IDENTITY, SUM], outputs=("reconstruction",)), "expected .* got"),
]


@pytest.mark.parametrize(("model", "text"), [row[1:] for row in BAD_MODELS], ids=[row[0] for row in BAD_MODELS])
def test_models_that_do_not_fit_are_refused(model, text):
    """A model that onnxruntime refuses, or with another interface, never becomes a scorer."""
    with pytest.raises(ScorerError, match=text):
        Scorer(model, N_FEATURE)


def test_a_score_that_is_not_a_number_is_an_error():
    """NaN never compares above a threshold: it must not pass for normal."""
    log = [helper.make_node("Log", ["input_features"], ["logs"])]
    total = helper.make_node("ReduceSum", ["logs", "axes"], ["anomaly_score"], keepdims=0)
    scorer = Scorer(graph([IDENTITY, *log, total]), N_FEATURE)
    with pytest.raises(ScorerError, match="expected a finite score"):
        scorer.score(np.array([-1.0, 1.0, 1.0], dtype=np.float32))
