"""Sensor faults are told from vibration: planted faults have their reason, and what a machine can do has none."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.errors import SpecError
from shared_features.quality import (
    ASSESSED,
    BIAS_STEP,
    CLIPPED,
    DROPOUT,
    FLATLINE,
    NOT_FINITE,
    REASONS,
    SPIKES,
)
from shared_features.record import RecordMaker
from shared_features.spec import ChannelSpec, FeatureSpec, QualityLimits, SpectrumGroup

SEED = 20
RECORDS = ((25_600, 25_600.0), (2_560, 25_600.0), (10_240, 10_240.0), (1_000, 1_000.0))
"""Samples and sampling rate: a second of a bench, its snapshot, a second of an engine, a second of a slow rig."""
STEP = 1 / 1024


def reason_of(signal, **limits):
    """The reason for one record of a signal (n,)."""
    samples = np.asarray(signal, dtype=np.float32)
    spec = FeatureSpec(
        sampling_rate_hz=float(samples.size), record_s=1.0, window_s=1.0, hop_s=1.0, quality=QualityLimits(**limits),
        channels=(ChannelSpec("acc", "g"),), spectrum=SpectrumGroup(0, 0, (), enabled=False),
    )  # fmt: skip
    return RecordMaker(spec).record(samples).reason


def noise(n, size=1.0):
    """White noise."""
    return size * np.random.default_rng(SEED).standard_normal(n)


def seconds(n, rate_hz):
    """Time of each sample."""
    return np.arange(n) / rate_hz


def sine(n, rate_hz, frequency_hz, size=1.0):
    """A sine that begins anywhere in its period."""
    return size * np.sin(2 * np.pi * frequency_hz * seconds(n, rate_hz) + 0.7)


def engine(n, rate_hz):
    """Vibration as the rest of a planted fault: a shaft order in noise, in steps of a converter."""
    return coarse(sine(n, rate_hz, 0.05 * rate_hz, 0.5) + noise(n), STEP)


def coarse(signal, step):
    """In steps of a converter."""
    return np.rint(signal / step) * step


def part(n, share, at=0.4):
    """A part of the record, by its begin and its length."""
    return slice(round(at * n), round(at * n) + round(share * n))


def constant(share, value=0.25, at=0.4):
    """The signal stands still for a share of the record."""

    def plant(x, _rate_hz):
        x[part(x.size, share, at)] = value
        return x

    return plant


def held(share):
    """The last value is repeated for a share of the record, as a gateway does for lost packets."""

    def plant(x, _rate_hz):
        lost = part(x.size, share)
        x[lost] = x[lost.start - 1]
        return x

    return plant


def dead(flicker):
    """An open input: its offset, with a step of flicker on some samples."""

    def plant(x, _rate_hz):
        return 3 * STEP + STEP * (np.random.default_rng(SEED).random(x.size) < flicker)

    return plant


def quiet(share, level):
    """The cable is off for a share of the record: the amplifier's own noise about its bias is left."""

    def plant(x, _rate_hz):
        off = part(x.size, share, at=0.5)
        x[off] = x.mean() + np.random.default_rng(SEED + 1).standard_normal(off.stop - off.start) * level
        return x

    return plant


def clipped(size):
    """The amplifier runs into both ends."""
    return lambda x, _rate_hz: np.clip(x, -size, size)


def clipped_above(size):
    """The amplifier runs into one end."""
    return lambda x, _rate_hz: np.minimum(x, size)


def stepped(height, at=0.4, decay=0.0):
    """The bias jumps, and may return slowly: ``decay`` time constants in a record."""

    def plant(x, _rate_hz):
        first = round(at * x.size)
        x[first:] += height * np.exp(-decay * np.arange(x.size - first) / x.size)
        return x

    return plant


def spiked(height, *places, width=1):
    """Electrical spikes, at these shares of the record, either way."""

    def plant(x, _rate_hz):
        for number, place in enumerate(places):
            x[round(place * x.size) :][:width] += height * (-1) ** number
        return x

    return plant


