"""What the pages about engines and flights ask: levels out of drift messages, stretches, panels, heat."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from edge_agent.publication import Publication
from ground.console.data import levels as levels_module
from ground.console.data.engine_flights import FlightLine
from ground.console.data.levels import read_levels
from ground.console.data.scales import UNKNOWN, BundleScales, FeatureScale
from ground.console.data.timeline import MOST_WINDOWS, NOTHING, timeline_of
from ground.console.figures.chart import score_plot, window_plot
from ground.console.figures.trends import HEIGHT, heat_tables, panels
from ground.errors import DataError
from tests.console.drift_data import drift_message, write_drift

S = 10**9
BANDS = tuple(
    FeatureScale(name=f"acc_1.band_{low}_{low + 100}_hz", unit="g²", is_log=True, mean=math.log(2.0), std=0.5)
    for low in (200, 100)
)
SCALES = BundleScales((*BANDS, FeatureScale(name="acc_1.rms", unit="g", is_log=False, mean=10.0, std=2.0)))


def window(seq: int, state: str = "normal", **changed: object) -> dict[str, object]:
    """A row of a flight's windows."""
    silent = state == "not_assessed"
    return {
        "start_ns": seq * S, "end_ns": (seq + 4) * S, "phase": "cruise", "state": state,
        "reason": "gap" if silent else "", "event": "", "score": 0.0 if silent else 3.0,
        "threshold": 0.0 if silent else 2.0, **changed,
    }  # fmt: skip


def test_levels_are_the_means_of_flights(tmp_path: Path) -> None:
    """Messages that come twice count once; those of others, of older bundles, or broken are left out."""
    messages = [drift_message(flight, [flight * 0.5, -1.0]) for flight in (2, 0, 1)]
    others = [
        drift_message(0, [9.0, 9.0], engine="2"),
        drift_message(0, [9.0, 9.0], bundle_digest="cd" * 32, flight="old", to_ns=1),
        Publication(topic="aircraft/OO-ABC/engine/1/drift", payload=b"broken"),
    ]
    write_drift(tmp_path, [*messages, *others])
    write_drift(tmp_path, messages[:1], name="again")
    found = read_levels(tmp_path, "OO-ABC", "1")
    assert [each.flight for each in found.flights] == ["F000", "F001", "F002"]
    np.testing.assert_allclose([each.spreads for each in found.flights], [[0.0, -1.0], [0.5, -1.0], [1.0, -1.0]])
    assert [each.n for each in found.flights] == [5, 5, 5]
    assert found.phases == (("cruise", 15),)
    assert len(found.faults) == 1


def test_phase_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    """An unknown one is the most frequent one."""
    write_drift(tmp_path, [drift_message(0, [1.0]), drift_message(1, [1.0]), drift_message(1, [2.0], phase="climb")])
    assert [name for name, _ in read_levels(tmp_path, "OO-ABC", "1").phases] == ["cruise", "climb"]
    chosen = [read_levels(tmp_path, "OO-ABC", "1", phase=name).phase for name in ("climb", "", "<b>")]
    assert chosen == ["climb", "cruise", "cruise"]


