"""The `features` section: every group reaches the spec; what is impossible is refused with its place in the file."""

from __future__ import annotations

import copy
import dataclasses
import re

import pytest
import yaml

from ground.config import load_config
from ground.errors import ConfigError
from ground.features_config import AUTO, QualityConfig, awaits_band, with_band
from shared_features.spec import BearingSpec, Carrier, OrderBand, QualityLimits, ShaftOrders, ShaftSpec

BEARING = {"name": "fan", "shaft": "n1", "n_ball": 13, "ball_mm": 22.0, "pitch_mm": 150.0, "contact_deg": 25.0}
DOCUMENT = {
    "schema": 1,
    "detector": "full",
    "signal": {
        "sampling_rate_hz": 10240,
        "channels": [{"name": "acc_1", "unit": "g"}],
        "conditions": ["n1_hz"],
        "shafts": [{"name": "n1"}, {"name": "n2", "source": "tach", "pulses_per_rev": 2.0}],
    },
    "features": {
        "record_s": 1.0,
        "window_s": 4.0,
        "hop_s": 1.0,
        "spectrum": {"segment_n": 2048, "overlap_n": 1024, "n_bands": 20, "dominant_n": 3},
        "velocity": {"enabled": True, "low_hz": 20.0, "high_hz": 500.0},
        "envelope": {
            "enabled": True,
            "band_hz": [2000.0, 3000.0],
            "bearings": [BEARING],
            "harmonics": 2,
            "tolerance": 0.03,
        },
        "orders": {
            "enabled": True,
            "shafts": [
                {"shaft": "n1", "orders": [0.5, 1, 2], "carriers": [{"order": 22, "sidebands": 3}]},
                {"shaft": "n2"},
            ],
            "bands": [{"shaft": "n2", "low": 0.2, "high": 0.8}],
            "max_hz": 800.0,
            "tolerance": 0.01,
        },
        "quality": {"clip_ratio": 0.01},
    },
}


def write(folder, change=lambda _: None):
    """The full config after ``change``, as a file."""
    document = copy.deepcopy(DOCUMENT)
    change(document)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def spec(tmp_path):
    """The spec of the full config."""
    return load_config(write(tmp_path)).feature_spec()


def test_shafts_reach_the_spec(spec):
    """Names, sources and pulses a revolution; a reported shaft brings its speed."""
    assert spec.shafts == (ShaftSpec("n1"), ShaftSpec("n2", "tach", 2.0))
    assert spec.speeds == ("n1_hz",)


def test_spectrum_and_velocity_reach_the_spec(spec):
    """Dominant lines, and the band of the velocity."""
    assert spec.spectrum.dominant_n == 3
    assert (spec.velocity.enabled, spec.velocity.low_hz, spec.velocity.high_hz) == (True, 20.0, 500.0)


def test_envelope_reaches_the_spec(spec):
    """Band, bearings, harmonics and tolerance."""
    group = spec.envelope
    assert (group.enabled, group.band_hz, group.harmonics, group.tolerance) == (True, (2000.0, 3000.0), 2, 0.03)
    assert group.bearings == (BearingSpec(**BEARING),)


def test_orders_reach_the_spec(spec):
    """Orders and carriers a shaft, bands between orders; a shaft without orders takes the usual ones."""
    group = spec.orders
    assert group.shafts == (
        ShaftOrders("n1", (0.5, 1.0, 2.0), (Carrier(22.0, 3),)),
        ShaftOrders("n2", (0.5, 1.0, 2.0, 3.0)),
    )
    assert group.bands == (OrderBand("n2", 0.2, 0.8),)
    assert (group.enabled, group.max_hz, group.tolerance) == (True, 800.0, 0.01)


def test_quality_has_every_limit_of_the_spec(spec):
    """A limit that the spec gains must be one that a config can set, with the same default."""
    assert QualityConfig().model_dump() == dataclasses.asdict(QualityLimits())
    assert spec.quality == dataclasses.replace(QualityLimits(), clip_ratio=0.01)


def test_groups_are_off_unless_enabled(tmp_path):
    """A config that names no new group gives the spec of before: no such feature, no band, no speed."""

    def plain(document):
        document["features"] = {"record_s": 1.0, "window_s": 4.0, "hop_s": 1.0}
        del document["signal"]["shafts"]

    config = load_config(write(tmp_path, plain))
    spec = config.feature_spec()
    assert [spec.velocity.enabled, spec.envelope.enabled, spec.orders.enabled] == [False] * 3
    assert spec.envelope.band_hz == (0.0, 0.0)
    assert not awaits_band(config.features)