PLANTED = {
    "no signal at all": (dead(0.0), FLATLINE),
    "no signal, flicker of 1 %": (dead(0.01), FLATLINE),
    "dead from the middle on": (constant(0.6), FLATLINE),
    "dead to the middle": (constant(0.5, at=0.0), FLATLINE),
    "dead for 12 %": (constant(0.12), FLATLINE),
    "clipped at 1 sigma": (clipped(1.0), CLIPPED),
    "clipped at 1.6 sigma": (clipped(1.6), CLIPPED),
    "clipped on one side": (clipped_above(1.0), CLIPPED),
    "zeros for 3 %": (constant(0.03, 0.0), DROPOUT),
    "zeros for 8 %": (constant(0.08, 0.0), DROPOUT),
    "zeros at the begin": (constant(0.05, 0.0, at=0.0), DROPOUT),
    "zeros up to the end": (constant(0.06, 0.0, at=0.94), DROPOUT),
    "held for 4 %": (held(0.04), DROPOUT),
    "quiet for 10 %": (quiet(0.1, 0.005), DROPOUT),
    "quiet for 40 %": (quiet(0.4, 0.01), DROPOUT),
    "step of 2 g": (stepped(2.0), BIAS_STEP),
    "step of -2 g": (stepped(-2.0), BIAS_STEP),
    "step of 10 g": (stepped(10.0, at=0.7), BIAS_STEP),
    "step of 1,000 g": (stepped(1000.0, at=0.3), BIAS_STEP),
    "step that returns slowly": (stepped(4.0, at=0.5, decay=0.7), BIAS_STEP),
    "one spike": (spiked(40.0, 0.31), SPIKES),
    "one negative spike": (spiked(-40.0, 0.31), SPIKES),
    "one spike of two samples": (spiked(40.0, 0.31, width=2), SPIKES),
    "three spikes": (spiked(60.0, 0.2, 0.51, 0.83), SPIKES),
    "one huge spike": (spiked(10_000.0, 0.6), SPIKES),
}


@pytest.mark.parametrize(("n", "rate_hz"), RECORDS)
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(name, n, rate_hz):
    """Each fault, from slight to gross, in records of every common length."""
    plant, reason = PLANTED[name]
    assert reason_of(plant(engine(n, rate_hz), rate_hz)) == reason


def ringing(frequency, damping, impacts_hz, size=1.0, floor=0.002):
    """Impacts of random size that make a structure ring at a share of the sampling rate, over a quiet floor."""

    def make(n, rate_hz):
        rng = np.random.default_rng(SEED)
        x = noise(n, floor)
        angle = 2 * np.pi * frequency
        intervals = rng.normal(1.0, 0.02, round(n / rate_hz * impacts_hz) + 2) / impacts_hz
        for impact in np.cumsum(intervals) - intervals[0] - 0.002:
            t = np.arange(n) - impact * rate_hz
            t = t[(t >= 0) & (t < 60 / (damping * angle))]
            first = max(0, int(np.ceil(impact * rate_hz)))
            x[first : first + t.size] += size * rng.uniform(0.5, 1.5) * np.exp(-damping * angle * t) * np.sin(angle * t)
        return x

    return make


def run_up(acceleration):
    """A shaft that gains a share of its speed in a second, with harmonics and growing forces."""

    def make(n, rate_hz):
        t = seconds(n, rate_hz)
        turns = 30 * t + 15 * acceleration * t * t
        return (1 + acceleration * t) ** 2 * sum(np.sin(2 * np.pi * k * turns) / k for k in (1, 2, 3)) + noise(n, 0.1)

    return make


def along(shape):
    """A shape over the record, its time running from 0 to 1."""
    return lambda n, _rate_hz: shape(np.linspace(0.0, 1.0, n), noise(n))


PHYSICAL = {
    **{f"sine of {f} Hz": lambda n, rate_hz, f=f: sine(n, rate_hz, f) for f in (0.3, 1, 2, 5, 10, 24, 100, 300)},
    **{f"order of {f} Hz": lambda n, rate_hz, f=f: sine(n, rate_hz, f, 5) + noise(n) for f in (1, 3, 10, 24)},
    **{
        f"ringing at {f} fs, damping {damping}, {hz} impacts a second": ringing(f, damping, hz)
        for f in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
        for damping in (0.005, 0.03, 0.1)
        for hz in (3, 10, 30, 150)
    },
    "one strong impact": ringing(0.12, 0.03, 3, size=30.0, floor=0.5),
    "noise": lambda n, _: noise(n),
    "noise about a bias of 1e6": lambda n, _: noise(n, 10.0) + 1e6,
    "heavy tails": lambda n, _: np.random.default_rng(SEED).laplace(size=n),
    "very quiet in coarse steps": lambda n, _: coarse(noise(n), 2.5),
    "quiet in coarse steps": lambda n, _: coarse(noise(n), 1.0),
    "less quiet in coarse steps": lambda n, _: coarse(noise(n), 0.3),
    "an input between two steps": lambda n, _: coarse(noise(n, 0.4) + 0.4, 1.0),
    "a slow order in steps of 5 %": lambda n, rate_hz: coarse(sine(n, rate_hz, 30), 0.05),
    "a slow order in steps of 20 %": lambda n, rate_hz: coarse(sine(n, rate_hz, 30), 0.2),
    "one period in five steps": along(lambda t, _: coarse(np.sin(2 * np.pi * t + 0.7), 0.5)),
    "ringing in coarse steps": lambda n, rate_hz: coarse(ringing(0.1, 0.03, 30, floor=0.0)(n, rate_hz), 0.01),
    "a slow order in steps of 1 %, with noise": lambda n, rate_hz: coarse(sine(n, rate_hz, 10) + noise(n, 0.01), 0.01),
    "run-up": run_up(0.1),
    "fast run-up": run_up(1.0),
    "drift": along(lambda t, x: 6 * t + 0.5 * x),
    "drift alone": along(lambda t, _: 6 * t),
    "drift under a strong order": along(lambda t, x: 6 * t + 3 * np.sin(2 * np.pi * 64 * t) + 0.3 * x),
    "warming up": along(lambda t, x: 3 * np.exp(-3 * t) + 0.5 * x),
    "manoeuvre": along(lambda t, x: np.tanh(10 * (t - 0.5)) + 0.3 * x),
    "fast manoeuvre": along(lambda t, x: np.tanh(20 * (t - 0.4)) + 0.3 * x),
    "bump": along(lambda t, x: 5 * np.exp(-(((t - 0.5) / 0.03) ** 2)) + 0.3 * x),
    "a process value in coarse steps": along(lambda t, x: coarse(20 + 2 * t + 0.05 * x, 0.1)),
    "louder from one moment on": along(lambda t, x: x * np.where(t < 0.5, 1, 20)),
    "quieter from one moment on": along(lambda t, x: x * np.where(t < 0.5, 8, 1)),
    "burst": along(lambda t, x: x * np.where(abs(t - 0.5) < 0.02, 15, 1)),
    "beat": lambda n, rate_hz: sine(n, rate_hz, 0.1 * rate_hz) * sine(n, rate_hz, 2),
}


