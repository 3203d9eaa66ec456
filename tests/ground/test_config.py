"""The YAML config: what it gives, and what it refuses with which words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

import ground
from ground.config import GatesConfig, load_config
from ground.errors import ConfigError

CONFIGS = Path(ground.__file__).parent / "configs"
EXAMPLE = CONFIGS / "engine_vibration.yaml"
PACKAGED = sorted(path for path in CONFIGS.glob("*.yaml") if "." not in path.stem)


def write(folder, change):
    """The example config after ``change``, as a file."""
    document = yaml.safe_load(EXAMPLE.read_text())
    change(document)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_packaged_configs_are_valid(path):
    """Every config that the wheel carries loads and gives a feature spec."""
    assert load_config(path).feature_spec().window_n > 0


def test_digest_follows_values_not_layout(tmp_path):
    """Comments and the order of keys do not matter; a value does, defaults included."""
    same = write(tmp_path, lambda document: document.update(dict(reversed(document.items()))))
    assert load_config(same).digest == load_config(EXAMPLE).digest
    default = write(tmp_path, lambda document: document["model"].update(patience=20))
    assert load_config(default).digest == load_config(EXAMPLE).digest
    other = write(tmp_path, lambda document: document["model"].update(patience=21))
    assert load_config(other).digest != load_config(EXAMPLE).digest


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0, 10240.0, 12000.0, 20000.0, 25600.0, 48000.0, 51200.0])
def test_common_rates_give_a_spectrum_without_being_told(tmp_path, rate_hz):
    """Segment length and bands follow from the rate: whole lines, within a record, below Nyquist."""

    def change(document):
        document["signal"].update(sampling_rate_hz=rate_hz)
        # Of the groups only the spectrum: the bands and orders of the others are those of one engine at one rate.
        document["features"] = {name: document["features"][name] for name in ("record_s", "window_s", "hop_s")}

    path = write(tmp_path, change)
    spectrum = load_config(path).feature_spec().spectrum
    assert spectrum.overlap_n * 2 == spectrum.segment_n
    assert spectrum.bands_hz[-1][1] <= rate_hz / 2


BAD = [
    ("unknown key", lambda d: d.update(colour="red"), "colour: expected a known key"),
    ("unknown key below", lambda d: d["gates"].update(auc=1), "gates.auc: expected a known key"),
    ("missing section", lambda d: d.pop("signal"), "signal: expected a value, got nothing"),
    ("wrong unit", lambda d: d["signal"]["channels"][0].update(unit="furlong"), "unit: expected one of g, m/s2"),
    ("text for number", lambda d: d["features"].update(window_s="long"), "features.window_s: .* got 'long'"),
    ("half records", lambda d: d["features"].update(window_s=5.5), "window_s: expected a whole number of records"),
    ("band over Nyquist", lambda d: d["features"].update(spectrum={"bands_hz": [[10, 6000]]}), "Nyquist"),
    ("share over one", lambda d: d["gates"].update(auc_min=1.5), "gates.auc_min: .* got 1.5"),
    ("nothing left to test", lambda d: d["split"].update(fit=0.8), r"split: expected fit \+ calibration < 1"),
    ("k over n", lambda d: d["decision"].update(k=9), "decision: expected k <= n"),
    (
        "contradictory gates",
        lambda d: d["decision"].update(false_alarm_rate=0.2),
        "gates.false_alarm_rate_max: expected at least decision.false_alarm_rate",
    ),
    (
        "precision that the other gates do not imply",
        lambda d: d["gates"].update(prevalence=0.01),
        r"gates: expected limits that agree, got precision_min 0.85 .* 0.147 at prevalence 0.01; lower .* to 0.0015",
    ),
    ("a precision beyond the rest", lambda d: d["gates"].update(precision_min=0.86), "imply 0.85 at"),
    ("other schema", lambda d: d.update(schema=2), "schema: .* got 2"),
    ("unknown family", lambda d: d["model"].update(family="oracle"), "model.family: .* got 'oracle'"),
    ("infinite rate", lambda d: d["signal"].update(sampling_rate_hz=float("inf")), "sampling_rate_hz: .* finite"),
    (
        "tiny rate",
        lambda d: d["signal"].update(sampling_rate_hz=1e-320),
        "signal.sampling_rate_hz, features: expected ",
    ),
    ("bad name", lambda d: d.update(detector="../x"), "detector: .* got '../x'"),
]


@pytest.mark.parametrize(("change", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_configs_are_refused(tmp_path, change, text):
    """Each wrong config names the file, the field, what was expected and what came."""
    path = write(tmp_path, change)
    with pytest.raises(ConfigError, match=text) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_the_default_gates_agree_from_a_quarter_of_faulty_flights_on():
    """0.85 from 0.85 and 5 % takes 25 %: research note, and the default of ``gates.prevalence``."""
    assert GatesConfig().prevalence == 0.25
    assert GatesConfig().implied_precision == pytest.approx(0.85)
    with pytest.raises(ValidationError, match="raise prevalence"):
        GatesConfig(prevalence=0.249)
    assert GatesConfig(prevalence=0.01, false_alarm_rate_max=0.0015).implied_precision > 0.85


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"a: [1", "expected YAML"), (b"\xff\xfe", "expected a readable YAML file"), (b"", "config: ")],
)
def test_unreadable_files_are_refused(tmp_path, content, text):
    """Broken syntax, no text at all, an empty file."""
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=text):
        load_config(path)


def test_a_missing_file_is_refused(tmp_path):
    """The path is named."""
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: expected a readable YAML file"):
        load_config(tmp_path / "nowhere.yaml")
