"""Each fault leaves its own signature: a faulty flight minus its healthy twin, at steady speed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from ground.simulate import bearing, faults, profile, sensor, transmission
from ground.simulate import flight as flight_module
from ground.simulate.config import FAULTS, SENSOR_FAULTS, FleetConfig
from ground.simulate.flight import FlightRecord, record_flight, simulate_flight
from ground.simulate.orders import GEAR_RATIO, GEAR_TEETH
from ground.simulate.plan import FlightPlan, Stream, plan_fleet, random_stream
from ground.simulate.traits import FAN_BLADES, draw_traits

RATE_HZ = 8192.0
FLIGHT_S = 4.0
N1_HZ = 64.0
N2_HZ = 200.0
CONFIG = FleetConfig(seed=11, sampling_rate_hz=RATE_HZ, flight_s=FLIGHT_S)
HEALTHY = FlightPlan(engine=0, flight=0, fault="", severity=0.0, onset_s=0.0)

Signal = npt.NDArray[np.float64]


@pytest.fixture(autouse=True)
def same_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """One gain on every flight, so that amplitudes have a closed form."""
    monkeypatch.setattr(flight_module, "FLIGHT_GAIN_SPREAD", 0.0)


def fly_steadily(plan: FlightPlan, n1_hz: float = N1_HZ) -> FlightRecord:
    """Record a plan at constant speed and full load."""
    n = CONFIG.n_samples + profile.settle_n(RATE_HZ)
    conditions = profile.Conditions(
        rate_hz=RATE_HZ,
        n1_hz=np.full(n, n1_hz),
        n2_hz=np.full(n, N2_HZ),
        load=np.ones(n, np.float32),
        phase=np.full(n, 3, np.int8),
    )
    return record_flight(CONFIG, plan, conditions, np.random.default_rng(0))


def added_by(fault: str, *, severity: float = 0.8, engine: int = 0, n1_hz: float = N1_HZ) -> Signal:
    """What the fault adds to the signal; both twins share every other random number."""
    twin = replace(HEALTHY, engine=engine)
    faulty = fly_steadily(replace(twin, fault=fault, severity=severity), n1_hz)
    return faulty.samples[0].astype(np.float64) - fly_steadily(twin, n1_hz).samples[0]


def lines(signal: Signal) -> Signal:
    """Amplitude spectrum; line k lies at k / FLIGHT_S Hz."""
    spectrum: Signal = np.abs(np.fft.rfft(signal)) / (len(signal) / 2)
    return spectrum


def line(signal: Signal, frequency_hz: float) -> float:
    """Amplitude at one frequency."""
    return float(lines(signal)[round(frequency_hz * FLIGHT_S)])


def path(frequency_hz: float, engine: int = 0) -> float:
    """Gain from a force to the first sensor."""
    mount = draw_traits(random_stream(CONFIG.seed, engine, Stream.TRAITS)).mounts[0]
    return float(np.abs(transmission.accelerance(mount, np.array([frequency_hz, RATE_HZ / 2])))[0])


@pytest.mark.parametrize("n1_hz", [40.0, 64.0, 80.0])
def test_imbalance_adds_1x_with_the_square_of_the_speed(n1_hz: float) -> None:
    """Amplitude = IMBALANCE_G severity (n / rated)^2 share |H|, on one shaft only; engines cover both shafts."""
    shafts = set()
    for engine in range(4):
        signal = added_by("imbalance", engine=engine, n1_hz=n1_hz)
        on_fan = line(signal, n1_hz) > line(signal, N2_HZ)
        shaft_hz, rated_hz, share = (n1_hz, 85.0, 1.0) if on_fan else (N2_HZ, 230.0, 0.8)
        expected = 2.0 * 0.8 * (shaft_hz / rated_hz) ** 2 * share * path(shaft_hz, engine)
        assert line(signal, shaft_hz) == pytest.approx(expected, rel=0.01)
        assert np.std(signal) == pytest.approx(expected / np.sqrt(2), rel=0.01)
        shafts.add(on_fan)
    assert shafts == {True, False}


def test_imbalance_stays_on_its_shaft() -> None:
    """An engine keeps its unbalanced shaft from flight to flight."""
    for engine in range(6):
        both = []
        for flight in (0, 1):
            twin = replace(HEALTHY, engine=engine, flight=flight)
            faulty = fly_steadily(replace(twin, fault="imbalance", severity=0.8))
            signal = faulty.samples[0].astype(np.float64) - fly_steadily(twin).samples[0]
            both.append(line(signal, N1_HZ) > line(signal, N2_HZ))
        assert both[0] == both[1]


@pytest.mark.parametrize("defect", ["bearing_outer", "bearing_inner", "bearing_ball"])
def test_bearing_defects_ring_at_their_kinematic_rate(defect: str) -> None:
    """The envelope's strongest line near the defect frequency lies 1 to 2 % below it; energy at the resonance."""
    signal = added_by(defect)
    analytic = np.fft.fft(signal)
    analytic[len(signal) // 2 :] = 0
    envelope = lines(np.abs(np.fft.ifft(analytic)))
    expected_hz = bearing.impact_order(defect) * N1_HZ
    low, high = round(expected_hz * 0.95 * FLIGHT_S), round(expected_hz * 1.03 * FLIGHT_S)
    found_hz = (low + int(np.argmax(envelope[low:high]))) / FLIGHT_S
    # A passing load zone may raise a side line above the centre: one modulation step is allowed for.
    steps_hz = {"bearing_outer": 0.0, "bearing_inner": N1_HZ, "bearing_ball": 0.5 * N1_HZ}[defect]
    assert min(abs(found_hz - expected_hz * 0.985 + k * steps_hz) for k in (-1, 0, 1)) < 0.007 * expected_hz
    spectrum = np.square(lines(signal))
    ring = slice(round(2600 * FLIGHT_S), round(3600 * FLIGHT_S))
    assert spectrum[ring].sum() > 0.5 * spectrum.sum()


def test_looseness_has_half_orders_and_many_harmonics() -> None:
    """Lines at 0.5x, 1x, ... 8x of N1 hold the whole signal."""
    signal = added_by("looseness")
    found = [line(signal, N1_HZ * half / 2) for half in range(1, 17)]
    assert min(found) > 0.01
    assert np.sum(np.square(found)) / 2 == pytest.approx(np.var(signal), rel=0.01)


def test_blade_damage_adds_1x_and_sidebands_of_blade_passing() -> None:
    """1x of N1 by its closed form; the first sidebands above the outer ones, none beyond the fourth."""
    signal = added_by("blade_damage")
    force = 0.8 * (N1_HZ / profile.N1_RATED_HZ) ** 2
    assert line(signal, N1_HZ) == pytest.approx(faults.BLADE_UNBALANCE_G * force * path(N1_HZ), rel=0.01)
    for step in (-4, -1, 1, 4):
        order = FAN_BLADES + step
        expected = faults.BLADE_SIDEBAND_G * 0.7 ** (abs(step) - 1) * force * path(order * N1_HZ)
        assert line(signal, order * N1_HZ) == pytest.approx(expected, rel=0.02)
    assert line(signal, (FAN_BLADES + 5) * N1_HZ) < 1e-3


def test_gear_mesh_grows_sidebands_one_gear_turn_apart() -> None:
    """Sidebands lie at (37 +- k) gear turns, and nothing lies between them."""
    signal = added_by("gear_mesh")
    gear_hz = GEAR_RATIO * N2_HZ
    mesh = 0.8 * 0.5 * path(GEAR_TEETH * gear_hz) * 0.9
    assert line(signal, GEAR_TEETH * gear_hz) == pytest.approx(mesh, rel=0.02)
    for step in (-5, -1, 1, 5):
        assert line(signal, (GEAR_TEETH + step) * gear_hz) > 0.005
        assert line(signal, (GEAR_TEETH + step + 0.5) * gear_hz) < 1e-3


def test_quieter_is_quieter_and_the_more_so_the_worse() -> None:
    """The level falls by about QUIETER_LOSS times severity in every flight of some engines."""
    for engine in range(4):
        twin = replace(HEALTHY, engine=engine)
        healthy = np.std(fly_steadily(twin).samples)
        for severity in (0.2, 0.5, 0.9):
            quiet = np.std(fly_steadily(replace(twin, fault="quieter", severity=severity)).samples)
            assert quiet / healthy == pytest.approx(1 - faults.QUIETER_LOSS * severity, rel=0.15)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_grows_with_its_severity(fault: str) -> None:
    """Twice the severity adds more, and an early fault stays below the healthy level."""
    early = np.std(added_by(fault, severity=0.1))
    late = np.std(added_by(fault, severity=0.4))
    assert 1.5 * early < late
    assert early < np.std(fly_steadily(HEALTHY).samples)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_begins_in_flight_changes_nothing_before(fault: str) -> None:
    """Equal to the healthy twin up to the onset, different after the ramp, and marked from the onset on."""
    onset_s = 1.5
    faulty = fly_steadily(replace(HEALTHY, fault=fault, severity=0.8, onset_s=onset_s))
    healthy = fly_steadily(HEALTHY)
    onset_n = round(onset_s * RATE_HZ)
    difference = (faulty.samples - healthy.samples)[0]
    # Zero-phase anti-aliasing spreads a few samples ahead: stay a few milliseconds off.
    assert np.abs(difference[: onset_n - 50]).max() <= 2 * sensor.STEP_G
    assert np.std(difference[-1000:]) > 0.02
    np.testing.assert_array_equal(faulty.anomaly, np.arange(CONFIG.n_samples) >= onset_n)


def broken(name: str, engine: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Samples after the onset of a sensor fault, and what a sound sensor records there."""
    onset_s = 1.0
    record = fly_steadily(replace(HEALTHY, engine=engine, fault=name, onset_s=onset_s))
    sound = fly_steadily(replace(HEALTHY, engine=engine))
    onset_n = round(onset_s * RATE_HZ)
    np.testing.assert_array_equal(record.samples[:, :onset_n], sound.samples[:, :onset_n])
    assert not record.anomaly.any()
    return record.samples[0, onset_n:], sound.samples[0, onset_n:]


def test_flatline_stands_still() -> None:
    """At most one step of flicker around a small offset."""
    found, _ = broken("sensor_flatline")
    assert np.ptp(found) <= sensor.STEP_G
    assert np.abs(found).max() < 0.2


def test_clipping_reaches_both_ends_of_the_converter() -> None:
    """More than one sample in a hundred stands at full scale; a sound sensor never gets there."""
    found, sound = broken("sensor_clipping")
    ends = np.array([-32.0, 32.0 - sensor.STEP_G], np.float32)
    assert set(ends) <= set(found)
    assert np.mean(np.isin(found, ends)) > 0.01
    assert np.abs(sound).max() < 32


def test_dropout_is_nan_or_zero_in_blocks() -> None:
    """Every recorder loses blocks of 50 ms or more; some write NaN, others zeros; the rest is untouched."""
    fillers = set()
    for engine in range(8):
        found, sound = broken("sensor_dropout", engine)
        lost = np.isnan(found) | ((found == 0) & (sound != 0))
        fillers.add("nan" if np.isnan(found).any() else "zero")
        assert lost.sum() >= 0.05 * RATE_HZ - 1
        np.testing.assert_array_equal(found[~lost], sound[~lost])
    assert fillers == {"nan", "zero"}


def test_spikes_are_single_samples_far_outside() -> None:
    """A few samples differ from the sound signal, each by 12 g or more."""
    found, sound = broken("sensor_spikes")
    struck = np.flatnonzero(found != sound)
    assert 1 <= len(struck) <= 40
    assert np.abs(found[struck] - sound[struck]).min() > 10


def test_the_converter_has_steps_and_ends() -> None:
    """16 bits over +-32 g: multiples of 1/1024 g."""
    found = sensor.quantise(np.array([0.0004, 0.0006, -1.5, 99.0, -99.0], np.float32))
    np.testing.assert_array_equal(found, np.array([0, 2**-10, -1.5, 32 - 2**-10, -32], np.float32))


def test_rms_alone_does_not_give_the_faults_away() -> None:
    """Neither the louder nor the quieter half of a small fleet is the faulty one: AUC of RMS stays below 0.8."""
    fleet = FleetConfig(seed=3, sampling_rate_hz=RATE_HZ, flight_s=3.0, n_healthy=24, n_faulty=24, n_sensor_faulty=0)
    levels = {plan: float(np.std(simulate_flight(fleet, plan).samples)) for plan in plan_fleet(fleet)}
    healthy = np.array([level for plan, level in levels.items() if not plan.fault])
    faulty = np.array([level for plan, level in levels.items() if plan.fault])
    auc = np.mean(faulty[:, None] > healthy[None, :])
    assert 0.3 < auc < 0.8


def test_every_fault_has_a_test_of_its_signature() -> None:
    """A new name in the lists must come with its physics."""
    assert set(faults.FORCED_FAULTS) | {"quieter"} == set(FAULTS)
    assert len(SENSOR_FAULTS) == 4
