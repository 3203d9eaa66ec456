"""Time-domain features against closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from shared_features.extract import extract_windows
from shared_features.spec import ChannelSpec, QualityLimits
from shared_features.vector import columns_of

T = np.arange(4000) / 2000.0


def test_sine_has_the_textbook_factors(make_spec, values_of):
    """A sine of amplitude 3 and 50 Hz: whole periods in every record, so the sums are those of the textbook."""
    values = values_of(make_spec(), 3.0 * np.sin(2 * np.pi * 50.0 * T + 0.1))
    assert values["rms"] == pytest.approx(3.0 / np.sqrt(2.0), rel=1e-6)
    assert values["kurtosis"] == pytest.approx(1.5, rel=1e-6)
    assert values["skewness"] == pytest.approx(0.0, abs=1e-6)
    # Forty samples a period miss the very top of the sine by at most 1 - cos(pi/40).
    assert values["crest_factor"] == pytest.approx(np.sqrt(2.0), rel=1 - np.cos(np.pi / 40))
    assert values["shape_factor"] == pytest.approx(np.pi / (2 * np.sqrt(2)), rel=2e-3)
    assert values["impulse_factor"] == pytest.approx(np.pi / 2, rel=5e-3)
    # Two crossings a period; one of the hundred falls on the step between two records, which is not counted.
    assert values["crossing_share"] == pytest.approx(99 / 1999, rel=1e-6)


def test_impulse_train_is_peaky(make_spec, values_of):
    """N samples with m impulses of height 1: mean m/n, kurtosis (1 - 3p + 3p^2) / (p (1 - p)) with p = m/n."""
    signal = np.zeros(4000)
    signal[::100] = 1.0
    trusting = QualityLimits(flat_repeat_ratio=1.0, flat_run_ratio=1.0, dropout_ratio=1.0, spike_ratio=1e6)
    values = values_of(make_spec(quality=trusting), signal)
    p = 1 / 100
    assert values["mean"] == pytest.approx(p, rel=1e-6)
    assert values["std"] == pytest.approx(np.sqrt(p * (1 - p)), rel=1e-6)
    assert values["kurtosis"] == pytest.approx((1 - 3 * p + 3 * p * p) / (p * (1 - p)), rel=1e-6)
    assert values["peak_to_peak"] == 1.0


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3])
def test_noise_agrees_with_scipy(make_spec, values_of, offset):
    """Moments of noise, biased or not, agree with scipy's two-pass formulas to float32 rounding of the result."""
    signal = (np.random.default_rng(7).gamma(2.0, size=4000) + offset).astype(np.float32)
    exact = signal.astype(np.float64)
    values = values_of(make_spec(), signal)
    assert values["mean"] == pytest.approx(exact.mean(), rel=1e-7)
    assert values["std"] == pytest.approx(exact.std(), rel=1e-7)
    assert values["skewness"] == pytest.approx(stats.skew(exact), rel=1e-6)
    assert values["kurtosis"] == pytest.approx(stats.kurtosis(exact, fisher=False), rel=1e-6)
    assert values["peak"] == pytest.approx(np.abs(exact - exact.mean()).max(), rel=1e-7)


def test_a_bias_of_a_million_g_costs_no_digits(make_spec, values_of):
    """float32 samples at 1e6 step by 1/16: on that grid the moments are exact, whatever the bias."""
    grid = np.random.default_rng(3).integers(-400, 400, 4000) / 16.0
    plain, biased = values_of(make_spec(), grid), values_of(make_spec(), grid + 1e6)
    for name in ("std", "kurtosis", "skewness", "peak_to_peak", "shape_factor", "clearance_factor"):
        assert biased[name] == pytest.approx(plain[name], rel=1e-6), name


def test_records_that_stand_still_at_different_levels_are_assessed(make_spec):
    """A valve in coarse steps: its magnitude about the records' means is 0, its deviation is not."""
    valve = make_spec(channels=(ChannelSpec("valve", "%"),))
    levels = np.repeat(np.arange(valve.window_records, dtype=np.float32), valve.record_n)[:, None]
    (window,) = extract_windows(valve, levels, np.zeros(len(valve.speeds)))
    assert window.reason == ""
    named = dict(zip((column.name for column in columns_of(valve)), window.values.tolist(), strict=True))
    assert named["valve.std"] > 0.0
    assert named["valve.shape_factor"] == named["valve.impulse_factor"] == named["valve.clearance_factor"] == 0.0
