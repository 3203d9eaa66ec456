"""Reasons: features that say where come first, as long as what is strange has a place."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.reasons import LEAST_LOCATED_SHARE, contributions, located_features
from edge_agent.scaler import Scaler
from shared_features.extract import extract_windows
from shared_features.groups import EnvelopeGroup, OrdersGroup, ShaftOrders, ShaftSpec
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

RATE_HZ = 2560.0
SPEED_HZ = 50.0
BANDS_HZ = ((20.0, 40.0), (40.0, 60.0), (60.0, 80.0), (80.0, 120.0), (120.0, 400.0), (400.0, 1200.0))
SPEC = FeatureSpec(
    sampling_rate_hz=RATE_HZ, record_s=1.0, window_s=1.0, hop_s=1.0,
    channels=(ChannelSpec("a", "g"), ChannelSpec("b", "g")), conditions=("n1_hz",),
    spectrum=SpectrumGroup(512, 256, BANDS_HZ), shafts=(ShaftSpec("n1"),),
    envelope=EnvelopeGroup(enabled=True, band_hz=(400.0, 1000.0)),
    orders=OrdersGroup(enabled=True, shafts=(ShaftOrders("n1", (1.0, 2.0, 3.0)),), max_hz=400.0),
)  # fmt: skip
NAMES = tuple(column.name for column in columns_of(SPEC))
LOCATED = located_features(SPEC)


def windows(seed: int, n: int, *, unbalance: float = 1.0, offset_g: float = 0.0) -> np.ndarray:
    """(n, n_feature) windows of a machine: noise and three orders, of which the first may be stronger on channel a."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(n * RATE_HZ)) / RATE_HZ
    orders = [np.cos(2 * np.pi * SPEED_HZ * order * time_s + order) / order for order in (1, 2, 3)]
    slow = np.repeat(np.exp(rng.normal(0, 0.1, (n, 2, 3))), round(RATE_HZ), axis=0)
    slow[:, 0, 0] *= unbalance
    samples = rng.normal(0, 0.5, (len(time_s), 2)) + np.einsum("nco,on->nc", slow, np.array(orders))
    samples[:, 0] += offset_g
    found = extract_windows(SPEC, samples.astype(np.float32), np.array([SPEED_HZ]))
    return np.stack([window.values for window in found])


@pytest.fixture(scope="module")
def healthy() -> tuple[Scaler, np.ndarray]:
    """The usual of each feature, in z and in physical units."""
    values = windows(1, 60)
    scales = tuple(column.scale for column in columns_of(SPEC))
    is_log = np.array([scale == "log" for scale in scales])
    scaled = np.where(is_log, np.log(np.maximum(values, 1e-12)), values)
    std = np.where(scaled.std(axis=0) > 1e-6, scaled.std(axis=0), 1.0)
    usual = np.where(is_log, np.exp(scaled.mean(axis=0)), scaled.mean(axis=0)).astype(np.float32)
    return Scaler(NAMES, scales, tuple(scaled.mean(axis=0).tolist()), tuple(std.tolist())), usual


def test_which_features_have_a_place() -> None:
    """Bands, orders and the envelope, of every channel; no level, no shape of the whole, no condition."""
    placed = {name for name, located in zip(NAMES, LOCATED, strict=True) if located}
    assert {"a.band_40_60_hz", "b.band_400_1200_hz", "a.n1_1x", "b.n1_3x", "a.envelope_kurtosis"} <= placed
    others = {"a.rms", "a.kurtosis", "a.mean", "b.centroid", "b.entropy", "b.rolloff", "n1_hz"}
    assert not placed & others
    assert others <= set(NAMES)


def test_unbalance_is_named_by_its_order(healthy: tuple[Scaler, np.ndarray]) -> None:
    """A first order of twice its size: the order, or the band that holds it, is named first, on the right channel."""
    scaler, usual = healthy
    named = [
        [part.feature for part in contributions(scaler, each, usual, LOCATED)] for each in windows(2, 20, unbalance=2.0)
    ]
    assert {names[0] for names in named} <= {"a.n1_1x", "a.band_40_60_hz"}
    assert all("a.n1_1x" in names[:2] for names in named)


def test_without_a_place_the_whole_is_named(healthy: tuple[Scaler, np.ndarray]) -> None:
    """An offset is in no band and in no order: the mean is named, not the largest of what happens to have a place."""
    scaler, usual = healthy
    for each in windows(3, 5, offset_g=5.0):
        parts = contributions(scaler, each, usual, LOCATED)
        assert parts[0].feature == "a.mean"
        assert parts[0].share > 1.0 - LEAST_LOCATED_SHARE


def test_shares_are_of_the_whole(healthy: tuple[Scaler, np.ndarray]) -> None:
    """Shares are of all features, named or not, so that they never promise more than there is; largest first."""
    scaler, usual = healthy
    (each,) = windows(4, 1, unbalance=3.0)
    shares = [part.share for part in contributions(scaler, each, usual, LOCATED)]
    everything = [part.share for part in contributions(scaler, each, usual, np.ones(len(NAMES), dtype=bool))]
    assert shares == sorted(shares, reverse=True)
    assert 0.0 < sum(shares) <= 1.0
    assert everything[0] >= shares[0]
