"""Sensor quality on simulated flights and on public recordings: engine faults pass, sensor faults do not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ground.recordings import load_recording, read_index
from ground.simulate.config import FAULTS, FleetConfig
from ground.simulate.flight import simulate_flight
from ground.simulate.plan import FlightPlan
from shared_features.record import RecordMaker
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

FLEET = FleetConfig(seed=9, sampling_rate_hz=10_240.0, flight_s=40.0)
ONSET_S = 10.0


def reasons(samples, rate_hz, record_s):
    """How often each reason holds in the records of (n,) samples; an empty one where none does."""
    spec = FeatureSpec(
        sampling_rate_hz=rate_hz, record_s=record_s, window_s=record_s, hop_s=record_s,
        channels=(ChannelSpec("acc", "unknown"),), spectrum=SpectrumGroup(0, 0, (), enabled=False),
    )  # fmt: skip
    maker = RecordMaker(spec)
    whole = samples[: len(samples) // spec.record_n * spec.record_n].reshape(-1, spec.record_n)
    return Counter(maker.record(np.ascontiguousarray(record)).reason for record in whole)


def flown(fault, severity=0.0, engine=0, onset_s=0.0):
    """Samples of one simulated flight, after the onset."""
    plan = FlightPlan(engine=engine, flight=0, fault=fault, severity=severity, onset_s=onset_s)
    return simulate_flight(FLEET, plan).samples[0][round(onset_s * FLEET.sampling_rate_hz) :]


@pytest.mark.parametrize("record_s", [1.0, 0.1])
@pytest.mark.parametrize("severity", [0.5, 1.0])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_engine_fault_is_a_sensor_fault(fault, severity, record_s):
    """Half grown and advanced faults of the simulator, run-ups included: all records are believed."""
    assert set(reasons(flown(fault, severity), FLEET.sampling_rate_hz, record_s)) == {""}


@pytest.mark.parametrize("record_s", [1.0, 0.1])
def test_a_healthy_engine_is_believed(record_s):
    """Three flights of other engines."""
    for engine in range(3):
        assert set(reasons(flown("", engine=engine), FLEET.sampling_rate_hz, record_s)) == {""}


@pytest.mark.parametrize("engine", range(4))
def test_a_dead_sensor_is_flat_all_the_time(engine):
    """With and without a step of flicker: every record from the onset on."""
    assert set(reasons(flown("sensor_flatline", engine=engine, onset_s=ONSET_S), 10_240.0, 1.0)) == {"flatline"}


@pytest.mark.parametrize("engine", range(4))
def test_electrical_spikes_are_found(engine):
    """Three spikes a second: 5 % of the records hold none, a few hold two that lie too close to tell."""
    found = reasons(flown("sensor_spikes", engine=engine, onset_s=ONSET_S), 10_240.0, 1.0)
    assert set(found) <= {"", "spikes"}
    assert found["spikes"] >= 0.8 * found.total()


@pytest.mark.parametrize("engine", range(4))
def test_lost_blocks_are_found(engine):
    """Blocks of NaN or zeros: every record with 6 samples of them or more has its reason."""
    samples = flown("sensor_dropout", engine=engine, onset_s=ONSET_S)
    lost = ~np.isfinite(samples) | ((samples == 0.0) & (np.roll(samples, 1) == 0.0) & (np.roll(samples, 2) == 0.0))
    n_lost = sum(part.sum() > 60 for part in lost[: len(lost) // 10_240 * 10_240].reshape(-1, 10_240))
    found = reasons(samples, 10_240.0, 1.0)
    assert set(found) <= {"", "not_finite", "flatline", "dropout"}
    assert found.total() - found[""] == n_lost > 0


def test_a_railing_amplifier_is_clipped():
    """Where two samples in a hundred sit on the ends of the converter, the record is clipped."""
    for engine in range(4):
        samples = flown("sensor_clipping", engine=engine, onset_s=ONSET_S)
        for record in samples[: len(samples) // 10_240 * 10_240].reshape(-1, 10_240):
            railed = np.mean((record == record.max()) | (record == record.min()))
            (reason,) = reasons(record, 10_240.0, 1.0)
            assert reason in {"", "clipped"}
            assert reason == "clipped" or railed < 0.02


@pytest.mark.parametrize(("dataset", "record_s"), [("uestc", 1.0), ("uestc", 0.1), ("femto", 0.1)])
def test_real_recordings_are_believed(shared_data, dataset, record_s):
    """Sixteen bench takes, healthy and grossly faulty, and five bearing lives to the end: not one sensor fault.

    Their crest factors reach 32, but every impact rings.
    """
    infos = [info for info in read_index(shared_data) if info.dataset == dataset]
    found = Counter()
    for info in infos:
        for stretch in load_recording(shared_data, info, conditions=()).stretches:
            for column in stretch.samples.T:
                found += reasons(np.ascontiguousarray(column), info.sampling_rate_hz, record_s)
    assert found == {"": {("uestc", 1.0): 944, ("uestc", 0.1): 9_488, ("femto", 0.1): 11_794}[dataset, record_s]}
