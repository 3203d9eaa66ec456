"""``ground features explain``: what a bundle listens to, out of verified bytes only."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from edge_agent.archive import read_archive
from edge_agent.scaler import Scaler
from ground.features.explain import explain
from ground.features.healthy import expected_ranges, healthy_ranges
from ground.features.source import open_bundle
from ground.features.spec_words import spec_sentences
from ground.keys import load_private_key, new_key_pair
from ground.pack import pack_bundle
from ground.scaling import fit_scaler
from shared_features.bearing import fault_orders
from shared_features.envelope import EnvelopeMaker
from shared_features.rotation import RotationLog
from shared_features.spec import SpectrumGroup
from shared_features.vector import columns_of


def test_it_tells_spec_faults_thresholds_and_features(features, people_bundle, people_spec):
    """Every part is in the text, and every feature with its unit."""
    outcome = features("explain", people_bundle.path)
    assert outcome.code == 0
    for text in (
        "people/1.0.0, development, fleet demo, sequence 1",
        "10,240 Hz, 2 channels: acc_1 (g) and acc_2 (g); conditions n1_hz and n2_hz",
        "records of 1 s (10,240 samples); windows of 2 s (2 records) every 1 s",
        "3 a record, of 5,120 samples with 50% overlap, Hann taper; a spectral line each 2 Hz up to 5,120 Hz",
        "8 bands within 10 to 4,608 Hz",
        "demodulated from 2,000 to 4,000 Hz; faults of front on n1, 3 harmonics each, ± 2.0%",
        "n1: 1x, 2x and 22x with 2 sidebands on each side; n2: 1x; n1: all from 4x to 20x",
        "an alarm is raised when 3 of the last 5 assessed windows",
        "at most 5.0% of healthy flights raise one, at 95.0% confidence",
    ):
        assert text in outcome.out
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["cruise", "2.50"] in lines
    assert ["any", "other", "4.00"] in lines
    names = {line[1] for line in lines if len(line) > 1}
    assert {column.name for column in columns_of(people_spec)} <= names


def test_healthy_ranges_are_those_of_the_windows(features, people_bundle, people_spec):
    """In physical units: the geometric mean and a factor for logarithms, the mean and a distance for the rest."""
    document = json.loads(features("explain", people_bundle.path, "--json").out)
    scaler = fit_scaler(people_spec, people_bundle.values)
    assert len(document["features"]) == len(columns_of(people_spec))
    for one in document["features"]:
        ends = scaler.mean[one["index"]] + np.array([0.0, -1.0, 1.0]) * scaler.std[one["index"]]
        expected = np.exp(ends) if one["scale"] == "log" else ends
        found = [one["healthy"][name] for name in ("mean", "low", "high")]
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_a_range_undoes_the_scaler(people_bundle):
    """Its ends lie one standard deviation from the mean in the space of the model."""
    scaler = open_bundle(people_bundle.path, (people_bundle.key,)).scaler
    ranges = healthy_ranges(scaler)
    for place, name in ((-1.0, "low"), (0.0, "mean"), (1.0, "high")):
        values = np.array([getattr(one, name) for one in ranges])
        logarithm = np.array([scale == "log" for scale in scaler.scales])
        z = (np.where(logarithm, np.log(np.where(logarithm, values, 1.0)), values) - scaler.mean) / scaler.std
        assert z == pytest.approx(np.full(len(z), place), abs=1e-6)


def test_a_scaler_beyond_any_float_stays_a_number(people_bundle):
    """The logarithm of the largest float is 709."""
    scaler = open_bundle(people_bundle.path, (people_bundle.key,)).scaler
    n = len(scaler.names)
    ranges = healthy_ranges(replace(scaler, scales=("log",) * n, mean=(1e6,) * n, std=(1e6,) * n))
    assert all(np.isfinite([one.low, one.mean, one.high]).all() for one in ranges)


def test_fault_frequencies_at_a_given_speed(features, people_bundle, people_spec):
    """Order times speed; without one, times the mean speed of the healthy windows."""
    orders = fault_orders(people_spec.envelope.bearings[0])._asdict()
    given = json.loads(features("explain", people_bundle.path, "--n1-hz", "50", "--json").out)
    assert {one["fault"]: one["frequency_hz"] for one in given["bearing_faults"]} == {
        name: pytest.approx(50.0 * order) for name, order in orders.items()
    }
    assert given["speeds"]["n1"] == {"hz": 50.0, "origin": "given"}
    usual = json.loads(features("explain", people_bundle.path, "--json").out)
    mean_hz = people_bundle.values[:, -2].astype(np.float64).mean()
    assert usual["speeds"]["n1"] == {"hz": pytest.approx(mean_hz, rel=1e-6), "origin": "healthy mean"}
    assert usual["bearing_faults"][0]["frequency_hz"] == pytest.approx(orders["bpfo"] * mean_hz, rel=1e-6)
    assert "371.27" not in features("explain", people_bundle.path, "--n1-hz", "50").out


def test_the_speed_ranges_are_where_records_can_be_measured(people_bundle, people_spec):
    """A hair inside the code that flies has no reason, a hair outside it has one."""
    bundle = open_bundle(people_bundle.path, (people_bundle.key,))
    ranges = {(one.shaft, one.group): one for one in explain(bundle, {}).ranges}
    faults, orders = ranges["n1", "envelope"], ranges["n1", "orders"]
    maker = EnvelopeMaker(people_spec)
    for edge_hz, inside in ((faults.low_hz, 1.001), (faults.high_hz, 0.999)):
        assert maker.reason(np.array([edge_hz * inside, 200.0])) == ""
        assert maker.reason(np.array([edge_hz / inside, 200.0])) == "speed_out_of_range"
    for edge_hz, inside in ((orders.low_hz, 1.001), (orders.high_hz, 0.999)):
        for speed_hz, expected in ((edge_hz * inside, ""), (edge_hz / inside, "speed_out_of_range")):
            log = RotationLog(people_spec)
            log.note(0, np.array([speed_hz, 200.0]), {})
            assert log.rotations(0)[0].reason == expected


def test_a_folder_of_members_is_a_bundle_too(features, people_bundle, tmp_path):
    """As an unpacked release lies in a workspace; its digest is the packed one's."""
    for name, content in read_archive(people_bundle.path.read_bytes()).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    packed = features("explain", people_bundle.path, "--json")
    unpacked = features("explain", tmp_path, "--key", people_bundle.key, "--json")
    assert unpacked.out == packed.out


