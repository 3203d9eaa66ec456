"""FeatureSpec: one canonical form, and impossible specs refused when they are built."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared_features.errors import SpecError
from shared_features.spec import (
    BearingSpec,
    Carrier,
    ChannelSpec,
    EnvelopeGroup,
    FeatureSpec,
    OrderBand,
    OrdersGroup,
    QualityLimits,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
    TimeGroup,
    VelocityGroup,
)
from shared_features.vector import columns_of

N1 = ShaftSpec("n1")
BEARING = BearingSpec("main", "n1", 9, 7.94, 39.04)


def envelope(**changes):
    """An enabled envelope group and its shaft; keywords replace its fields."""
    fields = {"band_hz": (200.0, 600.0), "bearings": (BEARING,), **changes}
    return {"envelope": EnvelopeGroup(enabled=True, **fields), "shafts": (N1,)}


def orders(**changes):
    """An enabled orders group and its shaft; keywords replace its fields."""
    fields = {"shafts": (ShaftOrders("n1"),), "max_hz": 300.0, **changes}
    return {"orders": OrdersGroup(enabled=True, **fields), "shafts": (N1,)}


def velocity(*, unit="g", **changes):
    """An enabled velocity group on a channel of ``unit``."""
    return {"velocity": VelocityGroup(enabled=True, **changes), "channels": (ChannelSpec("a", unit),)}


IMPOSSIBLE = [
    ("no rate", {"sampling_rate_hz": 0.0}, "sampling_rate_hz: expected a positive number"),
    ("not a number", {"window_s": float("nan")}, "window_s: expected a positive number"),
    ("half a sample", {"record_s": 0.00025}, "record_s: expected a whole number of samples"),
    ("window of part records", {"window_s": 1.5}, "window_s: expected a whole number of records"),
    ("hop of part records", {"hop_s": 0.3}, "hop_s: expected a whole number of records"),
    ("hop over window", {"hop_s": 3.0}, "hop_s: expected at most window_s"),
    ("no channel", {"channels": ()}, "channels: expected one or more"),
    ("twin channels", {"channels": (ChannelSpec("a", "g"),) * 2}, "channels: expected one or more different"),
    ("unknown condition", {"conditions": ("n3_hz",)}, "conditions: expected different ones of n1_hz, n2_hz"),
    ("twin shafts", {"shafts": (N1, N1)}, "shafts: expected different names"),
    ("dominant lines", {"spectrum": SpectrumGroup(400, 200, (), dominant_n=17)}, "dominant_n: expected 0 to 16"),
    ("velocity of a voltage", velocity(unit="V"), "velocity: expected all channels in g, or all"),
    ("velocity below two lines", velocity(low_hz=9.0), r"velocity.low_hz: expected at least two spectral lines \(10"),
    ("velocity over Nyquist", velocity(high_hz=1001.0), "velocity: expected .*Nyquist"),
    ("envelope without a band", envelope(band_hz=(0.0, 0.0)), "envelope.band_hz: expected 0 <= low < high"),
    ("envelope over Nyquist", envelope(band_hz=(500.0, 1200.0)), "envelope.band_hz: expected .*Nyquist"),
    ("envelope too narrow", envelope(band_hz=(500.0, 510.0)), "envelope.band_hz: expected a band of at least 4 lines"),
    ("twin bearings", envelope(bearings=(BEARING, BEARING)), "envelope.bearings: expected different names"),
    ("no harmonic", envelope(harmonics=0), "envelope.harmonics: expected 1 to 16"),
    ("wide tolerance", envelope(tolerance=0.3), "envelope.tolerance: expected a share"),
    (
        "bearing of no shaft",
        {**envelope(), "shafts": ()},
        r"bearings.main.shaft: expected one of .* \(none\), got 'n1'",
    ),
    ("segments that do not add up", {**envelope(), "spectrum": SpectrumGroup(400, 0, ())}, "overlap_n: expected half"),
    ("band of the mean alone", {"spectrum": SpectrumGroup(400, 200, ((0.0, 5.0),))}, "above 0 Hz"),
    (
        "bearing at no speed",
        {**envelope(band_hz=(500.0, 520.0)), "record_s": 0.4, "window_s": 0.8, "hop_s": 0.4},
        "shafts.n1: expected orders and bearing faults",
    ),
    ("no orders", orders(shafts=()), "orders: expected shafts or bands"),
    ("orders of no shaft", {**orders(), "shafts": ()}, "orders.shafts.shaft: expected one of"),
    ("band of no shaft", orders(bands=(OrderBand("n2", 1.0, 2.0),)), "orders.bands.shaft: expected one of"),
    ("twin shaft orders", orders(shafts=(ShaftOrders("n1"),) * 2), "orders.shafts: expected each shaft once"),
    ("order of zero", orders(shafts=(ShaftOrders("n1", (0.0,)),)), "orders.n1: expected different positive"),
    ("twin orders", orders(shafts=(ShaftOrders("n1", (1.0, 1.0)),)), "orders.n1: expected different positive"),
    (
        "sidebands below zero",
        orders(shafts=(ShaftOrders("n1", (), (Carrier(2.0, 2),)),)),
        "carriers: expected 1 to 16 sidebands",
    ),
    ("orders over Nyquist", orders(max_hz=1001.0), "orders.max_hz: expected .*Nyquist"),
    ("band upside down", orders(bands=(OrderBand("n1", 2.0, 1.0),)), "orders.bands: expected 0 <= low < high"),
    ("twin order bands", orders(bands=(OrderBand("n1", 1.0, 2.0),) * 2), "orders.bands: expected different"),
    (
        "flat share",
        {"quality": QualityLimits(flat_run_ratio=0.0)},
        r"quality.flat_run_ratio: expected a share in \(0, 1\]",
    ),
    ("tach gap", {"quality": QualityLimits(tach_gap_ratio=0.0)}, "quality.tach_gap_ratio: expected a positive"),
    ("band over Nyquist", {"spectrum": SpectrumGroup(400, 200, ((10.0, 1001.0),))}, "Nyquist"),
    ("band under a line", {"spectrum": SpectrumGroup(400, 200, ((10.0, 12.0),))}, "at least one line"),
    ("segment over record", {"spectrum": SpectrumGroup(4000, 0, ())}, "segment_n: expected 8 to 2000"),
    ("segments that do not fill", {"spectrum": SpectrumGroup(300, 0, ())}, "fill the record"),
    ("twin bands", {"spectrum": SpectrumGroup(400, 200, ((10.0, 100.0),) * 2)}, "bands that differ"),
    (
        "velocity of two units",
        {"channels": (ChannelSpec("a", "g"), ChannelSpec("b", "V")), "velocity": VelocityGroup(enabled=True)},
        "velocity: expected all channels in g, or all in m/s2, to integrate, got V, g",
    ),
    ("unknown taper", {"spectrum": SpectrumGroup(400, 200, (), taper="flat")}, "taper: expected one of hann"),
    (
        "nothing enabled",
        {"time": TimeGroup(enabled=False), "spectrum": SpectrumGroup(400, 200, (), enabled=False)},
        "at least one enabled group",
    ),
]


@pytest.mark.parametrize(("changes", "text"), [row[1:] for row in IMPOSSIBLE], ids=[row[0] for row in IMPOSSIBLE])
def test_impossible_specs_are_refused_when_built(make_spec, changes, text):
    """Each impossible spec names its field and what was expected."""
    with pytest.raises(SpecError, match=text):
        make_spec(**changes)


BAD_PARTS = [
    ("shaft", lambda: ShaftSpec("n3"), "shafts.name: expected one of n1, n2"),
    ("source", lambda: ShaftSpec("n1", "guess"), "shafts.n1.source: expected one of reported, tach"),
    ("pulses", lambda: ShaftSpec("n1", "tach", 0.0), "shafts.n1.pulses_per_rev: expected a positive number"),
    ("bearing name", lambda: BearingSpec("A-1", "n1", 9, 7.94, 39.04), "bearings.name: expected a name"),
    ("bearing shaft", lambda: BearingSpec("a", "n3", 9, 7.94, 39.04), "bearings.a.shaft: expected one of"),
    ("one ball", lambda: BearingSpec("a", "n1", 1, 7.94, 39.04), "n_ball: expected 2 or more"),
    ("ball over pitch", lambda: BearingSpec("a", "n1", 9, 39.04, 7.94), "expected 0 < ball_mm < pitch_mm"),
    ("too many balls", lambda: BearingSpec("a", "n1", 16, 7.94, 39.04), "rolling elements that fit"),
    ("contact angle", lambda: BearingSpec("a", "n1", 9, 7.94, 39.04, 90.0), "contact_deg: expected 0 to below 90"),
]


@pytest.mark.parametrize(("build", "text"), [row[1:] for row in BAD_PARTS], ids=[row[0] for row in BAD_PARTS])
def test_impossible_parts_are_refused_when_built(build, text):
    """A shaft or bearing that cannot exist never becomes part of a spec."""
    with pytest.raises(SpecError, match=text):
        build()


def test_reported_shafts_bring_their_speeds_after_the_conditions(make_spec):
    """Each speed comes once with the samples; a tach needs none."""
    assert make_spec(shafts=(N1,)).speeds == ("n1_hz",)
    assert make_spec(conditions=("n2_hz",), shafts=(N1, ShaftSpec("n2"))).speeds == ("n2_hz", "n1_hz")
    assert make_spec(shafts=(ShaftSpec("n1", "tach"),)).speeds == ()


@pytest.mark.parametrize("name", ["", "a;b", " acc", "acc ", "a\nb", "a" * 65])
def test_channel_names_fit_into_lists_and_tables(name):
    """A channel's name becomes part of feature names, columns and lists with ; between the names."""
    with pytest.raises(SpecError, match="channels: expected names of 1 to 64 printable characters without ;"):
        ChannelSpec(name, "g")


