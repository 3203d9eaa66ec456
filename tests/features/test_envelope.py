"""The squared envelope spectrum against closed forms, scipy and simulated bearing faults."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import signal

from shared_features.bearing import fault_orders
from shared_features.envelope import EnvelopeMaker, envelope_features, envelope_values, squared_envelope_spectrum
from shared_features.extract import extract_windows
from shared_features.groups import BearingSpec, EnvelopeGroup, ShaftSpec
from shared_features.segments import SegmentMaker
from shared_features.spec import SpectrumGroup
from shared_features.vector import columns_of

BEARING = BearingSpec("front", "n1", 9, 7.94, 39.04)
SHAFT_HZ = 30.0
FAULTS = ("bpfo", "bpfi", "bsf", "ftf")
RECORDS = [
    (25_600.0, 1.0, 5120),
    (25_600.0, 0.1, 512),
    (20_000.0, 0.5, 2000),
    (20_000.0, 0.4, 8000),
    (20_000.0, 0.3, 250),
]
"""Rate, record and segment: 9, 9, 9, 1 and 47 segments."""


@pytest.fixture
def spec_of(make_spec):
    """Spec of one bearing at 25.6 kHz, 2 to 6 kHz; keywords change record and group."""

    def make(rate_hz=25_600.0, record_s=1.0, segment_n=5120, band_hz=(2000.0, 6000.0), **changes):
        return make_spec(
            sampling_rate_hz=rate_hz, record_s=record_s, window_s=record_s, hop_s=record_s, shafts=(ShaftSpec("n1"),),
            spectrum=SpectrumGroup(segment_n, segment_n // 2, ()),
            envelope=EnvelopeGroup(True, band_hz, (BEARING,), **changes),
        )  # fmt: skip

    return make


def energies_of(spec, x, speed_hz=SHAFT_HZ):
    """Energies of one record of float32 samples, by name."""
    x = np.asarray(x, dtype=np.float32).astype(np.float64)
    found = EnvelopeMaker(spec).energies(SegmentMaker(spec).lines(x - x.mean()), np.array([speed_hz]))
    return dict(zip(("mean_square", "kurtosis", "sparsity", *FAULTS), found.tolist(), strict=True))


def times(spec):
    """(record_n,) seconds."""
    return np.arange(spec.record_n) / spec.sampling_rate_hz


def noise(spec, seed=1):
    """White noise of unit variance."""
    return np.random.default_rng(seed).standard_normal(spec.record_n)


def impacts(spec, rate_hz):
    """A resonance at 4 kHz, struck ``rate_hz`` times a second, each strike a little off its time."""
    rng = np.random.default_rng(9)
    x = np.zeros(spec.record_n)
    t = np.arange(int(0.004 * spec.sampling_rate_hz)) / spec.sampling_rate_hz
    for strike in np.arange(0.003, spec.record_s - 0.005, 1.0 / rate_hz):
        at = int((strike + 0.01 / rate_hz * rng.uniform(-1, 1)) * spec.sampling_rate_hz)
        x[at : at + t.size] += np.exp(-t / 0.0008) * np.sin(2 * np.pi * 4000.0 * t)
    return x


def about(frequency_hz, power, centre_hz, lines=3):
    """Power in the lines next to a frequency."""
    near = np.abs(frequency_hz - centre_hz) < (lines + 0.5) * frequency_hz[1]
    return power[near].sum()


@pytest.mark.parametrize(("rate_hz", "record_s", "segment_n"), RECORDS)
@pytest.mark.parametrize("offset", [0.0, 0.37])
def test_amplitude_modulation_has_its_two_lines(spec_of, rate_hz, record_s, segment_n, offset):
    """A²(1 + m cos)²: 2m and m²/2 over 1 + m²/2, to 0.1 % of the amplitude, on the lines and between them."""
    spec = spec_of(rate_hz, record_s, segment_n)
    t, depth = times(spec), 0.6
    modulation_hz = (round(200.0 * record_s) + offset) / record_s
    x = 3.0 * (1.0 + depth * np.cos(2 * np.pi * modulation_hz * t + 0.4)) * np.sin(2 * np.pi * (4000.0 + offset) * t)
    frequency_hz, power = squared_envelope_spectrum(spec, x.astype(np.float32))
    mean = 1.0 + depth**2 / 2
    for multiple, amplitude in ((1, 2 * depth / mean), (2, depth**2 / 2 / mean)):
        found = np.sqrt(2.0 * about(frequency_hz, power, multiple * modulation_hz))
        assert found == pytest.approx(amplitude, rel=1e-3)
    found = energies_of(spec, x)
    assert found["mean_square"] == pytest.approx(9.0 * mean / 2, rel=5e-3)
    assert found["kurtosis"] == pytest.approx(1.0 + ((2 * depth) ** 2 + (depth**2 / 2) ** 2) / 2 / mean**2, rel=5e-3)


@pytest.mark.parametrize(("rate_hz", "record_s", "segment_n"), RECORDS)
def test_steady_tone_has_no_modulation(spec_of, rate_hz, record_s, segment_n):
    """The fade of the record's ends is not taken for a modulation: below 1e-7 on a line, 1e-4 between two."""
    spec = spec_of(rate_hz, record_s, segment_n)
    for tone_hz, most in ((4000.0, 1e-14), (4000.0 + 0.3 * spec.line_hz, 1e-8)):
        _, power = squared_envelope_spectrum(spec, np.sin(2 * np.pi * tone_hz * times(spec)).astype(np.float32))
        assert power.sum() < most


