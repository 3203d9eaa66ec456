"""FeatureSpec: one canonical form, and impossible specs refused when they are built."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared_features.errors import SpecError
from shared_features.spec import ChannelSpec, EnvelopeGroup, FeatureSpec, SpectrumGroup, TimeGroup

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
    ("envelope", {"envelope": EnvelopeGroup(enabled=True)}, "envelope.enabled: expected false"),
    ("band over Nyquist", {"spectrum": SpectrumGroup(400, 200, ((10.0, 1001.0),))}, "Nyquist"),
    ("band under a line", {"spectrum": SpectrumGroup(400, 200, ((10.0, 12.0),))}, "at least one line"),
    ("segment over record", {"spectrum": SpectrumGroup(4000, 0, ())}, "segment_n: expected 8 to 2000"),
    ("segments that do not fill", {"spectrum": SpectrumGroup(300, 0, ())}, "fill the record"),
    ("twin bands", {"spectrum": SpectrumGroup(400, 200, ((10.0, 100.0),) * 2)}, "bands that differ"),
    ("two units", {"channels": (ChannelSpec("a", "g"), ChannelSpec("b", "V"))}, "expected one unit for all"),
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


@pytest.mark.parametrize("name", ["", "Acc", "acc.1", "1acc", "a" * 33])
def test_channel_names_are_plain(name):
    """A channel's name becomes part of feature names and columns."""
    with pytest.raises(SpecError, match="channels: expected a name"):
        ChannelSpec(name, "g")


def test_unknown_unit_is_refused():
    """A unit is one of the list; the error shows the list."""
    with pytest.raises(SpecError, match=r"channels.acc.unit: expected one of g, m/s2"):
        ChannelSpec("acc", "furlong")


def test_json_round_trip_keeps_spec_and_digest(make_spec):
    """Reading the canonical JSON back gives the same spec, and so the same digest."""
    spec = make_spec(conditions=("n1_hz",))
    again = FeatureSpec.from_json(spec.to_json())
    assert again == spec
    assert again.digest == spec.digest
    assert again.to_json() == spec.to_json()


def test_digest_is_pinned(make_spec):
    """The canonical JSON is a format: a change of it would orphan every bundle and table in the field."""
    assert make_spec().digest == "16698608d4ea7757a8cee395bfaa23631d94f0dc4fbe6a5bcea4028ea3f13139"


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
    ("other schema", lambda text: text.replace(b'"schema":1', b'"schema":2'), "schema: expected 1"),
    ("not an object", lambda _: b"[]", "schema: expected 1"),
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