@pytest.mark.parametrize("name", ["acc_1", "Accelerometer1RMS", "Volume Flow RateRMS", "X (g)", "acc.1", "Druck/bar °"])
def test_channels_keep_the_names_that_their_machine_gives_them(make_spec, name):
    """What a rig calls its columns is taken as it is; features are named after it."""
    spec = make_spec(channels=(ChannelSpec(name, "g"),))
    assert all(column.name.startswith(f"{name}.") for column in columns_of(spec))
    assert FeatureSpec.from_json(spec.to_json()) == spec


def test_unknown_unit_is_refused():
    """A unit is one of the list; the error shows the list."""
    with pytest.raises(SpecError, match=r"channels.acc.unit: expected one of g, m/s2"):
        ChannelSpec("acc", "furlong")


def test_json_round_trip_keeps_spec_and_digest(make_spec):
    """Reading the canonical JSON back gives the same spec, and so the same digest."""
    carriers = ShaftOrders("n1", (1.0,), (Carrier(27.0, 2),))
    parts = {**envelope(), **orders(shafts=(carriers,), bands=(OrderBand("n1", 1.0, 4.0),))}
    spec = make_spec(conditions=("n1_hz",), velocity=VelocityGroup(enabled=True), **parts)
    again = FeatureSpec.from_json(spec.to_json())
    assert again == spec
    assert again.digest == spec.digest
    assert again.to_json() == spec.to_json()


