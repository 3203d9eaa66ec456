"""The frozen spec: what features were made with, for every stage after them."""

from __future__ import annotations

import json

import pytest

from edge_agent.layout import FEATURE_SPEC
from ground.demodulation import CHOICE, KURTOSIS, BandChoice, BandFinding
from ground.errors import DataError
from ground.feature_spec import freeze, frozen_spec
from ground.features_config import with_band
from shared_features.spec import FeatureSpec

FEATURES = {"record_s": 0.25, "window_s": 1.0, "hop_s": 0.5}
AUTO = {**FEATURES, "envelope": {"enabled": True, "band_hz": "auto"}}
BAND_HZ = (100.0, 300.0)


def choice_of(band_hz):
    """A choice of one band."""
    finding = BandFinding(low_hz=band_hz[0], high_hz=band_hz[1], kurtosis=0.5, prominence_db=1.25)
    return BandChoice(
        band_hz=band_hz, rule=KURTOSIS, recordings=2, records=9, highest_fault_hz=0.0, findings=(finding,)
    )


def test_a_stated_spec_comes_back(tiny_config, tiny_workspace):
    """What was frozen is the config's spec, digest and all."""
    config = tiny_config()
    freeze(tiny_workspace, config.feature_spec(), None)
    assert frozen_spec(config, tiny_workspace) == config.feature_spec()
    assert frozen_spec(config, tiny_workspace).digest == config.feature_spec().digest


def test_a_chosen_band_is_the_frozen_one(tiny_config, tiny_workspace):
    """Of an automatic band the config knows a stand-in alone; the frozen spec has the chosen one."""
    config = tiny_config(features=AUTO)
    freeze(tiny_workspace, with_band(config.feature_spec(), BAND_HZ), choice_of(BAND_HZ))
    frozen = frozen_spec(config, tiny_workspace)
    assert frozen.envelope.band_hz == BAND_HZ
    assert frozen.digest != config.feature_spec().digest
    document = json.loads((tiny_workspace.features / CHOICE).read_bytes())
    assert document["band_hz"] == list(BAND_HZ)
    assert document["findings"] == [{"low_hz": 100.0, "high_hz": 300.0, "kurtosis": 0.5, "prominence_db": 1.25}]


def test_a_stated_band_forgets_an_earlier_choice(tiny_config, tiny_workspace):
    """No table of kurtosis stays beside features that were made without it."""
    freeze(tiny_workspace, with_band(tiny_config(features=AUTO).feature_spec(), BAND_HZ), choice_of(BAND_HZ))
    freeze(tiny_workspace, tiny_config().feature_spec(), None)
    assert [path.name for path in tiny_workspace.features.iterdir()] == [FEATURE_SPEC]


def test_nothing_frozen_says_what_to_run(tiny_config, tiny_workspace):
    """Nothing was featurized yet."""
    with pytest.raises(DataError, match=r"feature_spec\.json: expected the feature spec, got No such .* first"):
        frozen_spec(tiny_config(), tiny_workspace)


OTHERS = {
    "other spans": {**AUTO, "hop_s": 1.0},
    "other tolerance": {**AUTO, "envelope": {"enabled": True, "band_hz": "auto", "tolerance": 0.1}},
    "a stated band": {**AUTO, "envelope": {"enabled": True, "band_hz": [100.0, 301.0]}},
    "no envelope": FEATURES,
}


@pytest.mark.parametrize("features", OTHERS.values(), ids=OTHERS.keys())
def test_features_of_another_config_are_refused(tiny_config, tiny_workspace, features):
    """Only the band may differ from what the config says, and only where it says `auto`."""
    freeze(tiny_workspace, with_band(tiny_config(features=AUTO).feature_spec(), BAND_HZ), choice_of(BAND_HZ))
    with pytest.raises(DataError, match=r"expected features of spec .* \(this config's\).* run `ground featurize`"):
        frozen_spec(tiny_config(features=features), tiny_workspace)


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"schema": 99}'])
def test_a_damaged_spec_is_refused(tiny_config, tiny_workspace, data):
    """Cut short, empty, or of another version."""
    freeze(tiny_workspace, tiny_config().feature_spec(), None)
    (tiny_workspace.features / FEATURE_SPEC).write_bytes(data)
    with pytest.raises(DataError, match=r"feature_spec\.json: .*run `ground featurize` again"):
        frozen_spec(tiny_config(), tiny_workspace)


def test_the_file_is_the_one_of_the_bundle(tiny_config, tiny_workspace):
    """Canonical JSON: an agent reads the same bytes."""
    spec = tiny_config().feature_spec()
    freeze(tiny_workspace, spec, None)
    data = (tiny_workspace.features / FEATURE_SPEC).read_bytes()
    assert data == spec.to_json()
    assert FeatureSpec.from_json(data) == spec
