"""``ground features list``: every column of the vector, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ground.config import load_config
from ground.features.listing import TITLES, features_markdown, listed
from ground.features.reference import REFERENCE, with_every_group
from ground.features.source import EXAMPLE
from shared_features.spec import ChannelSpec, SpectrumGroup, TimeGroup
from shared_features.vector import columns_of, groups_of


def test_without_a_source_the_example_is_listed(features):
    """Each column of the vector is one line, with its place, unit, scale, formula and source."""
    outcome = features("list")
    lines = [line.split() for line in outcome.out.splitlines()]
    for index, column in enumerate(columns_of(load_config(EXAMPLE).feature_spec())):
        words = f"{index} {column.name} {column.unit} {column.scale} {column.formula} {column.source}".split()
        assert words in lines
    assert outcome.code == 0
    assert "packaged example" in outcome.out


def test_json_holds_every_column(features, config_file, people_spec):
    """Whole and in the order of groups; the place is that in the vector."""
    document = json.loads(features("list", "--config", config_file, "--json").out)
    assert document["spec_digest"] == people_spec.digest
    assert document["channels"] == [{"name": "acc_1", "unit": "g"}, {"name": "acc_2", "unit": "g"}]
    by_index = sorted(document["features"], key=lambda one: one["index"])
    columns = columns_of(people_spec)
    assert [one["index"] for one in by_index] == list(range(len(columns)))
    for one, column in zip(by_index, columns, strict=True):
        assert {name: one[name] for name in ("name", "unit", "scale", "formula", "source")} == {
            "name": column.name, "unit": column.unit, "scale": column.scale, "formula": column.formula,
            "source": column.source,
        }  # fmt: skip
    groups = [one["group"] for one in document["features"]]
    assert groups == sorted(groups, key=list(TITLES).index)


def test_each_feature_is_in_its_group(people_spec):
    """As the spec deals them, for every channel; speeds are conditions."""
    found = {(one.name, one.group) for one in listed(people_spec)}
    expected = {
        (f"{channel.name}.{feature.name}", group.name)
        for channel in people_spec.channels
        for group in groups_of(people_spec)
        for feature in group.features
    }
    assert found == expected | {("n1_hz", "conditions"), ("n2_hz", "conditions")}


def test_config_spec_and_bundle_say_the_same(features, config_file, people_bundle, people_spec, tmp_path):
    """Three ways to one spec."""
    path = tmp_path / "feature_spec.json"
    path.write_bytes(people_spec.to_json())
    sources = [("--config", config_file), ("--spec", path), ("--bundle", people_bundle.path)]
    lists = [json.loads(features("list", *source, "--json").out)["features"] for source in sources]
    assert lists[0] == lists[1] == lists[2]


def test_all_shows_every_group(features):
    """Of the reference where there is no source."""
    document = json.loads(features("list", "--all", "--json").out)
    assert {one["group"] for one in document["features"]} == set(TITLES)
    assert document["spec_digest"] == REFERENCE.digest


def test_all_adds_what_a_config_leaves_off(features, changed_config):
    """Groups that are on keep their features; the others are named as examples."""

    def change(document):
        document["features"] = {"spectrum": document["features"]["spectrum"]}

    path = changed_config(change)
    document = json.loads(features("list", "--all", "--config", path, "--json").out)
    names = {one["name"] for one in document["features"]}
    assert {column.name for column in columns_of(load_config(path).feature_spec())} <= names
    assert {"acc_1.velocity_rms_10_1000_hz", "acc_2.front_bpfo", "acc_1.n1_1x"} <= names
    assert [note.partition(":")[0] for note in document["notes"]] == ["velocity", "envelope", "orders"]


def test_all_says_what_a_spec_cannot_have():
    """A voltage has no velocity; segments that do not overlap by half carry neither envelope nor orders."""
    spec = replace(
        REFERENCE,
        channels=(ChannelSpec("v", "V"),),
        spectrum=SpectrumGroup(segment_n=5120, overlap_n=0, bands_hz=()),
        **{name: type(getattr(REFERENCE, name))() for name in ("velocity", "envelope", "orders")},
    )
    found, notes = with_every_group(spec)
    assert found == spec
    assert "velocity: expected all channels in g, or all in m/s2" in notes[0]
    assert all("expected half of segment_n" in note for note in notes[1:])


@pytest.mark.parametrize("rate_hz", [1000.0, 20_000.0, 51_200.0])
def test_all_works_at_common_rates(changed_config, rate_hz):
    """The examples follow the rate: nothing passes Nyquist."""

    def change(document):
        document["signal"].update(sampling_rate_hz=rate_hz)
        document["features"] = {}

    spec, notes = with_every_group(load_config(changed_config(change)).feature_spec())
    assert {group.name for group in groups_of(spec)} == set(TITLES) - {"conditions"}
    assert all("example" in note for note in notes)


def test_an_open_band_is_told(features, changed_config):
    """With ``auto`` the list shows a stand-in, and says so."""
    path = changed_config(lambda document: document["features"]["envelope"].update(band_hz="auto"))
    outcome = features("list", "--config", path)
    assert outcome.code == 0
    assert "features.envelope.band_hz is auto: shown with the stand-in 2560 to 3840 Hz" in outcome.err


def test_brackets_are_no_markup(features):
    """Formulas are printed as they are."""
    assert "count(sign(x[i] - mean) != sign(x[i-1] - mean)) / steps" in features("list").out


def test_markdown_names_each_feature_once(features, config_file, people_spec):
    """Without the channel, which all have alike; a long run of bands is one row; bars are escaped."""
    text = features("list", "--config", config_file, "--markdown").out
    assert text.rstrip("\n") == features_markdown(people_spec).rstrip("\n")
    assert "| `band_10_22_hz` to `band_2140_4608_hz` (8) | u² | log |" in text
    assert r"max(\|x - mean\|)" in text
    assert text.count("`kurtosis`") == 1
    assert [line for line in text.splitlines() if line.startswith("#")] == [f"### {title}" for title in TITLES.values()]


def test_the_documentation_lists_what_the_code_computes(features):
    """docs/reference/features.md holds the printed tables, word for word."""
    text = (Path(__file__).parents[3] / "docs" / "reference" / "features.md").read_text()
    block = text.partition("<!-- begin: ground features list --all --markdown -->")[2].partition("<!-- end -->")[0]
    assert block.strip() == features("list", "--all", "--markdown").out.strip()


BAD = [
    ("two sources", ["--config", "c", "--spec", "s"], "--config, --spec, --bundle: expected one of them, got c, s"),
    ("two forms", ["--json", "--markdown"], "--json, --markdown: expected one of them, got both"),
    ("no config", ["--config", "none.yaml"], "none.yaml: expected a readable YAML file"),
    ("no spec", ["--spec", "none.json"], "none.json: expected a feature spec, got No such file or directory"),
    ("no bundle", ["--bundle", "none.bundle"], "none.bundle: expected a .bundle file or a folder"),
    ("no key", ["--bundle", "bad.bundle", "--key", "none.pem"], "none.pem: expected a public key in PEM"),
    ("yaml for a spec", ["--spec", "c.yaml"], "c.yaml: feature spec: expected JSON"),
    ("other schema", ["--spec", "old.json"], "old.json: feature spec.schema: expected 2, got 1"),
    ("wrong spec", ["--spec", "wrong.json"], "wrong.json: window_s: expected a whole number of records"),
]


@pytest.mark.parametrize(("arguments", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_told(features, work_dir, people_spec, arguments, expected):
    """Code 2 and one sentence that names the file or the option; nothing on stdout."""
    (work_dir / "c.yaml").write_text("schema: 1\n")
    (work_dir / "bad.bundle").write_bytes(b"nothing")
    document = json.loads(people_spec.to_json())
    (work_dir / "old.json").write_text(json.dumps({**document, "schema": 1}))
    (work_dir / "wrong.json").write_text(json.dumps({**document, "window_s": 1.5}))
    outcome = features("list", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {expected}")


def test_a_single_group_is_enough(features, tmp_path, people_spec):
    """A spec of waveform statistics alone has no other groups."""
    off = {name: type(getattr(REFERENCE, name))() for name in ("velocity", "envelope", "orders")}
    spectrum = SpectrumGroup(segment_n=0, overlap_n=0, bands_hz=(), enabled=False)
    spec = replace(people_spec, time=TimeGroup(), spectrum=spectrum, conditions=(), **off)
    path = tmp_path / "spec.json"
    path.write_bytes(spec.to_json())
    document = json.loads(features("list", "--spec", path, "--json").out)
    assert {one["group"] for one in document["features"]} == {"time"}
