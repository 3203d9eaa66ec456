"""Reading the answers, and counting what a technician would have seen."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ground.errors import DataError
from ground.report.alerts import FALSE_ALARM, first_alerts
from ground.report.answers import parse_contributions, read_scores, read_stream
from ground.report.events import events_of

S = 1_000_000_000


def flight_rows(name, states, labels, *, fault="", start_ns=0, reason="flatline"):
    """Rows of one flight: windows of 5 s with a hop of 1 s; ``states`` as n, w, a (alarm) or x (not assessed)."""
    words = {"n": "normal", "w": "warning", "a": "alarm", "x": "not_assessed"}
    rows, before = [], ""
    for seq, (state, label) in enumerate(zip(states, labels, strict=True)):
        known = state != "x"
        event = {True: "raised", False: ""}[state == "a" and before != "a"]
        before = state if known else before
        rows.append({
            "aircraft": "a1", "engine": "e1", "flight": name, "phase": "cruise", "seq": seq,
            "start_ns": start_ns + seq * S, "end_ns": start_ns + (seq + 5) * S, "state": words[state],
            "reason": "" if known else reason, "event": event, "score": {"n": 0.5, "w": 2.0, "a": 3.0, "x": 0.0}[state],
            "threshold": 1.0 if known else 0.0, "contributions": json.dumps([["acc_1.rms", 0.7]] if known else []),
            "bundle_id": "d/1.0.0", "bundle_digest": "b" * 64, "spec_digest": "c" * 64, "label": label,
            "fault_type": fault, "total_ms": 1.0 + seq, "deadline_missed": False, "recording_id": name, "unit_id": "u",
        })  # fmt: skip
    return rows


def write(path, rows):
    """Write rows as the demo does."""
    frame = pd.DataFrame(rows)
    frame["label"] = frame["label"].astype(np.int8)
    frame.to_parquet(path, index=False)
    return path


ROWS = [
    *flight_rows("f1", "nnnnwwaaaa", [0, 0, 0, 0, 1, 1, 1, 1, 1, 1], fault="bearing_outer", start_ns=100 * S),
    *flight_rows("f0", "nnnaannnnn", [0] * 10),
    *flight_rows("f2", "nnnnnnnnnn", [1] * 10, fault="quieter", start_ns=200 * S),
    *flight_rows("f3", "nnnxxxxxan", [0, 0, 0, 1, 1, 1, 1, 1, 1, 1], fault="sensor_flatline", start_ns=300 * S),
]


@pytest.fixture
def stream(tmp_path):
    """Four flights, in an order that is not that of time."""
    return read_stream(write(tmp_path / "stream.parquet", ROWS))


def test_stream_is_read_flight_by_flight_in_time_order(stream):
    """Flights by their first window; every row once; latencies of all."""
    assert [flight.source[2] for flight in stream.flights] == ["f0", "f1", "f2", "f3"]
    assert [flight.name for flight in stream.flights] == ["f0", "f1", "f2", "f3"]
    assert sum(len(flight.state) for flight in stream.flights) == len(stream.latency_ms) == len(ROWS)
    assert np.isnan(stream.flights[3].ratio[3:8]).all()
    assert stream.flights[1].ratio[6] == 3.0


def test_flight_that_two_engines_share_is_named_with_its_engine(tmp_path):
    """The engines of one aircraft fly together."""
    rows = flight_rows("f", "nn", [0, 0]) + [{**row, "engine": "e2"} for row in flight_rows("f", "nn", [0, 0])]
    flights = read_stream(write(tmp_path / "s.parquet", rows)).flights
    assert [flight.name for flight in flights] == ["f of e1", "f of e2"]


def test_events_count_what_a_technician_saw(stream):
    """One of two faults found, and how late; one false alarm in the healthy time; the sensor apart."""
    events = events_of(stream.flights)
    assert events.windows == 40
    assert events.alerts == 3
    assert events.false_alerts == 1
    # f0: windows 0 to 9 cover 14 s; f1: windows 0 to 3 cover 8 s.
    assert events.healthy_hours == pytest.approx(22 / 3600)
    assert events.false_alerts_per_hour == pytest.approx(1 / (22 / 3600))
    found = {detection.fault_type: detection for detection in events.detections}
    # The first faulty window spans 4 s to 9 s: onset a hop before its middle, 5.5 s. Window 6 alarms, its end is 11 s.
    assert found["bearing_outer"].delay_s == pytest.approx(5.5)
    assert not found["quieter"].detected
    assert np.isnan(found["quieter"].delay_s)
    assert (events.detected, events.delays_s) == (1, (pytest.approx(5.5),))
    (sensor,) = events.sensor_flights
    assert (sensor.not_assessed, sensor.alerts) == (pytest.approx(0.5), 1)
    assert events.not_assessed == {"flatline": 5}


@pytest.mark.parametrize(
    ("reason", "share"), [("flatline", 0.5), ("spikes", 0.5), ("phase_change", 0.0), ("transient", 0.0)]
)
def test_what_is_silent_by_design_says_nothing_of_a_sensor(tmp_path, reason, share):
    """Where the phase or the conditions change, a sound sensor is not assessed either."""
    rows = flight_rows("f", "nnxx", [1] * 4, fault="sensor_flatline", reason=reason)
    (sensor,) = events_of(read_stream(write(tmp_path / "s.parquet", rows)).flights).sensor_flights
    assert sensor.not_assessed == share


def test_events_without_healthy_time_have_no_false_alarm_rate(tmp_path):
    """Nothing is made of nothing: the rate is not known, not zero."""
    stream = read_stream(write(tmp_path / "s.parquet", flight_rows("f", "aaa", [1, 1, 1], fault="x")))
    assert np.isnan(events_of(stream.flights).false_alerts_per_hour)


def test_scores_are_read_by_recording_with_alarms_that_begin(tmp_path):
    """The evaluation's table has no events: an alarm begins where the state becomes alarm."""
    flights = read_scores(write(tmp_path / "scores.parquet", ROWS))
    assert [flight.source for flight in flights] == [("f0",), ("f1",), ("f2",), ("f3",)]
    assert [int(flight.raised.sum()) for flight in flights] == [1, 1, 0, 1]


def test_first_alerts_keep_a_place_for_the_false_alarm(stream):
    """Sensor faults are left out; a false alarm is told about, at the end, however little room there is."""
    assert [alert.kind for alert in first_alerts(stream.flights)] == ["bearing outer", FALSE_ALARM]
    assert [alert.kind for alert in first_alerts(stream.flights, most=1)] == [FALSE_ALARM]


def test_contributions_are_parsed():
    """As the stream's table holds them; nothing gives nothing."""
    (part,) = parse_contributions('[["acc_1.rms", 0.5]]')
    assert (part.feature, part.share) == ("acc_1.rms", 0.5)
    assert parse_contributions("") == ()


BAD = {
    "missing file": lambda _path: None,
    "no parquet": lambda path: path.write_bytes(b"PAR1 or so"),
    "no rows": lambda path: pd.DataFrame(ROWS).head(0).to_parquet(path),
    "no score": lambda path: pd.DataFrame(ROWS).drop(columns="score").to_parquet(path),
}


@pytest.mark.parametrize("read", [read_stream, read_scores])
@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_refused_by_name(tmp_path, name, read):
    """The text names the file and what is missing; no traceback of a library."""
    path = tmp_path / "answers.parquet"
    BAD[name](path)
    with pytest.raises(DataError, match=r"answers\.parquet: expected"):
        read(path)