def test_only_the_newest_flights_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page stays small."""
    monkeypatch.setattr(levels_module, "MOST_FLIGHTS", 2)
    write_drift(tmp_path, [drift_message(flight, [1.0]) for flight in range(5)])
    assert [each.flight for each in read_levels(tmp_path, "OO-ABC", "1").flights] == ["F003", "F004"]


def test_engine_without_drift_has_no_levels(tmp_path: Path) -> None:
    """And a dataset that is not there is told of."""
    write_drift(tmp_path, [drift_message(0, [1.0])])
    empty = read_levels(tmp_path, "OO-XYZ", "1")
    assert (empty.flights, panels(empty, SCALES, ()), heat_tables(empty, SCALES)) == ((), (), ())
    with pytest.raises(DataError, match="expected the folder of a dataset"):
        read_levels(tmp_path / "nowhere", "OO-XYZ", "1")


def test_panels_tell_physical_values(tmp_path: Path) -> None:
    """What alerts named comes first, then what moved most; the band is 1.645 spreads either way."""
    write_drift(tmp_path, [drift_message(0, [0.0, 0.0, 0.5]), drift_message(1, [0.1, 4.0, 1.0])])
    drawn = panels(read_levels(tmp_path, "OO-ABC", "1"), SCALES, ["acc_1.rms", "nameless"])
    assert [each.name for each in drawn] == [
        "RMS of acc_1",
        "power from 100 to 200 Hz of acc_1",
        "power from 200 to 300 Hz of acc_1",
    ]
    rms, band = drawn[:2]
    assert rms.last == "12.0 g"
    assert rms.healthy == "6.71 to 13.3 g"
    assert band.last == f"{2.0 * math.exp(2.0):.1f} g²"
    assert [point.is_outside for point in band.points] == [False, True]
    assert band.sentence.endswith("outside in 1 of 2 flights.")
    assert all(0.0 < point.y < HEIGHT for each in drawn for point in each.points)


def test_panels_of_an_unknown_bundle_are_nameless(tmp_path: Path) -> None:
    """In spreads."""
    write_drift(tmp_path, [drift_message(0, [0.0, 2.0])])
    drawn = panels(read_levels(tmp_path, "OO-ABC", "1"), UNKNOWN, ["acc_1.rms"])
    assert [(each.name, each.last) for each in drawn] == [
        ("feature 2", "+2.00 spreads"),
        ("feature 1", "+0.00 spreads"),
    ]


def test_heat_is_by_band_and_newest_first(tmp_path: Path) -> None:
    """Colours step at 1, 2, 4 and 8 spreads."""
    write_drift(tmp_path, [drift_message(0, [0.5, -1.0, 0.0]), drift_message(1, [8.0, -3.9, 0.0])])
    (table,) = heat_tables(read_levels(tmp_path, "OO-ABC", "1"), SCALES)
    assert table.bands == ("100 to 200", "200 to 300")
    assert [(row.flight, [(cell.text, cell.level) for cell in row.cells]) for row in table.rows] == [
        ("F001", [("-3.9", "n2"), ("+8.0", "p4")]),
        ("F000", [("-1.0", "n1"), ("+0.5", "z")]),
    ]


def test_timeline_joins_windows_of_one_answer() -> None:
    """Whatever their order in the file."""
    rows = [
        window(0), window(1), window(2, "not_assessed"), window(3, "alarm", event="raised", score=8.0),
        window(4, "alarm", phase="climb"),
    ]  # fmt: skip
    found = timeline_of(pa.Table.from_pylist(rows[::-1]))
    assert [
        (each.from_s, each.to_s, each.phase, each.state, each.windows, each.highest) for each in found.stretches
    ] == [
        (0.0, 5.0, "cruise", "normal", 2, 1.5),
        (2.0, 6.0, "cruise", "not_assessed", 1, 0.0),
        (3.0, 7.0, "cruise", "alarm", 1, 4.0),
        (4.0, 8.0, "climb", "alarm", 1, 1.5),
    ]
    np.testing.assert_equal(found.score, (3.0, 3.0, math.nan, 8.0, 3.0))
    assert found.alerts_s == (7.0,)
    plot = window_plot(found)
    assert plot["series"][2]["values"] == [None, None, None, 8.0, 3.0]
    assert plot["marks"][0]["from"] == 7.0


def test_long_flights_keep_their_peaks() -> None:
    """A chart takes a bounded number of windows; the highest of each run and the alerts stay."""
    n = 3 * MOST_WINDOWS
    rows = [window(seq) for seq in range(n)]
    rows[7].update(score=50.0)
    rows[n - 2].update(event="raised")
    found = timeline_of(pa.Table.from_pylist(rows))
    assert (len(found.end_s), found.n_window) == (MOST_WINDOWS, n)
    assert max(found.score) == 50.0
    assert len(found.alerts_s) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_scores_that_no_axis_takes_leave_gaps(bad: float) -> None:
    """Strange numbers in a file end no page."""
    plot = window_plot(timeline_of(pa.Table.from_pylist([window(0), window(1, score=bad)])))
    assert plot["series"][0]["values"] == [3.0, None]


def test_nothing_to_draw_is_said() -> None:
    """In the place of a figure."""
    assert timeline_of(pa.table({name: [] for name in ("start_ns", "end_ns")})) == NOTHING
    assert "absent" in window_plot(NOTHING)
    assert "absent" in score_plot(())


def test_levels_that_no_float_holds_end_no_page() -> None:
    """Sums of drift messages come from the wire."""
    log = FeatureScale(name="x", unit="g", is_log=True, mean=0.0, std=1.0)
    assert math.isfinite(log.physical(1e9))
    assert log.physical(-1e9) == 0.0


def flight_line(number: int, highest: float) -> FlightLine:
    """A flight that was summed up."""
    return FlightLine(
        flight=f"F{number}", first_ns=number * S, last_ns=number * S + 1, windows=5, assessed=5, raised=0, p50=highest,
        highest=highest, ended="next_flight", bundle_id="d/1.0.0",
    )  # fmt: skip


def test_the_threshold_of_scores_has_a_name_and_a_place() -> None:
    """Also where all scores are below it; one flight alone is a point."""
    plot = score_plot([flight_line(1, 0.2), flight_line(2, 0.3)])
    (threshold,) = [each for each in plot["series"] if each["label"] == "threshold"]
    assert (threshold["values"], threshold["style"], threshold["points"]) == ([1.0, 1.0], "limit", False)
    assert [each["label"] for each in plot["series"] if each["style"] == "limit"] == ["threshold"]
    assert all(each["points"] for each in score_plot([flight_line(1, 0.2)])["series"])
