"""The parts of the simulator against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ground.simulate import bearing, profile, transmission
from ground.simulate.orders import OrderSeries, order_sum, power, pulses, rotate, unit_vector
from ground.simulate.traits import Mount

RATE_HZ = 8192.0


def steady(n1_hz: float, n2_hz: float, duration_s: float) -> profile.Conditions:
    """Constant speeds, full load."""
    n = round(duration_s * RATE_HZ) + profile.settle_n(RATE_HZ)
    return profile.Conditions(
        rate_hz=RATE_HZ,
        n1_hz=np.full(n, n1_hz),
        n2_hz=np.full(n, n2_hz),
        load=np.ones(n, np.float32),
        phase=np.full(n, 3, np.int8),
    )


def test_bearing_orders_obey_their_identities() -> None:
    """BPFO + BPFI = Z and BPFO = Z FTF for any geometry; one geometry by hand."""
    simple = bearing.Bearing(n_balls=8, ball_mm=10.0, pitch_mm=40.0, contact_rad=0.0)
    assert simple.bpfo_order == pytest.approx(3.0)
    assert simple.bpfi_order == pytest.approx(5.0)
    assert simple.ftf_order == pytest.approx(0.375)
    assert simple.bsf_order == pytest.approx(1.875)
    fan = bearing.FAN_BEARING
    assert fan.bpfo_order + fan.bpfi_order == pytest.approx(fan.n_balls)
    assert fan.bpfo_order == pytest.approx(fan.n_balls * fan.ftf_order)


def test_turns_are_the_integral_of_the_speed() -> None:
    """A linear ramp n0 + a t gives n0 t + a t^2 / 2 turns."""
    conditions = steady(40.0, 160.0, 2.0)
    time_s = np.arange(len(conditions.load)) / RATE_HZ
    conditions.n1_hz[:] = 40.0 + 10.0 * time_s
    turns = rotate(conditions).turns1
    np.testing.assert_allclose(turns, 40.0 * time_s + 5.0 * time_s**2, atol=60.0 / RATE_HZ)


def test_a_pulse_a_turn() -> None:
    """1 at the first sample at or after each whole turn, wherever the count of turns begins."""
    turns = np.array([0.7, 0.9, 1.0, 1.2, 1.9, 2.1, 2.6, 3.0])
    assert pulses(turns).tolist() == [0, 0, 1, 0, 0, 1, 0, 1]
    assert pulses(turns + 17.0).tolist() == [0, 0, 1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize("exponent", [1, 2, 3, 7, 22, 41])
def test_power_is_the_multiple_of_the_angle(exponent: int) -> None:
    """De Moivre: z^k turns k times as far."""
    turns = np.linspace(0, 3, 1000)
    np.testing.assert_allclose(power(unit_vector(turns), exponent), unit_vector(exponent * turns), atol=2e-5)


def test_order_sum_equals_one_cosine_an_order_through_a_ramp() -> None:
    """Horner's rule over exp(i theta) against the plain sum, speed rising by a half."""
    conditions = steady(40.0, 160.0, 2.0)
    conditions.n1_hz[:] = np.linspace(40.0, 60.0, len(conditions.load))
    rotation = rotate(conditions)
    series = OrderSeries((1, 2, 5, 22, 44), (0.5, 0.2j, 0.1 - 0.1j, 0.4, 0.05))
    plain = sum(
        abs(amplitude) * np.cos(2 * np.pi * order * rotation.turns1 + np.angle(amplitude))
        for order, amplitude in zip(series.orders, series.amplitudes, strict=True)
    )
    np.testing.assert_allclose(order_sum(rotation.n1, series), plain, atol=1e-4)


def test_order_amplitudes_at_steady_speed() -> None:
    """At a whole number of turns a second the FFT line of order k has exactly its amplitude."""
    turns = np.arange(round(RATE_HZ)) * 64.0 / RATE_HZ
    series = OrderSeries((1, 3, 22), (0.25, 0.08j, -0.35))
    lines = np.abs(np.fft.rfft(order_sum(unit_vector(turns), series))) / (RATE_HZ / 2)
    for order, amplitude in zip(series.orders, series.amplitudes, strict=True):
        assert lines[64 * order] == pytest.approx(abs(amplitude), rel=1e-4)
    lines[[64, 192, 64 * 22]] = 0
    assert lines.max() < 1e-5


def test_orders_above_the_filter_are_not_made() -> None:
    """No order may alias: the limit drops those above the pass band."""
    assert OrderSeries((1, 22, 44), (1.0, 2.0, 3.0)).below(30.5) == OrderSeries((1, 22), (1.0, 2.0))
    rotation = rotate(steady(80.0, 200.0, 0.5))
    assert rotation.order_limit1 * 80.0 == pytest.approx(0.45 * RATE_HZ)
    assert not order_sum(rotation.n1, OrderSeries((), ())).any()


@pytest.mark.parametrize("defect", ["bearing_outer", "bearing_inner", "bearing_ball"])
def test_impact_rate_is_the_kinematic_one_less_slip(defect: str) -> None:
    """1000 turns hold impact_order * 1000 impacts, 1 to 2 % less by slip; jitter of 1 % averages out."""
    impulses = bearing.defect_impulses(defect, 1000.0, np.random.default_rng(5))
    ratio = len(impulses.turns) / (bearing.impact_order(defect) * 1000.0)
    assert 0.979 < ratio < 0.991
    intervals = np.diff(impulses.turns)
    assert np.std(intervals) / np.mean(intervals) == pytest.approx(0.01, rel=0.1)


