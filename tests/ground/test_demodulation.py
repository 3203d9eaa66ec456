"""The demodulation band: found where impacts ring, wide where nothing tells, never too narrow for the faults."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy import signal

from ground import featurize as featurize_module
from ground import interim_stream
from ground.demodulation import (
    CHOICE,
    KURTOSIS,
    PROMINENCE,
    BandReader,
    BandRecords,
    candidate_bands,
    choose_band,
    plain_spec,
)
from ground.demodulation_records import read_bands, spread_evenly
from ground.errors import DataError
from ground.feature_spec import frozen_spec
from ground.featurize import featurize
from ground.pipeline import FEATURIZE
from ground.preprocess import preprocess
from ground.recordings import load_recording, read_index
from ground.stage import run_stage
from ground.window_table import WINDOWS, read_table
from shared_features.spec import BearingSpec, ChannelSpec, EnvelopeGroup, FeatureSpec, ShaftSpec, SpectrumGroup

RATE_HZ = 10_240.0
RECORD_N = 10_240
NYQUIST_HZ = RATE_HZ / 2.0
BEARING = BearingSpec("fan", "n1", n_ball=13, ball_mm=22.0, pitch_mm=150.0, contact_deg=25.0)
BPFI = 7.364
BY_TIME = {"strategy": "by_time", "fit": 0.5, "calibration": 0.2}
AUTO = {"record_s": 0.25, "window_s": 1.0, "hop_s": 0.5, "envelope": {"enabled": True, "band_hz": "auto"}}


def spec_of(**changes):
    """One channel at 10,240 Hz, lines 5 Hz apart."""
    return FeatureSpec(
        **{
            "sampling_rate_hz": RATE_HZ,
            "record_s": 1.0,
            "window_s": 2.0,
            "hop_s": 1.0,
            "channels": (ChannelSpec("acc_1", "g"),),
            "spectrum": SpectrumGroup(segment_n=2048, overlap_n=1024, bands_hz=((10.0, 100.0),)),
            "envelope": EnvelopeGroup(enabled=True, band_hz=(2000.0, 3000.0)),
            **changes,
        }
    )


def noise(seed, n=RECORD_N):
    """(n,) white Gaussian noise."""
    return np.random.default_rng(seed).standard_normal(n)


def ringing(ring_hz, every_hz):
    """(RECORD_N,) impacts, each of which rings for some milliseconds."""
    train = np.zeros(RECORD_N)
    train[:: round(RATE_HZ / every_hz)] = 1.0
    times = np.arange(256) / RATE_HZ
    return signal.lfilter(np.exp(-800.0 * times) * np.sin(2 * np.pi * ring_hz * times), [1.0], train)


def records_of(spec, samples, highest_fault_hz=0.0):
    """What some records show."""
    reader = BandReader(spec)
    kurtosis, level = zip(*(reader.read(each.astype(np.float32)) for each in samples), strict=True)
    return BandRecords(
        kurtosis=np.array(kurtosis),
        level=np.array(level),
        channel=np.zeros(len(kurtosis), dtype=np.int64),
        highest_fault_hz=highest_fault_hz,
    )


def test_candidates_tile_the_range():
    """Halves to eighths of the range below Nyquist, half over each other, on whole lines, off the mean's lines."""
    bands = candidate_bands(spec_of())
    assert [sum(band.parts == parts for band in bands) for parts in (2, 3, 4, 6, 8)] == [3, 5, 7, 11, 15]
    for band in bands:
        low_hz, high_hz = band.band_hz
        assert 10.0 <= low_hz < high_hz <= NYQUIST_HZ
        assert (low_hz / 5.0, high_hz / 5.0) == (round(low_hz / 5.0), round(high_hz / 5.0))
        assert high_hz - low_hz == pytest.approx(NYQUIST_HZ / band.parts, abs=15.0)
    assert len(set(bands)) == len(bands)


def test_candidates_of_a_coarse_spectrum():
    """With 16 lines an eighth holds two, too few to demodulate: wider bands alone are left, and there are some."""
    coarse = spec_of(
        record_s=0.1,
        spectrum=SpectrumGroup(segment_n=32, overlap_n=16, bands_hz=((400.0, 800.0),)),
        envelope=EnvelopeGroup(enabled=True, band_hz=(1280.0, 2560.0)),
    )
    parts = {band.parts for band in candidate_bands(coarse)}
    assert parts == {2, 3, 4}