def test_an_automatic_band_has_a_stand_in(tmp_path):
    """Everything but the band is checked and known before it is chosen; another band is another digest."""
    config = load_config(write(tmp_path, lambda d: d["features"]["envelope"].update(band_hz=AUTO)))
    spec = config.feature_spec()
    assert awaits_band(config.features)
    assert 0.0 < spec.envelope.band_hz[0] < spec.envelope.band_hz[1] <= 5120.0
    chosen = with_band(spec, (2000.0, 3000.0))
    assert chosen.digest != spec.digest
    assert chosen == load_config(write(tmp_path)).feature_spec()


@pytest.mark.parametrize("segment_n", [8, 10, 16, 20, 26, 30, 32])
def test_an_automatic_band_needs_lines_to_choose_from(tmp_path, segment_n):
    """A quarter of the range has four lines from 32 samples on; the band that is missing is not the user's mistake."""

    def coarse(document):
        document["features"] = {
            "record_s": segment_n / 1024.0,
            "window_s": segment_n / 256.0,
            "hop_s": segment_n / 1024.0,
            "spectrum": {"segment_n": segment_n, "overlap_n": segment_n // 2, "bands_hz": [[2000.0, 5000.0]]},
            "envelope": {"enabled": True, "band_hz": AUTO},
        }

    path = write(tmp_path, coarse)
    if segment_n >= 32:
        assert awaits_band(load_config(path).features)
        return
    text = (
        f"features.envelope.band_hz: expected spectrum.segment_n of at least 32 samples to choose a band from (auto), "
        f"got {segment_n}; lengthen the segments, or state the band"
    )
    with pytest.raises(ConfigError, match=re.escape(text)):
        load_config(path)


def test_a_stated_band_awaits_nothing(tmp_path):
    """Nor does an automatic one of a group that is off."""
    assert not awaits_band(load_config(write(tmp_path)).features)
    off = write(tmp_path, lambda d: d["features"]["envelope"].update(band_hz=AUTO, enabled=False))
    assert not awaits_band(load_config(off).features)


def envelope(**values):
    """A change of the envelope section."""
    return lambda document: document["features"]["envelope"].update(values)


def bearing(**values):
    """A change of the bearing."""
    return lambda document: document["features"]["envelope"]["bearings"][0].update(values)


def orders(**values):
    """A change of the orders section."""
    return lambda document: document["features"]["orders"].update(values)


def features(**values):
    """A change of the spans or of whole groups."""
    return lambda document: document["features"].update(values)


BAD = {
    "band over Nyquist": (envelope(band_hz=[3000.0, 6000.0]), "features.envelope.band_hz: expected 0 <= low < high"),
    "band upside down": (envelope(band_hz=[3000.0, 2000.0]), "features.envelope.band_hz: expected 0 <= low < high"),
    "band of one line": (
        envelope(band_hz=[3000.0, 3010.0]),
        "features.envelope.band_hz: expected a band of at least 4",
    ),
    "band by another word": (envelope(band_hz="best"), "features.envelope.band_hz: expected [low, high] in Hz or auto"),
    "band of three": (
        envelope(band_hz=[1.0, 2.0, 3.0]),
        "features.envelope.band_hz: expected [low, high] in Hz or auto",
    ),
    "no harmonic": (envelope(harmonics=0), "features.envelope.harmonics: expected 1 to 16, got 0"),
    "wide tolerance": (envelope(tolerance=0.5), "features.envelope.tolerance: expected a share from 0 to 0.25"),
    "balls larger than the pitch": (bearing(ball_mm=160.0), "features.envelope.bearings.fan.ball_mm: expected 0 <"),
    "balls that do not fit": (bearing(n_ball=40), "features.envelope.bearings.fan.n_ball: expected rolling elements"),
    "one ball": (bearing(n_ball=1), "features.envelope.bearings.fan.n_ball: expected 2 or more"),
    "contact at a right angle": (
        bearing(contact_deg=90.0),
        "features.envelope.bearings.fan.contact_deg: expected 0 to",
    ),
    "bearing without a pitch": (
        lambda d: d["features"]["envelope"]["bearings"][0].pop("pitch_mm"),
        "features.envelope.bearings.0.pitch_mm: expected a value, got nothing",
    ),
    "bearing with a typo": (bearing(balls=13), "features.envelope.bearings.0.balls: expected a known key"),
    "bearing with a bad name": (bearing(name="Fan 1"), "features.envelope.bearings.name: expected a name of a-z"),
    "bearing twice": (envelope(bearings=[BEARING, BEARING]), "features.envelope.bearings: expected different names"),
    "bearing on an unknown shaft": (
        lambda d: (d["signal"].update(shafts=[{"name": "n2"}]), orders(shafts=[], bands=[], enabled=False)(d)),
        "features.envelope.bearings.fan.shaft: expected one of the spec's shafts (n2), got 'n1'",
    ),
    "orders of an unknown shaft": (
        lambda d: d["signal"].update(shafts=[{"name": "n1"}]),
        "features.orders.shafts.shaft: expected one of the spec's shafts (n1), got 'n2'",
    ),
    "orders over Nyquist": (orders(max_hz=5121.0), "features.orders.max_hz: expected 0 <= low < high <= 5120.0 Hz"),
    "orders without a limit": (orders(max_hz=0.0), "features.orders.max_hz: expected 0 <= low < high"),
    "no orders at all": (orders(shafts=[], bands=[]), "features.orders: expected shafts or bands, got neither"),
    "negative order": (orders(shafts=[{"shaft": "n1", "orders": [-1]}]), "features.orders.n1: expected different pos"),
    "shaft twice in orders": (
        orders(shafts=[{"shaft": "n1"}, {"shaft": "n1"}]),
        "features.orders.shafts: expected each",
    ),
    "more sidebands than the order": (
        orders(shafts=[{"shaft": "n1", "carriers": [{"order": 2.5, "sidebands": 3}]}]),
        "features.orders.n1.carriers: expected 1 to 16 sidebands, fewer than the order (2.5), got 3",
    ),
    "order band upside down": (
        orders(bands=[{"shaft": "n1", "low": 2, "high": 1}]),
        "features.orders.bands: expected 0",
    ),
    "shaft by another name": (
        lambda d: d["signal"]["shafts"][0].update(name="n3"),
        "signal.shafts.0.name: Input should be 'n1' or 'n2', got 'n3'",
    ),
    "shaft twice": (
        lambda d: d["signal"].update(shafts=[{"name": "n1"}, {"name": "n2"}, {"name": "n1"}]),
        "signal.shafts: expected different names",
    ),
    "no pulses": (
        lambda d: d["signal"]["shafts"][1].update(pulses_per_rev=0),
        "signal.shafts.1.pulses_per_rev: Input should be greater than 0",
    ),
    "velocity of no acceleration": (
        lambda d: d["signal"]["channels"][0].update(unit="unknown"),
        "features.velocity: expected all channels in g, or all in m/s2, to integrate, got unknown",
    ),
    "velocity over Nyquist": (
        features(velocity={"enabled": True, "high_hz": 9000}),
        "features.velocity: expected 0 <=",
    ),
    "velocity below the lines": (
        features(velocity={"enabled": True, "low_hz": 5.0}),
        "features.velocity.low_hz: expected at least two spectral lines (10 Hz), got 5",
    ),
    "overlap of a quarter": (
        features(spectrum={"segment_n": 2048, "overlap_n": 512, "bands_hz": [[100, 200]]}),
        "features.spectrum.segment_n: expected segments that fill the record",
    ),
    "no overlap": (
        features(spectrum={"segment_n": 2048, "overlap_n": 0, "bands_hz": [[100, 200]]}),
        "features.spectrum.overlap_n: expected half of segment_n (2048) for envelope and orders, got 0",
    ),
    "too many dominant lines": (
        features(spectrum={"dominant_n": 17}),
        "features.spectrum.dominant_n: expected 0 to 16 lines, got 17",
    ),
    "hop of half a record": (
        features(hop_s=0.5),
        "features.hop_s: expected a whole number of records of 1.0 s, got 0.5",
    ),
    "record of part of a sample": (features(record_s=0.00015), "features.record_s: expected a whole number of samples"),
    "no group": (
        lambda d: d["features"].update(
            time=False, spectrum={"enabled": False}, velocity={}, envelope={"enabled": False}, orders={"enabled": False}
        ),
        "features.time, spectrum, velocity, envelope, orders: expected at least one enabled group",
    ),
    "velocity of two units": (
        lambda d: (
            d["signal"]["channels"].append({"name": "p", "unit": "bar"}),
            features(velocity={"enabled": True})(d),
        ),
        "features.velocity: expected all channels in g, or all in m/s2, to integrate, got bar, g",
    ),
    "tach that forgives nothing": (
        features(quality={"tach_gap_ratio": 0.0}),
        "features.quality.tach_gap_ratio: expected a positive number, got 0.0",
    ),
    "clipping beyond all samples": (
        features(quality={"clip_ratio": 1.5}),
        "features.quality.clip_ratio: expected a share in (0, 1], got 1.5",
    ),
}


@pytest.mark.parametrize(("change", "text"), BAD.values(), ids=BAD.keys())
def test_impossible_features_are_refused(tmp_path, change, text):
    """When the config is read, never at run time: the file, the place in it, what was expected and what came."""
    path = write(tmp_path, change)
    with pytest.raises(ConfigError, match=re.escape(f"{path}: {text}")):
        load_config(path)
