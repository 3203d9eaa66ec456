"""Dominant lines: frequency and level of tones that lie between the lines of the transform."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.dominant import dominant_peaks
from shared_features.spec import SpectrumGroup

T = np.arange(4000) / 2000.0
GROUP = SpectrumGroup(400, 200, (), dominant_n=3)


@pytest.mark.parametrize("offset_hz", [0.0, 0.3, 1.25, 2.5, 3.7, 4.9])
def test_a_tone_between_lines_is_found_where_it_is(make_spec, values_of, offset_hz):
    """Lines are 5 Hz apart; Grandke's ratio finds a steady tone to a thousandth of that, its RMS to 0.2 %."""
    hz = 200.0 + offset_hz
    values = values_of(make_spec(spectrum=GROUP), 3.0 * np.sin(2 * np.pi * hz * T + 0.4))
    assert values["dominant_1_hz"] == pytest.approx(hz, abs=0.005)
    assert values["dominant_1_rms"] == pytest.approx(3.0 / np.sqrt(2.0), rel=2e-3)


def test_tones_come_in_the_order_of_their_strength(make_spec, values_of):
    """Three tones of falling strength, not of falling frequency."""
    tones = {310.0: 1.0, 720.0: 4.0, 101.0: 2.0}
    signal = sum(a * np.sin(2 * np.pi * hz * T) for hz, a in tones.items())
    values = values_of(make_spec(spectrum=GROUP), signal)
    found = [values[f"dominant_{rank}_hz"] for rank in (1, 2, 3)]
    assert found == pytest.approx([720.0, 101.0, 310.0], abs=0.05)


def test_noise_moves_a_tone_by_little(make_spec, values_of):
    """At a signal-to-noise ratio of 20 dB the frequency is good to a twentieth of a line."""
    noise = 0.07 * np.random.default_rng(2).standard_normal(len(T))
    values = values_of(make_spec(spectrum=GROUP), np.sin(2 * np.pi * 333.3 * T) + noise)
    assert values["dominant_1_hz"] == pytest.approx(333.3, abs=0.25)


@pytest.mark.parametrize(
    ("power", "line"),
    [
        ([0.0, 1.0, 0.0, 1.0, 0.0], 2),
        ([3.0, 2.0, 1.0], 1),
        ([1.0, 2.0, 3.0], 3),
        ([0.0, 0.0, 0.0], 1),
        ([0.0, 2.0, 2.0, 0.0], 2),
    ],
    ids=["twins", "falling", "rising", "silent", "plateau"],
)
def test_ties_and_edges_are_settled(power, line):
    """Of equal lines the lowest is taken, half a line off at most; slopes end at the edge, silence at line 1."""
    number = dominant_peaks(np.array(power), 1)[0, 0]
    assert abs(number - line) <= 0.5


def test_fewer_peaks_than_asked_for():
    """Where one peak is all there is, line 1 stands in for the others."""
    number, power = dominant_peaks(np.array([0.0, 0.0, 5.0, 1.0, 0.0]), 3)
    assert number[0] == pytest.approx(2.95, abs=0.1)
    assert abs(number[1] - 1.0) <= 0.5
    assert power[0] == 6.0
