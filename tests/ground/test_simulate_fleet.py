"""A simulated fleet on disk: plan, layout, determinism and refusals."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ground import workspace
from ground.errors import ConfigError, DataError
from ground.recordings import load_recording, read_index
from ground.simulate import FAULTS, SENSOR_FAULTS, FleetConfig, simulate_fleet
from ground.simulate.flight import simulate_flight
from ground.simulate.plan import plan_fleet
from ground.simulate.profile import PHASES

SMALL = FleetConfig(
    seed=7,
    sampling_rate_hz=8192.0,
    n_channels=2,
    n_healthy=2,
    n_faulty=8,
    n_sensor_faulty=4,
    flight_s=2.0,
    onset_share=0.5,
)


def silent(done: int, total: int) -> None:
    """Progress nobody watches."""
    del done, total


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The index."""
    with (folder / "recordings.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def digests(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def packed(table: pa.Table) -> bytes:
    """A table with its metadata as bytes: equal ones are equal in every bit, NaN included."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.fixture(scope="module")
def small_fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``SMALL`` on disk, made in this process."""
    out = tmp_path_factory.mktemp("fleet")
    simulate_fleet(SMALL, out, progress=silent, workers=1)
    return out


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(small_fleet: Path, tmp_path: Path) -> None:
    """One worker and two write identical folders; another seed writes others."""
    simulate_fleet(SMALL, tmp_path / "two", progress=silent, workers=2)
    assert digests(tmp_path / "two") == digests(small_fleet)


def test_another_seed_gives_another_fleet() -> None:
    """The seed reaches the samples."""
    plan = plan_fleet(SMALL)[0]
    other = FleetConfig(seed=8, sampling_rate_hz=8192.0, n_channels=2, flight_s=2.0)
    assert not np.array_equal(simulate_flight(SMALL, plan).samples, simulate_flight(other, plan).samples)


def test_flights_of_an_engine_differ_but_stay_its_own() -> None:
    """Two flights share no sample run, yet their levels lie closer than those of the fleet."""
    config = FleetConfig(
        sampling_rate_hz=8192.0, n_healthy=12, n_faulty=0, n_sensor_faulty=0, flights_per_engine=2, flight_s=1.0
    )
    levels = {}
    for plan in plan_fleet(config):
        record = simulate_flight(config, plan)
        levels[plan.engine, plan.flight] = (np.log(np.std(record.samples)), record.n1_hz[-1])
    first, second = (np.array([levels[engine, flight] for engine in range(12)]) for flight in (0, 1))
    assert np.all(first != second)
    assert np.std(first[:, 0] - second[:, 0]) < np.std(first[:, 0])


def test_a_second_channel_and_more_engines_change_nothing_of_the_first() -> None:
    """Flights are functions of seed, engine and flight alone."""
    wide = simulate_flight(SMALL, plan_fleet(SMALL)[1])
    single = FleetConfig(seed=7, sampling_rate_hz=8192.0, n_healthy=50, flight_s=2.0)
    narrow = simulate_flight(single, plan_fleet(single)[1])
    np.testing.assert_array_equal(wide.n1_hz, narrow.n1_hz)
    # Only the converter's own noise may differ: it is drawn after the sensors are counted.
    assert np.abs(wide.samples[0] - narrow.samples[0]).max() < 0.06


def test_the_index_follows_the_layout(small_fleet: Path) -> None:
    """Needed columns, counts a kind, unique ids, start times a minute apart."""
    rows = rows_of(small_fleet)
    assert len(rows) == SMALL.n_engines
    for row in rows:
        assert row["dataset"] == "simulated"
        assert row["sampling_rate_hz"] == "8192"
        assert row["channels"] == "acc_1;acc_2"
        assert row["signal_units"] == "g"
        assert (small_fleet / row["file"]).is_file()
    assert Counter(row["fault_type"] for row in rows) == Counter({"": 2} | dict.fromkeys(FAULTS + SENSOR_FAULTS, 1))
    assert [row["label"] for row in rows if not row["fault_type"]] == ["healthy", "healthy"]
    assert {row["label"] for row in rows if row["fault_type"] in SENSOR_FAULTS} == {"mixed"}
    assert {row["label"] for row in rows if row["fault_type"] in FAULTS} == {"faulty", "mixed"}
    for unique in ("recording_id", "unit_id", "engine", "flight", "start_ns", "data_sha256"):
        assert len({row[unique] for row in rows}) == len(rows)


def test_every_file_tells_what_the_index_tells(small_fleet: Path) -> None:
    """Columns, types, metadata, checksum and labels of each Parquet file."""
    for row in rows_of(small_fleet):
        table = pq.read_table(small_fleet / row["file"])
        expected = ["acc_1", "acc_2", "phase", "n1_hz", "n2_hz"]
        expected += ["anomaly"] if row["label"] == "mixed" else []
        assert table.column_names == expected
        kinds = {name: str(table.schema.field(name).type) for name in expected}
        assert {kinds[name] for name in ("acc_1", "acc_2", "n1_hz", "n2_hz")} == {"float"}
        assert kinds["phase"].startswith("dictionary<values=string")
        assert table.schema.metadata[b"sampling_rate_hz"] == b"8192"
        assert json.loads(table.schema.metadata[b"recording"]) == row
        samples = b"".join(table.column(name).to_numpy().tobytes() for name in ("acc_1", "acc_2"))
        assert hashlib.sha256(samples).hexdigest()[:16] == row["data_sha256"]
        assert table.num_rows == int(row["n_samples"]) == SMALL.n_samples


def test_anomaly_marks_the_engine_fault_and_never_a_sensor_fault(small_fleet: Path) -> None:
    """A mixed engine fault is marked from its onset on; a sensor fault nowhere."""
    mixed = [row for row in rows_of(small_fleet) if row["label"] == "mixed"]
    for row in mixed:
        anomaly = pq.read_table(small_fleet / row["file"]).column("anomaly").to_numpy()
        onset_n = round(float(row["onset_s"]) * 8192)
        from_onset = np.arange(len(anomaly)) >= onset_n
        np.testing.assert_array_equal(anomaly, from_onset & (row["fault_type"] in FAULTS))
    assert {row["fault_type"] in FAULTS for row in mixed} == {True, False}


def test_phases_and_speeds_are_in_the_file(small_fleet: Path) -> None:
    """All phases in order; reported speeds inside the shafts' range."""
    table = pq.read_table(small_fleet / rows_of(small_fleet)[0]["file"])
    names = table.column("phase").to_pandas().astype(str)
    assert list(dict.fromkeys(names)) == [phase.name for phase in PHASES]
    n1_hz, n2_hz = (table.column(name).to_numpy() for name in ("n1_hz", "n2_hz"))
    assert 35 < n1_hz.min() < n1_hz.max() < 90
    assert 140 < n2_hz.min() < n2_hz.max() < 240


def test_severities_follow_their_distribution() -> None:
    """0.1 + 0.9 Beta(2, 2): mean 0.55, 12.6 % below 0.3 (its distribution function 3x^2 - 2x^3 at 2/9)."""
    plans = plan_fleet(FleetConfig(n_healthy=0, n_faulty=8000, n_sensor_faulty=0))
    severities = np.array([plan.severity for plan in plans])
    assert severities.mean() == pytest.approx(0.55, abs=0.01)
    assert np.mean(severities < 0.3) == pytest.approx(3 * (2 / 9) ** 2 - 2 * (2 / 9) ** 3, abs=0.015)
    assert np.mean([plan.onset_s > 0 for plan in plans]) == pytest.approx(0.25, abs=0.02)


def test_a_fault_once_begun_stays() -> None:
    """Over three flights: same fault and severity, an onset only in the first; sensor faults begin in each."""
    config = FleetConfig(n_healthy=1, n_faulty=8, n_sensor_faulty=4, flights_per_engine=3, onset_share=1.0)
    plans = plan_fleet(config)
    assert len(plans) == 39
    for engine in range(1, 13):
        flights = [plan for plan in plans if plan.engine == engine]
        assert len({(plan.fault, plan.severity, plan.unit_id) for plan in flights}) == 1
        begins = [plan.onset_s > 0 for plan in flights]
        assert begins == ([True] * 3 if flights[0].has_sensor_fault else [True, False, False])
    assert len({plan.start_ns for plan in plans}) == 39


def test_the_mix_deals_faults_in_turn() -> None:
    """A name written twice comes twice as often."""
    mix = ("imbalance", "imbalance", "quieter")
    plans = plan_fleet(FleetConfig(n_healthy=0, n_faulty=6, n_sensor_faulty=0, faults=mix))
    assert [plan.fault for plan in plans] == [*mix, *mix]


def test_progress_counts_every_flight(tmp_path: Path) -> None:
    """(0, n), (1, n) ... (n, n), and the folder comes into being."""
    seen: list[tuple[int, int]] = []
    config = FleetConfig(sampling_rate_hz=8192.0, n_healthy=3, n_faulty=0, n_sensor_faulty=0, flight_s=1.0)
    simulate_fleet(config, tmp_path / "a" / "b", progress=lambda done, total: seen.append((done, total)), workers=1)
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["recordings.csv", "simulated"]


def test_a_tachometer_is_one_more_column_and_nothing_else(small_fleet: Path, tmp_path: Path) -> None:
    """Every other column, the index and the metadata keep their bytes; without being asked for there is none."""
    simulate_fleet(replace(SMALL, tach=True), tmp_path, progress=silent, workers=1)
    assert (tmp_path / "recordings.csv").read_bytes() == (small_fleet / "recordings.csv").read_bytes()
    for row in rows_of(small_fleet):
        plain = pq.read_table(small_fleet / row["file"])
        turning = pq.read_table(tmp_path / row["file"])
        assert str(turning.schema.field("tach_n1").type) == "int8"
        assert packed(turning.drop_columns("tach_n1")) == packed(plain)


def test_the_tachometer_follows_the_speed(tmp_path: Path) -> None:
    """Between pulses the reported speed turns the fan once, through take-off as well; the ground reads the pulses."""
    config = replace(SMALL, tach=True, n_healthy=1, n_faulty=0, n_sensor_faulty=0, flight_s=20.0)
    simulate_fleet(config, tmp_path, progress=silent, workers=1)
    (info,) = read_index(tmp_path)
    (stretch,) = load_recording(tmp_path, info, conditions=("n1_hz",)).stretches
    turns = np.concatenate([[0.0], np.cumsum(stretch.conditions[:, 0]) / config.sampling_rate_hz])
    pulses = stretch.tach["n1"].astype(np.int64)
    reported = turns[pulses] - turns[pulses[0]]
    assert np.ptp(stretch.conditions) > 30.0
    # The bus is 25 ms late on the mean: a turn through a ramp of 40 Hz, and 6 % of the speed where it is steepest.
    assert np.abs(reported - np.arange(len(pulses))).max() < 2.0
    assert np.abs(np.diff(reported) - 1.0).max() < 0.08


def test_a_broken_run_leaves_no_index_and_can_be_repeated(
    tmp_path: Path, small_fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disk full at the fourth flight: an error that names the folder, no index; the next run completes it."""
    written = workspace.write_atomic
    calls = []

    def fill_up(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        written(path, data)

    monkeypatch.setattr("ground.simulate.fleet.write_atomic", fill_up)
    with pytest.raises(DataError, match="No space left on device"):
        simulate_fleet(SMALL, tmp_path, progress=silent, workers=1)
    assert not (tmp_path / "recordings.csv").exists()
    monkeypatch.undo()
    simulate_fleet(SMALL, tmp_path, progress=silent, workers=1)
    assert digests(tmp_path) == digests(small_fleet)


def test_existing_recordings_are_never_overwritten(tmp_path: Path) -> None:
    """A folder with an index is refused before anything is written."""
    (tmp_path / "recordings.csv").write_text("recording_id\n")
    with pytest.raises(DataError, match=r"expected a folder without recordings, got one with recordings\.csv"):
        simulate_fleet(SMALL, tmp_path, progress=silent)
    assert list(tmp_path.iterdir()) == [tmp_path / "recordings.csv"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """The message names the path."""
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match="expected a writable folder"):
        simulate_fleet(SMALL, tmp_path / "out", progress=silent, workers=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 1.5),
        ("seed", True),
        ("sampling_rate_hz", 4096),
        ("sampling_rate_hz", float("nan")),
        ("sampling_rate_hz", "10240"),
        ("n_channels", 0),
        ("n_channels", 3),
        ("n_healthy", -1),
        ("n_faulty", 2.0),
        ("n_sensor_faulty", 10_001),
        ("flights_per_engine", 0),
        ("flight_s", 0.5),
        ("flight_s", float("inf")),
        ("flight_s", 3600),
        ("severity_floor", 0.0),
        ("onset_share", 1.1),
        ("faults", ()),
        ("faults", ["imbalance"]),
        ("faults", ("imbalance", "gremlins")),
        ("sensor_faults", ("flatline",)),
        ("tach", 1),
        ("tach", "n1"),
    ],
)
def test_a_wrong_config_is_refused_by_name(field: str, value: Any) -> None:
    """One error that names the field, what was expected and what came."""
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError, match=rf"^FleetConfig\.{field}: expected .+, got .+; "):
        FleetConfig(**wrong)


def test_a_fleet_needs_an_engine_and_a_worker(tmp_path: Path) -> None:
    """No engine at all, too many, and no worker are refused."""
    for count in (0, 10_000):
        with pytest.raises(ConfigError, match="expected 1 to 10000 engines"):
            FleetConfig(n_healthy=count, n_faulty=0 if count == 0 else 1, n_sensor_faulty=0)
    with pytest.raises(ConfigError, match="workers: expected 1 or more, got 0"):
        simulate_fleet(SMALL, tmp_path, progress=silent, workers=0)
