"""A chart of scores uses its height: the range comes from what is shown."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from ground.console.data.timeline import timeline_of
from ground.console.figures.chart import score_plot, window_plot
from ground.console.figures.log_axis import LEAST_SPAN, MOST_TICKS, log_axis
from ground.console.plot import Axis
from tests.console.test_engine_data import flight_line, window


def axis_of(*values: float) -> Axis:
    """The axis of these values."""
    return log_axis("score", "1", [np.array(values)])


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((0.2, 1.0, 2.0), (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)),
        ((1.1, 1.4, 1.0), (0.9, 1.0, 1.2, 1.4, 1.6)),
        ((2.1, 2.9), (1.8, 2.0, 2.5, 3.0)),
        ((0.9, 40.0), (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)),
        ((0.01, 50.0), (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)),
        ((1e-5, 100.0), (1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0)),
        ((1e-9, 1e9), (1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e9)),
    ],
)
def test_range_and_ticks_come_from_what_is_shown(values: tuple[float, ...], ticks: tuple[float, ...]) -> None:
    """All of it is inside, and takes most of the height unless it hardly differs."""
    found = axis_of(*values)
    low, high = found.range
    assert low < min(values)
    assert high > max(values)
    assert math.log(max(values) / min(values)) > 0.45 * math.log(high / low)
    assert found.ticks == ticks


@pytest.mark.parametrize("value", [1.0, 0.037, 2.37, 999.0])
def test_scores_that_hardly_differ_are_shown_as_such(value: float) -> None:
    """They lie in the middle."""
    low, high = axis_of(value, value * 1.001).range
    assert high / low >= LEAST_SPAN * 0.999
    assert math.sqrt(low * high) == pytest.approx(value, rel=0.01)


def test_whatever_a_file_holds_gives_an_axis() -> None:
    """Of finite numbers that a page may hold, and of few ticks, at least two."""
    generator = np.random.default_rng(0)
    spans = [10.0 ** generator.uniform(-20.0, 20.0, 2) for _ in range(500)]
    near = [10.0 ** (generator.uniform(-3.0, 3.0) + generator.uniform(0.0, 1.5, 2)) for _ in range(500)]
    for values in (*spans, *near, (5e-324, 1.7e308), (1.7e308, 1.0), (5e-324, 1.0)):
        found = axis_of(*values)
        assert 0.0 < found.range[0] < found.range[1] < math.inf
        assert 2 <= len(found.ticks) <= MOST_TICKS + 1, values
        assert all(found.range[0] <= tick <= found.range[1] for tick in found.ticks)
    assert axis_of(math.nan, math.inf, 0.0, -1.0).range is None
    assert axis_of(math.nan, 2.0, math.inf, -1.0) == axis_of(2.0)


def test_charts_of_scores_hold_their_thresholds() -> None:
    """However far the scores are from them."""
    below = score_plot([flight_line(1, 0.2), flight_line(2, 0.3)])["y"]
    above = score_plot([flight_line(1, 3.0), flight_line(2, 4.0)])["y"]
    for axis in (below, above):
        assert axis["range"][0] < 1.0 < axis["range"][1]
        assert 1.0 in axis["ticks"]
    assert below["range"][1] < 2.0
    windows = window_plot(timeline_of(pa.Table.from_pylist([window(0, score=0.02), window(1, score=0.03)])))
    assert windows["y"]["range"][0] < 0.02
    assert windows["y"]["range"][1] > windows["series"][1]["values"][0] == 2.0