def test_tone_on_the_band_end_is_hardly_modulated(spec_of):
    """A strong tone that the end of the band cuts does not beat with the segments: depth below 2 % of its level."""
    spec = spec_of()
    for tone_hz in (2001.0, 2103.0, 2240.7, 5999.0):
        x = 5.0 * np.sin(2 * np.pi * tone_hz * times(spec)) + noise(spec)
        tone, plain = energies_of(spec, x), energies_of(spec, noise(spec))
        assert tone["kurtosis"] < 1.05 * plain["kurtosis"]


def test_noise_in_the_band_is_gaussian(spec_of):
    """White noise: the envelope kurtosis of a complex Gaussian is 2, and the RMS is that of the band (soft ends)."""
    spec = spec_of()
    found = [energies_of(spec, noise(spec, seed)) for seed in range(20)]
    assert np.mean([part["kurtosis"] for part in found]) == pytest.approx(2.0, abs=0.02)
    # Two ends of an eighth with a gain of sin²: mean square 3/8 of theirs.
    assert np.mean([part["mean_square"] for part in found]) == pytest.approx(
        4000.0 / 12_800.0 * (0.75 + 0.25 * 0.375), rel=0.02
    )


def test_sparsity_counts_the_lines_that_carry_the_modulation(spec_of):
    """Two lines of the powers 1 : 0.0225, as the Hann taper spreads each over 1/6, 2/3, 1/6: half of n / 1.0445."""
    spec = spec_of()
    t = times(spec)
    x = (1.0 + 0.6 * np.cos(2 * np.pi * 200.0 * t)) * np.sin(2 * np.pi * 4000.0 * t)
    expected = 4000 * 0.5 * (1 + 0.0225**2) / (1 + 0.0225) ** 2
    assert energies_of(spec, x)["sparsity"] == pytest.approx(expected, rel=0.02)


def test_slow_changes_of_level_are_no_sparsity(spec_of):
    """A load that rises by half within the record changes the sparsity of the noise by less than a tenth."""
    spec = spec_of()
    found = [energies_of(spec, (1.0 + rise * times(spec)) * noise(spec))["sparsity"] for rise in (0.0, 0.5)]
    assert found[1] == pytest.approx(found[0], rel=0.1)


