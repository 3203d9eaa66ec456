"""The data contract: every check of it has a violation that it finds, and every line of it is understood or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.config
import pyarrow as pa
import pytest

from ground.contract import contract_of
from ground.errors import ContractError
from ground.recording_files import read_samples
from ground.recording_index import read_table


def column(name, of, change):
    """Damage: replace column ``name`` of recording ``of`` by ``change`` of it (or of nothing, where it is absent)."""

    def damage(tiny):
        tiny.change(of, lambda frame: frame.assign(**{name: change(frame.get(name, pd.Series(index=frame.index)))}))

    return damage


def first(value):
    """A change: another first value."""

    def change(values):
        return pd.Series([value, *values.tolist()[1:]], index=values.index)

    return change


def tach(high=1.0, low=0.0, first=0.0):
    """A change: a tachometer that is ``high`` at each tenth sample and ``low`` between, after one odd sample."""

    def change(values):
        levels = np.where(np.arange(len(values)) % 10 == 5, high, low)
        return pd.Series([first, *levels[1:]], index=values.index)

    return change


def without(name, of):
    """Damage: no column ``name``."""
    return lambda tiny: tiny.change(of, lambda frame: frame.drop(columns=name))


def cells(of, **texts):
    """Damage: other cells in the index."""
    return lambda tiny: tiny.restate(of, **texts)


def other_rate(tiny):
    """Damage: the file states another rate than the index."""
    table = pa.Table.from_pandas(tiny.frame("onset"), preserve_index=False)
    tiny.write_parquet(tiny.path("onset"), table, rate="25600")


def same_flight(tiny):
    """Damage: two recordings of one flight."""
    for name in ("bench", "onset"):
        tiny.restate(name, unit_id="e9", flight="F1")


def no_rows(tiny):
    """Damage: an index of no recordings."""
    index = tiny.folder / "recordings.csv"
    index.write_text(index.read_text().splitlines()[0])


BAD_RECORDINGS = {
    # Index: what is broken, the check that finds it, and what its text must say.
    "no recordings": (no_rows, "", "not_empty", ("recordings.csv: expected more than 0 rows in all, got 0 rows",)),
    "two recordings of a flight": (
        same_flight,
        "",
        "one_flight_one_recording",
        ("that repeat another in aircraft, engine, flight, got 1 rows", "'onset'"),
    ),
    "another unit": (
        cells("bench", signal_units="m/s2"),
        "",
        "configured_units",
        ("expected acc_1 in g", "got 'm/s2' in bench", "set the unit in the config"),
    ),
    "unknown unit": (cells("bench", signal_units=""), "", "configured_units", ("got nothing in bench",)),
    "no id": (cells("bench", recording_id=""), "recording_id", "required", ("a value in each row", "in row 1")),
    "an id twice": (cells("bench", recording_id="flight"), "recording_id", "unique", ("got 'flight' in flight",)),
    "no file": (cells("bench", file=""), "file", "required", ("got nothing in bench",)),
    "a file twice": (cells("bench", file="tiny/flight.parquet"), "file", "unique", ("'tiny/flight.parquet' in bench",)),
    "a file of another kind": (cells("bench", file="tiny/a.pkl"), "file", "pattern", ("got 'tiny/a.pkl' in bench",)),
    "no unit_id": (cells("bench", unit_id=""), "unit_id", "required", ("got nothing in bench",)),
    "rate in words": (cells("bench", sampling_rate_hz="fast"), "sampling_rate_hz", "type", ("got 'fast' in bench",)),
    "no rate": (cells("bench", sampling_rate_hz=""), "sampling_rate_hz", "required", ("got nothing in bench",)),
    "rate of zero": (cells("bench", sampling_rate_hz="0"), "sampling_rate_hz", "exclusiveMinimum", ("more than 0",)),
    "another rate": (
        cells("bench", sampling_rate_hz="25600"),
        "sampling_rate_hz",
        "configured_rate",
        ("recordings.csv: sampling_rate_hz: expected 1024 Hz", "got '25600' in bench", "leave these recordings out"),
    ),
    "no channels": (cells("bench", channels=""), "channels", "required", ("got nothing in bench",)),
    "other channels": (
        cells("bench", channels="acc_9"),
        "channels",
        "configured_channels",
        ("expected acc_1 among the channels", "got 'acc_9' in bench", "name the channels as the recordings do"),
    ),
    "no label": (cells("bench", label=""), "label", "required", ("got nothing in bench",)),
    "misspelt label": (
        cells("bench", label="healty"),
        "label",
        "known_label",
        ("a value other than healthy, faulty, run_to_failure, mixed", "'healty' in bench"),
    ),
    "start of half a nanosecond": (cells("bench", start_ns="1.5"), "start_ns", "type", ("whole numbers, got '1.5'",)),
    "start before 1970": (cells("bench", start_ns="-1"), "start_ns", "minimum", ("at least 0, got '-1' in bench",)),
    "speed in words": (cells("bench", speed_rpm="slow"), "speed_rpm", "type", ("numbers, got 'slow' in bench",)),
    "speed below zero": (cells("bench", speed_rpm="-1"), "speed_rpm", "exclusiveMinimum", ("more than 0, got '-1'",)),
    "period in words": (cells("life", segment_period_s="x"), "segment_period_s", "type", ("got 'x' in life",)),
    "negative period": (
        cells("life", segment_period_s="-10"),
        "segment_period_s",
        "exclusiveMinimum",
        ("got '-10' in life",),
    ),
    "half a sample": (cells("bench", n_samples="5.5"), "n_samples", "type", ("whole numbers, got '5.5' in bench",)),
    "no samples stated": (cells("bench", n_samples="0"), "n_samples", "minimum", ("at least 1, got '0' in bench",)),
    "spans of words": (
        cells("life", healthy_segments="most"),
        "",
        "index_row",
        ("recordings.csv: life: healthy_segments: expected half-open spans", "got 'most'"),
    ),
    # Files.
    "truncated": (
        lambda tiny: tiny.truncate("flight"),
        "",
        "readable",
        ("flight.parquet: expected a complete Parquet file", "export or copy it again"),
    ),
    "empty": (
        lambda tiny: tiny.write("bench", b""),
        "",
        "readable",
        ("bench.csv: expected a complete CSV file, got Empty",),
    ),
    "no rows": (
        lambda tiny: tiny.change("flight", lambda frame: frame[:0]),
        "",
        "not_empty",
        ("tiny/flight.parquet: expected more than 0 rows in all, got 0 rows",),
    ),
    "cut short": (
        lambda tiny: tiny.change("bench", lambda frame: frame[:100]),
        "",
        "stated_n_samples",
        ("tiny/bench.csv: expected 5120 samples, as n_samples of the index, got 100; export or copy the file again",),
    ),
    "rate of the file": (
        other_rate,
        "",
        "stated_rate",
        ("tiny/onset.parquet: expected 1024 Hz, as sampling_rate_hz of the index, got '25600' in the file's metadata",),
    ),
    "missing channel": (
        without("acc_1", "flight"),
        "acc_1",
        "presence",
        ("tiny/flight.parquet: acc_1: expected this column, got columns phase, n1_hz, time_s; add it",),
    ),
    "channel of text": (
        column("acc_1", "flight", lambda values: values.map(str)),
        "acc_1",
        "type",
        ("tiny/flight.parquet: acc_1: expected numbers, got type str; convert the column",),
    ),
    "raw counts, low": (
        column("acc_1", "flight", first(-32768.0)),
        "acc_1",
        "minimum",
        ("acc_1: expected at least -10000, got -32768 in row 0; check unit and scale",),
    ),
    "raw counts, high": (column("acc_1", "bench", first(32767.0)), "acc_1", "maximum", ("got 32767 in row 0",)),
    "dead channel": (
        column("acc_1", "flight", lambda values: values * np.nan),
        "acc_1",
        "not_all_missing",
        ("acc_1: expected less than 100 percent without a value, got 100 percent",),
    ),
    "channel of infinity": (
        column("acc_1", "flight", lambda values: values * 0 + np.inf),
        "acc_1",
        "not_all_missing",
        ("got 100 percent: inf in row 0 and in 20479 more",),
    ),
    "phases as numbers": (column("phase", "flight", lambda values: values.cat.codes), "phase", "type", ("text, got",)),
    "sample without phase": (
        column("phase", "flight", lambda values: values.where(values.index > 5)),
        "phase",
        "required",
        ("phase: expected a value in each row, got nothing in row 0 and in 5 more",),
    ),
    "two spellings of a phase": (
        column("phase", "flight", lambda values: values.cat.rename_categories({"cruise": "Cruise "})),
        "phase",
        "pattern",
        ("phase: expected text like [a-z]", "got 'Cruise ' in row 8192"),
    ),
    "no speed": (without("n1_hz", "flight"), "n1_hz", "presence", ("n1_hz: expected this column, got columns acc_1",)),
    "speed as text": (
        column("n1_hz", "flight", lambda values: values.map(str)),
        "n1_hz",
        "type",
        ("n1_hz: expected numbers, got type str",),
    ),
    "negative speed": (column("n1_hz", "flight", first(-1.0)), "n1_hz", "minimum", ("at least 0, got -1 in row 0",)),
    "speed in rpm": (
        column("n1_hz", "flight", first(5100.0)),
        "n1_hz",
        "maximum",
        ("at most 2000, got 5100 in row 0",),
    ),
    "no speed reported": (column("n1_hz", "flight", lambda values: values * np.nan), "n1_hz", "not_all_missing", ()),
    "core speed as text": (column("n2_hz", "flight", lambda values: values.map(str)), "n2_hz", "type", ()),
    "negative core speed": (column("n2_hz", "flight", first(-1.0)), "n2_hz", "minimum", ()),
    "core speed in rpm": (column("n2_hz", "flight", first(15000.0)), "n2_hz", "maximum", ()),
    "no core speed reported": (column("n2_hz", "flight", lambda values: values * 1.0), "n2_hz", "not_all_missing", ()),
    "tach as text": (column("tach_n1", "flight", lambda values: values.map(str)), "tach_n1", "type", ()),
    "tach unknown": (
        column("tach_n1", "flight", tach(first=np.nan)),
        "tach_n1",
        "required",
        ("tach_n1: expected a value in each row, got nothing in row 0; fill it in",),
    ),
    "tach below ground": (column("tach_n1", "flight", tach(first=-0.2)), "tach_n1", "minimum", ("got -0.2 in row 0",)),
    "tach in volts": (
        column("tach_n1", "flight", tach(high=5.0)),
        "tach_n1",
        "maximum",
        ("tach_n1: expected at most 1, got 5 in row 5 and in 2047 more",),
    ),
    "tach without a pulse": (
        column("tach_n1", "flight", tach(high=0.0)),
        "tach_n1",
        "has_pulses",
        ("tach_n1: expected a level that rises above 0.5 at each pulse, got none in 20480 samples; write 1 where",),
    ),
    "second tach as text": (column("tach_n2", "flight", lambda values: values.map(str)), "tach_n2", "type", ()),
    "second tach unknown": (column("tach_n2", "flight", tach(first=np.nan)), "tach_n2", "required", ()),
    "second tach below ground": (column("tach_n2", "flight", tach(first=-0.2)), "tach_n2", "minimum", ()),
    "second tach in volts": (column("tach_n2", "flight", tach(high=5.0)), "tach_n2", "maximum", ()),
    "second tach always high": (column("tach_n2", "flight", tach(low=1.0, first=1.0)), "tach_n2", "has_pulses", ()),
    "time as text": (column("time_s", "flight", lambda values: values.map(str)), "time_s", "type", ()),
    "time unknown": (column("time_s", "flight", first(np.nan)), "time_s", "required", ("got nothing in row 0",)),
    "time repeated": (
        column("time_s", "flight", lambda values: values // 1.0),
        "time_s",
        "measured_rate",
        ("tiny/flight.parquet: time_s: expected steps of a rate within 1 % of 1024 Hz, as in the index, got inf Hz",),
    ),
    "time backwards": (
        column("time_s", "flight", lambda values: values.where(values.index < 1024, values % 0.125)),
        "time_s",
        "increasing",
        (
            "tiny/flight.parquet: time_s: expected seconds that increase",
            "got 0.0 after 0.9990234375 in row 1024",
            "sort the rows or repair the recorder's clock",
        ),
    ),
    "another measured rate": (
        column("time_s", "flight", lambda values: values * 1.02),
        "time_s",
        "measured_rate",
        ("time_s: expected steps of a rate within 1 % of 1024 Hz", "got 1003.92 Hz; correct sampling_rate_hz"),
    ),
    "no segments": (without("segment", "life"), "segment", "presence", ("expected this column, got columns acc_1",)),
    "half segments": (column("segment", "life", lambda values: values + 0.5), "segment", "type", ("got 0.5 in row 0",)),
    "segment unknown": (column("segment", "life", first(np.nan)), "segment", "required", ("got nothing in row 0",)),
    "segments going back": (
        column("segment", "life", lambda values: 11 - values),
        "segment",
        "not_going_back",
        ("tiny/life.parquet: segment: expected numbers from 0 on that never go back, got 10 after 11 in row 1024",),
    ),
    "segments that overlap": (
        cells("life", segment_period_s="0.25"),
        "segment",
        "segments_apart",
        ("segment: expected segments that end before the next begins", "got one that begins 0.75 s too early"),
    ),
    "no anomaly": (without("anomaly", "onset"), "anomaly", "presence", ("expected this column, got columns acc_1",)),
    "half an anomaly": (column("anomaly", "onset", lambda values: values * 0.5), "anomaly", "type", ("got 0.5 in",)),
    "anomaly unknown": (column("anomaly", "onset", first(np.nan)), "anomaly", "required", ("got nothing in row 0",)),
    "another anomaly": (
        column("anomaly", "onset", lambda values: values * 2),
        "anomaly",
        "zero_or_one",
        ("expected exactly 0 rows with a value other than 0, 1, got 8192 rows: 2 in row 12288",),
    ),
    "preprocessed": (
        column("stretch", "bench", lambda values: values.fillna(0)),
        "",
        "synchronised",
        ("bench.csv: expected a raw recording, got one that was preprocessed",),
    ),
}


@pytest.mark.parametrize(("damage", "column_name", "check", "says"), BAD_RECORDINGS.values(), ids=BAD_RECORDINGS.keys())
def test_violation_is_found(tiny_stage, damage, column_name, check, says):
    """One change of a good folder breaks its check; the error says where, what was expected, what came, what to do."""
    damage(tiny_stage.raw)
    with pytest.raises(ContractError) as refused:
        tiny_stage.run()
    for fragment in says:
        assert fragment in str(refused.value)
    for line in str(refused.value).splitlines():
        assert "expected" in line
        assert ", got " in line
        assert "; " in line
    document = tiny_stage.report()
    failed = {(part["column"], part["check"]) for part in document["checks"] if part["failed"]}
    assert (column_name, check) in failed
    assert not (tiny_stage.workspace.interim / "recordings.csv").exists()


TEXT_COLUMNS = ("recording_id", "file", "unit_id", "channels", "signal_units", "label")
NUMBER_COLUMNS = ("sampling_rate_hz", "start_ns", "speed_rpm", "segment_period_s", "n_samples")
CANNOT_FAIL = {
    # A cell of a CSV is always text, and an index without its columns is refused before the contract is asked.
    *(("recordings", name, "type") for name in TEXT_COLUMNS),
    *(("recordings", name, "presence") for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS)),
    # The index gives odd ids others that fit, before the contract is asked.
    ("recordings", "recording_id", "pattern"),
    # The presence of a column that is not needed here is reported where it is there.
    *(("samples", name, "presence") for name in ("phase", "n2_hz", "tach_n1", "tach_n2", "time_s")),
}


def test_every_check_has_a_violation(tiny_stage):
    """The table above breaks every check that a good folder passes or skips, and no other."""
    report = tiny_stage.run()
    assert not report.violations
    ran = {(check.table, check.column, check.check) for check in report.checks} - CANNOT_FAIL
    broken = {(name, check) for _, name, check, _ in BAD_RECORDINGS.values()}
    assert {(name, check) for _, name, check in ran} | {("", "index_row")} == broken


def test_all_recordings_are_checked(tiny_stage):
    """One bad recording does not hide the next: the error names both."""
    tiny_stage.raw.truncate("flight")
    column("anomaly", "onset", lambda values: values * 2)(tiny_stage.raw)
    with pytest.raises(ContractError) as refused:
        tiny_stage.run()
    assert "flight.parquet" in str(refused.value)
    assert "tiny/onset.parquet: anomaly" in str(refused.value)


def test_checks_of_an_unreadable_file_are_listed_as_not_run(tiny_stage):
    """What could not be checked is not called good."""
    tiny_stage.raw.truncate("flight")
    with pytest.raises(ContractError):
        tiny_stage.run()
    document = tiny_stage.report()
    check = next(part for part in document["checks"] if (part["column"], part["check"]) == ("acc_1", "maximum"))
    assert check["not_run"] == {"the file cannot be read": ["tiny/flight.parquet"]}
    assert check["passed"] == ["tiny/bench.csv", "tiny/onset.parquet", "tiny/life.parquet"]


def test_a_check_that_did_not_run_is_no_pass(tiny_recordings, tiny_config):
    """The environment can tell pandera to check nothing; that must not look like success."""
    contract = contract_of(tiny_config(), tiny_recordings.folder)
    table = read_table(tiny_recordings.folder / "recordings.csv")
    with (
        pandera.config.config_context(validation_enabled=False),
        pytest.raises(ContractError, match=r"expected the check .* to run, got no answer from pandera"),
    ):
        contract.check_index(table, tiny_config())


def begin_again(tiny):
    """Change: the life's stamps begin again 48 times, and no column numbers its segments."""
    tiny.change("life", lambda frame: frame.drop(columns="segment").assign(time_s=frame.index % 256 / 1024))


