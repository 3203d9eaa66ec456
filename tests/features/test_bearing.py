"""Fault orders against published values, and the energies about them against hand-made spectra."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.bearing import FaultLines, fault_orders
from shared_features.groups import BearingSpec, EnvelopeGroup, ShaftSpec

SKF_6205 = BearingSpec("drive", "n1", 9, 7.940, 39.04)
"""Drive end of the Case Western Reserve University bench: 0.3126 in on 1.537 in."""


@pytest.mark.parametrize(
    ("bearing", "shaft_hz", "expected"),
    [
        # Case Western Reserve University Bearing Data Center, "Bearing information", multiples of the speed; 2 x BSF.
        (SKF_6205, 1.0, (3.5848, 5.4152, 4.7135 / 2, 0.39828)),
        # H. Qiu et al., J. Sound Vib. 289 (2006): Rexnord ZA-2115 at 2000 rpm, Hz.
        (BearingSpec("a", "n1", 16, 8.4074, 71.501, 15.17), 2000.0 / 60.0, (236.4, 296.9, 139.9, 14.78)),
        # B. Wang et al., IEEE Trans. Reliab. 69 (2020), XJTU-SY: LDK UER204 at 35 Hz.
        (BearingSpec("a", "n1", 8, 7.92, 34.55), 35.0, (107.91, 172.09, 72.33, 13.49)),
    ],
    ids=["6205", "ZA-2115", "UER204"],
)
def test_orders_are_the_published_ones(bearing, shaft_hz, expected):
    """Bearings of three public benches, to the digits that their makers print."""
    np.testing.assert_allclose(np.array(fault_orders(bearing)) * shaft_hz, expected, rtol=5e-4)


def test_rings_share_the_rolling_elements():
    """The passages of both rings add up to one of each element a turn; each passes the outer ring once a cage turn."""
    orders = fault_orders(SKF_6205)
    assert orders.bpfo + orders.bpfi == pytest.approx(9.0, rel=1e-12)
    assert orders.bpfo == pytest.approx(9.0 * orders.ftf, rel=1e-12)


@pytest.fixture
def faults(make_spec):
    """The faults of the 6205 over an envelope spectrum of 500 lines of 1 Hz; keywords change the group."""

    def make(**changes):
        group = EnvelopeGroup(True, (200.0, 700.0), (SKF_6205,), **{"harmonics": 3, "tolerance": 0.0, **changes})
        return FaultLines(make_spec(shafts=(ShaftSpec("n2"), ShaftSpec("n1")), envelope=group), 500)

    return make


def speeds(n1_hz):
    """(2,) speeds of n2 and n1; the bearing sits on n1."""
    return np.array([np.nan, n1_hz])


def test_line_counts_for_the_fault_at_its_frequency(faults):
    """A single line on the third harmonic of one fault belongs to that fault alone."""
    orders = fault_orders(SKF_6205)
    for index in range(4):
        power = np.zeros(501)
        power[round(3 * 20.3 * orders[index])] = 0.7
        found = faults().energies(power, speeds(20.3))
        assert found.argmax() == index
        assert found[index] == pytest.approx(0.7, rel=1e-12)


@pytest.mark.parametrize(("tolerance", "widths"), [(0.0, (4.0, 4.0, 4.0)), (0.04, (4.0, 8.0, 12.0))])
def test_width_is_the_main_lobe_or_the_tolerance(faults, tolerance, widths):
    """Over equal lines the energy is the width that is summed: two lines a side, or the share of k f where wider."""
    power = np.append(np.ones(500), 0.0)
    bpfo_hz = 50.0
    found = faults(tolerance=tolerance).energies(power, speeds(bpfo_hz / fault_orders(SKF_6205).bpfo))
    assert found[0] == pytest.approx(sum(widths), rel=1e-12)


def test_no_line_counts_twice_within_a_fault(faults):
    """At 25 % the sixteen harmonics of the cage overlap from the third on: the energy is the length of their union."""
    power = np.append(np.ones(500), 0.0)
    ftf_hz = 20.0
    found = faults(harmonics=16, tolerance=0.25).energies(power, speeds(ftf_hz / fault_orders(SKF_6205).ftf))
    spans = [(0.75 * k * ftf_hz, 1.25 * k * ftf_hz) for k in range(1, 17)]
    grid = np.arange(0.0005, 499.5, 0.001)
    union = np.any([(low <= grid) & (grid < high) for low, high in spans], axis=0)
    assert found[3] == pytest.approx(union.sum() * 0.001, rel=1e-4)


def test_harmonics_above_the_spectrum_do_not_count(faults):
    """Two harmonics of BPFI within 500 lines: four lines each, though sixteen are asked for."""
    power = np.append(np.ones(500), 0.0)
    found = faults(harmonics=16).energies(power, speeds(240.0 / fault_orders(SKF_6205).bpfi))
    assert found[1] == pytest.approx(8.0, rel=1e-12)


def test_a_span_within_one_line_counts_its_share(faults):
    """Twice BPFI at 500.9 lines: of its main lobe, 498.9 to 502.9, 0.6 of a line are left below 499.5."""
    power = np.append(np.full(500, 2.0), 0.0)
    found = faults().energies(power, speeds(500.9 / 2 / fault_orders(SKF_6205).bpfi))
    assert found[1] == pytest.approx(8.0 + 1.2, rel=1e-9)


def test_nothing_counts_at_speeds_that_do_not_fit(faults):
    """A shaft at rest, or of unknown speed, has no fault lines: zero, whatever speed came before."""
    power = np.append(np.ones(500), 0.0)
    lines = faults()
    for n1_hz in (0.0, np.nan, 500.0):
        assert lines.energies(power, speeds(20.0)).all()
        assert not lines.energies(power, speeds(n1_hz)).any()


def test_the_mean_does_not_count(faults):
    """A cage that turns 1.01 times a record: line 0 is out, the lines up to 3.01 are in."""
    power = np.append(np.ones(500), 0.0)
    power[0] = 1e6
    found = faults(harmonics=1).energies(power, speeds(1.01 / fault_orders(SKF_6205).ftf))
    assert found[3] == pytest.approx(2.51, rel=1e-12)


def test_a_hair_of_speed_moves_a_hair_of_energy(faults):
    """Lines enter by their share: no step where a border passes from one to the next."""
    power = np.append(np.random.default_rng(5).exponential(size=500), 0.0)
    found = np.array([faults().energies(power, speeds(20.0 + step * 1e-4)) for step in range(2000)])
    assert np.ptp(found, axis=0).min() > 0.1
    assert np.abs(np.diff(found, axis=0)).max() < 0.02


def test_weak_fault_beside_a_strong_line_keeps_its_digits(faults):
    """No cumulated sum: 1e-20 of power beside 1 is still 1e-20."""
    power = np.zeros(501)
    power[3], power[round(20.0 * fault_orders(SKF_6205).bpfi)] = 1.0, 1e-20
    assert faults().energies(power, speeds(20.0))[1] == pytest.approx(1e-20, rel=1e-12)


@pytest.mark.parametrize(
    ("n1_hz", "fits"),
    [
        (20.0, True),
        (2.52, True),
        (2.50, False),
        (92.2, True),
        (92.3, False),
        (0.0, False),
        (-20.0, False),
        (np.nan, False),
    ],
)
def test_first_harmonics_must_fit(faults, n1_hz, fits):
    """One turn of the cage a record (0.398 n1 = 1 Hz) at least, and BPFI (5.415 n1) within 499.5 lines."""
    assert faults().fit(speeds(n1_hz)) is fits