def test_rounding_is_no_sparsity(spec_of):
    """A quarter of the sampling rate is exact in floating point, so its modulation is nothing but rounding: 1."""
    spec = spec_of(band_hz=(5000.0, 8000.0))
    found = energies_of(spec, np.tile([0.0, 1.0, 0.0, -1.0], spec.record_n // 4))
    assert found["sparsity"] == 1.0
    assert found["kurtosis"] == 1.0


def test_wide_band_is_summed_to_its_end(spec_of):
    """A band of 10,000 lines, more than one row of sums: the kurtosis is still one and the power of all of them."""
    spec = spec_of(band_hz=(1500.0, 11_500.0))
    _, power = squared_envelope_spectrum(spec, noise(spec).astype(np.float32))
    assert power.size == 10_000
    assert energies_of(spec, noise(spec))["kurtosis"] == pytest.approx(1.0 + power.sum(), rel=1e-9)


def test_harmonics_above_the_band_add_nothing(spec_of):
    """BPFI at 2166 Hz in 4 kHz: its second and third harmonic do not fit, and cost nothing but themselves."""
    spec, alone = spec_of(), spec_of(harmonics=1)
    found = [energies_of(each, noise(each), speed_hz=400.0)["bpfi"] for each in (spec, alone)]
    assert found[0] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize("fault", FAULTS)
def test_impacts_are_found_at_their_fault(spec_of, fault):
    """A resonance struck at a fault frequency, at -7 dB in noise: that fault leads, at ten times its healthy level."""
    spec = spec_of()
    rate_hz = getattr(fault_orders(BEARING), fault) * SHAFT_HZ
    healthy, faulty = energies_of(spec, noise(spec)), energies_of(spec, impacts(spec, rate_hz) + 0.2 * noise(spec))
    assert max(FAULTS, key=lambda name: faulty[name]) == fault
    assert faulty[fault] > 10 * healthy[fault]
    assert faulty["kurtosis"] > 2 * healthy["kurtosis"]
    assert faulty["sparsity"] > 3 * healthy["sparsity"]


def test_agrees_with_the_idiom_of_scipy(spec_of):
    """Butterworth band-pass, hilbert, Hann-tapered spectrum of |.|² over its mean²: the same share at BPFO to 3 %."""
    spec = spec_of()
    bpfo_hz = fault_orders(BEARING).bpfo * SHAFT_HZ
    x = (impacts(spec, bpfo_hz) + 0.1 * noise(spec)).astype(np.float32)
    filtered = signal.sosfiltfilt(signal.butter(6, (2250.0, 5750.0), "bandpass", fs=25_600.0, output="sos"), x)
    squared = np.abs(signal.hilbert(filtered)) ** 2
    taper = signal.windows.hann(squared.size, sym=False)
    lines = np.fft.rfft((squared / squared.mean() - 1.0) * taper)
    power = 2.0 * np.abs(lines) ** 2 / squared.size / np.sum(taper**2)
    expected = sum(about(np.arange(power.size), power, k * bpfo_hz, lines=2 + k) for k in (1, 2, 3))
    assert energies_of(spec, x)["bpfo"] == pytest.approx(expected, rel=0.03)


def test_level_and_offset_change_nothing_but_the_mean_square(spec_of):
    """Ratios: a thousandfold signal on an offset of 1e6, which float32 rounds to 1/16, keeps all others to 0.1 %."""
    spec = spec_of()
    x = impacts(spec, 107.0) + 0.2 * noise(spec)
    plain, loud = energies_of(spec, x), energies_of(spec, 1000.0 * x + 1e6)
    assert loud.pop("mean_square") == pytest.approx(1e6 * plain.pop("mean_square"), rel=1e-3)
    assert loud == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_constant_signal_gives_zeros(spec_of, level):
    """A dead sensor: no warning, no NaN, nothing found."""
    spec = spec_of()
    samples = np.full(spec.record_n, level, dtype=np.float32)
    assert set(energies_of(spec, samples).values()) == {0.0}
    _, power = squared_envelope_spectrum(spec, samples)
    assert not power.any()


def test_faintest_and_loudest_floats_stay_finite(spec_of):
    """The ends of float32 neither vanish nor overflow in squares of squares."""
    spec = spec_of()
    for level in (1e-44, 1e37):
        found = energies_of(spec, np.clip(noise(spec), -3, 3) * level)
        assert np.isfinite(list(found.values())).all()
        assert found["kurtosis"] == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("width_lines", [40, 401, 1000])
def test_fast_beats_are_not_folded(spec_of, width_lines):
    """Tones at the ends of the band's flat part beat at 3/4 of its width: found there to 1 %, nowhere else."""
    spec = spec_of(band_hz=(2000.0, 2000.0 + 5.0 * width_lines))
    t, inset = times(spec), width_lines // 8 + 2
    beat_hz = 5.0 * (width_lines - 1 - 2 * inset)
    x = np.sin(2 * np.pi * (2000.0 + 5.0 * inset) * t) + np.sin(2 * np.pi * (2000.0 + 5.0 * inset + beat_hz) * t)
    frequency_hz, power = squared_envelope_spectrum(spec, x.astype(np.float32))
    assert frequency_hz[-1] == pytest.approx(5.0 * width_lines - 1.0)
    assert about(frequency_hz, power, beat_hz) == pytest.approx(0.5, rel=0.01)
    assert power.sum() == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("width_lines", [4, 5, 7, 9])
def test_narrow_bands_work(spec_of, width_lines):
    """The narrowest bands a spec may have: a tone in the middle comes out steady."""
    spec = spec_of(band_hz=(2000.0, 2000.0 + 5.0 * width_lines))
    x = np.sin(2 * np.pi * (2000.0 + 5.0 * (width_lines // 2)) * times(spec))
    found = energies_of(spec, x, speed_hz=3.0)
    assert found["mean_square"] == pytest.approx(0.5, rel=0.3)
    assert found["kurtosis"] == pytest.approx(1.0, abs=0.01)


def test_band_alone_needs_no_shaft(make_spec):
    """Without bearings the band's features remain, at any speed."""
    spec = make_spec(envelope=EnvelopeGroup(True, (200.0, 600.0)))
    maker = EnvelopeMaker(spec)
    assert maker.reason(np.empty(0)) == ""
    assert maker.energies(SegmentMaker(spec).lines(noise(spec)), np.empty(0)).shape == (3,)
    assert [feature.name for feature in envelope_features(spec)] == [
        "envelope_rms", "envelope_kurtosis", "envelope_sparsity"
    ]  # fmt: skip


def test_a_maker_keeps_nothing_from_the_record_before(spec_of):
    """Its memory is scratch: silence and noise in between leave no bit in the next record."""
    spec = spec_of()
    maker, segments = EnvelopeMaker(spec), SegmentMaker(spec)
    first, second = noise(spec, 1), noise(spec, 2)
    alone = maker.energies(segments.lines(first), np.array([SHAFT_HZ])).tobytes()
    maker.energies(segments.lines(np.zeros(spec.record_n)), np.array([SHAFT_HZ]))
    maker.energies(segments.lines(second), np.array([2 * SHAFT_HZ]))
    assert maker.energies(segments.lines(first), np.array([SHAFT_HZ])).tobytes() == alone


def test_windows_are_means_of_their_records(spec_of):
    """Through the whole extraction: columns by name, powers averaged over two records, then rooted."""
    one = spec_of()
    spec = replace(one, window_s=2.0)
    x = np.concatenate([noise(one, 1), 3.0 * noise(one, 2)]).astype(np.float32)
    window = extract_windows(spec, x[:, np.newaxis], np.array([SHAFT_HZ]))[0]
    found = dict(zip([column.name for column in columns_of(spec)], window.values.tolist(), strict=True))
    parts = [energies_of(one, part) for part in np.split(x, 2)]
    assert found["acc.envelope_rms"] == pytest.approx(np.sqrt(np.mean([part["mean_square"] for part in parts])))
    assert found["acc.envelope_kurtosis"] == pytest.approx(np.mean([part["kurtosis"] for part in parts]))
    assert found["acc.front_bpfi"] == pytest.approx(np.sqrt(np.mean([part["bpfi"] for part in parts])))


@pytest.mark.parametrize(
    ("speed_hz", "reason"),
    [(30.0, ""), (0.0, "speed_out_of_range"), (800.0, "speed_out_of_range"), (np.nan, "condition_missing")],
)
def test_windows_without_a_usable_speed_are_not_assessed(spec_of, speed_hz, reason):
    """At rest, with BPFI above the 4 kHz of the band, unknown: zeros and a reason, never a NaN."""
    spec = spec_of()
    window = extract_windows(spec, noise(spec).astype(np.float32)[:, np.newaxis], np.array([speed_hz]))[0]
    assert window.reason == reason
    assert bool(window.values.any()) is not bool(reason)


def test_features_read_their_columns(spec_of):
    """RMS values are roots of mean squares, kurtosis and sparsity are taken as they are."""
    spec = spec_of()
    window = SimpleNamespace(envelope=np.array([4.0, 2.0, 3.0, 0.01, 0.04, 0.09, 0.16]))
    names = [feature.name for feature in envelope_features(spec)]
    assert dict(zip(names, envelope_values(window), strict=True)) == {
        "envelope_rms": 2.0, "envelope_kurtosis": 2.0, "envelope_sparsity": 3.0,
        "front_bpfo": 0.1, "front_bpfi": 0.2, "front_bsf": 0.3, "front_ftf": 0.4,
    }  # fmt: skip
    assert all(feature.formula and feature.source for feature in envelope_features(spec))