def test_stamps_may_begin_again_with_segments_that_are_counted(tiny_stage):
    """As with those that a column numbers: more often than a clock that is set."""
    begin_again(tiny_stage.raw)
    tiny_stage.raw.restate("life", n_segments="48")
    assert not tiny_stage.run().violations


def test_segments_that_do_not_fit_are_no_matter_of_the_stamps(tiny_stage):
    """What is wrong with them is said, and nothing else."""
    begin_again(tiny_stage.raw)
    tiny_stage.raw.restate("life", segment_s="1", n_segments="50")
    with pytest.raises(ContractError, match="segment: expected 50 segments, as in the index, got 12 of 1 s") as refused:
        tiny_stage.run()
    assert "sort the rows" not in str(refused.value)


def test_an_empty_file_has_no_segments_to_count(tiny_stage):
    """That it is empty is said, as of any other, and no defect of ours."""
    tiny_stage.raw.change("life", lambda frame: frame.drop(columns="segment").assign(time_s=0.0)[:0])
    tiny_stage.raw.restate("life", n_segments="48")
    with pytest.raises(ContractError, match="life") as refused:
        tiny_stage.run()
    assert "report this as a defect" not in str(refused.value)


def test_missing_samples_break_no_contract(tiny_recordings, tiny_config):
    """Some NaN and infinity are marked later, not refused; the range speaks of numbers only."""

    def holes(values):
        return values.where(values.index > 2, np.nan).where(values.index != 9, np.inf)

    column("acc_1", "flight", holes)(tiny_recordings)
    info = tiny_recordings.info("flight")
    file = read_samples(tiny_recordings.path("flight"), info.channels)
    results = contract_of(tiny_config(), tiny_recordings.folder).check_samples(file, info, tiny_config())
    assert not [result.text for result in results if result.status == "failed"]