@pytest.mark.parametrize("segment_n", [16, 20, 26, 30])
def test_segments_that_are_too_short_have_no_candidates(segment_n):
    """Nothing to choose from is an error that says what to do, before a record is read."""
    record_s = 10 * segment_n / RATE_HZ
    short = spec_of(
        record_s=record_s,
        window_s=2 * record_s,
        hop_s=record_s,
        spectrum=SpectrumGroup(segment_n=segment_n, overlap_n=segment_n // 2, bands_hz=((2000.0, 5000.0),)),
        envelope=EnvelopeGroup(enabled=True, band_hz=(1280.0, 3840.0)),
    )
    text = rf"features\.spectrum\.segment_n: expected at least 32 samples .*, got {segment_n}; lengthen"
    with pytest.raises(DataError, match=text):
        BandReader(short)


def test_every_candidate_makes_a_spec():
    """No band is chosen that a spec would then refuse."""
    spec = spec_of()
    for band in candidate_bands(spec):
        assert dataclasses.replace(spec, envelope=EnvelopeGroup(enabled=True, band_hz=band.band_hz))


def test_kurtosis_of_noise_and_of_a_tone():
    """0 for Gaussian noise, -1 for a tone: the definition of spectral kurtosis."""
    spec = spec_of()
    kurtosis = np.median([BandReader(spec).read(noise(seed).astype(np.float32))[0] for seed in range(15)], axis=0)
    assert kurtosis == pytest.approx(np.zeros(len(kurtosis)), abs=0.12)
    tone = np.sin(2 * np.pi * 3000.0 * np.arange(RECORD_N) / RATE_HZ).astype(np.float32)
    bands = [band.band_hz for band in candidate_bands(spec)]
    found = BandReader(spec).read(tone)[0]
    inside = [
        value for value, (low_hz, high_hz) in zip(found, bands, strict=True) if low_hz + 400 < 3000 < high_hz - 400
    ]
    assert inside == pytest.approx([-1.0] * len(inside), abs=0.01)


def test_level_is_the_mean_density():
    """Against scipy: Welch's density of the same segments, averaged over the lines of the band."""
    spec, x = spec_of(), noise(1)
    frequency, density = signal.welch(x.astype(np.float32).astype(float), RATE_HZ, "hann", 2048, detrend=False)
    _, level = BandReader(spec).read(x.astype(np.float32))
    for value, band in zip(level, candidate_bands(spec), strict=True):
        chosen = (frequency >= band.band_hz[0] - 1e-6) & (frequency < band.band_hz[1] - 1e-6)
        assert np.exp(value) == pytest.approx(density[chosen].mean(), rel=1e-9)


@pytest.mark.parametrize("ring_hz", [1000.0, 2200.0, 4000.0])
def test_impacts_are_found_where_they_ring(ring_hz):
    """The band of the highest kurtosis holds the resonance, however loud the noise elsewhere is."""
    spec = spec_of()
    recordings = [
        records_of(spec, [noise(10 * unit + record) * 0.05 + ringing(ring_hz, 37.0) for record in range(4)])
        for unit in range(3)
    ]
    choice = choose_band(spec, recordings)
    assert choice.rule == KURTOSIS
    assert choice.band_hz[0] < ring_hz < choice.band_hz[1]
    assert (choice.recordings, choice.records) == (3, 12)
    assert f"{choice.band_hz[0]:g}-{choice.band_hz[1]:g} Hz" in choice.summary


def test_one_odd_recording_does_not_choose():
    """Medians: of five recordings, one rings elsewhere and ten times as loud."""
    spec = spec_of()
    usual = [records_of(spec, [0.05 * noise(unit) + ringing(2200.0, 37.0)]) for unit in range(4)]
    odd = records_of(spec, [0.05 * noise(9) + 10.0 * ringing(4500.0, 5.0)])
    assert choose_band(spec, [*usual, odd]).band_hz == choose_band(spec, usual).band_hz


def test_one_odd_record_does_not_choose():
    """Nor does one record of a recording: a knock against the housing."""
    spec = spec_of()
    usual = [0.05 * noise(unit) + ringing(2200.0, 37.0) for unit in range(4)]
    knock = 0.05 * noise(9) + 10.0 * ringing(4500.0, 2.0)
    chosen = choose_band(spec, [records_of(spec, [*usual, knock])])
    assert chosen.band_hz == choose_band(spec, [records_of(spec, usual)]).band_hz


def resonant(seed, ring_hz):
    """(n,) noise whose density falls with frequency and has one broad resonance."""
    white = noise(seed, 12_288)
    b, a = signal.butter(1, 500.0, fs=RATE_HZ)
    peak_b, peak_a = signal.iirpeak(ring_hz, 8.0, fs=RATE_HZ)
    return (signal.lfilter(b, a, white) + 0.6 * signal.lfilter(peak_b, peak_a, white))[-RECORD_N:]


def test_few_records_of_noise_have_kurtosis_by_chance():
    """Of three records some band always has more than flat ones have in the long run: it is not believed."""
    spec = spec_of()
    choices = [choose_band(spec, [records_of(spec, [noise(3 * seed + i) for i in range(3)])]) for seed in range(20)]
    highest = [max(finding.kurtosis for finding in choice.findings) for choice in choices]
    assert sum(value > 0.1 for value in highest) >= 5
    assert {choice.rule for choice in choices} == {PROMINENCE}


@pytest.mark.parametrize("ring_hz", [1600.0, 3200.0])
def test_noise_is_demodulated_about_its_resonance(ring_hz):
    """Nothing is impulsive, so the quarter that stands out of the trend is taken, and the choice says so."""
    spec = spec_of()
    choice = choose_band(spec, [records_of(spec, [resonant(seed, ring_hz)]) for seed in range(9)])
    assert choice.rule == PROMINENCE
    low_hz, high_hz = choice.band_hz
    assert low_hz < ring_hz < high_hz
    assert high_hz - low_hz == pytest.approx(NYQUIST_HZ / 4.0, abs=10.0)
    assert "no kurtosis stands out" in choice.summary


def test_gain_does_not_matter():
    """Levels are compared within a recording: the one of middle gain does not decide for all."""
    spec = spec_of()
    usual = [records_of(spec, [gain * resonant(seed, 1600.0)]) for seed, gain in enumerate((1e-4, 1e-2, 1e2, 1e4))]
    odd = records_of(spec, [resonant(9, 4300.0)])
    assert choose_band(spec, [odd]).band_hz != choose_band(spec, usual).band_hz
    assert choose_band(spec, [*usual, odd]).band_hz == choose_band(spec, usual).band_hz


@pytest.mark.parametrize(
    ("fault_hz", "widest"), [(0.0, 1710.0), (300.0, 1710.0), (600.0, 1710.0), (800.0, 1710.0), (1000.0, 2560.0)]
)
def test_bands_are_wide_enough_for_the_faults(fault_hz, widest):
    """Twice the highest fault frequency or wider; a half of the range only where nothing narrower will do."""
    spec = spec_of()
    choice = choose_band(spec, [records_of(spec, [noise(1)], fault_hz)])
    widths = [finding.high_hz - finding.low_hz for finding in choice.findings]
    assert min(widths) >= 2.0 * fault_hz - 20.0
    assert max(widths) == pytest.approx(widest, abs=10.0)
    assert choice.highest_fault_hz == fault_hz


def test_a_fault_that_fits_into_no_band_is_an_error():
    """Sampled too slowly for this bearing at this speed."""
    spec = spec_of()
    with pytest.raises(DataError, match=r"fault frequencies of at most .* \(2560 Hz\), got 2600 Hz; sample faster"):
        choose_band(spec, [records_of(spec, [noise(1)], 2600.0)])


def test_a_silent_band_is_no_error():
    """Nothing but zeros, as of a simulated sensor: no logarithm of zero, no NaN in the file."""
    spec = spec_of()
    choice = choose_band(spec, [records_of(spec, [np.zeros(RECORD_N)])])
    assert json.loads(choice.to_json())["rule"] == PROMINENCE


def test_plain_spec_has_the_same_windows():
    """Only what windows are, and whether they can be assessed, is asked before the band is known."""
    spec = spec_of(shafts=(ShaftSpec("n1"),), envelope=EnvelopeGroup(True, (2000.0, 3000.0), (BEARING,)))
    plain = plain_spec(spec)
    assert (plain.window_n, plain.hop_records, plain.speeds) == (spec.window_n, spec.hop_records, spec.speeds)
    assert not plain.envelope.enabled


def test_spread_evenly():
    """First and last are among them; few are taken as they are."""
    assert spread_evenly(np.arange(100), 5).tolist() == [0, 25, 50, 74, 99]
    assert spread_evenly(np.arange(3), 5).tolist() == [0, 1, 2]
    assert spread_evenly(np.arange(7), 1).tolist() == [0]


@pytest.fixture
def config(tiny_config):
    """The tiny config with an automatic band, cut by time."""
    return tiny_config(split=BY_TIME, features=AUTO)


@pytest.fixture
def interim(config, tiny_raw, tiny_workspace, no_progress):
    """A workspace with the tiny recordings preprocessed."""
    assert tiny_raw.folder == tiny_workspace.raw
    preprocess(config, tiny_workspace, progress=no_progress)
    return tiny_workspace


def test_records_are_read_where_they_lie(interim, config, monkeypatch):
    """Those that begin at the given times and no other, in whatever piece, with the speed of that moment."""
    monkeypatch.setattr(interim_stream, "BATCH_N", 1000)
    spec = dataclasses.replace(
        config.feature_spec(),
        shafts=(ShaftSpec("n1"),),
        envelope=EnvelopeGroup(enabled=True, band_hz=(100.0, 300.0), bearings=(BEARING,)),
    )
    info = next(info for info in read_index(interim.interim) if info.recording_id == "flight")
    (stretch,) = load_recording(interim.interim, info, conditions=("n1_hz",)).stretches
    at = [5, 60]
    found = read_bands(interim.interim, info, [stretch.start_ns + n * 250_000_000 for n in at], spec=spec)
    expected = [BandReader(spec).read(stretch.samples[256 * n : 256 * (n + 1), 0]) for n in at]
    assert found.kurtosis.tolist() == [kurtosis for kurtosis, _ in expected]
    assert found.level.tolist() == [level for _, level in expected]
    assert found.highest_fault_hz == pytest.approx(60.0 * BPFI, rel=1e-3)
    assert stretch.conditions[[5 * 256, 60 * 256], 0].tolist() == [20.0, 60.0]


def test_featurize_freezes_its_choice(interim, config, no_progress):
    """Table, spec and choice belong together, and a second run gives the same bytes, whatever the processes."""
    runs = []
    for workers in (1, 2):
        report = featurize(config, interim, progress=no_progress, workers=workers)
        names = (WINDOWS, "feature_spec.json", CHOICE)
        runs.append([(interim.features / name).read_bytes() for name in names])
    assert runs[0] == runs[1]
    spec = frozen_spec(config, interim)
    assert report.demodulation.band_hz == spec.envelope.band_hz
    assert read_table(interim.features / WINDOWS, spec).values.shape[1] > 0
    document = json.loads((interim.features / CHOICE).read_bytes())
    assert document["band_hz"] == list(spec.envelope.band_hz)
    assert [document["recordings"], document["records"]] == [4, report.demodulation.records]


def test_only_the_fit_chooses(interim, config, no_progress, monkeypatch):
    """Healthy windows of the fit that can be assessed and are no outliers: no other record is looked at."""
    seen = {}
    monkeypatch.setattr(
        featurize_module,
        "read_bands",
        lambda folder, info, starts_ns, spec: (
            seen.update({info.recording_id: starts_ns}),
            read_bands(folder, info, starts_ns, spec=spec),
        )[1],
    )
    featurize(config, interim, progress=no_progress, workers=1)
    rows = read_table(interim.processed / WINDOWS, frozen_spec(config, interim)).rows
    fitted = rows[(rows["role"] == "fit") & (rows["label"] == 0) & (rows["reason"] == "") & ~rows["outlier"]]
    expected = {name: part["start_ns"].tolist() for name, part in fitted.groupby("recording_id")}
    assert seen == expected


def test_the_stage_tells_its_choice(interim, config, no_progress):
    """In a sentence, and in the manifest of the stage."""
    outcome = run_stage(FEATURIZE, interim, config, progress=no_progress, force=False)
    assert outcome.notes[0].startswith("demodulation band ")
    manifest = json.loads((interim.root / "stages" / "featurize.json").read_bytes())
    assert {f"data/features/{name}" for name in (CHOICE, "feature_spec.json")} <= set(manifest["outputs"])
    assert not run_stage(FEATURIZE, interim, config, progress=no_progress, force=False).ran