@pytest.mark.parametrize(("n", "rate_hz"), RECORDS)
@pytest.mark.parametrize("name", PHYSICAL)
def test_vibration_is_believed(name, n, rate_hz):
    """Whatever a machine can do has no reason, in records of every common length."""
    assert reason_of(PHYSICAL[name](n, rate_hz)) == ASSESSED


@pytest.mark.parametrize("change", [lambda x: -x, lambda x: 1024 * x, lambda x: x / 4096], ids=["-", "*", "/"])
def test_neither_sign_nor_scale_matters(change):
    """Signs and powers of two are exact in floating point: no rounding decides."""
    n, rate_hz = 2_560, 25_600.0
    faults = [plant(engine(n, rate_hz), rate_hz).astype(np.float32) for plant, _ in PLANTED.values()]
    signals = [*faults, *(np.float32(make(n, rate_hz)) for make in PHYSICAL.values())]
    assert [reason_of(change(x)) for x in signals] == [reason_of(x) for x in signals]


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_a_signal_that_seldom_leaves_one_step_is_believed(share):
    """Chance alone makes its runs and its lonely peaks: two hundred records."""
    rng = np.random.default_rng(SEED)
    for _ in range(200):
        others = rng.choice([-2.0, -1.0, 1.0, 2.0], 10_240)
        assert reason_of(np.where(rng.random(10_240) < share, others, 0.0)) == ASSESSED


SLOW = {
    "temperature at 1 Hz": np.full(60, 21.5),
    "valve at 1 Hz": np.repeat([1.0, 5.0, 1.0], 20),
    "pressure at 1 Hz": coarse(np.linspace(2.0, 2.4, 60), 0.1),
    "surge at 1 Hz": np.where(np.arange(60) == 30, 40.0, coarse(noise(60), 0.5)),
    "valve at 200 Hz": np.where(np.arange(200) < 80, 1.0, 5.0) + noise(200, 0.01),
    "surge at 200 Hz": np.where(np.arange(200) == 90, 40.0, noise(200)),
    "temperature at 200 Hz": coarse(20 + noise(200, 0.02), 0.1),
    "speed at 200 Hz": coarse(sine(200, 200.0, 0.4, 3.0) + 80, 0.25),
}


@pytest.mark.parametrize("name", SLOW)
def test_slow_process_values_are_believed(name):
    """Few samples a record are no waveform: such values stand still, jump and peak."""
    assert reason_of(SLOW[name]) == ASSESSED


@pytest.mark.parametrize(("n", "reason"), [(63, ASSESSED), (64, FLATLINE), (200, FLATLINE), (25_600, FLATLINE)])
def test_a_constant_record_is_flat_where_it_is_long(n, reason):
    """A dead sensor is told from a slow value by the number of samples that say the same."""
    assert reason_of(np.full(n, 0.7)) == reason


