"""A channel in too large a unit is told: nobody can hear what the scaler takes for nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ground.faint import faint_text
from shared_features.extract import extract_windows
from shared_features.feature import LOG
from shared_features.groups import QualityLimits
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

SPEC = FeatureSpec(
    sampling_rate_hz=1024.0,
    record_s=1.0,
    window_s=1.0,
    hop_s=1.0,
    channels=(ChannelSpec("a.b", "V"), ChannelSpec("a", "g")),
    conditions=("n1_hz",),
    spectrum=SpectrumGroup(segment_n=256, overlap_n=128, bands_hz=((8.0, 128.0), (128.0, 256.0))),
)


def features(*rms):
    """Features of noise of such a level in each channel."""
    noise = np.random.default_rng(1).normal(size=(20 * 1024, 2)) * rms
    windows = extract_windows(SPEC, noise.astype(np.float32), np.array([50.0]))
    return np.array([window.values for window in windows])


@pytest.mark.parametrize("rms", [1.0, 1e-3])
def test_what_is_loud_enough_is_not_told(rms):
    """Also at a thousandth."""
    assert faint_text(SPEC, features(rms, rms)) == ""


def test_a_channel_in_too_large_a_unit_is_named():
    """Microvolts in volts: the powers of its bands lie below the floor; the other channel is fine."""
    told = faint_text(SPEC, features(1e-6, 1.0))
    assert told.startswith("too small for their unit: a.b (")
    assert "features, in V); what is below 1e-12 counts as nothing" in told
    assert "a (" not in told


def test_what_stands_still_is_not_too_small():
    """Zero is zero in any unit; and one faint window in three is no matter of the unit."""
    values = features(1.0, 1.0)
    is_log = np.array([column.scale == LOG for column in columns_of(SPEC)])
    values[:, is_log] = 0.0
    assert faint_text(SPEC, values) == ""
    values = features(1e-6, 1e-6)
    values[::3] = features(1.0, 1.0)[::3]
    assert faint_text(SPEC, values)
    values[1::3] = values[::3][: len(values[1::3])]
    assert faint_text(SPEC, values) == ""


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_rounding_is_not_too_small(size):
    """Beside a pure tone the lines hold what float32 rounds, or nothing: no unit would tell more."""
    spec = replace(SPEC, quality=QualityLimits(flat_repeat_ratio=1.0, flat_run_ratio=1.0, clip_ratio=1.0))
    tone = size * np.sin(2 * np.pi * 40.0 * np.arange(20 * 1024) / 1024)
    square = size * (np.arange(20 * 1024) % 64 < 32)
    samples = np.stack([tone, square], axis=1).astype(np.float32)
    values = np.array([window.values for window in extract_windows(spec, samples, np.array([50.0]))])
    assert ((values > 0.0) & (values < 1e-12)).any()
    assert faint_text(SPEC, values) == ""
