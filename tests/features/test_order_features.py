"""Features of orders: their names, and their way from samples and pulses to the vector."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.extract import StreamingExtractor, extract_windows
from shared_features.orders import OrdersMaker, order_features
from shared_features.spec import (
    Carrier,
    ChannelSpec,
    FeatureSpec,
    OrderBand,
    OrdersGroup,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
)
from shared_features.vector import columns_of

RATE_HZ = 25_600.0
START_HZ, RISE_HZ_S = 85.0, 8.5
SPEC = FeatureSpec(
    sampling_rate_hz=RATE_HZ,
    record_s=1.0,
    window_s=1.0,
    hop_s=1.0,
    channels=(ChannelSpec("acc", "g"),),
    spectrum=SpectrumGroup(5120, 2560, ()),
    shafts=(ShaftSpec("n1", "tach"), ShaftSpec("n2")),
    orders=OrdersGroup(
        enabled=True,
        shafts=(ShaftOrders("n2", (1.0,), (Carrier(27.0, 2),)), ShaftOrders("n1", (0.5, 1.0))),
        bands=(OrderBand("n1", 2.0, 10.0),),
        max_hz=1000.0,
    ),
)
SECONDS = 3
TIME_S = np.arange(SECONDS * RATE_HZ) / RATE_HZ
TURNS = START_HZ * TIME_S + 0.5 * RISE_HZ_S * TIME_S**2
NOISE = 0.1 * np.random.default_rng(6).standard_normal(TIME_S.size)
SAMPLES = (np.sin(2.0 * np.pi * TURNS) + NOISE).astype(np.float32)[:, np.newaxis]
PULSES = RATE_HZ * (np.sqrt(START_HZ**2 + 2.0 * RISE_HZ_S * np.arange(TURNS[-1])) - START_HZ) / RISE_HZ_S
SPEEDS = np.array([230.0])


def pushed(chunk_n):
    """The windows of the stream in chunks."""
    stream, windows = StreamingExtractor(SPEC), []
    for begin in range(0, len(SAMPLES), chunk_n):
        inside = PULSES[(begin <= PULSES) & (begin + chunk_n > PULSES)] - begin
        windows += stream.push(SAMPLES[begin : begin + chunk_n], SPEEDS, {"n1": inside})
    return windows


def test_features_are_named_after_shaft_and_order():
    """Orders of all shafts, then carriers with their sidebands, then bands: RMS in the channel's unit."""
    features = order_features(SPEC)
    names = ["n2_1x", "n1_0.5x", "n1_1x", "n2_27x", "n2_27x_sidebands", "n1_order_2_10"]
    assert [feature.name for feature in features] == names
    assert {(feature.unit, feature.scale) for feature in features} == {("{u}", "log")}
    assert all(feature.formula and feature.source for feature in features)
    assert OrdersMaker(SPEC).n == len(features)


def test_windows_hold_the_orders_of_their_records():
    """1x keeps its RMS through three seconds of run-up, in noise of 0.1; the band holds the noise's density."""
    windows = extract_windows(SPEC, SAMPLES, SPEEDS, {"n1": PULSES})
    names = [column.name for column in columns_of(SPEC)]
    assert [window.reason for window in windows] == [""] * SECONDS
    for second, window in enumerate(windows):
        values = dict(zip(names, window.values.tolist(), strict=True))
        mean_hz = START_HZ + RISE_HZ_S * (second + 0.5)
        assert values["acc.n1_1x"] == pytest.approx(np.sqrt(0.5), rel=0.02)
        assert values["acc.n1_order_2_10"] == pytest.approx(np.sqrt(0.01 / (RATE_HZ / 2.0) * 8.0 * mean_hz), rel=0.1)


@pytest.mark.parametrize("chunk_n", [999, 2560, 30_000])
def test_a_stream_has_the_bits_of_the_batch(chunk_n):
    """However samples and pulses are cut."""
    expected = extract_windows(SPEC, SAMPLES, SPEEDS, {"n1": PULSES})
    assert [window.values.tobytes() for window in pushed(chunk_n)] == [window.values.tobytes() for window in expected]


def test_a_lost_tachometer_is_a_reason():
    """One pulse of the second record is missing: that window is not assessed, its neighbours are."""
    windows = extract_windows(SPEC, SAMPLES, SPEEDS, {"n1": np.delete(PULSES, 130)})
    assert [window.reason for window in windows] == ["", "tach_loss", ""]