def lively(n, run_n):
    """Noise whose samples all differ, but for one run."""
    x = noise(n)
    x[n // 3 : n // 3 + run_n] = x[n // 3]
    return x


@pytest.mark.parametrize(
    ("limits", "run_n", "reason"),
    [
        ({}, 1_023, DROPOUT),
        ({}, 1_024, FLATLINE),
        ({}, 51, ASSESSED),
        ({}, 52, DROPOUT),
        ({"flat_run_ratio": 0.2}, 2_047, DROPOUT),
        ({"flat_run_ratio": 0.2}, 2_048, FLATLINE),
        ({"dropout_ratio": 0.05}, 511, ASSESSED),
        ({"dropout_ratio": 0.05}, 512, DROPOUT),
        ({"dropout_ratio": 1e-6}, 18, ASSESSED),
        ({"dropout_ratio": 1e-6}, 19, DROPOUT),
    ],
)
def test_runs_count_from_their_limits_on(limits, run_n, reason):
    """10 % of 10,240 samples are flat, 0.5 % are a dropout; 18 changes must be missing, whatever the limit."""
    assert reason_of(lively(10_240, run_n), **limits) == reason


def test_flicker_counts_from_its_limit_on():
    """A dead input that flickers is flat from 90 % of repeats on, and only with a few values."""
    flicker = np.where(np.arange(1_000) % 20 == 0, STEP, 0.0)
    assert reason_of(flicker) == FLATLINE
    assert reason_of(flicker, flat_repeat_ratio=0.95) == ASSESSED
    assert reason_of(flicker + np.where(np.arange(1_000) > 500, 10 * STEP, 0.0)) != FLATLINE


def test_clipping_counts_from_its_limit_on():
    """Of 1,000 samples 40 sit on the upper end, in pairs."""
    x = np.clip(noise(1_000), -9.0, 2.5)
    at = np.arange(20) * 50
    x[at] = x[at + 1] = 2.5
    on_end_n = np.count_nonzero(x == 2.5)
    assert reason_of(x, clip_ratio=20 / 1_000) == CLIPPED
    assert reason_of(x, clip_ratio=(on_end_n + 2) / 1_000) == ASSESSED


def test_a_step_counts_from_its_limit_on():
    """Heights are in standard deviations of the vibration about the two levels."""
    x = noise(10_240) + np.where(np.arange(10_240) < 5_000, 0.0, 3.0)
    assert reason_of(x, bias_step_ratio=2.9) == BIAS_STEP
    assert reason_of(x, bias_step_ratio=3.1) == ASSESSED


def test_a_spike_counts_from_its_limit_on():
    """Heights are in standard deviations of the record, the spike included."""
    x = noise(10_240)
    x[3_000] = 50.0
    crest = 50.0 / x.std()
    assert reason_of(x, spike_ratio=crest * 0.99) == SPIKES
    assert reason_of(x, spike_ratio=crest * 1.01) == ASSESSED


@pytest.mark.parametrize(("place", "reason"), [(17, SPIKES), (16, ASSESSED), (-18, SPIKES), (-17, ASSESSED)])
def test_a_peak_at_the_border_is_believed(place, reason):
    """Whether it rings is not known where its surroundings are in another record."""
    x = noise(2_560)
    x[place] = 60.0
    assert reason_of(x) == reason


def test_the_record_says_why(make_spec):
    """Records ask the same function, after the missing values, and hold no statistics where they have a reason."""
    maker = RecordMaker(make_spec())
    good = np.float32(noise(2_000))
    spike = good.copy()
    spike[700] = 70.0
    hole = spike.copy()
    hole[3] = np.nan
    found = [maker.record(samples) for samples in (good, spike, hole)]
    assert [record.reason for record in found] == [ASSESSED, SPIKES, NOT_FINITE]
    assert not any(found[1].waveform)
    assert {reason for _, reason in PLANTED.values()} | {NOT_FINITE} == set(REASONS)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *(
            (name, value, "a share in (0, 1]")
            for name in ("flat_repeat_ratio", "dropout_ratio")
            for value in (0.0, 1.1)
        ),
        *((name, value, "a positive number") for name in ("bias_step_ratio", "spike_ratio") for value in (0.0, np.inf)),
        ("spike_ratio", float("nan"), "a positive number"),
    ],
)
def test_impossible_limits_are_refused(name, value, expected):
    """The text names the limit, what it may be and what it was."""
    with pytest.raises(SpecError) as refusal:
        QualityLimits(**{name: value})
    assert str(refusal.value) == f"quality.{name}: expected {expected}, got {value}; correct it"


@pytest.mark.parametrize("unit", ["bar", "l/min", "rpm", "%"])
def test_each_channel_is_judged_by_its_own_unit(make_spec, unit):
    """A valve may stand still beside an accelerometer; an accelerometer beside a valve may not."""
    maker = RecordMaker(make_spec(channels=(ChannelSpec("acc", "g"), ChannelSpec("valve", unit))))
    still = np.full(make_spec().record_n, 3.0, dtype=np.float32)
    assert [maker.record(still, channel=index).reason for index in (0, 1)] == [FLATLINE, ASSESSED]