def _truncated(bundle, folder):
    path = folder / "cut.bundle"
    path.write_bytes(bundle.path.read_bytes()[:-2000])
    return [path, "--key", bundle.key]


def _tampered(bundle, folder):
    path = folder / "tampered.bundle"
    data = bundle.path.read_bytes()
    path.write_bytes(data.replace(b'"confidence":0.95', b'"confidence":0.99'))
    return [path, "--key", bundle.key]


def _other_key(bundle, folder):
    return [bundle.path, "--key", new_key_pair(folder / "other").public]


def _other_signer(bundle, folder):
    members = read_archive(bundle.path.read_bytes())
    members = {name: content for name, content in members.items() if name != "bundle.sig"}
    path = folder / "resigned.bundle"
    path.write_bytes(pack_bundle(members, load_private_key(new_key_pair(folder / "forger").private)))
    return [path, "--key", bundle.key]


def _no_key_nearby(bundle, folder):
    return [shutil.copy(bundle.path, folder / "moved.bundle")]


REFUSED = [
    ("cut short", _truncated, "bundle"),
    ("one value changed", _tampered, "thresholds.json"),
    ("another key", _other_key, "key"),
    ("signed by a stranger", _other_signer, "key"),
    ("no key in the workspace", _no_key_nearby, "expected a public key in PEM"),
    ("no such file", lambda _bundle, folder: [folder / "none"], "none: expected a .bundle file or a folder"),
    ("a speed of zero", lambda bundle, _folder: [bundle.path, "--n1-hz", "0"], "--n1-hz: expected a positive speed"),
    ("no speed", lambda bundle, _folder: [bundle.path, "--n2-hz", "nan"], "--n2-hz: expected a positive speed"),
]


@pytest.mark.parametrize(("make", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_nothing_is_shown_of_what_is_refused(features, people_bundle, tmp_path, make, expected):
    """Code 2, the reason, and not a word out of bytes that nobody vouches for, as text and as JSON."""
    arguments = make(people_bundle, tmp_path)
    for form in ([], ["--json"]):
        outcome = features("explain", *arguments, *form)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("error: ")
        assert expected in outcome.err


def test_groups_that_are_off_are_named(people_spec):
    """So that a reader does not look for what is not there."""
    off = {name: type(getattr(people_spec, name))() for name in ("velocity", "envelope", "orders")}
    spectrum = SpectrumGroup(segment_n=0, overlap_n=0, bands_hz=(), enabled=False)
    spec = replace(people_spec, spectrum=spectrum, conditions=(), shafts=(), **off)
    told = {sentence.topic: sentence.text for sentence in spec_sentences(spec)}
    assert [topic for topic, text in told.items() if text == "off"] == [
        "Spectrum", "Velocity", "Envelope spectrum", "Shaft orders",
    ]  # fmt: skip
    assert "Segments" not in told
    assert (told["Shafts"], told["Signal"]) == ("none", "10,240 Hz, 2 channels: acc_1 (g) and acc_2 (g); no conditions")


def test_small_specs_are_told_in_the_singular(small_bundle, features):
    """One channel, no shafts, no conditions: no empty tables."""
    outcome = features("explain", small_bundle.path, "--key", small_bundle.key)
    assert outcome.code == 0
    assert "1,000 Hz, 1 channel: acc_1 (g); no conditions" in outcome.out
    assert "Bearing faults" not in outcome.out
    assert ["every", "phase", "20.0"] in [line.split() for line in outcome.out.splitlines()]


def test_the_range_of_a_window_lies_about_what_is_expected_of_it():
    """At twice the mean and a spread of a tenth (an e-fold of one): the window's condition, not the fleet's mean."""
    scaler = Scaler(("a", "b"), ("linear", "log"), (5.0, 0.0), (0.1, 1.0))
    linear, log = expected_ranges(scaler, np.array([10.0, np.e], dtype=np.float32))
    assert (linear.low, linear.mean, linear.high) == pytest.approx((9.9, 10.0, 10.1))
    assert (log.low, log.mean, log.high) == pytest.approx((1.0, np.e, np.e**2), rel=1e-6)
    assert expected_ranges(scaler, np.array([5.0, 1.0], dtype=np.float32)) == healthy_ranges(scaler)
