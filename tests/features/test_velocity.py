"""Velocity RMS: integrated tones have the closed form a / (2 pi f), whatever line they lie between."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.spec import ChannelSpec, VelocityGroup

T = np.arange(4000) / 2000.0


def velocity_of(make_spec, values_of, signal, unit="g", low_hz=10.0):
    """Velocity RMS of a signal in ``unit``, in mm/s; lines are 5 Hz apart."""
    group = VelocityGroup(enabled=True, low_hz=low_hz, high_hz=900.0)
    return values_of(make_spec(channels=(ChannelSpec("acc", unit),), velocity=group), signal)[
        f"velocity_rms_{low_hz:g}_900_hz"
    ]


@pytest.mark.parametrize(
    ("hz", "tolerance"), [(25.0, 0.002), (26.3, 0.002), (50.0, 5e-4), (52.5, 5e-4), (160.0, 1e-4), (800.0, 1e-4)]
)
def test_a_tone_has_its_velocity(make_spec, values_of, hz, tolerance):
    """1 g at f: 9806.65 / (2 pi f) / sqrt(2) mm/s, to 0.2 % from the fifth line on."""
    expected = 9806.65 / (2.0 * np.pi * hz) / np.sqrt(2.0)
    got = velocity_of(make_spec, values_of, np.sin(2 * np.pi * hz * T))
    assert got == pytest.approx(expected, rel=tolerance)


def test_units_agree(make_spec, values_of):
    """The same motion in m/s² and in g."""
    signal = np.sin(2 * np.pi * 50.0 * T)
    in_g = velocity_of(make_spec, values_of, signal)
    in_m_s2 = velocity_of(make_spec, values_of, 9.80665 * signal, unit="m/s2")
    assert in_m_s2 == pytest.approx(in_g, rel=1e-6)


def test_noise_has_the_integral_of_its_density(make_spec, values_of):
    """White noise of density S from 51 to 900 Hz: S (1/51 - 1/900) / (2 pi)^2, within what 80 s of it can tell."""
    noise = np.random.default_rng(8).standard_normal((40, 4000))
    got = np.mean([velocity_of(make_spec, values_of, row, low_hz=51.0) ** 2 for row in noise])
    expected = 1e-3 * (1 / 51.0 - 1 / 900.0) / (2.0 * np.pi) ** 2 * 9806.65**2
    assert got == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("hz", [50.0, 900.0])
def test_at_the_ends_of_the_band_half_the_power_counts(make_spec, values_of, hz):
    """As with the filters of vibration meters."""
    got = velocity_of(make_spec, values_of, np.sin(2 * np.pi * hz * T), low_hz=50.0)
    assert got == pytest.approx(9806.65 / (2.0 * np.pi * hz) / 2.0, rel=0.05)


@pytest.mark.parametrize("hz", [1.0, 950.0])
def test_what_lies_outside_the_band_does_not_count(make_spec, values_of, hz):
    """A slow sway and a tone above the band leave less than a hundredth of what they would inside."""
    got = velocity_of(make_spec, values_of, np.sin(2 * np.pi * hz * T))
    assert got < 0.01 * 9806.65 / (2.0 * np.pi * hz)