def test_digest_is_pinned(make_spec):
    """The canonical JSON is a format: a change of it would orphan every bundle and table in the field."""
    assert make_spec().digest == "0fa937a2c48cd3422a0190bf92cf65667a1da2b1d4dc060d66ec5cd1bfe68e4e"


def test_every_field_moves_the_digest(make_spec):
    """No two different specs share a digest."""
    spec = make_spec()
    variants = [
        replace(spec, window_s=3.0),
        replace(spec, channels=(ChannelSpec("acc", "m/s2"),)),
        replace(spec, spectrum=replace(spec.spectrum, rolloff=0.9)),
        replace(spec, quality=replace(spec.quality, clip_ratio=0.01)),
    ]
    assert len({spec.digest, *(variant.digest for variant in variants)}) == 1 + len(variants)


MUTATIONS = [
    ("not json", lambda text: text[:-1], "expected JSON"),
    ("other schema", lambda text: text.replace(b'"schema":2', b'"schema":1'), "schema: expected 2"),
    ("not an object", lambda _: b"[]", "schema: expected 2"),
    ("unknown field", lambda text: text.replace(b'"hop_s"', b'"hops"'), "got hops"),
    ("wrong type", lambda text: text.replace(b'"hop_s":1.0', b'"hop_s":"1"'), "hop_s: expected float"),
    ("bool for number", lambda text: text.replace(b'"hop_s":1.0', b'"hop_s":true'), "hop_s: expected float"),
    ("missing field", lambda text: text.replace(b'"hop_s":1.0,', b""), "expected hop_s, got nothing"),
    ("text for list", lambda text: text.replace(b'"conditions":[]', b'"conditions":"n1_hz"'), "expected a list"),
    ("short band", lambda text: text.replace(b"[10.0,100.0]", b"[10.0]"), "expected 2 values, got 1"),
]


@pytest.mark.parametrize(("mutate", "text"), [row[1:] for row in MUTATIONS], ids=[row[0] for row in MUTATIONS])
def test_broken_json_is_refused(make_spec, mutate, text):
    """Each broken document names the field and what was expected."""
    with pytest.raises(SpecError, match=text):
        FeatureSpec.from_json(mutate(make_spec().to_json()))


def test_whole_numbers_are_read_as_floats(make_spec):
    """JSON written by another tool may say 1 for 1.0; the digest is that of the canonical form."""
    document = json.loads(make_spec().to_json())
    document["hop_s"] = 1
    assert FeatureSpec.from_json(json.dumps(document).encode()).digest == make_spec().digest
