"""The contract file: every line of it is understood or refused, and a config may name one of its own."""

from __future__ import annotations

from importlib import resources

import pytest

from ground.contract import PACKAGED, contract_of, parse_contract
from ground.errors import ContractError


def packaged():
    """The text of the packaged contract."""
    return (resources.files("ground") / "configs" / PACKAGED).read_text()


BAD_CONTRACTS = {
    "not YAML": (lambda text: text + "\n: [", "expected YAML"),
    "another kind": (lambda text: text.replace("kind: DataContract", "kind: Pod"), "kind: expected DataContract"),
    "version 2": (lambda text: text.replace("v3.1.0", "v2.2.2"), "apiVersion: expected v3.x, got 'v2.2.2'"),
    "a key that is misspelt": (
        lambda text: text.replace("required: true", "requird: true", 1),
        "expected keys of the standard, got schema.0.properties.0.requird",
    ),
    "no samples": (
        lambda text: text.replace("name: samples", "name: sample"),
        "schema: expected one object named samples",
    ),
    "a wrong value": (lambda text: text.replace("unique: true", "unique: perhaps", 1), "unique"),
    "another type": (
        lambda text: text.replace("logicalType: integer", "logicalType: date", 1),
        "logicalType: expected",
    ),
    "an option we do not check": (
        lambda text: text.replace("{pattern: '[a-z]", "{maxLength: 3, pattern: '[a-z]"),
        "samples.phase.logicalTypeOptions: expected pattern, got maxLength; it would not be checked",
    ),
    "a pattern that is none": (
        lambda text: text.replace("[a-z][a-z0-9_]{0,31}", "[a-z"),
        "expected a regular expression",
    ),
    "a limit of words": (lambda text: text.replace("minimum: -10000", "minimum: low"), "expected a number, got 'low'"),
    "a metric we do not check": (
        lambda text: text.replace("metric: nullValues", "metric: freshness", 1),
        "metric: expected one of rowCount, nullValues",
    ),
    "no operator": (lambda text: text.replace(", mustBeLessThan: 100", "", 1), "expected one of mustBe, mustNotBe"),
    "an operator of words": (lambda text: text.replace("mustBe: 0", "mustBe: none", 1), "mustBe: expected numbers"),
    "another unit": (
        lambda text: text.replace("unit: percent", "unit: promille", 1),
        "unit: expected one of rows, percent",
    ),
    "no valid values": (
        lambda text: text.replace("arguments: {validValues: [0, 1]}", "arguments: {}"),
        "arguments: expected validValues",
    ),
    "another engine": (lambda text: text.replace("engine: enginear", "engine: soda", 1), "engine: expected enginear"),
    "an unknown check": (
        lambda text: text.replace("implementation: increasing", "implementation: monotonic"),
        "implementation: expected one of stated_n_samples",
    ),
    "an unknown argument": (
        lambda text: text.replace("tolerance_percent: 1", "tolerance: 1"),
        "expected tolerance_percent",
    ),
    "SQL": (
        lambda text: text.replace("type: library", "type: sql", 1),
        "type: expected library, custom or text, got sql",
    ),
    "a presence we do not know": (
        lambda text: text.replace("value: optional", "value: maybe", 1),
        "presence: expected one of",
    ),
    "one name for two checks": (
        lambda text: text.replace("name: measured_rate", "name: increasing"),
        "expected a different name for each check",
    ),
    "an enum": (
        lambda text: text.replace("        physicalType: double\n", "        enum: [{value: 1}]\n"),
        "samples.time_s: expected no enum, got some, which would not be checked",
    ),
}


@pytest.mark.parametrize(("edit", "says"), BAD_CONTRACTS.values(), ids=BAD_CONTRACTS.keys())
def test_bad_contract_is_refused(edit, says):
    """A line of a contract that we would not check is refused, not skipped."""
    text = edit(packaged())
    assert text != packaged()
    with pytest.raises(ContractError, match=r"^mine\.yaml: ") as refused:
        parse_contract(text.encode(), "mine.yaml")
    assert says in str(refused.value)


def test_config_names_a_contract(tiny_config, tmp_path):
    """A contract of one's own lies beside the config; its name and digest differ from the packaged one's."""
    (tmp_path / "mine.yaml").write_text(packaged().replace("version: 1.1.0", "version: 1.2.0"))
    mine = contract_of(tiny_config(contract="mine.yaml"), tmp_path)
    assert (mine.name, mine.version) == ("mine.yaml", "1.2.0")
    assert mine.digest != contract_of(tiny_config(), tmp_path).digest


def test_absent_contract_is_named(tiny_config, tmp_path):
    """A config that names a contract which is not there says so."""
    with pytest.raises(ContractError, match=r"expected the data contract, got .*No such file"):
        contract_of(tiny_config(contract="mine.yaml"), tmp_path)


def test_contract_may_be_stricter(tiny_stage, tmp_path):
    """A phase vocabulary of one's own is checked like any other rule."""
    edited = packaged().replace("pattern: '[a-z][a-z0-9_]{0,31}'", "pattern: 'taxi|climb'")
    (tmp_path / "mine.yaml").write_text(edited)
    with pytest.raises(ContractError, match=r"phase: expected text like taxi.climb, got 'cruise' in row 8192"):
        tiny_stage.run(base=tmp_path, contract="mine.yaml")


def test_lax_contract_does_not_let_bad_time_through(tiny_stage, tmp_path):
    """What the code itself needs is refused even where the contract does not ask for it."""
    lines = [line for line in packaged().splitlines() if "implementation: increasing" not in line]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    tiny_stage.raw.change("flight", lambda frame: frame.assign(time_s=frame["time_s"] % 0.125))
    with pytest.raises(ContractError, match=r"time_s: expected seconds that increase from row to row, got 0\.0 after"):
        tiny_stage.run(base=tmp_path, contract="mine.yaml")
