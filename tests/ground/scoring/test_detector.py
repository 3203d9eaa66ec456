"""``ground.Detector``: the agent's bits from arrays, tables and folders, and refusals that say what to do."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.detector import Detector as Watch
from edge_agent.errors import BundleError, ConfigError
from ground import Detector
from ground.batch import ModelSource, load_signed
from ground.errors import DataError
from tests.conftest import noise

RATE_HZ = 1000
WINDOW_N = 2 * RATE_HZ
LOUD = 5.0


@pytest.fixture(scope="module")
def detector(small_bundle):
    """The small detector, of windows of 2 s at 1,000 Hz."""
    return Detector.from_bundle(small_bundle.path, key=small_bundle.key)


@pytest.fixture(scope="module")
def flight(small_bundle):
    """12 s of a flight, loud from 6 s on, and what the agent says of it."""
    frames = small_bundle.frames(12.0, faulty_from_s=6.0, seed=3)
    watch = Watch(load_signed(ModelSource(small_bundle.path, (small_bundle.key,))))
    said = [each for frame in frames for each in watch.push(frame)]
    return np.concatenate([frame.samples for frame in frames]), said


def windows_of(samples):
    """(n, 1, WINDOW_N): a window every second, as the agent cuts them."""
    starts = range(0, len(samples) - WINDOW_N + 1, RATE_HZ)
    return np.stack([samples[start : start + WINDOW_N].T for start in starts])


def test_windows_of_an_array_have_the_bits_of_the_agent(detector, flight):
    """Score, threshold and contributions, window by window."""
    samples, said = flight
    table = detector.score(windows_of(samples), phase="cruise")
    assert table["score"].tolist() == [each.score for each in said]
    assert table["threshold"].tolist() == [each.threshold for each in said]
    assert table["contributions"].tolist() == [
        {part.feature: part.share for part in each.contributions} for each in said
    ]


def test_windows_of_an_array_stand_alone(detector, flight):
    """Above the threshold is a warning; what was before makes no alarm of it."""
    table = detector.score(windows_of(flight[0]), phase="cruise")
    assert set(table["state"]) == {"normal", "warning"}
    assert (table["state"] == "warning").tolist() == (table["score"] > table["threshold"]).tolist()


def test_a_table_of_samples_is_a_recording_with_persistence(detector, flight):
    """As it was on board, alarms included; other columns are left alone."""
    samples, said = flight
    table = detector.score(pd.DataFrame({"acc_1": samples[:, 0], "phase": "cruise", "note": "x"}))
    assert table["score"].tolist() == [each.score for each in said]
    assert table["state"].tolist() == [each.state for each in said]
    assert "alarm" in set(table["state"])
    assert table["event"].tolist() == [each.event for each in said]


def test_a_folder_is_scored_recording_by_recording(detector, tmp_path, flight):
    """In the order of the index."""
    columns = "recording_id,file,unit_id,sampling_rate_hz,channels,signal_units,label"
    rows = [f"{name},{name}.csv,u,{RATE_HZ},acc_1,g,healthy" for name in ("a", "b")]
    (tmp_path / "recordings.csv").write_text("\n".join([columns, *rows]) + "\n")
    for name in ("a", "b"):
        pd.DataFrame({"acc_1": flight[0][:, 0].astype(float), "phase": "cruise"}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    table = detector.score(tmp_path)
    assert table["recording_id"].value_counts().to_dict() == {"a": len(flight[1]), "b": len(flight[1])}
    assert table["score"].tolist() == [each.score for each in flight[1]] * 2


def test_faces_of_scikit_learn(detector, flight):
    """Signs as in sklearn.covariance.EllipticEnvelope: outliers are -1, with a negative decision function."""
    windows = windows_of(flight[0])
    windows[0, 0, :] = 0.0  # a dead sensor
    predicted = detector.predict(windows)
    margin = detector.decision_function(windows)
    scores = detector.score_samples(windows)
    assert predicted[0] == 0
    assert np.isnan(margin[0])
    assert np.isnan(scores[0])
    assert predicted[1:].tolist() == np.where(margin[1:] < 0.0, -1, 1).tolist()
    assert {-1, 1} <= set(predicted.tolist())
    assert scores[1:].tolist() == (-detector.score(windows)["score"][1:]).tolist()


def test_no_windows_give_an_empty_table(detector):
    """With the same columns and types."""
    table = detector.score(np.zeros((0, 1, WINDOW_N)))
    assert table.empty
    assert table["score"].dtype == np.float64


WINDOWS = noise(np.random.default_rng(1), WINDOW_N).T[np.newaxis]


@pytest.mark.parametrize(
    ("samples", "conditions", "text"),
    [
        (WINDOWS[0], {}, r"expected shape \(n_window, 1, 2000\)"),
        (WINDOWS[:, :, :-1], {}, r"got \(1, 1, 1999\)"),
        (np.swapaxes(WINDOWS, 1, 2), {}, "transpose"),
        (WINDOWS.astype(complex), {}, "expected real numbers"),
        (np.full((1, 1, WINDOW_N), "x"), {}, "expected real numbers"),
        ([[[1.0], [1.0, 2.0]]], {}, "expected an array of numbers"),
        (WINDOWS, {"phase": ["a", "b"]}, "expected one text, or 1"),
        (WINDOWS, {"phase": [""]}, "phase"),
        (WINDOWS, {"speed_hz": {"n1": 50.0}}, "speed_hz: expected none, got n1"),
        (WINDOWS, {"tach": {"n1": [[]]}}, "tach: expected none, got n1"),
        (pd.DataFrame({"acc_2": [1.0]}), {}, "among them acc_1, got acc_2"),
        (pd.DataFrame([[1.0, 2.0]], columns=["acc_1", "acc_1"]), {}, "expected different columns"),
        (pd.DataFrame({"acc_1": ["a", "b"]}), {}, "expected numbers"),
        (pd.DataFrame({"acc_1": []}), {}, "expected samples, got none"),
        (pd.DataFrame({"acc_1": [1.0], "phase": [3]}), {}, "phase: expected strings"),
        (pd.DataFrame({"acc_1": [1.0, 2.0], "phase": ["a", None]}), {}, "expected a phase for each sample"),
        (pd.DataFrame({"acc_1": [1.0, 2.0], "time_s": [1.0, 0.0]}), {}, "time_s"),
        (pd.DataFrame({"acc_1": [1.0, 1 + 2j]}), {}, "expected"),
        ("nowhere", {}, "recordings.csv"),
        (pd.DataFrame({"acc_1": [1.0]}), {"phase": "cruise"}, "expected with an array alone"),
    ],
)
def test_what_is_no_window_is_refused(detector, samples, conditions, text):
    """With a text that says what was expected."""
    with pytest.raises(DataError, match=text):
        detector.score(samples, **conditions)


def test_values_that_cannot_be_believed_are_not_assessed(detector):
    """Never normal by default, and no fault either."""
    windows = np.stack([WINDOWS[0]] * 3).astype(np.float64)
    windows[1, 0, 7] = np.nan
    windows[2, 0, 7] = 1e300
    table = detector.score(windows)
    assert table["state"].tolist() == ["normal", "not_assessed", "not_assessed"]
    assert table["reason"][1:].tolist() == ["not_finite", "not_finite"]


def test_only_the_key_that_signed_opens_a_bundle(small_bundle, tmp_path):
    """There is no way round the signature."""
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(BundleError, match="pinned keys"):
        Detector.from_bundle(small_bundle.path, key=stranger)
    with pytest.raises(ConfigError, match="public key"):
        Detector.from_bundle(small_bundle.path)


def test_a_missing_bundle_is_named(small_bundle, tmp_path):
    """The path stands in the text."""
    with pytest.raises(BundleError, match=r"gone\.bundle"):
        Detector.from_bundle(tmp_path / "gone.bundle", key=[small_bundle.key])


def test_the_detector_says_what_it_is(detector):
    """For people at a prompt."""
    assert repr(detector).startswith("<Detector small/1.0.0, release, digest ")
    assert detector.window_shape == (1, WINDOW_N)
    assert detector.manifest.fleet == "test"


def test_import_of_ground_loads_nothing_heavy():
    """``ground --help`` is to be quick; the detector comes when it is asked for."""
    said = subprocess.run(
        [sys.executable, "-c", "import sys, ground; print({'numpy', 'pandas', 'torch'} & sys.modules.keys())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "set()"


def test_an_unknown_name_of_ground_is_an_attribute_error():
    """As of any module."""
    import ground

    with pytest.raises(AttributeError, match="Detektor"):
        ground.Detektor  # noqa: B018