def test_load_zone_modulates_inner_and_ball_but_not_outer() -> None:
    """An outer-race defect stays under load; the inner one passes the zone once a turn, the ball with the cage."""
    orders = {"bearing_inner": 1.0, "bearing_ball": bearing.FAN_BEARING.ftf_order}
    for defect, order in orders.items():
        impulses = bearing.defect_impulses(defect, 2000.0, np.random.default_rng(6))
        carried = np.abs(np.mean(impulses.sizes * np.exp(-2j * np.pi * order * impulses.turns)))
        assert carried > 0.2 * np.mean(impulses.sizes)
    outer = bearing.defect_impulses("bearing_outer", 2000.0, np.random.default_rng(6))
    assert np.std(np.log(outer.sizes)) == pytest.approx(bearing.SIZE_SPREAD, rel=0.1)
    assert bearing.load_zone(np.array([0.0, np.pi])) == pytest.approx([1.0, bearing.THRUST_SHARE])


def test_impulse_train_keeps_time_and_size() -> None:
    """A shared impulse keeps its sum and its centre of mass."""
    turns = np.arange(100) / 50.0
    train = bearing.impulse_train(bearing.Impulses(np.array([0.205, 1.0]), np.array([2.0, 3.0])), turns)
    assert train.sum() == pytest.approx(5.0)
    assert train[[10, 11, 50]] == pytest.approx([1.5, 0.5, 3.0])


def test_ringing_is_a_damped_sine() -> None:
    """The transfer function's impulse response is exp(-zeta w t) sin(w t)."""
    n, ring_hz, damping = 8192, 3000.0, 0.03
    response = bearing.ringing(np.fft.rfftfreq(n, 1 / RATE_HZ), ring_hz, damping, RATE_HZ)
    angle = 2 * math.pi * ring_hz * np.arange(n) / RATE_HZ
    np.testing.assert_allclose(
        np.fft.irfft(response.astype(complex), n), np.exp(-damping * angle) * np.sin(angle), atol=1e-5
    )


def test_accelerance_has_its_modal_peak() -> None:
    """|1 + g / (2 i zeta)| at a natural frequency, gain well below it."""
    mount = Mount(
        gain=1.5,
        mode_hz=np.array([1000.0]),
        damping=np.array([0.05]),
        mode_gain=np.array([0.2]),
        fan=1.0,
        core=1.0,
        gear=1.0,
    )
    grid = np.array([50.0, 1000.0, RATE_HZ / 2])
    response = np.abs(transmission.accelerance(mount, grid))
    assert response[0] == pytest.approx(1.5, rel=0.01)
    assert response[1] == pytest.approx(1.5 * abs(1 + 0.2 / 0.1j), rel=1e-3)
    assert transmission.amplifier(grid)[0] == pytest.approx(50j / (5 + 50j), rel=1e-5)


def test_transform_keeps_the_end_out_of_the_beginning() -> None:
    """A filter of one delay shifts; nothing comes back round."""
    transform = transmission.Transform(5000, RATE_HZ)
    samples = np.random.default_rng(1).standard_normal(5000).astype(np.float32)
    delay = np.exp(-2j * np.pi * transform.frequency_hz * 100 / RATE_HZ).astype(np.complex64)
    moved = transform.inverse(transform.forward(samples) * delay)
    np.testing.assert_allclose(moved[100:], samples[:-100], atol=1e-4)
    assert np.abs(moved[:100]).max() < 1e-4


@pytest.mark.parametrize("colour", [transmission.flow_colour, transmission.rumble_colour])
def test_colours_keep_the_rms_of_white_noise(colour: object) -> None:
    """Parseval: the mean square of the colour is one."""
    assert callable(colour)
    assert np.mean(np.square(colour(np.linspace(0, 5120, 4097)))) == pytest.approx(1.0, rel=1e-5)


def test_a_flight_goes_through_its_phases_smoothly() -> None:
    """Every phase once and in order, speeds near their targets at its end, no jump anywhere."""
    n = round(12 * RATE_HZ)
    flight = profile.fly(RATE_HZ, n, np.random.default_rng(3))
    assert len(flight.load) == len(flight.n1_hz) == len(flight.phase) == n + flight.settle_n
    changes = np.flatnonzero(np.diff(flight.phase))
    np.testing.assert_array_equal(flight.phase[[*changes, -1]], np.arange(len(profile.PHASES)))
    for index, end in enumerate([*changes, -1]):
        assert flight.n1_hz[end] == pytest.approx(profile.N1_RATED_HZ * profile.PHASES[index].n1, rel=0.05)
        assert flight.n2_hz[end] == pytest.approx(profile.N2_RATED_HZ * profile.PHASES[index].n2, rel=0.05)
    # The steepest smoothstep is 1.5 rises over the shortest ramp.
    steepest = 1.5 * 0.6 * profile.N1_RATED_HZ / (0.8 * 0.13 * 12 * profile.RAMP_SHARE)
    assert np.abs(np.diff(flight.n1_hz)).max() * RATE_HZ < steepest


def test_the_bus_reports_held_and_rounded_speeds() -> None:
    """Twenty values a second in steps of 1/64 Hz, close to the true speed."""
    true_hz = np.linspace(40.0, 60.0, round(2 * RATE_HZ))
    told_hz = profile.bus_speed(true_hz, RATE_HZ)
    assert told_hz.dtype == np.float32
    assert np.all(told_hz * 64 == np.rint(told_hz * 64))
    assert np.count_nonzero(np.diff(told_hz)) <= 40
    assert np.abs(told_hz - true_hz).max() < 10.0 / 20 + 1 / 64
